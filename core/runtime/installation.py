"""The data folder of an installation on one machine: its permissions, its integrity, and who is using it."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from core.adapters.embedded.schema import SCHEMA
from core.domain.errors import Conflict, Service
from core.files.database import Database
from core.files.disk import DATABASE, PHOTOS, unavailable_on_os_errors
from core.files.private import FILE, make_folder, narrow
from core.services.hashing import KEY_FILE

logger = logging.getLogger(__name__)

SERVICE = Service.DATABASE
#: The prefix of the folders into which a restore moves the previous installation.
SET_ASIDE = "replaced-"
#: A process that uses the folder holds a shared lock on this file; one that replaces its contents, an exclusive one.
_LOCK_FILE = "in-use.lock"


class InUse:
    """Marks the folder as used by this process until it is closed."""

    def __init__(self, data_dir: Path) -> None:
        """Raises ``Conflict`` while the folder is being restored, ``Unavailable`` if it cannot be used."""
        self._lock: int | None = _locked(
            data_dir, fcntl.LOCK_SH, "A backup is being restored into this data folder. Try again when it is done."
        )

    def close(self) -> None:
        lock, self._lock = self._lock, None
        if lock is not None:
            os.close(lock)


@contextmanager
def alone(data_dir: Path) -> Iterator[None]:
    """Keeps other processes from using the folder. Raises ``Conflict`` if one does."""
    lock = _locked(data_dir, fcntl.LOCK_EX, "Facedesk is running on this data folder. Stop it first.")
    try:
        yield
    finally:
        os.close(lock)


def prepare(data_dir: Path) -> None:
    """Restrict the folder to its owner, and check its database: undamaged, of this program and of this version.

    Creates the database if the folder contains no installation yet, and migrates one of an earlier version. Reads the
    whole database. Raises ``Refused``, with what to do, if it cannot be used; ``Unavailable`` for a passing fault.
    """
    with unavailable_on_os_errors(Service.DATA_FOLDER):
        make_folder(data_dir)
    database = data_dir / DATABASE
    for each in (data_dir, *(database.with_name(f"{DATABASE}{end}") for end in ("", "-wal", "-shm"))):
        narrow(each)
    checked = Database(database, SERVICE, SCHEMA, new=not _was_used(data_dir))
    try:
        checked.check_whole()
    finally:
        checked.close()


def holds_something(data_dir: Path) -> bool:
    """Whether the folder contains an installation, or the remains of one."""
    return (data_dir / DATABASE).exists() or _was_used(data_dir)


def _was_used(data_dir: Path) -> bool:
    """Whether the folder once had a database: it is created before photos and key, and moved away before them."""
    if (data_dir / KEY_FILE).exists() or any(data_dir.glob(f"{SET_ASIDE}*")):
        return True
    photos = data_dir / PHOTOS
    return any(path.is_file() for path in photos.rglob("*")) if photos.is_dir() else False


def _locked(data_dir: Path, kind: int, refusal: str) -> int:
    with unavailable_on_os_errors(Service.DATA_FOLDER):
        make_folder(data_dir)
        lock = os.open(data_dir / _LOCK_FILE, os.O_RDWR | os.O_CREAT, FILE)
    try:
        fcntl.flock(lock, kind | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise Conflict(refusal) from error
    except OSError as error:
        logger.warning("the data folder cannot be locked: %s", error.strerror)
    return lock
