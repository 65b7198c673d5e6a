"""Files and folders that only their owner can use, whatever the umask."""

from __future__ import annotations

import logging
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

logger = logging.getLogger(__name__)

FILE, FOLDER = 0o600, 0o700


def make_folder(path: Path) -> None:
    """Create the folder and its missing parents. Raises ``OSError``."""
    for step in reversed([path, *path.parents]):
        if step == path or not step.exists():
            step.mkdir(FOLDER, exist_ok=True)


def new_file(path: Path) -> BinaryIO:
    """Open a file for writing that does not exist yet. Raises ``OSError``."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE), "wb")


def make_file(path: Path) -> None:
    """Create an empty file if there is none. Raises ``OSError``.

    An existing file is not opened, because closing it would release the locks that SQLite holds on it in this
    process.
    """
    with suppress(FileExistsError):
        new_file(path).close()


def narrow(path: Path) -> None:
    """Remove the permissions of other users from ``path``, if it exists; log a warning if that fails.

    Never follows a link. Does not change folders that are shared by design (sticky ones such as /tmp) or the root.
    """
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode) or not stat.S_IMODE(mode) & 0o077:
            return
        if not mode & stat.S_ISVTX and path != path.parent:
            path.chmod(stat.S_IMODE(mode) & 0o700)
            if not path.stat().st_mode & 0o077:
                return
        reason = "its file system stores no permissions, or it is shared by design"
    except FileNotFoundError:
        return
    except OSError as error:
        reason = error.strerror or type(error).__name__
    logger.warning("other users of this machine may be able to read %s: %s", path, reason)
