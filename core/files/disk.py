"""The names of the files in a data folder, and the check for free disk space."""

from __future__ import annotations

import shutil
from pathlib import Path

from core.domain.errors import DiskFull

DATABASE = "facedesk.sqlite3"
PHOTOS = "photos"
#: The folder below the photos for those that are being written.
INCOMING = ".incoming"
#: A disk with less free space counts as full: the next photo, or the database rewritten by an erasure, may not fit.
MIN_FREE_BYTES = 64 * 1024 * 1024


def require_room(folder: Path, service: str) -> None:
    """Raises ``DiskFull`` if the disk of ``folder`` has less than ``MIN_FREE_BYTES`` free."""
    free = shutil.disk_usage(folder).free
    if free < MIN_FREE_BYTES:
        raise DiskFull(service, f"{free // 2**20} MB free")
