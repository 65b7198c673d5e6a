"""Photos in a folder of this machine."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from core.clock import Clock, utc_now
from core.errors import NotConfigured, PhotoNotFound, Refused, Unavailable
from core.photos import keys

#: Half of what file systems take as a name, since some count in units of two bytes.
_MAX_NAME_BYTES = 127
#: Holds, under their hash, the keys that cannot be paths as they are. No key as typed begins with a dot.
_HASHED = ".hashed"
#: Holds the photos that are being written. One folder for all, so that what was left there is quick to find.
_INCOMING = ".incoming"
#: Far longer than any ``put`` takes, so that what is older was left by a killed one.
_ABANDONED_AFTER = timedelta(hours=1)
_ABSENT = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.ENAMETOOLONG})
_PASSING = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ESTALE}
)


class FolderPhotos:
    """A key is the path below ``root`` as typed, so that files laid there by hand or by others are found.

    A key that is no harmless path (hidden or overlong names, backslashes, empty steps, ...) is kept under its
    hash. Symbolic links below the root are never followed. The file system must tell upper from lower case.
    All below the root is one file system. Names with a leading dot are ours: a file that a killed ``put`` left behind
    is never read, and removed when the store is next opened an hour or more later.
    """

    def __init__(self, root: Path, max_bytes: int = keys.MAX_PHOTO_BYTES, clock: Clock = utc_now) -> None:
        """Make ``root`` if it is missing; ``get`` refuses files above ``max_bytes``."""
        with _translated():
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._root = root.resolve()
        self._max_bytes = max_bytes
        self._incoming = self._root / _INCOMING
        self._making_folders = threading.Lock()
        self._remove_abandoned(clock().timestamp() - _ABANDONED_AFTER.total_seconds())

    def put(self, key: str, data: bytes) -> None:
        keys.require_valid(key)
        path = self._path(key)
        with _translated():
            if _is_behind_a_link(path):
                raise Refused("photos", "ELOOP")
            self._make(path.parent)
            self._make(self._incoming)
            descriptor, temporary = tempfile.mkstemp(dir=self._incoming)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(descriptor)
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            _sync(path.parent)

    def get(self, key: str) -> bytes:
        with _translated(), self._open(key) as file:
            if os.fstat(file.fileno()).st_size > self._max_bytes:
                raise keys.too_large(self._max_bytes)
            return file.read()

    def exists(self, key: str) -> bool:
        try:
            with _translated(), self._open(key):
                return True
        except PhotoNotFound:
            return False

    def ping(self) -> None:
        if not self._root.is_dir():
            raise NotConfigured("photos", "the folder is missing")
        if not os.access(self._root, os.R_OK | os.W_OK | os.X_OK):
            raise Refused("photos", "EACCES")

    def close(self) -> None:
        """Nothing is held open between calls."""

    def _path(self, key: str) -> Path:
        names = key.split("/")
        if all(map(_is_plain, names)):
            return self._root.joinpath(*names)
        return self._root / _HASHED / hashlib.sha256(key.encode()).hexdigest()

    @contextmanager
    def _open(self, key: str) -> Iterator[BinaryIO]:
        if not keys.is_valid(key):
            raise keys.not_found()
        path = self._path(key)
        try:
            if _is_behind_a_link(path):
                raise keys.not_found()
            # Not blocking: opening a pipe that lies there would otherwise wait for its writer.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in _ABSENT:
                raise keys.not_found() from error
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise keys.not_found()
        with os.fdopen(descriptor, "rb") as file:
            yield file

    def _remove_abandoned(self, before: float) -> None:
        # What cannot be removed must not keep the photos from being read, as on a read-only file system.
        with suppress(OSError), os.scandir(self._incoming) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < before:
                        Path(entry).unlink()

    def _make(self, folder: Path) -> None:
        # A folder counts as made only once its parent knows it durably, hence one lock around all of it.
        with self._making_folders:
            missing = [step for step in (folder, *folder.parents) if not step.is_dir()]
            for step in reversed(missing):
                step.mkdir(mode=0o700, exist_ok=True)
                _sync(step.parent)


def _is_plain(name: str) -> bool:
    return (
        name.isprintable()
        and not name.startswith(".")
        and not {"\\", ":"} & set(name)
        and 0 < len(name.encode()) <= _MAX_NAME_BYTES
    )


def _is_behind_a_link(path: Path) -> bool:
    return path.parent.resolve() != path.parent


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        code = errno.errorcode.get(error.errno or 0, type(error).__name__)
        raise (Unavailable if error.errno in _PASSING else Refused)("photos", code) from error
