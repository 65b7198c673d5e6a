"""The files of a data folder by name, and whether their disk has room for more."""

from __future__ import annotations

import shutil
from pathlib import Path

from core.domain.errors import DiskFull

DATABASE = "facedesk.sqlite3"
PHOTOS = "photos"
#: Below the photos: those that are being written.
INCOMING = ".incoming"
#: A disk with less room counts as full: the next photo, or the file written anew after an erasure, may not fit.
MIN_FREE_BYTES = 64 * 1024 * 1024


def require_room(folder: Path, service: str) -> None:
    """Raises ``DiskFull`` if the disk of ``folder`` has less than ``MIN_FREE_BYTES`` left."""
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE_BYTES:
        raise DiskFull(service, f"{free // 2**20} MB free")
