"""The contract of ``core.ports.Crossings``, held by every adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.adapters.aws.alerts import DynamoCrossings
from core.adapters.embedded.alerts import SqliteCrossings
from core.domain.alerts import Crossing, Rule
from core.domain.errors import NotConfigured, Refused
from core.ports import Crossings
from tests.support import damage
from tests.support.benches import bench_fixtures
from tests.support.clock import NOON, FakeClock
from tests.support.dynamodb import Proxy, client_of, create_state_table
from tests.support.stores import PATIENT

ODD_IDS = ["Ä ⚽ \U0001f600", "x" * 2000, "a/b#c", " ", "'; DROP TABLE crossings; --"]


@dataclass
class Bench:
    crossings: Crossings
    #: Makes every stored crossing unreadable, past the store.
    spoil: Callable[[], None]


def _bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "sqlite":
        path = tmp_path / "facedesk.sqlite3"
        spoil = "UPDATE crossings SET crossing = json_set(crossing, '$.stands', 'canary')"
        bench = Bench(SqliteCrossings(path), lambda: damage.run(path, spoil))
        yield bench
        bench.crossings.close()
    else:
        client: Any = request.getfixturevalue(request.param)
        table = create_state_table(client)

        def spoil_all() -> None:
            for item in client.scan(TableName=table)["Items"]:
                client.put_item(TableName=table, Item={**item, "crossing": {"S": '{"stands": "canary"}'}})

        yield Bench(DynamoCrossings(client, table, PATIENT, FakeClock()), spoil_all)


bench, race_bench = bench_fixtures(_bench)


@pytest.fixture
def crossings(bench: Bench) -> Crossings:
    return bench.crossings


def crossing(change: str = "one", event_id: str = "event-1", rule: Rule = Rule.OLDEST_CASE, **more: Any) -> Crossing:
    return Crossing(event_id=event_id, rule=rule, change=change, **{"stands": True, "alerted_at": NOON, **more})


def test_at_first_no_limit_has_been_crossed(crossings: Crossings) -> None:
    assert crossings.all() == []


@pytest.mark.parametrize("event_id", ["event-1", *ODD_IDS])
def test_a_crossing_is_read_back_as_it_was_stored(crossings: Crossings, event_id: str) -> None:
    stored = crossing(event_id=event_id, stands=False, alerted_at=NOON + timedelta(milliseconds=1))
    assert crossings.change(None, stored)
    assert crossings.all() == [stored]


def test_each_rule_of_each_event_has_its_own_crossing(crossings: Crossings) -> None:
    all_of_them = [crossing(event_id=event_id, rule=rule) for event_id in ("a", "b") for rule in sorted(Rule)]
    for each in reversed(all_of_them):
        assert crossings.change(None, each)
    assert crossings.all() == all_of_them


def test_a_change_replaces_the_crossing_that_was_seen(crossings: Crossings) -> None:
    first, second = crossing("one"), crossing("two", stands=False)
    crossings.change(None, first)
    assert crossings.change(first, second)
    assert crossings.all() == [second]


@pytest.mark.parametrize("seen", [None, crossing("another")])
def test_a_change_of_what_stands_there_no_more_writes_nothing(crossings: Crossings, seen: Crossing | None) -> None:
    crossings.change(None, crossing("one"))
    assert not crossings.change(seen, crossing("two"))
    assert crossings.all() == [crossing("one")]


def test_what_was_never_stored_cannot_be_changed(crossings: Crossings) -> None:
    assert not crossings.change(crossing("one"), crossing("two"))
    assert crossings.all() == []


def test_a_retried_change_has_succeeded(crossings: Crossings) -> None:
    first, second = crossing("one", alerted_at=NOON + timedelta(microseconds=1)), crossing("two")
    assert crossings.change(None, first)
    assert crossings.change(None, first)
    assert crossings.change(first, second)
    assert crossings.change(first, second)


def test_of_many_changes_at_once_one_succeeds(race_bench: Bench) -> None:
    crossings, seen = race_bench.crossings, crossing("seen")
    crossings.change(None, seen)
    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(lambda number: crossings.change(seen, crossing(str(number))), range(16))) == 1


def test_of_many_first_crossings_at_once_one_is_stored(race_bench: Bench) -> None:
    with ThreadPoolExecutor(8) as threads:
        changed = threads.map(lambda number: race_bench.crossings.change(None, crossing(str(number))), range(16))
        assert sum(changed) == 1


def test_a_crossing_that_cannot_be_read_is_refused_without_its_text(bench: Bench) -> None:
    bench.crossings.change(None, crossing())
    bench.spoil()
    with pytest.raises(Refused) as refused:
        bench.crossings.all()
    assert "canary" not in str(refused.value)


def test_without_its_table_the_store_is_not_configured(dynamodb: Any) -> None:
    crossings = DynamoCrossings(dynamodb, "facedesk-absent", PATIENT, FakeClock())
    for call in (crossings.all, lambda: crossings.change(None, crossing())):
        with pytest.raises(NotConfigured):
            call()


def test_a_change_whose_answer_was_lost_has_succeeded(dynamodb: Any, dynamodb_proxy: Proxy) -> None:
    table = create_state_table(dynamodb)
    crossings = DynamoCrossings(client_of(dynamodb_proxy.url), table, PATIENT, FakeClock())
    dynamodb_proxy.fault = lambda operation: Proxy.LOSE if dynamodb_proxy.seen.count(operation) == 1 else None
    assert crossings.change(None, crossing())
