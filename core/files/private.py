"""Files and folders for their owner alone, whatever the umask."""

from __future__ import annotations

import logging
import os
import stat
from contextlib import suppress
from pathlib import Path

logger = logging.getLogger(__name__)

FILE, FOLDER = 0o600, 0o700


def make_folder(path: Path) -> None:
    """Make the folder, and those above it that are missing. Raises ``OSError``."""
    for step in reversed([path, *path.parents]):
        if step == path or not step.exists():
            step.mkdir(FOLDER, exist_ok=True)


def make_file(path: Path) -> None:
    """Make an empty file if there is none. Raises ``OSError``.

    A file that exists is not opened: closing it would end the locks that SQLite holds on it in this process.
    """
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE))


def narrow(path: Path) -> None:
    """Take from all others what they may do with ``path``, if it exists; log a warning if that does not succeed.

    Never follows a link, and leaves folders that are shared by design (sticky, such as /tmp) and the root alone.
    """
    try:
        mode = path.lstat().st_mode
        if stat.S_ISLNK(mode) or not stat.S_IMODE(mode) & 0o077:
            return
        if not mode & stat.S_ISVTX and path != path.parent:
            path.chmod(stat.S_IMODE(mode) & 0o700)
            if not path.stat().st_mode & 0o077:
                return
        reason = "its file system keeps no modes, or it is shared by design"
    except FileNotFoundError:
        return
    except OSError as error:
        reason = error.strerror or type(error).__name__
    logger.warning("other accounts of this machine may read %s: %s", path, reason)
