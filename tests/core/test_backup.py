"""Backing up an installation while it is used, and restoring it."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import apsw
import pytest

from core.adapters.embedded.photos import FolderPhotos
from core.adapters.embedded.records import SqliteRecords
from core.adapters.embedded.schema import SCHEMA
from core.domain.clock import utc_now
from core.domain.errors import Conflict, FacedeskError, InvalidInput, NotFound, Refused
from core.files.disk import DATABASE, PHOTOS
from core.runtime import bootstrap
from core.runtime.backup import backup, restore
from core.services.hashing import KEY_FILE
from core.settings import Settings
from tests.support.records import an_outcome

TTL = timedelta(days=30)


def silent(_done: int, _total: int | None) -> None:
    pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An installation with a record, its photo, and one whose key cannot be a path."""
    services = bootstrap.build(Settings(data_dir=tmp_path / "data"))
    services.photos.put("face-images/a/one.jpg", b"photo one")
    services.photos.put("odd\\..\\key.jpg", b"photo two")
    record(services.records, "r1", "face-images/a/one.jpg")
    services.close()
    return tmp_path / "data"


@pytest.fixture
def file(tmp_path: Path, folder: Path) -> Path:
    backup(folder, tmp_path / "backup.tar", silent)
    return tmp_path / "backup.tar"


def record(records: object, registration: str, key: str) -> None:
    outcome = an_outcome("a1", registration_id=registration, timestamp=utc_now(), face_image_key=key)
    records.record_attempt(outcome, TTL)  # type: ignore[attr-defined]


def test_what_was_backed_up_is_restored(tmp_path: Path, folder: Path, file: Path) -> None:
    manifest, aside = restore(file, tmp_path / "new", silent)
    assert (manifest.photos, aside) == (2, None)
    services = bootstrap.build(Settings(data_dir=tmp_path / "new"))
    assert services.records.get("user-1", "r1")
    assert services.photos.get("face-images/a/one.jpg") == b"photo one"
    assert services.photos.get("odd\\..\\key.jpg") == b"photo two"
    assert (tmp_path / "new" / KEY_FILE).read_bytes() == (folder / KEY_FILE).read_bytes()
    services.close()


def test_a_photo_keeps_its_age(tmp_path: Path, folder: Path) -> None:
    photo = folder / PHOTOS / "face-images" / "a" / "one.jpg"
    os.utime(photo, (1_700_000_000, 1_700_000_000))
    backup(folder, tmp_path / "backup.tar", silent)
    restore(tmp_path / "backup.tar", tmp_path / "new", silent)
    assert (tmp_path / "new" / PHOTOS / "face-images" / "a" / "one.jpg").stat().st_mtime == 1_700_000_000


def test_a_backup_and_what_is_restored_are_their_owners_alone(tmp_path: Path, file: Path) -> None:
    before = os.umask(0)
    try:
        restore(file, tmp_path / "new", silent)
    finally:
        os.umask(before)
    paths = [file, tmp_path / "new", *(tmp_path / "new").rglob("*")]
    assert [path for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077] == []


