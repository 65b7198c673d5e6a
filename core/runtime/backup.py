"""Backups of an installation on one machine: the database, the photos and the key in one file, and back.

A backup is a tar archive. Its database comes first and its photos after it: a photo is kept before the record that
names it, so each record in a backup has its photo. The manifest comes last, so an archive that was cut off has none.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from core.adapters.embedded.schema import SCHEMA
from core.domain.clock import Clock, utc_now
from core.domain.errors import InvalidInput, NotFound, Refused, Unavailable
from core.domain.records import Model, Timestamp, isoformat
from core.files.database import Database
from core.files.disk import DATABASE, INCOMING, PHOTOS
from core.files.private import FILE, FOLDER, make_folder
from core.runtime.installation import SERVICE, SET_ASIDE, alone, holds_something
from core.services.hashing import KEY_FILE
from core.services.sessions import SIGNED_OUT

#: The version of the archive's layout.
FORMAT = 1
_MANIFEST = "facedesk-backup.json"
_MAX_MANIFEST_BYTES = 100_000
_CHUNK = 1024 * 1024
#: What an archive may hold: files of these names, and files below these folders.
_FILES, _FOLDERS = (DATABASE, KEY_FILE), (PHOTOS, SIGNED_OUT)

#: ``(done, total)``; a total of None is not known.
Counting = Callable[[int, int | None], None]


class Manifest(Model):
    """What a backup holds; ``database_sha256`` is that of its database file."""

    format: int
    made_at: Timestamp
    schema_version: int
    photos: int
    database_sha256: str


def backup(data_dir: Path, target: Path, progress: Counting, clock: Clock = utc_now) -> Manifest:
    """Write all that the installation in ``data_dir`` holds into ``target``, a new file that only its owner may read.

    Others go on using the installation meanwhile: what they were told is stored before this began is in it. Durable
    when it returns. Raises ``NotFound`` if there is no installation, ``InvalidInput`` if ``target`` exists, and
    ``Unavailable`` if it cannot be written; nothing is left of it then.
    """
    if not (data_dir / DATABASE).exists():
        raise NotFound(f"There is no installation in {data_dir}: nothing to back up.")
    if target.exists():
        raise InvalidInput(f"{target} exists. Name a new file.")
    partial = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        with _translated("backup"), tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as folder:
            copy = Path(folder) / DATABASE
            copy.touch(FILE)
            with closing(Database(data_dir / DATABASE, SERVICE, SCHEMA, new=False, migrate=False)) as database:
                database.copy_to(copy)
                version = database.version or 0
            with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE), "wb") as file:
                with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
                    _add(archive, copy, DATABASE)
                    _add(archive, data_dir / KEY_FILE, KEY_FILE)
                    for mark in _below(data_dir / SIGNED_OUT):
                        _add(archive, mark, mark.relative_to(data_dir).as_posix())
                    photos = 0
                    for photo in _below(data_dir / PHOTOS):
                        photos += _add(archive, photo, photo.relative_to(data_dir).as_posix())
                        progress(photos, None)
                    manifest = Manifest(
                        format=FORMAT,
                        made_at=clock(),
                        schema_version=version,
                        photos=photos,
                        database_sha256=_sha256(copy),
                    )
                    text = manifest.model_dump_json(by_alias=True).encode()
                    archive.addfile(_entry(_MANIFEST, len(text)), io.BytesIO(text))
                file.flush()
                os.fsync(file.fileno())
            partial.rename(target)
            _sync(target.parent)
            return manifest
    finally:
        with suppress(OSError):
            partial.unlink()


def restore(
    source: Path, data_dir: Path, progress: Counting, *, replace: bool = False, clock: Clock = utc_now
) -> tuple[Manifest, Path | None]:
    """Put the installation of a backup into ``data_dir``; returns its manifest and where the one before it is now.

    An installation that is there stays, unless it is to be ``replace``d: then it is set aside in a folder inside
    ``data_dir``. The backup is read and checked as a whole before anything is changed. Stopped in between, the folder
    has no database, and Facedesk refuses to start with it.

    Raises ``InvalidInput`` if the file is no whole backup or something is there, ``Refused`` if its database is
    damaged or of a later version, ``Conflict`` while somebody uses the folder, ``Unavailable`` for faults of disks.
    """
    with _translated("data folder"):
        make_folder(data_dir)
    with alone(data_dir), _translated("data folder"):
        if holds_something(data_dir) and not replace:
            raise InvalidInput(f"{data_dir} holds an installation. Add --replace to set it aside.")
        with tempfile.TemporaryDirectory(dir=data_dir, prefix=".restore-") as folder:
            fresh = Path(folder)
            manifest = _unpacked(source, fresh, progress)
            with closing(Database(fresh / DATABASE, SERVICE, SCHEMA, new=False, migrate=False)) as database:
                database.check_whole()
            os.sync()
            aside = _set_aside(data_dir, clock()) if holds_something(data_dir) else None
            # The database comes last: without one the folder is taken for no installation that could be used.
            for name in (*_FOLDERS, KEY_FILE, DATABASE):
                if (fresh / name).exists():
                    (fresh / name).rename(data_dir / name)
            _sync(data_dir)
        return manifest, aside


def _add(archive: tarfile.TarFile, path: Path, name: str) -> bool:
    """Add a file; False if there is none: it may have been erased a moment ago."""
    try:
        with path.open("rb") as file:
            archive.addfile(_entry(name, os.fstat(file.fileno()).st_size, path.stat().st_mtime), file)
    except FileNotFoundError:
        return False
    return True


def _entry(name: str, size: int, modified: float = 0.0) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime, entry.mode = size, modified, FILE
    return entry


def _below(folder: Path) -> Iterator[Path]:
    """The files below a folder, but for what is being put there. Links are not followed."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != INCOMING)
        for name in sorted(files):
            path = Path(place) / name
            if path.is_file() and not path.is_symlink():
                yield path


