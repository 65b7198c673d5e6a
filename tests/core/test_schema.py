"""The database file's version: what older files become, and which files are refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import apsw
import pytest

from core.adapters.embedded.records import SqliteRecords
from core.adapters.embedded.registrations import SqliteRegistrations
from core.adapters.embedded.schema import SCHEMA
from core.adapters.embedded.worklists import SqliteWorklist
from core.domain.errors import Refused
from core.domain.search import search_keys, search_text
from core.files.database import Database, script
from core.runtime.bootstrap import build
from core.settings import Settings
from tests.support import damage
from tests.support.clock import FakeClock
from tests.support.old_schemas import OLD_SCHEMAS, RECORDS_FIRST
from tests.support.records import a_foreign_item, an_outcome

TTL = timedelta(days=30)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "facedesk.sqlite3"


def query(path: Path, sql: str) -> list[Any]:
    with closing(apsw.Connection(str(path))) as connection:
        return connection.execute(sql).fetchall()


def opened(path: Path, schema: Any = SCHEMA, **how: bool) -> None:
    Database(path, "database", schema, **how).close()


def made_before(path: Path, schemas: Sequence[str]) -> None:
    """A file of that time, with a person who registered and, where there were records, five of them, two deleted."""
    with closing(apsw.Connection(str(path))) as connection:
        for schema in schemas:
            connection.execute(schema)
        connection.execute(
            "INSERT INTO registrations (registration_id, user_id, event_id, name, folded_email, words) "
            "VALUES ('reg-1', 'user-1', 'event-1', 'Ana', '', '\x1fana')"
        )
        if len(schemas) == 1:
            return
        for number in range(1, 6):
            item = a_foreign_item(registrationId=f"reg-{number}")
            connection.execute("INSERT INTO faceVerifications (item) VALUES (?)", (json.dumps(item),))
        connection.execute("DELETE FROM faceVerifications WHERE registrationId IN ('reg-2', 'reg-5')")
        if len(schemas) > 2:
            connection.execute("INSERT INTO auditTrail VALUES ('2026-01-01T00:00:00.000Z', 'e1', '{}')")


@pytest.mark.parametrize("schemas", OLD_SCHEMAS.values(), ids=OLD_SCHEMAS.keys())
def test_a_file_of_every_earlier_time_becomes_one_of_this_version(path: Path, schemas: Sequence[str]) -> None:
    made_before(path, schemas)
    opened(path)
    fresh = path.with_name("fresh.sqlite3")
    opened(fresh)
    columns = "SELECT name, type, hidden FROM pragma_table_xinfo('{}')"
    for table in SCHEMA.before:
        assert query(path, columns.format(table)) == query(fresh, columns.format(table))
    objects = "SELECT type, name FROM sqlite_schema ORDER BY 1, 2"
    assert query(path, objects) == query(fresh, objects)
    assert query(path, "PRAGMA user_version") == [(SCHEMA.version,)]
    assert query(path, "PRAGMA integrity_check") == [("ok",)]


@pytest.mark.parametrize("schemas", OLD_SCHEMAS.values(), ids=OLD_SCHEMAS.keys())
def test_nothing_of_an_earlier_file_is_lost(path: Path, schemas: Sequence[str]) -> None:
    made_before(path, schemas)
    opened(path)
    with closing(SqliteRegistrations(path)) as registrations:
        assert [each.name for each in registrations.search("ana").registrations] == ["Ana"]
        assert registrations.search("USER-1").total == 1
    folded = search_keys("reg-1", "user-1", None), search_text("Ana", None)
    assert query(path, "SELECT keys, words FROM registrations") == [folded]
    kept = [("reg-1",), ("reg-3",), ("reg-4",)] if len(schemas) > 1 else []
    assert query(path, "SELECT registrationId FROM faceVerifications ORDER BY number") == kept
    assert len(query(path, "SELECT * FROM auditTrail")) == (len(schemas) > 2)


def test_records_of_the_version_before_are_read_with_nothing_of_what_judged_them(path: Path) -> None:
    opened(path, replace(SCHEMA, steps=SCHEMA.steps[:3]))
    judged_with = {"engine": "another", "rules": ["odd"]}
    items = [a_foreign_item(), a_foreign_item(registrationId="reg-2", metadata={"eventId": "event-1"})]
    items.append(a_foreign_item(registrationId="reg-3", metadata={"eventId": "event-1", "provenance": judged_with}))
    for item in items:
        damage.run(path, f"INSERT INTO faceVerifications (item) VALUES ('{json.dumps(item)}')")
    with closing(SqliteRecords(path, FakeClock())) as records:
        records.record_attempt(an_outcome(registration_id="reg-2"), TTL)
        frame = records.event_frame("event-1").set_index("registrationId").sort_index()
    assert frame["engine"].astype("str").fillna("-").tolist() == ["-", "rekognition", "another"]
    assert frame["unreadable"].tolist() == ["", "", "metadata.provenance.rules:list"]


def test_no_number_is_given_twice_after_an_earlier_file_was_opened(path: Path) -> None:
    made_before(path, OLD_SCHEMAS["erasures"])
    opened(path)
    (last,) = query(path, "SELECT max(number) FROM faceVerifications")
    damage.run(path, "DELETE FROM faceVerifications WHERE registrationId = 'reg-4'")
    with closing(SqliteRecords(path, FakeClock())) as records:
        records.record_attempt(an_outcome(registration_id="reg-9"), TTL)
    assert query(path, "SELECT max(number) FROM faceVerifications") > [last]


def test_processes_that_open_an_earlier_file_at_once_bring_it_up_once(path: Path) -> None:
    made_before(path, OLD_SCHEMAS["the first pages"])
    start = Barrier(8)

    def open_it(_: int) -> None:
        start.wait()
        opened(path)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(open_it, range(8)))
    assert len(query(path, "SELECT * FROM faceVerifications")) == 3


def test_a_step_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    made_before(path, OLD_SCHEMAS["the first pages"])
    before = query(path, "SELECT sql FROM sqlite_schema")
    with pytest.raises(Refused):
        opened(
            path, replace(SCHEMA, steps=(*SCHEMA.steps, script("CREATE TABLE b (a); INSERT INTO none VALUES (1)")))
        )
    assert query(path, "SELECT sql FROM sqlite_schema") == before
    assert query(path, "PRAGMA user_version") == [(0,)]


def test_a_later_version_runs_the_steps_alone_that_a_file_lacks(path: Path) -> None:
    opened(path)
    later = replace(SCHEMA, steps=(*SCHEMA.steps, script("CREATE TABLE later (a)")))
    opened(path, later)
    opened(path, later)
    assert query(path, "PRAGMA user_version") == [(SCHEMA.version + 1,)]
    with pytest.raises(Refused, match="NewerVersion"):
        opened(path)


def test_an_earlier_file_may_stay_as_it_is(path: Path) -> None:
    made_before(path, OLD_SCHEMAS["batches"])
    opened(path, migrate=False)
    assert query(path, "PRAGMA user_version") == [(0,)]


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE bookmarks (address TEXT)",
        "CREATE TABLE registrations (id INTEGER, plate TEXT)",
        "CREATE TABLE erasures (at TEXT); CREATE TABLE others (a)",
        "PRAGMA user_version=3",
        "CREATE VIEW v AS SELECT 1",
    ],
)
def test_another_programs_file_is_refused_and_not_touched(path: Path, statement: str) -> None:
    damage.run(path, statement)
    before = path.read_bytes()
    with pytest.raises(Refused, match="belongs to another program"):
        opened(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(("make", "code"), damage.BEFORE_THE_START.values(), ids=damage.BEFORE_THE_START.keys())
def test_a_file_that_cannot_be_used_is_refused_at_the_start_in_one_line(
    tmp_path: Path, path: Path, make: damage.Damage, code: str
) -> None:
    services = build(Settings(data_dir=tmp_path))
    for number in range(200):
        services.records.record_attempt(an_outcome(registration_id=f"reg-{number}"), TTL)
    services.close()
    make(path)
    there = path.exists()
    for _ in range(2):  # nothing of it changes by trying
        with pytest.raises(Refused) as refusal:
            build(Settings(data_dir=tmp_path))
        assert refusal.value.code == code
        assert "\n" not in str(refusal.value)
        assert "backup" in str(refusal.value)
        assert path.exists() == there


def test_a_new_folder_and_one_with_an_empty_file_alone_are_new_installations(tmp_path: Path, path: Path) -> None:
    path.touch()
    build(Settings(data_dir=tmp_path)).close()
    build(Settings(data_dir=tmp_path / "new")).close()


def test_a_file_that_goes_while_it_is_used_takes_no_more_writes_and_is_not_made_anew(path: Path) -> None:
    records = SqliteRecords(path, FakeClock())
    records.record_attempt(an_outcome(), TTL)
    path.unlink()
    with pytest.raises(Refused, match="ReplacedDatabase"):
        records.ping()
    with pytest.raises(Refused, match="ReplacedDatabase"):
        records.record_attempt(an_outcome("attempt-2"), TTL)
    assert not path.exists()
    records.close()


def test_damage_that_is_found_while_it_runs_is_told_by_each_check(tmp_path: Path, path: Path) -> None:
    services = build(Settings(data_dir=tmp_path))
    for number in range(200):
        services.records.record_attempt(an_outcome(registration_id=f"reg-{number}"), TTL)
    services.close()
    database = Database(path, "database", SCHEMA)
    database.check_whole()
    database.check()
    damage.flipped(path)
    with pytest.raises(Refused, match="CorruptError"):
        database.check_whole()
    with pytest.raises(Refused, match="CorruptError"):
        database.check()
    database.close()


def test_a_batchs_list_that_is_damaged_says_what_to_do(tmp_path: Path) -> None:
    SqliteWorklist(tmp_path, "event-1").close()
    (file,) = tmp_path.glob("batch-*.sqlite3")
    file.write_bytes(b"no database" * 1000)
    with pytest.raises(Refused, match=f"Delete {file} and start the batch again"):
        SqliteWorklist(tmp_path, "event-1")


def test_a_list_of_a_batch_from_before_there_were_versions_goes_on(tmp_path: Path) -> None:
    worklist = SqliteWorklist(tmp_path, "event-1")
    run = worklist.begin("all", None, [], None, None)
    worklist.close()
    (file,) = tmp_path.glob("batch-*.sqlite3")
    damage.run(file, "PRAGMA application_id=0", "PRAGMA user_version=0")
    again = SqliteWorklist(tmp_path, "event-1")
    assert again.run() == run
    again.close()


def test_the_first_records_table_lacked_columns() -> None:
    """What the migration is tested with is really of before."""
    assert "AUTOINCREMENT" not in RECORDS_FIRST
    assert "reviewer" not in RECORDS_FIRST
