"""How Rekognition's quota is shared among instances over one table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from core.adapters.aws.quota_shares import BEAT_EVERY, LIVES, QuotaShares
from core.adapters.aws.rekognition import QUOTA_SHARE
from core.flow.pace import MIN_SHARE, Pace
from core.flow.retry import Retry
from tests.support.clock import FakeClock
from tests.support.dynamodb import Proxy, client_of, create_state_table

Join = Callable[[str], "Instance"]
QUOTA = 25.0


class Instance:
    """An instance that beats when a test says so."""

    def __init__(self, shares: QuotaShares) -> None:
        self.shares = shares
        self.pace: Pace = shares.pace(QUOTA)

    @property
    def share(self) -> float:
        return self.pace._full / (QUOTA * QUOTA_SHARE)

    def beat(self) -> float:
        self.shares.beat()
        return self.share


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def proxy(dynamodb_url: str) -> Iterator[Proxy]:
    with closing(Proxy(dynamodb_url)) as proxy:
        yield proxy


@pytest.fixture
def start(dynamodb: Any, proxy: Proxy, clock: FakeClock) -> Join:
    table, retry = create_state_table(dynamodb), Retry(deadline=8, call_timeout=4, tries=1)

    def start(name: str) -> Instance:
        client = client_of(proxy.url)
        return Instance(QuotaShares(client, table, retry, clock, name, stopwatch=clock.elapsed))

    return start


def passes(clock: FakeClock, *instances: Instance, beats: int = 4) -> list[list[float]]:
    """The shares after each of so many beats of all."""
    found = []
    for _ in range(beats):
        clock.advance(BEAT_EVERY)
        found.append([each.beat() for each in instances])
    return found


def test_an_instance_that_is_alone_has_the_whole_quota(start: Join) -> None:
    assert start("a").beat() == 1


def test_before_it_has_looked_it_has_the_least_share(start: Join) -> None:
    assert start("a").share == pytest.approx(MIN_SHARE)


def test_three_have_a_third_each(start: Join, clock: FakeClock) -> None:
    instances = [start(name) for name in "abc"]
    for each in instances:
        each.beat()
    assert passes(clock, *instances)[-1] == pytest.approx([1 / 3] * 3)


def test_at_no_time_do_they_have_more_than_the_whole_and_the_least_share_of_who_has_just_come(
    start: Join, clock: FakeClock
) -> None:
    a, b, c = (start(name) for name in "abc")
    a.beat()
    b.beat()
    seen = passes(clock, a, b)
    c.beat()
    seen += passes(clock, a, b, c)
    sums = [sum(shares) for shares in seen]
    assert max(sums) <= 1 + 2 * MIN_SHARE
    assert sums[-1] == pytest.approx(1)


def test_of_two_that_start_at_once_not_both_have_the_whole(start: Join) -> None:
    a, b = start("a"), start("b")
    assert a.beat() + b.beat() <= 1 + MIN_SHARE


def test_who_ends_leaves_the_share_to_the_others(start: Join, clock: FakeClock) -> None:
    a, b = start("a"), start("b")
    a.beat()
    b.shares.join()
    b.shares.close()
    assert passes(clock, a, beats=1) == [[1]]


def test_the_share_of_who_is_killed_is_free_when_the_last_sign_has_expired(start: Join, clock: FakeClock) -> None:
    a, b = start("a"), start("b")
    a.beat()
    b.beat()
    shares = [share for (share,) in passes(clock, a, beats=5)]
    assert shares[0] == 1 / 2
    assert shares[-1] == 1
    assert shares.index(1) * BEAT_EVERY <= LIVES


def test_who_cannot_reach_the_table_has_the_least_share_and_then_waits_until_all_have_seen_it(
    start: Join, clock: FakeClock, proxy: Proxy
) -> None:
    a, b = start("a"), start("b")
    a.beat()
    b.beat()
    passes(clock, a, b)
    proxy.fault = lambda _operation: ("InternalServerError", 500)
    assert passes(clock, b, beats=1) == [[pytest.approx(MIN_SHARE)]]
    proxy.fault = lambda _operation: None
    assert passes(clock, a, b, beats=1) == [pytest.approx([1 / 2, MIN_SHARE])]
    assert passes(clock, a, b, beats=5)[-1] == pytest.approx([1 / 2, 1 / 2])


def test_where_there_is_no_table_yet_each_has_the_whole(dynamodb: Any, clock: FakeClock) -> None:
    shares = QuotaShares(dynamodb, "none", Retry(deadline=8, call_timeout=4, tries=1), clock, "a")
    assert Instance(shares).beat() == 1


def test_a_pace_that_was_slowed_down_stays_so_within_its_share(clock: FakeClock) -> None:
    pace = Pace(10, 0.02, clock=lambda: clock.elapsed().total_seconds())
    clock.advance(timedelta(seconds=5))
    pace.slow_down()
    slowed = pace._per_second / 10
    pace.limit(1 / 2)
    assert pace._per_second == pytest.approx(5 * slowed)
    for _ in range(2000):
        pace.speed_up()
    assert pace._per_second == pytest.approx(5)
