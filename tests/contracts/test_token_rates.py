"""The contract of ``core.ports.TokenRates``, and that several instances over one table count together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from typing import Any

import pytest

from core.adapters.aws.rates import ALONE, WINDOW_SECONDS, DynamoRates
from core.adapters.embedded import rates as embedded_rates
from core.adapters.embedded.rates import ProcessRates
from core.flow.pace import Pace
from core.flow.retry import Retry
from core.ports import TokenRates
from tests.support.clock import FakeClock
from tests.support.dynamodb import Proxy, client_of, create_state_table
from tests.support.stores import PATIENT

TOKEN, OTHER = "a" * 64, "b" * 64
#: Makes the rates of one more instance.
Instance = Callable[[float], TokenRates]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["embedded", "dynamodb"])
def instance(request: pytest.FixtureRequest, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> Instance:
    if request.param == "embedded":
        seconds = lambda: clock.elapsed().total_seconds()  # noqa: E731
        monkeypatch.setattr(embedded_rates, "Pace", lambda *given: Pace(*given, clock=seconds))
        return ProcessRates
    client = request.getfixturevalue(request.param)
    return lambda per_minute: over(client, create_state_table(client), clock, per_minute)


def over(client: Any, table: str, clock: FakeClock, per_minute: float) -> DynamoRates:
    return DynamoRates(client, table, PATIENT, clock, per_minute, clock.elapsed)


def allowed(rates: TokenRates, asked: int, token: str = TOKEN) -> int:
    return sum(rates.wait(token) == 0 for _ in range(asked))


def test_a_sixth_of_a_minutes_requests_may_come_at_once_and_no_more(instance: Instance) -> None:
    assert allowed(instance(600), 150) == pytest.approx(100, abs=1)


def test_who_has_to_wait_may_go_on_after_that_time(instance: Instance, clock: FakeClock) -> None:
    rates = instance(60)
    while (wait := rates.wait(TOKEN)) == 0:
        pass
    assert 0 < wait <= 60
    clock.advance(timedelta(seconds=wait + 0.001))
    assert rates.wait(TOKEN) == 0


def test_each_token_has_a_rate_of_its_own(instance: Instance) -> None:
    rates = instance(6)
    assert allowed(rates, 5) < 5
    assert rates.wait(OTHER) == 0


@pytest.mark.parametrize("per_minute", [0.5, 7, 65])
def test_over_a_long_time_a_token_has_its_rate(instance: Instance, clock: FakeClock, per_minute: float) -> None:
    rates = instance(per_minute)
    minutes, total = 12 if per_minute < 10 else 2, 0
    for _ in range(minutes * 6):
        total += allowed(rates, int(per_minute / 6) + 3)
        clock.advance(timedelta(seconds=10))
    burst = per_minute / 6 + 1
    assert minutes * per_minute * 0.95 - 2 <= total <= minutes * per_minute * 1.05 + burst


class TestOverInstances:
    """Instances over one table."""

    PER_MINUTE = 600

    @pytest.fixture
    def proxy(self, dynamodb_url: str) -> Iterator[Proxy]:
        with closing(Proxy(dynamodb_url)) as proxy:
            yield proxy

    @pytest.fixture
    def instances(self, dynamodb: Any, proxy: Proxy, clock: FakeClock) -> list[DynamoRates]:
        table, client = create_state_table(dynamodb), client_of(proxy.url)
        retry = Retry(deadline=8, call_timeout=4, tries=1)
        return [DynamoRates(client, table, retry, clock, self.PER_MINUTE, clock.elapsed) for _ in range(3)]

    def windows(self, clock: FakeClock, instances: list[DynamoRates], pattern: str) -> list[int]:
        """The requests that are allowed in each of two windows, sent to the instances by turns."""
        found = []
        for _ in range(2):
            found.append(sum(instances[int(each)].wait(TOKEN) == 0 for each in pattern))
            clock.advance(timedelta(seconds=WINDOW_SECONDS))
        return found

    @pytest.mark.parametrize(
        "pattern",
        ["012" * 50, "0" * 150, "0" + "1" * 200 + "2" * 100, "0001002" * 40, "2" * 5 + "1" * 20 + "0" * 200],
        ids=["even", "one", "one after another", "uneven", "idle with a rest"],
    )
    def test_together_they_allow_the_rate_within_ten_percent(
        self, clock: FakeClock, instances: list[DynamoRates], pattern: str
    ) -> None:
        for allowed_in_window in self.windows(clock, instances, pattern):
            assert 90 <= allowed_in_window <= 100

    def test_they_never_allow_more_though_all_ask_at_once(self, instances: list[DynamoRates]) -> None:
        with ThreadPoolExecutor(6) as threads:
            waits = list(threads.map(lambda n: instances[n % 3].wait(TOKEN), range(300)))
        assert 90 <= sum(wait == 0 for wait in waits) <= 100

    def test_the_table_is_asked_for_few_of_the_requests(
        self, clock: FakeClock, instances: list[DynamoRates], proxy: Proxy
    ) -> None:
        total = sum(self.windows(clock, instances[:1], "0" * 80))
        assert total == 160
        assert Counter(proxy.seen)["UpdateItem"] < 0.35 * total

    def test_who_is_beyond_the_rate_costs_no_calls(
        self, clock: FakeClock, instances: list[DynamoRates], proxy: Proxy
    ) -> None:
        allowed(instances[0], 150)
        before = len(proxy.seen)
        assert allowed(instances[0], 1000) == 0
        assert len(proxy.seen) == before

    def test_while_the_table_is_out_of_reach_each_counts_for_itself_and_asks_seldom(
        self, clock: FakeClock, instances: list[DynamoRates], proxy: Proxy
    ) -> None:
        proxy.fault = lambda _operation: ("InternalServerError", 500)
        assert [allowed(each, 150) for each in instances] == [pytest.approx(100, abs=1)] * 3
        assert len(proxy.seen) == 3
        proxy.fault = lambda _operation: None
        clock.advance(ALONE)
        assert 90 <= sum(self.windows(clock, instances, "012" * 50)) / 2 <= 100

    def test_what_was_counted_expires(self, dynamodb: Any, clock: FakeClock) -> None:
        table = create_state_table(dynamodb)
        over(dynamodb, table, clock, 600).wait(TOKEN)
        (item,) = dynamodb.scan(TableName=table)["Items"]
        assert int(item["expiresAt"]["N"]) > clock().timestamp()
