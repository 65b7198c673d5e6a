"""The contract of ``core.ports.FindingsStore``, held by every adapter."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.adapters.aws import findings as dynamo
from core.adapters.aws.findings import DynamoFindings
from core.adapters.embedded.findings import SqliteFindings
from core.domain.errors import NotConfigured, Refused
from core.domain.findings import Findings, Row
from core.ports import FindingsStore
from tests.support.benches import bench_fixtures
from tests.support.clock import NOON, FakeClock
from tests.support.dynamodb import Proxy, client_of, create_state_table
from tests.support.stores import PATIENT

ODD_IDS = ["Ä ⚽ \U0001f600", "x" * 2000, "a/b#c", " ", "'; DROP TABLE findings; --"]
TOMORROW = int((NOON + timedelta(days=1)).timestamp())


@dataclass
class Bench:
    findings: FindingsStore
    clock: FakeClock


def _bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    clock = FakeClock()
    if request.param == "sqlite":
        store = SqliteFindings(tmp_path / "facedesk.sqlite3", clock)
        yield Bench(store, clock)
        store.close()
    else:
        client: Any = request.getfixturevalue(request.param)
        yield Bench(DynamoFindings(client, create_state_table(client), PATIENT, clock), clock)


bench, race_bench = bench_fixtures(_bench)


@pytest.fixture
def dynamodb(own_dynamodb: Any) -> Any:
    return own_dynamodb


@pytest.fixture
def findings(bench: Bench) -> FindingsStore:
    return bench.findings


def some(version: str = "one", *rows: Row) -> Findings:
    return Findings(version, f"the summary of {version}", rows)


ADA, BOB = Row(("ada",), "her photo is missing"), Row(("bob",), "his photo is blurred")
BOTH = Row(("ada", "bob"), "a pair")


def test_at_first_nothing_is_found(findings: FindingsStore) -> None:
    assert (findings.version("check", "expo"), findings.of("check", "expo")) == (None, None)


@pytest.mark.parametrize("odd", ["expo", *ODD_IDS])
def test_findings_are_read_back_as_they_were_kept(findings: FindingsStore, odd: str) -> None:
    kept = some("one", Row((odd, "eve"), odd), ADA, BOTH)
    findings.keep(odd, odd, kept, TOMORROW)
    assert (findings.version(odd, odd), findings.of(odd, odd)) == ("one", kept)


def test_a_run_that_found_nothing_is_known(findings: FindingsStore) -> None:
    findings.keep("check", "expo", some(), TOMORROW)
    assert (findings.version("check", "expo"), findings.of("check", "expo")) == ("one", some())


def test_the_rows_of_a_large_run_come_in_order(findings: FindingsStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamo, "MOST", 10)
    kept = some("one", *(Row((f"user-{number}",), f"{number}") for number in range(125)))
    findings.keep("check", "expo", kept, TOMORROW)
    assert findings.of("check", "expo") == kept


@pytest.mark.parametrize("place", [("pairs", "expo"), ("check", "another"), ("", "checkexpo")])
def test_each_kind_and_event_has_its_own(findings: FindingsStore, place: tuple[str, str]) -> None:
    findings.keep("check", "expo", some("one", ADA), TOMORROW)
    findings.keep(*place, some("two", BOB), TOMORROW)
    assert (findings.of("check", "expo"), findings.of(*place)) == (some("one", ADA), some("two", BOB))


def test_a_later_run_takes_the_place_of_the_former(findings: FindingsStore) -> None:
    findings.keep("check", "expo", some("one", ADA, BOB), TOMORROW)
    findings.keep("check", "expo", some("two", BOTH), TOMORROW)
    assert findings.of("check", "expo") == some("two", BOTH)


def test_keeping_the_same_again_changes_nothing(findings: FindingsStore) -> None:
    for _ in range(2):
        findings.keep("check", "expo", some("one", ADA), TOMORROW)
    assert findings.of("check", "expo") == some("one", ADA)


def test_what_is_dropped_is_gone(findings: FindingsStore) -> None:
    findings.keep("check", "expo", some("one", ADA), TOMORROW)
    findings.keep("check", "other", some("two", ADA), TOMORROW)
    for _ in range(2):
        findings.drop("check", "expo")
    assert (findings.version("check", "expo"), findings.of("check", "expo")) == (None, None)
    assert findings.of("check", "other") == some("two", ADA)


def test_findings_expire(bench: Bench) -> None:
    bench.findings.keep("check", "expo", some("one", ADA), TOMORROW)
    bench.clock.now += timedelta(days=1)
    assert (bench.findings.version("check", "expo"), bench.findings.of("check", "expo")) == (None, None)
    bench.findings.keep("check", "expo", some("two", BOB), TOMORROW + 1)
    assert bench.findings.of("check", "expo") == some("two", BOB)


def test_every_row_about_an_erased_person_goes(findings: FindingsStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamo, "MOST", 2)
    findings.keep("check", "expo", some("one", ADA, BOB, BOTH, BOB, ADA), TOMORROW)
    findings.keep("pairs", "other", some("two", BOTH), TOMORROW)
    for _ in range(2):
        findings.forget("ada")
    assert findings.of("check", "expo") == some("one", BOB, BOB)
    assert findings.of("pairs", "other") == some("two")


@pytest.mark.parametrize("odd", ODD_IDS)
def test_nobody_but_the_erased_person_goes(findings: FindingsStore, odd: str) -> None:
    findings.keep("check", "expo", some("one", Row((odd,), "theirs"), Row((f"{odd}+",), "another's")), TOMORROW)
    findings.forget(odd)
    assert findings.of("check", "expo") == some("one", Row((f"{odd}+",), "another's"))


def test_of_several_erasures_at_once_none_is_lost(race_bench: Bench) -> None:
    rows = [Row((f"user-{number}",), f"{number}") for number in range(9)]
    race_bench.findings.keep("check", "expo", some("one", *rows), TOMORROW)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(race_bench.findings.forget, [f"user-{number}" for number in range(8)]))
    assert race_bench.findings.of("check", "expo") == some("one", rows[8])


def test_readers_of_several_runs_at_once_see_one_of_them_whole(race_bench: Bench) -> None:
    runs = [some(f"run-{number}", *(Row((f"user-{number}",), f"{number}") for _ in range(5))) for number in range(12)]

    def keep(run: Findings) -> None:
        race_bench.findings.keep("check", "expo", run, TOMORROW)

    keep(runs[0])
    with ThreadPoolExecutor(4) as threads:
        for future in [threads.submit(keep, run) for run in runs]:
            while not future.done():
                assert race_bench.findings.of("check", "expo") in runs
            future.result()


def test_what_has_expired_is_dropped_with_its_rows(tmp_path: Path) -> None:
    store = SqliteFindings(tmp_path / "facedesk.sqlite3", FakeClock())
    store.keep("check", "old", some("one", ADA), TOMORROW)
    store.keep("check", "new", some("two", ADA, BOB), TOMORROW + 1)
    assert store.drop_expired(NOON + timedelta(days=1)) == 1
    assert store.of("check", "new") == some("two", ADA, BOB)
    with store._database.read() as connection:
        assert connection.execute("SELECT count(*) FROM finding_rows").fetchall() == [(2,)]
    store.close()


# DynamoDB


@dataclass
class Table:
    client: Any
    name: str
    proxy: Proxy

    @property
    def store(self) -> DynamoFindings:
        return DynamoFindings(client_of(self.proxy.url), self.name, PATIENT, FakeClock())

    def items(self) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.client.scan(TableName=self.name)["Items"]
        return items


@pytest.fixture
def table(dynamodb: Any, dynamodb_proxy: Proxy) -> Table:
    return Table(dynamodb, create_state_table(dynamodb), dynamodb_proxy)


def test_whether_something_changed_is_one_small_read(table: Table) -> None:
    store = table.store
    store.keep("check", "expo", some("one", ADA), TOMORROW)
    table.proxy.seen.clear()
    store.version("check", "expo")
    assert table.proxy.seen == ["GetItem"]


def test_ten_thousand_rows_are_stored_in_items_of_an_allowed_size(table: Table) -> None:
    rows = (
        Row((f"user-{number:030}",), json.dumps([f"reg-{number:030}", ["TOO_DARK"], "x"])) for number in range(10_000)
    )
    kept = some("one", *rows)
    table.store.keep("check", "expo", kept, TOMORROW)
    assert table.store.of("check", "expo") == kept


def test_former_rows_are_deleted(table: Table) -> None:
    table.store.keep("check", "expo", some("one", ADA, BOB), TOMORROW)
    table.store.keep("check", "expo", some("two"), TOMORROW)
    assert [item["version"] for item in table.items()] == [{"S": "two"}]


def test_of_a_run_that_was_killed_while_it_kept_its_findings_nobody_sees_a_part(
    table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dynamo, "MOST", 1)
    table.store.keep("check", "expo", some("one", ADA), TOMORROW)
    table.proxy.seen.clear()
    refused = ("ValidationException", 400)
    table.proxy.fault = lambda operation: refused if len(table.proxy.seen) > 2 else None
    with pytest.raises(Refused):
        table.store.keep("check", "expo", some("two", BOB, BOB, BOB), TOMORROW)
    table.proxy.fault = lambda operation: None
    assert table.store.of("check", "expo") == some("one", ADA)


def test_an_erasure_reaches_what_a_killed_run_left(table: Table, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(DynamoFindings, "_delete_rows", lambda *_: None)  # as one that is killed before it
    table.store.keep("check", "expo", some("one", BOB), TOMORROW)
    table.store.keep("check", "expo", some("two"), TOMORROW)
    table.store.forget("bob")
    assert [item for item in table.items() if "people" in item] == []


def test_a_lost_answer_changes_nothing(table: Table) -> None:
    table.proxy.fault = lambda operation: Proxy.LOSE if len(table.proxy.seen) % 2 else None
    table.store.keep("check", "expo", some("one", ADA, BOB), TOMORROW)
    table.store.forget("ada")
    table.proxy.fault = lambda operation: None
    assert table.store.of("check", "expo") == some("one", BOB)


@pytest.mark.parametrize("spoilt", ["version", "rows"])
def test_findings_that_cannot_be_read_are_refused_without_their_text(table: Table, spoilt: str) -> None:
    table.store.keep("check", "expo", some("one", ADA), TOMORROW)
    for item in table.items():
        if spoilt in item:
            table.client.put_item(TableName=table.name, Item={**item, spoilt: {"B": b"canary"}})
    with pytest.raises(Refused) as refused:
        table.store.of("check", "expo")
    assert "canary" not in str(refused.value)


def test_findings_without_all_of_their_rows_are_refused(table: Table) -> None:
    table.store.keep("check", "expo", some("one", ADA), TOMORROW)
    for item in table.items():
        if "rows" in item:
            table.client.delete_item(TableName=table.name, Key={name: item[name] for name in ("part", "place")})
    with pytest.raises(Refused):
        table.store.of("check", "expo")


def test_a_missing_table_is_not_configured(dynamodb: Any) -> None:
    store = DynamoFindings(dynamodb, "no-state-here", PATIENT, FakeClock())
    calls: tuple[Callable[[], object], ...] = (
        lambda: store.version("check", "expo"),
        lambda: store.keep("check", "expo", some("one", ADA), TOMORROW),
        lambda: store.forget("ada"),
    )
    for call in calls:
        with pytest.raises(NotConfigured, match="python -m core provision"):
            call()
