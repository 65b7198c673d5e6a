"""The contract of ``core.ports.AuditTrail``, held by every adapter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import apsw
import pytest

from core.adapters.aws import audit as aws_audit
from core.adapters.aws.audit import DynamoAudit
from core.adapters.embedded import audit as embedded_audit
from core.adapters.embedded.audit import SqliteAudit
from core.domain.audit import AuditEntry
from core.domain.errors import NotConfigured, Refused
from core.ports import AuditTrail
from tests.support.app import ROOT
from tests.support.audit import an_entry
from tests.support.benches import bench_fixtures
from tests.support.clock import NOON
from tests.support.dynamodb import Proxy, client_of, create_audit_table
from tests.support.stores import PATIENT

SECOND, DAY = timedelta(seconds=1), timedelta(days=1)
WRITER = """
import sys
from pathlib import Path
from tests.support.audit import an_entry
from tests.contracts.test_audit import opened
trail = opened(*sys.argv[1:4])
for number in range(int(sys.argv[5])):
    trail.append(an_entry(f"{sys.argv[4]}-{number}"))
"""


@dataclass
class Bench:
    trail: AuditTrail
    #: What ``opened`` takes to open the same trail in another process.
    where: tuple[str, str, str]
    #: Makes the stored entry of the id ``entry-1`` unreadable, past the store.
    spoil: Callable[[], None]


def opened(kind: str, place: str, table: str) -> AuditTrail:
    if kind == "sqlite":
        return SqliteAudit(Path(place))
    return DynamoAudit(client_of(place), table, PATIENT)


def sqlite_bench(folder: Path) -> Bench:
    path = folder / "facedesk.sqlite3"
    trail = SqliteAudit(path)

    def spoil() -> None:
        connection = apsw.Connection(str(path))
        connection.execute("DROP TRIGGER auditTrailUnchanged")
        connection.execute("UPDATE auditTrail SET entry = json_set(entry, '$.action', 'dance')")
        connection.close()

    return Bench(trail, ("sqlite", str(path), ""), spoil)


def dynamodb_bench(client: Any) -> Bench:
    table = create_audit_table(client)

    def spoil() -> None:
        for item in client.scan(TableName=table)["Items"]:
            client.put_item(TableName=table, Item={**item, "action": {"S": "dance"}})

    trail = DynamoAudit(client, table, PATIENT)
    return Bench(trail, ("dynamodb", client.meta.endpoint_url, table), spoil)


def _bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param == "sqlite":
        bench = sqlite_bench(tmp_path)
        yield bench
        bench.trail.close()
    else:
        yield dynamodb_bench(request.getfixturevalue(request.param))


bench, race_bench = bench_fixtures(_bench)


@pytest.fixture
def trail(bench: Bench) -> AuditTrail:
    return bench.trail


def around(moment: datetime = NOON, days: int = 1) -> tuple[datetime, datetime]:
    return moment - days * DAY, moment + days * DAY


def ids(entries: Iterator[AuditEntry]) -> list[str]:
    return [entry.entry_id for entry in entries]


def test_a_trail_that_is_set_up_answers_a_ping(trail: AuditTrail) -> None:
    trail.ping()


def test_an_empty_trail_has_no_entries(trail: AuditTrail) -> None:
    assert list(trail.entries(*around())) == []


def test_an_entry_comes_back_as_it_was(trail: AuditTrail) -> None:
    entry = an_entry(outcome="Conflict")
    trail.append(entry)
    assert list(trail.entries(*around())) == [entry]


def test_an_entry_of_the_least_comes_back_as_it_was(trail: AuditTrail) -> None:
    entry = an_entry(user=None, registration=None, event_id=None, ip_address=None, details={})
    trail.append(entry)
    assert list(trail.entries(*around())) == [entry]


def test_the_same_entry_twice_is_one(trail: AuditTrail) -> None:
    trail.append(an_entry())
    trail.append(an_entry())
    assert len(list(trail.entries(*around()))) == 1


def test_the_first_entry_of_its_id_and_moment_stays(trail: AuditTrail) -> None:
    trail.append(an_entry(who="ada"))
    trail.append(an_entry(who="eve"))
    assert [entry.who for entry in trail.entries(*around())] == ["ada"]


def test_entries_come_newest_first_over_days(trail: AuditTrail) -> None:
    for back in (3, 0, 2, 1):
        trail.append(an_entry(f"entry-{back}", at=NOON - back * DAY))
    assert ids(trail.entries(*around(days=5))) == ["entry-0", "entry-1", "entry-2", "entry-3"]


def test_entries_of_one_day_come_newest_first(trail: AuditTrail) -> None:
    for back in range(20):
        trail.append(an_entry(f"entry-{back:02}", at=NOON - back * SECOND))
    assert ids(trail.entries(*around())) == [f"entry-{back:02}" for back in range(20)]


def test_entries_of_one_moment_come_by_id_last_first(trail: AuditTrail) -> None:
    for name in ("b", "a", "c"):
        trail.append(an_entry(name))
    assert ids(trail.entries(*around())) == ["c", "b", "a"]


def test_a_span_has_its_beginning_in_it_and_not_its_end(trail: AuditTrail) -> None:
    for number in range(3):
        trail.append(an_entry(f"entry-{number}", at=NOON + number * SECOND))
    assert ids(trail.entries(NOON, NOON + 2 * SECOND)) == ["entry-1", "entry-0"]


def test_a_span_that_ends_before_it_begins_is_empty(trail: AuditTrail) -> None:
    trail.append(an_entry())
    assert list(trail.entries(NOON + DAY, NOON - DAY)) == []


def test_more_entries_than_are_read_at_once_all_come_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_audit, "BATCH_ROWS", 3)
    for number in range(7):
        bench.trail.append(an_entry(f"entry-{number}", at=NOON + number // 2 * SECOND))
    assert sorted(ids(bench.trail.entries(*around()))) == [f"entry-{number}" for number in range(7)]


def test_what_is_appended_while_somebody_reads_disturbs_nothing(trail: AuditTrail) -> None:
    for number in range(4):
        trail.append(an_entry(f"entry-{number}", at=NOON + number * SECOND))
    reading = trail.entries(*around())
    first = ids(islice(reading, 2))
    trail.append(an_entry("later", at=NOON + 10 * SECOND))
    assert first + ids(reading) == ["entry-3", "entry-2", "entry-1", "entry-0"]


def test_an_entry_that_cannot_be_read_is_an_error_that_names_no_value(bench: Bench) -> None:
    bench.trail.append(an_entry())
    bench.spoil()
    with pytest.raises(Refused, match="action is not valid") as refusal:
        list(bench.trail.entries(*around()))
    assert "dance" not in str(refusal.value)


def test_threads_at_once_lose_no_entry(race_bench: Bench) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: race_bench.trail.append(an_entry(f"entry-{number}")), range(80)))
    assert len(set(ids(race_bench.trail.entries(*around())))) == 80


def test_two_processes_at_once_lose_no_entry(race_bench: Bench) -> None:
    each = 40
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, *race_bench.where, name, str(each)], cwd=ROOT)
        for name in "ab"
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    found = ids(race_bench.trail.entries(*around()))
    assert (len(found), len(set(found))) == (2 * each, 2 * each)


# SQLite


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE auditTrail SET entry = '{}'",
        "DELETE FROM auditTrail",
        "UPDATE OR REPLACE auditTrail SET entryId = 'other'",
    ],
)
def test_the_file_itself_refuses_to_change_an_entry(tmp_path: Path, change: str) -> None:
    bench = sqlite_bench(tmp_path)
    bench.trail.append(an_entry())
    connection = apsw.Connection(bench.where[1])
    with pytest.raises(apsw.ConstraintError, match="audit entries are never"):
        connection.execute(change)
    connection.close()
    assert list(bench.trail.entries(*around())) == [an_entry()]


def test_the_file_itself_lets_nobody_replace_an_entry(tmp_path: Path) -> None:
    bench = sqlite_bench(tmp_path)
    bench.trail.append(an_entry())
    connection = apsw.Connection(bench.where[1])
    connection.execute("INSERT OR REPLACE INTO auditTrail SELECT at, entryId, '{}' FROM auditTrail")
    connection.close()
    assert list(bench.trail.entries(*around())) == [an_entry()]


# DynamoDB


def test_writes_of_a_day_lie_in_several_partitions(dynamodb: Any) -> None:
    bench = dynamodb_bench(dynamodb)
    for number in range(40):
        bench.trail.append(an_entry(f"entry-{number}"))
    days = {item["day"]["S"] for item in dynamodb.scan(TableName=bench.where[2])["Items"]}
    assert days == {f"2026-03-01#{shard}" for shard in range(aws_audit.SHARDS)}


def test_neither_reading_nor_writing_calls_more_than_put_and_query(dynamodb: Any, dynamodb_proxy: Proxy) -> None:
    table = create_audit_table(dynamodb)
    trail = DynamoAudit(client_of(dynamodb_proxy.url), table, PATIENT)
    trail.append(an_entry())
    list(trail.entries(*around()))
    trail.ping()
    assert set(dynamodb_proxy.seen) == {"PutItem", "Query"}


def test_whoever_has_enough_reads_no_earlier_day(dynamodb: Any, dynamodb_proxy: Proxy) -> None:
    trail = DynamoAudit(client_of(dynamodb_proxy.url), create_audit_table(dynamodb), PATIENT)
    trail.append(an_entry())
    dynamodb_proxy.seen.clear()
    list(islice(trail.entries(NOON - 300 * DAY, NOON + SECOND), 1))
    assert len(dynamodb_proxy.seen) == aws_audit.SHARDS


def test_an_entry_whose_acknowledgement_was_lost_is_one(dynamodb: Any, dynamodb_proxy: Proxy) -> None:
    trail = DynamoAudit(client_of(dynamodb_proxy.url), create_audit_table(dynamodb), PATIENT)
    dynamodb_proxy.fault = lambda operation: Proxy.LOSE if dynamodb_proxy.seen.count(operation) == 1 else None
    trail.append(an_entry())
    dynamodb_proxy.fault = lambda operation: None
    assert list(trail.entries(*around())) == [an_entry()]


def test_a_missing_table_is_not_configured(dynamodb: Any) -> None:
    trail = DynamoAudit(dynamodb, "no-audit-here", PATIENT)
    with pytest.raises(NotConfigured, match="audit trail"):
        trail.append(an_entry())
