"""A data folder that is intact, damaged, of another program or version, or readable by others."""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from core.adapters.embedded.audit import SqliteAudit
from core.adapters.embedded.photos import FolderPhotos
from core.adapters.embedded.records import SqliteRecords
from core.adapters.embedded.registrations import SqliteRegistrations
from core.adapters.embedded.schema import SCHEMA
from core.domain.clock import utc_now
from core.domain.errors import Conflict, DiskFull, FacedeskError, Refused
from core.files import disk
from core.files.disk import DATABASE, PHOTOS
from core.files.private import make_folder
from core.runtime import bootstrap
from core.runtime.installation import InUse, alone, prepare
from core.services.hashing import KEY_FILE
from core.settings import Settings
from tests.support.records import a_foreign_item, an_outcome

TTL = timedelta(days=30)
#: The first table of the records, which numbered no rows, and that of the registrations before submitted photos.
OLD_TABLES = """
CREATE TABLE faceVerifications (
    userId TEXT NOT NULL AS (item ->> '$.userId') STORED,
    registrationId TEXT NOT NULL AS (item ->> '$.registrationId') STORED,
    eventId TEXT AS (coalesce(nullif(item ->> '$.eventId', ''), item ->> '$.metadata.eventId')) STORED,
    validationStatus TEXT NOT NULL AS (item ->> '$.validationStatus') STORED,
    timestamp TEXT NOT NULL AS (item ->> '$.timestamp') STORED,
    item TEXT NOT NULL
);
CREATE UNIQUE INDEX faceVerificationsByKey ON faceVerifications (userId, registrationId);
CREATE INDEX faceVerificationsByEvent ON faceVerifications (eventId, timestamp);
CREATE TABLE registrations (
    registration_id TEXT PRIMARY KEY, user_id TEXT NOT NULL, event_id TEXT NOT NULL, name TEXT, email TEXT,
    reference_photo_key TEXT, folded_email TEXT NOT NULL, words TEXT NOT NULL
) WITHOUT ROWID;
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def filled(folder: Path) -> Path:
    """An installation with so many records that any damage hits some."""
    prepare(folder)
    records = SqliteRecords(folder / DATABASE, utc_now)
    for number in range(200):
        records.record_attempt(an_outcome(registration_id=f"r{number}", timestamp=utc_now()), TTL)
    records.close()
    photos = FolderPhotos(folder / PHOTOS)
    photos.put("face-images/one.jpg", b"photo")
    with closing(connected(folder)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return folder


def connected(folder: Path) -> apsw.Connection:
    return apsw.Connection(str(folder / DATABASE))


def old(folder: Path) -> None:
    """A file from before there were schema versions, with two records and a registration."""
    make_folder(folder)
    with closing(connected(folder)) as connection:
        connection.execute(OLD_TABLES)
        for number in (1, 2):
            item = json.dumps(a_foreign_item(registrationId=f"r{number}"))
            connection.execute("INSERT INTO faceVerifications (item) VALUES (?)", (item,))
        connection.execute("INSERT INTO registrations VALUES ('r1', 'u1', 'e1', 'Ana', '', 'ref.jpg', '', '')")


def emptied(folder: Path) -> None:
    (folder / DATABASE).write_bytes(b"")


def deleted(folder: Path) -> None:
    (folder / DATABASE).unlink()


def no_database(folder: Path) -> None:
    (folder / DATABASE).write_bytes(b"a letter to somebody, not a database" * 100)


def beginning_lost(folder: Path) -> None:
    path = folder / DATABASE
    path.write_bytes(bytes(100) + path.read_bytes()[100:])


def middle_lost(folder: Path) -> None:
    content = bytearray((folder / DATABASE).read_bytes())
    content[4096 * 2 :] = b"\xaa" * (len(content) - 4096 * 2)
    (folder / DATABASE).write_bytes(content)


def end_lost(folder: Path) -> None:
    os.truncate(folder / DATABASE, 4096 * 3)


def foreign(folder: Path) -> None:
    deleted(folder)
    with closing(connected(folder)) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")


def newer(folder: Path) -> None:
    with closing(connected(folder)) as connection:
        connection.execute(f"PRAGMA user_version={SCHEMA.version + 1}")


def table_lost(folder: Path) -> None:
    with closing(connected(folder)) as connection:
        connection.execute("DROP TABLE registrations")


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (emptied, "missing or empty"),
        (deleted, "missing or empty"),
        (no_database, "not a database"),
        (beginning_lost, "not a database"),
        (middle_lost, "damaged"),
        (end_lost, "damaged"),
        (foreign, "another program"),
        (newer, "newer Facedesk"),
        (table_lost, "lacks the"),
    ],
)
def test_a_database_that_cannot_be_used_is_refused_with_what_to_do(
    filled: Path, damage: Callable[[Path], None], said: str
) -> None:
    damage(filled)
    before = (filled / DATABASE).read_bytes() if (filled / DATABASE).exists() else None
    with pytest.raises(Refused, match=said) as refused:
        bootstrap.build(Settings(data_dir=filled))
    assert "estore" in str(refused.value)
    assert before is None or (filled / DATABASE).read_bytes() == before


def test_a_key_without_a_database_is_no_new_installation(folder: Path) -> None:
    make_folder(folder)
    (folder / KEY_FILE).write_text("x" * 64)
    with pytest.raises(Refused, match="missing or empty"):
        prepare(folder)


def test_an_empty_folder_is_a_new_installation(folder: Path) -> None:
    bootstrap.build(Settings(data_dir=folder)).close()
    bootstrap.build(Settings(data_dir=folder)).close()
    with closing(connected(folder)) as connection:
        assert connection.pragma("user_version") == SCHEMA.version


class TestDamageInside:
    """Contents that SQLite accepts and no reader can decode."""

    def spoil(self, folder: Path, value: bytes) -> None:
        with closing(connected(folder)) as connection:
            connection.execute("PRAGMA ignore_check_constraints=ON")
            connection.execute("UPDATE registrations SET name = CAST(? AS TEXT)", (value,))

    def test_text_that_is_no_utf_8_is_an_error_of_ours(self, folder: Path) -> None:
        old(folder)
        prepare(folder)
        self.spoil(folder, b"\xff\xfe\xfa")
        registrations = SqliteRegistrations(folder / DATABASE)
        with pytest.raises(FacedeskError, match="UTF-8"):
            registrations.of_user("u1")
        registrations.close()

    def test_an_audit_entry_that_is_no_json_is_an_error_of_ours(self, folder: Path) -> None:
        prepare(folder)
        with closing(connected(folder)) as connection:
            connection.execute("INSERT INTO auditTrail VALUES ('2026-11-01T00:00:00.000Z', 'e1', '{no json')")
        audit = SqliteAudit(folder / DATABASE)
        with pytest.raises(FacedeskError):
            list(audit.entries(utc_now() - timedelta(days=100), utc_now()))
        audit.close()


class TestOlderVersions:
    def test_records_and_registrations_of_the_first_version_are_kept(self, folder: Path) -> None:
        old(folder)
        prepare(folder)
        records, registrations = SqliteRecords(folder / DATABASE, utc_now), SqliteRegistrations(folder / DATABASE)
        assert len(registrations.of_user("u1")) == 1
        with closing(connected(folder)) as connection:
            rows = connection.execute(
                "SELECT number, registrationId FROM faceVerifications ORDER BY number"
            ).fetchall()
        assert rows == [(1, "r1"), (2, "r2")]
        records.close()
        registrations.close()

    def test_no_number_is_given_twice_afterwards(self, folder: Path) -> None:
        old(folder)
        prepare(folder)
        with closing(connected(folder)) as connection:
            connection.execute("DELETE FROM faceVerifications WHERE number = 2")
            item = json.dumps(a_foreign_item(registrationId="r3"))
            connection.execute("INSERT INTO faceVerifications (item) VALUES (?)", (item,))
            assert connection.execute("SELECT max(number) FROM faceVerifications").get == 3

    def test_a_migration_that_fails_changes_nothing(self, folder: Path) -> None:
        old(folder)
        with closing(connected(folder)) as connection:
            connection.execute("CREATE VIEW unnumbered AS SELECT 1")
        with pytest.raises(Refused):
            prepare(folder)
        with closing(connected(folder)) as connection:
            assert connection.pragma("user_version") == 0
            assert connection.execute("SELECT count(*) FROM faceVerifications").get == 2


class TestModes:
    @pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
    def umask(self, request: pytest.FixtureRequest) -> Iterator[None]:
        before = os.umask(request.param)
        yield
        os.umask(before)

    @pytest.mark.usefixtures("umask")
    def test_files_are_their_owners_whatever_the_umask(self, folder: Path) -> None:
        services = bootstrap.build(Settings(data_dir=folder))
        services.records.record_attempt(an_outcome(timestamp=utc_now()), TTL)
        services.photos.put("face-images/a/b.jpg", b"photo")
        modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [folder, *folder.rglob("*")]}
        services.close()
        assert {path.name for path in modes} >= {DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", KEY_FILE, "b.jpg"}
        assert {path: oct(mode) for path, mode in modes.items() if mode & 0o077} == {}

    def test_what_was_open_to_others_is_closed_at_the_start(self, filled: Path) -> None:
        filled.chmod(0o755)
        (filled / DATABASE).chmod(0o644)
        prepare(filled)
        assert [stat.S_IMODE(path.stat().st_mode) for path in (filled, filled / DATABASE)] == [0o700, 0o600]


class TestFullDisk:
    def test_a_full_disk_is_named(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        services = bootstrap.build(Settings(data_dir=folder))
        services.records.ping()
        services.photos.ping()
        monkeypatch.setattr(disk, "MIN_FREE_BYTES", 2**60)
        for ping in (services.records.ping, services.photos.ping):
            with pytest.raises(DiskFull, match="full"):
                ping()
        services.close()

    def test_a_write_that_finds_no_room_says_so(self, folder: Path) -> None:
        prepare(folder)
        records = SqliteRecords(folder / DATABASE, utc_now)
        with records._database.read() as connection:
            connection.execute(f"PRAGMA max_page_count={connection.pragma('page_count')}")

        def fill() -> None:
            for number in range(1000):
                records.record_attempt(an_outcome(registration_id=f"r{number}", timestamp=utc_now()), TTL)

        with pytest.raises(DiskFull, match="Free some space"):
            fill()
        records.close()


def test_while_somebody_uses_the_folder_nobody_replaces_it(folder: Path) -> None:
    first, second = InUse(folder), InUse(folder)
    with pytest.raises(Conflict, match="Stop it"), alone(folder):
        pass
    first.close()
    second.close()
    with alone(folder), pytest.raises(Conflict, match="restored"):
        InUse(folder)
