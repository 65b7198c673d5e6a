"""What is specific to SQLite: the file, its locks, and the columns generated from the stored item."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.adapters.embedded import records as store
from core.adapters.embedded.records import SqliteRecords
from core.adapters.embedded.schema import SCHEMA
from core.domain.errors import Refused, Unavailable
from core.files import database as databases
from core.files.database import Database, Schema, script
from tests.support.clock import NOON, FakeClock
from tests.support.records import a_foreign_item, a_review, an_outcome

TTL = timedelta(days=30)
NUMBERS = Schema(
    application_id=1, steps=(script("CREATE TABLE numbers (number INTEGER)"),), before={}, remedy="Make another."
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "facedesk.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    database = Database(path, "numbers", NUMBERS)
    yield database
    database.close()


@pytest.fixture
def records(path: Path) -> Iterator[SqliteRecords]:
    records = SqliteRecords(path, FakeClock())
    yield records
    records.close()


def _count(database: Database) -> Any:
    with database.read() as connection:
        return connection.execute("SELECT count(*) FROM numbers").fetchall()[0][0]


# The file


def test_every_connection_is_in_wal_mode_and_syncs_fully(database: Database) -> None:
    with database.read() as one, database.read() as other:
        for connection in (one, other):
            assert (connection.pragma("journal_mode"), connection.pragma("synchronous")) == ("wal", 2)


def test_sqlite_is_not_one_that_can_corrupt_a_wal() -> None:
    assert tuple(map(int, apsw.sqlite_lib_version().split("."))) > (3, 51, 2)


def _write_and_fail(database: Database) -> None:
    with database.write() as connection:
        connection.execute("INSERT INTO numbers VALUES (1)")
        raise ZeroDivisionError


def test_an_error_inside_a_write_undoes_it(database: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        _write_and_fail(database)
    assert _count(database) == 0


def test_a_write_after_a_failed_one_succeeds(database: Database) -> None:
    with pytest.raises(Refused), database.write() as connection:
        connection.execute("INSERT INTO nowhere VALUES (1)")
    with database.write() as connection:
        connection.execute("INSERT INTO numbers VALUES (1)")
    assert _count(database) == 1


def test_what_was_written_is_there_after_reopening(path: Path) -> None:
    first = SqliteRecords(path, FakeClock())
    written = first.record_attempt(an_outcome(), TTL)
    first.close()
    second = SqliteRecords(path, FakeClock())
    assert second.get("user-1", "reg-1") == written
    second.close()


def test_stores_sharing_a_new_file_lose_no_attempt(path: Path) -> None:
    """Like processes: each has its own store, so that only SQLite's locks separate them."""
    start = threading.Barrier(4)

    def record_ten(process: int) -> None:
        start.wait()
        records = SqliteRecords(path, FakeClock())
        for number in range(10):
            records.record_attempt(an_outcome(f"{process}-{number}"), TTL)
        records.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(record_ten, range(4)))
    records = SqliteRecords(path, FakeClock())
    found = records.get("user-1", "reg-1")
    assert found is not None
    assert found.verification_attempt == len(found.attempts) == 40
    records.close()


def test_threads_writing_at_once_all_get_their_turn(database: Database) -> None:
    start = threading.Barrier(16)

    def write(_: int) -> None:
        start.wait()
        for _ in range(20):
            with database.write() as connection:
                connection.execute("INSERT INTO numbers VALUES (1)")

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(write, range(16)))
    assert _count(database) == 320


def test_a_file_locked_by_another_process_is_unavailable(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "BUSY_TIMEOUT_MS", 50)
    records = SqliteRecords(path, FakeClock())
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="BusyError"):
        records.record_attempt(an_outcome(), TTL)
    other.close()
    records.close()


