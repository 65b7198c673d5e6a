"""The contract of ``core.ports.SecondLooks``, held by every adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.adapters.aws.second_looks import DynamoSecondLooks
from core.adapters.embedded.second_looks import SqliteSecondLooks
from core.domain.errors import NotConfigured, Refused
from core.domain.records import Decision
from core.ports import SecondLooks
from tests.support import damage
from tests.support.benches import bench_fixtures
from tests.support.clock import FakeClock
from tests.support.dynamodb import Proxy, client_of, create_state_table
from tests.support.second_looks import a_case, a_look, a_pass
from tests.support.stores import PATIENT


@dataclass
class Bench:
    looks: SecondLooks
    #: Makes every stored look unreadable, past the store.
    spoil: Callable[[], None]


def sqlite_bench(folder: Path) -> Bench:
    path = folder / "facedesk.sqlite3"
    spoil = "UPDATE second_looks SET look = json_set(look, '$.kind', 'canary')"
    return Bench(SqliteSecondLooks(path), lambda: damage.run(path, spoil))


def dynamodb_bench(client: Any) -> Bench:
    table = create_state_table(client)

    def spoil() -> None:
        for item in client.scan(TableName=table)["Items"]:
            client.put_item(TableName=table, Item={**item, "look": {"S": '{"kind": "canary"}'}})

    return Bench(DynamoSecondLooks(client, table, PATIENT, FakeClock()), spoil)


def _bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "sqlite":
        bench = sqlite_bench(tmp_path)
        yield bench
        bench.looks.close()
    else:
        yield dynamodb_bench(request.getfixturevalue(request.param))


bench, race_bench = bench_fixtures(_bench)


@pytest.fixture
def looks(bench: Bench) -> SecondLooks:
    return bench.looks


def test_an_event_without_looks_has_none(looks: SecondLooks) -> None:
    assert looks.of_event("event-1") == []


@pytest.mark.parametrize(
    "look",
    [
        a_look(first=Decision.REJECTED, first_reason="BLURRED", second=Decision.REJECTED, second_reason="TOO_DARK"),
        a_pass(similarity=99.99, share=0.015),
        a_pass(similarity=None, share=1),
        a_look(first_reviewer="Zoë <b>", second_reviewer="O'Hara, ada@example.com"),
    ],
)
def test_a_look_comes_back_as_it_was(looks: SecondLooks, look: Any) -> None:
    assert looks.add(look) == look
    assert looks.of_event("event-1") == [look]


def test_the_first_look_at_a_case_stays(looks: SecondLooks) -> None:
    first, second = a_look(second_reviewer="Ada"), a_look(second_reviewer="Cleo", second=Decision.REJECTED)
    assert looks.add(first) == first
    assert looks.add(second) == first
    assert looks.of_event("event-1") == [first]


def test_the_same_look_twice_is_one(looks: SecondLooks) -> None:
    assert looks.add(a_look()) == looks.add(a_look())
    assert looks.of_event("event-1") == [a_look()]


def test_looks_come_by_case(looks: SecondLooks) -> None:
    for number in range(30):
        looks.add(a_look(number))
    assert [look.case for look in looks.of_event("event-1")] == sorted(map(a_case, range(30)))


@pytest.mark.parametrize("other", ["event-2", "Event-1", "event-1 ", "event", "event-1\0", "é" * 1000, "%", "looks#"])
def test_each_event_has_its_own(looks: SecondLooks, other: str) -> None:
    mine, theirs = a_look(), a_look(event_id=other)
    assert (looks.add(mine), looks.add(theirs)) == (mine, theirs)
    assert (looks.of_event("event-1"), looks.of_event(other)) == ([mine], [theirs])


def test_more_looks_than_an_answer_holds_all_come(looks: SecondLooks) -> None:
    # A page of DynamoDB ends at 1 MB.
    for number in range(250):
        looks.add(a_look(number, second_reviewer="A" * 5000))
    assert len(looks.of_event("event-1")) == 250


def test_a_look_that_cannot_be_read_is_an_error_that_names_no_value(bench: Bench) -> None:
    bench.looks.add(a_look())
    bench.spoil()
    with pytest.raises(Refused) as refused:
        bench.looks.of_event("event-1")
    assert "canary" not in str(refused.value)


def test_of_many_looks_at_once_one_stays_and_all_are_told_which(race_bench: Bench) -> None:
    def look(number: int) -> list[str]:
        name = f"reviewer {number}"
        return [race_bench.looks.add(a_look(case, second_reviewer=name)).second_reviewer for case in range(20)]

    with ThreadPoolExecutor(8) as threads:
        told = list(threads.map(look, range(8)))
    stored = {look.case: look.second_reviewer for look in race_bench.looks.of_event("event-1")}
    assert [set(answers) for answers in zip(*told, strict=True)] == [{stored[a_case(case)]} for case in range(20)]


# DynamoDB


def test_a_look_whose_acknowledgement_was_lost_is_told_as_it_was(dynamodb: Any, dynamodb_proxy: Proxy) -> None:
    looks = DynamoSecondLooks(client_of(dynamodb_proxy.url), create_state_table(dynamodb), PATIENT, FakeClock())
    dynamodb_proxy.fault = lambda operation: Proxy.LOSE if dynamodb_proxy.seen.count(operation) == 1 else None
    assert looks.add(a_look()) == a_look()
    dynamodb_proxy.fault = lambda operation: None
    assert looks.of_event("event-1") == [a_look()]


def test_no_call_reads_more_than_an_events_looks(dynamodb: Any, dynamodb_proxy: Proxy) -> None:
    looks = DynamoSecondLooks(client_of(dynamodb_proxy.url), create_state_table(dynamodb), PATIENT, FakeClock())
    looks.add(a_look())
    looks.add(a_look())
    looks.of_event("event-1")
    assert dynamodb_proxy.seen == ["PutItem", "PutItem", "GetItem", "Query"]


def test_a_missing_table_is_not_configured(dynamodb: Any) -> None:
    looks = DynamoSecondLooks(dynamodb, "no-state-here", PATIENT, FakeClock())
    with pytest.raises(NotConfigured, match="python -m core provision"):
        looks.add(a_look())
