"""The names of the files in a data folder, the check for free disk space, and what writing to the disk needs."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from core.domain.errors import DiskFull, Unavailable

DATABASE = "facedesk.sqlite3"
PHOTOS = "photos"
#: The folder with a file for each signed-out session.
SIGNED_OUT = "signed-out"
#: The folders below the photos for files that are being written, and for the templates of photos.
INCOMING, TEMPLATES = ".incoming", ".templates"
#: The folders below the photos that hold no photos.
NO_PHOTOS = frozenset({INCOMING, TEMPLATES})
#: A disk with less free space counts as full: the next photo, or the database rewritten by an erasure, may not fit.
MIN_FREE_BYTES = 64 * 1024 * 1024
#: The codes of ``OSError`` that say that there is no such file.
ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG})


def require_room(folder: Path, service: str) -> None:
    """Raises ``DiskFull`` if the disk of ``folder`` has less than ``MIN_FREE_BYTES`` free."""
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE_BYTES:
        raise DiskFull(service, f"{free // 2**20} MB free")


def sync_folder(folder: Path) -> None:
    """Make the creation, renaming and deletion of files in ``folder`` durable. Raises ``OSError``."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def unlink(path: Path) -> None:
    """Delete the file durably, if it exists. Raises ``OSError``."""
    try:
        path.unlink()
    except OSError as error:
        if error.errno in ABSENT:
            return
        raise
    with suppress(FileNotFoundError):  # a concurrent erasure has removed the empty folder
        sync_folder(path.parent)


@contextmanager
def unavailable_on_os_errors(service: str) -> Iterator[None]:
    """Raises an ``OSError`` inside as ``Unavailable`` of ``service``."""
    try:
        yield
    except OSError as error:
        raise Unavailable(service, error.strerror or type(error).__name__) from error