def test_writers_of_one_process_queue_whichever_store_they_write_to(
    path: Path, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite's own waiting, which passes some over for seconds, is off here, so that whoever needs it fails."""
    monkeypatch.setattr(databases, "_connected", lambda path: apsw.Connection(str(path)))
    other = Database(path, "other", NUMBERS)

    def write() -> None:
        with other.write():
            pass

    with ThreadPoolExecutor(1) as pool, database.write():
        written = pool.submit(write)
        with pytest.raises(TimeoutError):
            written.result(timeout=0.2)
    written.result()
    other.close()


def test_readers_are_not_held_up_by_a_writer(records: SqliteRecords, path: Path) -> None:
    other = apsw.Connection(str(path))
    other.execute("BEGIN IMMEDIATE")
    assert records.get("user-1", "reg-1") is None
    other.close()


def test_a_writer_that_never_ends_makes_the_next_unavailable(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(databases, "BUSY_TIMEOUT_MS", 50)

    def write() -> None:
        with database.write():
            pass

    with database.write(), ThreadPoolExecutor(1) as pool, pytest.raises(Unavailable, match="BusyError"):
        pool.submit(write).result()


def test_a_file_that_is_no_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"no database at all" * 100)
    with pytest.raises(Refused, match="NotADBError"):
        SqliteRecords(path, FakeClock())


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(Refused, match="FileExistsError"):
        SqliteRecords(tmp_path / "data" / "facedesk.db", FakeClock())


def test_an_id_that_is_no_text_is_refused(records: SqliteRecords) -> None:
    with pytest.raises(Refused, match="UnicodeEncodeError"):
        records.get("\ud800", "reg-1")


# The columns


def _row(path: Path, columns: str) -> Any:
    connection = apsw.Connection(str(path))
    row = connection.execute(f"SELECT {columns} FROM faceVerifications").fetchall()[0]
    connection.close()
    return row


def test_columns_show_the_newest_attempt(records: SqliteRecords, path: Path) -> None:
    records.record_attempt(an_outcome("attempt-1", status="failed", reasons=("BLURRED",)), TTL)
    records.record_attempt(an_outcome("attempt-2", timestamp=NOON, source="dashboard"), TTL)
    assert _row(path, "eventId, validationStatus, confidence, quality, similarity, verificationAttempt") == (
        "event-1",
        "success",
        99.5,
        "high",
        92.25,
        2,
    )
    assert _row(path, "timestamp, updatedAt, expiresAt, source, failureReasons, faceImageKey") == (
        "2026-03-01T12:00:00.000Z",
        "2026-03-01T12:00:00.001Z",
        int((NOON + TTL).timestamp()),
        "dashboard",
        "[]",
        "face-images/attempt-2.jpg",
    )


def test_columns_follow_a_decision(records: SqliteRecords, path: Path) -> None:
    seen = records.record_attempt(an_outcome(status="pending"), TTL).version
    records.decide("user-1", "reg-1", a_review(), seen)
    assert _row(path, "validationStatus, decision") == ("success", "approved")


def test_columns_of_a_foreign_record_take_its_event_from_the_metadata(records: SqliteRecords, path: Path) -> None:
    connection = apsw.Connection(str(path))
    connection.execute("INSERT INTO faceVerifications (item) VALUES (?)", (json.dumps(a_foreign_item()),))
    connection.close()
    assert _row(path, "eventId, similarity, source, verificationAttempt") == ("event-1", 92.5, "api", 2)


@pytest.mark.parametrize(
    ("query", "values"),
    [
        (store._FRAME, ("event-1",)),
        (store._BATCH, ("event-1", 7, 5_000)),
        (store._CHANGED, ("event-1", 7)),
        (store._NEWEST, {"event": "event-1", "now": 0.0, "limit": 10}),
    ],
    ids=["frame", "batch", "changes", "newest"],
)
def test_an_events_records_are_found_by_index(records: SqliteRecords, path: Path, query: str, values: Any) -> None:
    connection = apsw.Connection(str(path))
    plan = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}", values)]
    connection.close()
    # The number of the last row is at the end of the table.
    of_records = [step for step in plan if "faceVerifications" in step and step != "SEARCH faceVerifications"]
    assert of_records
    assert all(re.search(r"USING INDEX faceVerifications\w+ \(eventId=\?", step) for step in of_records)
    assert "USE TEMP B-TREE FOR ORDER BY" not in plan