def test_what_eight_writers_were_told_is_stored_before_a_backup_is_in_it_with_its_photos(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    services = bootstrap.build(Settings(data_dir=folder))
    ended, acknowledged, lock = threading.Event(), set[str](), threading.Lock()

    def write(writer: int) -> None:
        number = 0
        while not ended.is_set():
            number += 1
            name = f"w{writer}-{number}"
            services.photos.put(f"face-images/{name}.jpg", name.encode())
            record(services.records, name, f"face-images/{name}.jpg")
            with lock:
                acknowledged.add(name)

    with ThreadPoolExecutor(8) as threads:
        writers = [threads.submit(write, writer) for writer in range(8)]
        try:
            while len(acknowledged) < 100:
                assert not any(each.done() for each in writers)
            with lock:
                before = set(acknowledged)
            backup(folder, tmp_path / "backup.tar", silent)
        finally:
            ended.set()
        for each in writers:
            each.result()
    services.close()
    restore(tmp_path / "backup.tar", tmp_path / "new", silent)
    records, photos = SqliteRecords(tmp_path / "new" / DATABASE, utc_now), FolderPhotos(tmp_path / "new" / PHOTOS)
    records.verify()
    restored = {each.registration_id: each.face_image_key for each in records.history("user-1")}
    assert before <= set(restored)
    assert [key for key in restored.values() if not key or not photos.exists(key)] == []
    records.close()


def test_an_installation_that_is_there_stays_unless_it_is_to_be_replaced(folder: Path, file: Path) -> None:
    with pytest.raises(InvalidInput, match="--replace"):
        restore(file, folder, silent)
    services = bootstrap.build(Settings(data_dir=folder))
    record(services.records, "since", "face-images/a/one.jpg")
    services.close()
    _, aside = restore(file, folder, silent, replace=True)
    assert aside
    for place, since in ((folder, False), (aside, True)):
        records = SqliteRecords(place / DATABASE, utc_now)
        assert (records.get("user-1", "since") is not None) is since
        records.close()


def test_a_server_that_runs_is_not_replaced(folder: Path, file: Path) -> None:
    services = bootstrap.build(Settings(data_dir=folder))
    with pytest.raises(Conflict, match="Stop it"):
        restore(file, folder, silent, replace=True)
    services.close()


@pytest.mark.parametrize("moved", range(1, 6))
def test_a_restore_that_is_cut_off_is_taken_for_no_installation(
    folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    """Killed at any step, and repeated any number of times."""
    rename, moves = Path.rename, 0

    def cut_off(path: Path, target: Path) -> Path:
        nonlocal moves
        moves += 1
        if moves > moved:
            raise KeyboardInterrupt
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", cut_off)
    with pytest.raises(KeyboardInterrupt):
        restore(file, folder, silent, replace=True)
    monkeypatch.setattr(Path, "rename", rename)
    with pytest.raises(Refused, match="missing or empty"):
        bootstrap.build(Settings(data_dir=folder))
    restore(file, folder, silent, replace=True)
    services = bootstrap.build(Settings(data_dir=folder))
    assert services.photos.get("face-images/a/one.jpg") == b"photo one"
    services.close()


def cut_short(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def without_its_end(file: Path) -> None:
    rewrite(file, lambda name, data: None if name == "facedesk-backup.json" else data)


def with_another_database(file: Path) -> None:
    rewrite(file, lambda name, data: data + b"x" if name == DATABASE else data)


def without_a_photo(file: Path) -> None:
    rewrite(file, lambda name, data: None if name.endswith("one.jpg") else data)


def no_archive(file: Path) -> None:
    file.write_bytes(b"a letter" * 1000)


def rewrite(file: Path, change: Callable[[str, bytes], bytes | None]) -> None:
    with tarfile.open(file) as archive:
        held = [(each, archive.extractfile(each)) for each in archive]
        contents = [(entry, content.read()) for entry, content in held if content]
    with tarfile.open(file, "w") as archive:
        for entry, content in contents:
            if (data := change(entry.name, content)) is not None:
                entry.size = len(data)
                archive.addfile(entry, io.BytesIO(data))


@pytest.mark.parametrize("damage", [cut_short, without_its_end, with_another_database, without_a_photo, no_archive])
def test_a_damaged_backup_is_refused_and_changes_nothing(
    tmp_path: Path, folder: Path, file: Path, damage: Callable[[Path], None]
) -> None:
    damage(file)
    before = (folder / DATABASE).read_bytes()
    for target in (tmp_path / "new", folder):
        with pytest.raises(FacedeskError):
            restore(file, target, silent, replace=True)
    assert (folder / DATABASE).read_bytes() == before
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["in-use.lock"]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("../outside.jpg", tarfile.REGTYPE),
        ("photos/../../outside.jpg", tarfile.REGTYPE),
        ("/tmp/outside.jpg", tarfile.REGTYPE),
        ("logs/outside.jpg", tarfile.REGTYPE),
        ("photos", tarfile.REGTYPE),
        ("photos/link", tarfile.SYMTYPE),
        ("photos/link", tarfile.LNKTYPE),
        ("photos/device", tarfile.CHRTYPE),
        ("photos/pipe", tarfile.FIFOTYPE),
    ],
)
def test_a_hostile_archive_writes_nothing_elsewhere(tmp_path: Path, file: Path, name: str, kind: bytes) -> None:
    with tarfile.open(file, "a") as archive:
        entry = tarfile.TarInfo(name)
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    before = set(tmp_path.iterdir())
    with pytest.raises(InvalidInput, match="not a backup"):
        restore(file, tmp_path / "new", silent)
    assert set(tmp_path.iterdir()) - before == {tmp_path / "new"}
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["in-use.lock"]


def test_a_backup_of_a_newer_version_is_refused(tmp_path: Path, folder: Path) -> None:
    with closing(apsw.Connection(str(folder / DATABASE))) as connection:
        connection.execute(f"PRAGMA user_version={SCHEMA.version + 1}")
    with pytest.raises(Refused, match="newer"):
        backup(folder, tmp_path / "backup.tar", silent)
    assert not list(tmp_path.glob("*backup*"))


def test_a_backup_overwrites_nothing(folder: Path, file: Path) -> None:
    with pytest.raises(InvalidInput, match="exists"):
        backup(folder, file, silent)


def test_where_there_is_nothing_nothing_is_backed_up(tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        backup(tmp_path / "none", tmp_path / "backup.tar", silent)
