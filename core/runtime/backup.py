"""Backs up an installation on one machine (database, photos and key) into one file, and restores it.

A backup is a tar archive. The database comes first and the photos after it: a photo is stored before the record that
names it, so every record in a backup has its photo. The manifest comes last, so a truncated archive has none.
"""

from __future__ import annotations

import hashlib
import io
import os
import secrets
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path, PurePosixPath

from pydantic import ValidationError

from core.adapters.embedded.schema import SCHEMA
from core.domain.clock import Clock, utc_now
from core.domain.errors import InvalidInput, NotFound, Refused, Service
from core.domain.records import Model, Timestamp, isoformat
from core.files.database import Database
from core.files.disk import DATABASE, NO_PHOTOS, PHOTOS, SIGNED_OUT, sync_folder, unavailable_on_os_errors
from core.files.private import FILE, FOLDER, make_folder, new_file
from core.flow.progress import Counting
from core.runtime.installation import SERVICE, SET_ASIDE, alone, holds_something
from core.services.hashing import KEY_FILE

#: The version of the archive's layout.
FORMAT = 1
_MANIFEST = "facedesk-backup.json"
_MAX_MANIFEST_BYTES = 100_000
_CHUNK = 1024 * 1024
#: An archive may contain only files with these names, and files below these folders.
_FILES, _FOLDERS = (DATABASE, KEY_FILE), (PHOTOS, SIGNED_OUT)


class Manifest(Model):
    """The contents of a backup; ``database_sha256`` is the hash of its database file."""

    format: int
    made_at: Timestamp
    schema_version: int
    photos: int
    database_sha256: str


def backup(data_dir: Path, target: Path, progress: Counting, clock: Clock = utc_now) -> Manifest:
    """Write the installation in ``data_dir`` into ``target``, a new file that only its owner may read.

    The installation may be used meanwhile; everything stored before the call is in the backup. Durable when it
    returns. Raises ``NotFound`` if there is no installation, ``InvalidInput`` if ``target`` exists, and
    ``Unavailable`` if it cannot be written; then no part of it is left.
    """
    if not (data_dir / DATABASE).exists():
        raise NotFound(f"There is no installation in {data_dir}, so there is nothing to back up.")
    if target.exists():
        raise InvalidInput(f"The file {target} exists. Name a new file.")
    partial = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    try:
        with (
            unavailable_on_os_errors("backup"),
            tempfile.TemporaryDirectory(dir=target.parent, prefix=".backup-") as folder,
        ):
            copy = Path(folder) / DATABASE
            copy.touch(FILE)
            with closing(Database(data_dir / DATABASE, SERVICE, SCHEMA, new=False, migrate=False)) as database:
                database.copy_to(copy)
                version = database.version or 0
            with new_file(partial) as file:
                with tarfile.open(fileobj=file, mode="w|", format=tarfile.PAX_FORMAT) as archive:
                    photos = _pack(archive, copy, data_dir, progress)
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
            sync_folder(target.parent)
            return manifest
    finally:
        with suppress(OSError):
            partial.unlink()


def restore(
    source: Path, data_dir: Path, progress: Counting, *, replace: bool = False, clock: Clock = utc_now
) -> tuple[Manifest, Path | None]:
    """Restore a backup into ``data_dir``; returns its manifest and the folder of the previous installation, if any.

    With ``replace`` an existing installation is moved into a folder inside ``data_dir``. The whole backup is read and
    checked before anything is changed. If the restore is interrupted after that, the folder has no database, and
    Facedesk refuses to start with it.

    Raises ``InvalidInput`` if the file is not a complete backup, or if there is an installation and not ``replace``;
    ``Refused`` if the backup's database is damaged or of a later version; ``Conflict`` while a process uses the
    folder; and ``Unavailable`` for disk faults.
    """
    with unavailable_on_os_errors(Service.DATA_FOLDER):
        make_folder(data_dir)
    with alone(data_dir), unavailable_on_os_errors(Service.DATA_FOLDER):
        if holds_something(data_dir) and not replace:
            raise InvalidInput(f"{data_dir} contains an installation. Add --replace to move it to a folder inside.")
        with tempfile.TemporaryDirectory(dir=data_dir, prefix=".restore-") as folder:
            fresh = Path(folder)
            manifest = _unpacked(source, fresh, progress)
            with closing(Database(fresh / DATABASE, SERVICE, SCHEMA, new=False, migrate=False)) as database:
                database.check_whole()
            os.sync()
            aside = _set_aside(data_dir, clock()) if holds_something(data_dir) else None
            # The database comes last: a folder without one does not count as a usable installation.
            for name in (*_FOLDERS, KEY_FILE, DATABASE):
                if (fresh / name).exists():
                    (fresh / name).rename(data_dir / name)
            sync_folder(data_dir)
        return manifest, aside


def _pack(archive: tarfile.TarFile, database: Path, data_dir: Path, progress: Counting) -> int:
    """Add everything but the manifest, with the copy ``database``; returns the number of photos."""
    _add(archive, database, DATABASE)
    _add(archive, data_dir / KEY_FILE, KEY_FILE)
    for mark in _below(data_dir / SIGNED_OUT):
        _add(archive, mark, mark.relative_to(data_dir).as_posix())
    photos = 0
    for photo in _below(data_dir / PHOTOS):
        photos += _add(archive, photo, photo.relative_to(data_dir).as_posix())
        progress(photos, None)
    return photos


def _add(archive: tarfile.TarFile, path: Path, name: str) -> bool:
    """Add a file; False if it does not exist, because it may have been erased a moment ago."""
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
    """The files below a folder, without photos that are still being written and without templates, which are made
    again of the restored photos. Links are not followed.
    """
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in NO_PHOTOS)
        for name in sorted(files):
            path = Path(place) / name
            if path.is_file() and not path.is_symlink():
                yield path


def _unpacked(source: Path, target: Path, progress: Counting) -> Manifest:
    """Write the files of the archive into ``target`` and check them against its manifest."""
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
                with new_file(path) as file:
                    shutil.copyfileobj(content, file, _CHUNK)
                os.utime(path, (entry.mtime, entry.mtime))
                photos += entry.name.startswith(f"{PHOTOS}/")
                progress(photos, None)
    except FileNotFoundError as error:
        raise InvalidInput(f"There is no file {source}.") from error
    except (tarfile.TarError, ValidationError, EOFError, FileExistsError, UnicodeError, OverflowError) as error:
        raise _not_ours(source) from error
    if manifest is None:
        raise InvalidInput(f"{source} is not a complete backup: its end is missing. Use another backup.")
    if manifest.format > FORMAT:
        raise Refused("backup", "NewerFormat", f"{source} was made by a newer Facedesk. Install that version.")
    database = target / DATABASE
    if not database.exists() or _sha256(database) != manifest.database_sha256 or photos != manifest.photos:
        raise InvalidInput(f"{source} is damaged: its contents do not match its manifest. Use another backup.")
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
    return InvalidInput(f"{source} is not a backup made by Facedesk, or it is damaged. Use another backup.")


def _set_aside(data_dir: Path, now: datetime) -> Path:
    """Move the installation into a new folder; the database first, so that what remains is not an installation."""
    aside = data_dir / f"{SET_ASIDE}{isoformat(now).replace(':', '')}"
    aside.mkdir(FOLDER)
    for name in (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", KEY_FILE, *_FOLDERS):
        if (data_dir / name).exists():
            (data_dir / name).rename(aside / name)
    sync_folder(data_dir)
    return aside


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
