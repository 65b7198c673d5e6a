"""The contract of ``core.ports.SignOuts``, held by every adapter."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.adapters.aws import sign_outs
from core.adapters.aws.sign_outs import DynamoSignOuts
from core.adapters.embedded.sign_outs import FolderSignOuts
from core.domain.errors import Unavailable
from core.flow.retry import Retry
from core.ports import SignOuts
from tests.support.benches import bench_fixtures
from tests.support.clock import NOON, FakeClock
from tests.support.dynamodb import Proxy, client_of, create_state_table
from tests.support.stores import PATIENT

#: Makes the sign-outs of another process on the same store.
Instance = Callable[[], SignOuts]
ID, OTHER_ID = "a" * 64, "b" * 64
UNTIL = NOON + timedelta(hours=8)
NEVER, AT_ONCE = timedelta(days=1), timedelta(milliseconds=5)


def _bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Instance]:
    clock = FakeClock()
    if request.param == "sqlite":
        yield lambda: FolderSignOuts(tmp_path, clock)
        return
    client: Any = request.getfixturevalue(request.param)
    table = create_state_table(client)
    with ExitStack() as made:

        def instance() -> SignOuts:
            # Not closed with their client, which others use.
            one = DynamoSignOuts(client, table, PATIENT, clock, every=AT_ONCE)
            made.callback(one._all.close)
            return one

        yield instance


instance, _ = bench_fixtures(_bench)


def comes(true: Callable[[], bool]) -> bool:
    give_up = time.monotonic() + 60
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.005)
    return True


def test_at_first_no_session_has_ended(instance: Instance) -> None:
    assert not instance().has_ended(ID)


def test_a_session_has_ended_at_once_where_it_was_ended(instance: Instance) -> None:
    here = instance()
    assert not here.has_ended(ID)
    here.end(ID, UNTIL)
    assert here.has_ended(ID)


def test_a_store_that_answers_can_be_read(instance: Instance) -> None:
    instance().ping()


def test_no_other_session_has_ended(instance: Instance) -> None:
    here, there = instance(), instance()
    here.end(ID, UNTIL)
    assert comes(lambda: there.has_ended(ID))
    assert not here.has_ended(OTHER_ID)
    assert not there.has_ended(OTHER_ID)


def test_it_ends_in_every_process_that_knew_it(instance: Instance) -> None:
    here, *others = (instance() for _ in range(3))
    assert not any(other.has_ended(ID) for other in others)
    here.end(ID, UNTIL)
    assert all(comes(lambda other=other: other.has_ended(ID)) for other in others)  # type: ignore[misc]


def test_a_process_that_starts_later_knows_it_with_its_first_question(instance: Instance) -> None:
    instance().end(ID, UNTIL)
    assert instance().has_ended(ID)


def test_a_session_may_be_ended_twice(instance: Instance) -> None:
    instance().end(ID, UNTIL)
    instance().end(ID, UNTIL)
    assert instance().has_ended(ID)


class TestOverDynamoDB:
    @pytest.fixture
    def proxy(self, dynamodb_url: str) -> Iterator[Proxy]:
        with closing(Proxy(dynamodb_url)) as proxy:
            yield proxy

    @pytest.fixture
    def table(self, dynamodb: Any) -> str:
        return create_state_table(dynamodb)

    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.fixture
    def started(self, proxy: Proxy, table: str, clock: FakeClock) -> Iterator[DynamoSignOuts]:
        """Sign-outs that were read once, and are read again only when a test says so."""
        impatient = Retry(deadline=8, call_timeout=4, tries=1)
        one = DynamoSignOuts(client_of(proxy.url), table, impatient, clock, stopwatch=clock.elapsed, every=NEVER)
        one.has_ended(ID)
        with closing(one):
            yield one

    def fail(self, proxy: Proxy) -> None:
        proxy.fault = lambda _operation: ("InternalServerError", 500)

    def test_a_thousand_sessions_that_are_looked_at_cost_no_call(self, started: DynamoSignOuts, proxy: Proxy) -> None:
        before = len(proxy.seen)
        for number in range(1000):
            started.has_ended(f"{number:064x}")
        assert len(proxy.seen) == before

    def test_the_readings_are_close_enough_for_half_a_minute(self) -> None:
        from dashboard.access.websocket import CHECK_SECONDS

        assert sign_outs.READ_EVERY + timedelta(seconds=CHECK_SECONDS) < timedelta(seconds=30)

    def test_while_the_table_is_out_of_reach_sessions_go_on_for_a_while(
        self, started: DynamoSignOuts, proxy: Proxy, clock: FakeClock
    ) -> None:
        self.fail(proxy)
        started._all.refresh()
        clock.advance(sign_outs.GOOD_FOR)
        assert not started.has_ended(ID)

    def test_then_nobody_is_let_in_until_it_answers(
        self, started: DynamoSignOuts, proxy: Proxy, clock: FakeClock
    ) -> None:
        self.fail(proxy)
        clock.advance(sign_outs.GOOD_FOR + timedelta(seconds=1))
        started._all.refresh()
        with pytest.raises(Unavailable):
            started.has_ended(ID)
        proxy.fault = lambda _operation: None
        started._all.refresh()
        assert not started.has_ended(ID)

    def test_a_process_that_never_reached_the_table_lets_nobody_in(
        self, proxy: Proxy, table: str, clock: FakeClock
    ) -> None:
        self.fail(proxy)
        impatient = Retry(deadline=8, call_timeout=4, tries=1)
        one = DynamoSignOuts(client_of(proxy.url), table, impatient, clock, every=NEVER)
        with closing(one), pytest.raises(Unavailable):
            one.has_ended(ID)

    def test_who_signs_out_meanwhile_is_out_here_at_once_and_elsewhere_when_it_answers(
        self, started: DynamoSignOuts, proxy: Proxy, dynamodb: Any, table: str, clock: FakeClock
    ) -> None:
        self.fail(proxy)
        with pytest.raises(Unavailable):
            started.end(ID, UNTIL)
        assert started.has_ended(ID)
        proxy.fault = lambda _operation: None
        started._all.refresh()
        elsewhere = DynamoSignOuts(dynamodb, table, PATIENT, clock, every=NEVER)
        assert elsewhere.has_ended(ID)
        elsewhere._all.close()

    def test_a_sign_out_goes_with_its_session(self, started: DynamoSignOuts, dynamodb: Any, table: str) -> None:
        started.end(ID, UNTIL)
        (item,) = dynamodb.scan(TableName=table)["Items"]
        assert item["expiresAt"] == {"N": str(int(UNTIL.timestamp()))}

    def test_who_signed_out_stays_out_though_the_clock_jumps_ahead_and_back(
        self, started: DynamoSignOuts, dynamodb: Any, table: str, clock: FakeClock
    ) -> None:
        started.end(ID, UNTIL)
        clock.jump(timedelta(hours=9))
        started.end(OTHER_ID, UNTIL + timedelta(hours=9))
        clock.jump(-timedelta(hours=9))
        started._all.refresh()
        assert started.has_ended(ID)

    def test_a_table_that_does_not_answer_cannot_be_read_now_though_sessions_go_on(
        self, started: DynamoSignOuts, proxy: Proxy
    ) -> None:
        self.fail(proxy)
        with pytest.raises(Unavailable):
            started.ping()
        assert not started.has_ended(ID)