def _unpacked(source: Path, target: Path, progress: Counting) -> Manifest:
    """Write the files of the archive into ``target``, and check them by its manifest."""
    manifest, photos = None, 0
    try:
        with tarfile.open(source, "r|") as archive:
            for entry in archive:
                content = archive.extractfile(entry) if entry.isreg() else None
                if content is None:
                    raise _not_ours(source)
                if entry.name == _MANIFEST and entry.size <= _MAX_MANIFEST_BYTES:
                    manifest = Manifest.model_validate_json(content.read())
                    continue
                path = target / _safe(source, entry.name)
                for folder in reversed(path.relative_to(target).parents[:-1]):
                    (target / folder).mkdir(FOLDER, exist_ok=True)
                with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE), "wb") as file:
                    shutil.copyfileobj(content, file, _CHUNK)
                os.utime(path, (entry.mtime, entry.mtime))
                photos += entry.name.startswith(f"{PHOTOS}/")
                progress(photos, None)
    except FileNotFoundError as error:
        raise InvalidInput(f"There is no file {source}.") from error
    except (tarfile.TarError, ValidationError, EOFError, FileExistsError, UnicodeError, OverflowError) as error:
        raise _not_ours(source) from error
    if manifest is None:
        raise InvalidInput(f"{source} is not a whole backup: its end is missing.")
    if manifest.format > FORMAT:
        raise Refused("backup", "NewerFormat", f"{source} was made by a newer Facedesk. Install that one.")
    database = target / DATABASE
    if not database.exists() or _sha256(database) != manifest.database_sha256 or photos != manifest.photos:
        raise InvalidInput(f"{source} is damaged: it does not hold what it says. Use another backup.")
    return manifest


def _safe(source: Path, name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    parts = path.parts
    inside = parts and ".." not in parts and not path.is_absolute() and "\0" not in name
    known = name in _FILES or (len(parts) > 1 and parts[0] in _FOLDERS)
    if not (inside and known):
        raise _not_ours(source)
    return path


def _not_ours(source: Path) -> InvalidInput:
    return InvalidInput(f"{source} is not a backup that Facedesk made, or it is damaged.")


def _set_aside(data_dir: Path, now: datetime) -> Path:
    """Move what is there into a folder of its own: the database first, so that what is left is no installation."""
    aside = data_dir / f"{SET_ASIDE}{isoformat(now).replace(':', '')}"
    aside.mkdir(FOLDER)
    for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", KEY_FILE, *_FOLDERS):
        if (data_dir / name).exists():
            (data_dir / name).rename(aside / name)
    _sync(data_dir)
    return aside


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated(service: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise Unavailable(service, error.strerror or type(error).__name__) from error