@pytest.mark.parametrize(
    ("query", "values"), [(store._BATCH, ("event-1", 7, 5_000)), (store._CHANGED, ("event-1", 7))]
)
def test_what_goes_on_begins_in_the_index_where_the_last_one_ended(
    records: SqliteRecords, path: Path, query: str, values: Any
) -> None:
    connection = apsw.Connection(str(path))
    plan = connection.execute(f"EXPLAIN QUERY PLAN {query}", values).fetchall()
    connection.close()
    assert [step[3] for step in plan if "(eventId=? AND rowid>?)" in step[3]]


def test_no_read_is_open_between_two_batches(
    records: SqliteRecords, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "BATCH_ROWS", 1)
    for number in (1, 2):
        records.record_attempt(an_outcome(registration_id=f"reg-{number}"), TTL)
    batches = records.event_batches("event-1")
    next(batches)
    other = apsw.Connection(str(path))
    other.set_busy_timeout(10_000)  # the second batch may be under way: it ends by itself, whoever takes it
    # All pages of the log could be moved into the file; an open read would have kept some.
    _, in_log, moved = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()[0]
    other.close()
    assert in_log == moved == 0


TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)


@given(user=TEXT, registration=TEXT, event=TEXT)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_makes_an_id(records: SqliteRecords, path: Path, user: str, registration: str, event: str) -> None:
    outcome = an_outcome(f"of {event}"[:255], user_id=user, registration_id=registration, event_id=event)
    written = records.record_attempt(outcome, TTL)
    assert (written.user_id, written.registration_id, written.event) == (user, registration, event)
    assert records.get(user, registration) == written


# Scrubbing


def test_after_a_scrub_nothing_that_was_deleted_is_in_the_file_or_its_log(path: Path) -> None:
    """Deleting overwrites, but one row in 8,000 leaves a copy on a page that was split: both seeds have one."""
    for seed in (4, 7):
        random, here = Random(seed), path.with_name(f"{seed}.db")
        database, alive, gone = Database(here, "records", SCHEMA), set[str](), set[str]()
        with database.read() as connection:
            for number in range(3000):
                if alive and random.random() < 0.45:
                    user = random.choice(sorted(alive))
                    alive.discard(user)
                    gone.add(user)
                    connection.execute("DELETE FROM faceVerifications WHERE userId = ?", (user,))
                else:
                    user = f"canary{number:06}-{''.join(random.choices('abcdefghij', k=10))}"
                    alive.add(user)
                    moment = f"2026-01-{number % 28 + 1:02}T00:00:00.{number % 1000:03}Z"
                    item = {
                        "userId": user,
                        "registrationId": f"r{user}",
                        "eventId": f"e{number % 3}",
                        "validationStatus": "success",
                        "timestamp": moment,
                        "pad": "x" * random.randint(10, 3000),
                    }
                    connection.execute("INSERT INTO faceVerifications (item) VALUES (?)", (json.dumps(item),))
        database.scrub()
        kept = b"".join(each.read_bytes() for each in here.parent.glob(f"{here.name}*"))
        assert [user for user in gone if user.encode() in kept] == []
        assert all(user.encode() in kept for user in alive)
        database.close()


def test_a_scrub_waits_for_nobody_who_reads_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(databases, "BUSY_TIMEOUT_MS", 100)
    with database.write() as connection:
        connection.execute("INSERT INTO numbers VALUES (1)")
    with database.read() as reading:
        rows = reading.execute("SELECT * FROM numbers, (SELECT 1 UNION SELECT 2)")
        next(rows)
        with pytest.raises(Unavailable):
            database.scrub()
        rows.close()
    database.scrub()


def test_a_scrub_leaves_rows_their_numbers(path: Path, records: SqliteRecords) -> None:
    """Batches of an event continue by these."""
    for number in range(9):
        records.record_attempt(an_outcome(registration_id=f"reg-{number}"), TTL)
    database = Database(path, "records", SCHEMA)
    numbers = "SELECT rowid, registrationId FROM faceVerifications ORDER BY rowid"
    with database.write() as connection:
        connection.execute("DELETE FROM faceVerifications WHERE rowid % 2")
        before = connection.execute(numbers).fetchall()
    database.scrub()
    with database.read() as connection:
        assert connection.execute(numbers).fetchall() == before
    database.close()
