"""Photos in a folder of this machine."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from core.adapters.embedded.templates import FolderTemplates
from core.adapters.shared.photos import MAX_PHOTO_BYTES, is_valid_key, not_found, require_valid_key, too_large
from core.domain.clock import Clock, utc_now
from core.domain.errors import DiskFull, NotConfigured, PhotoNotFound, Refused, Service, Unavailable
from core.files.disk import ABSENT, INCOMING, TEMPLATES, require_room, sync_folder, unlink
from core.files.private import make_folder

#: Half of what file systems accept as a name, since some count in units of two bytes.
_MAX_NAME_BYTES = 127
#: The folder for photos whose keys cannot be paths as they are; they are named by the hash of the key.
_HASHED = ".hashed"
#: Far longer than any ``put`` takes: an older unfinished file was left behind by a process that was killed.
_ABANDONED_AFTER = timedelta(hours=1)
#: The number of photos that ``expire`` asks about at once.
_EXPIRED_AT_ONCE = 500
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_PASSING = frozenset({errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.ESTALE})


class FolderPhotos:
    """``Photos`` in a folder. A key is a path below ``root``, so that files put there by hand or by others are found.

    A photo whose key is not a harmless path (hidden or overlong names, backslashes, empty steps, ...) is stored under
    the hash of the key. Symbolic links below the root are never followed. The file system must distinguish upper and
    lower case, and everything below the root must be on the same one. Names with a leading dot are reserved for the
    store: a file that a killed ``put`` left behind is never read, and is deleted when the store is next opened an
    hour or more later. A photo that is replaced or erased takes its template with it (``templates``).
    """

    def __init__(self, root: Path, max_bytes: int = MAX_PHOTO_BYTES, clock: Clock = utc_now) -> None:
        """Creates ``root`` if it is missing. ``get`` refuses files larger than ``max_bytes``."""
        with _translated():
            make_folder(root)
            self._root = root.resolve()
        self._max_bytes = max_bytes
        # One folder for all unfinished files, so that those left behind are found quickly.
        self._incoming = self._root / INCOMING
        self._making_folders = threading.Lock()
        self.templates = FolderTemplates(self._root / TEMPLATES, self._identity, self._write)
        self._remove_abandoned(clock().timestamp() - _ABANDONED_AFTER.total_seconds())

    def put(self, key: str, data: bytes) -> None:
        require_valid_key(key)
        self._write(key, self._path(key), data)
        with _translated():
            self.templates.remove(key)

    def get(self, key: str) -> bytes:
        with _translated(), self._open(key) as file:
            if os.fstat(file.fileno()).st_size > self._max_bytes:
                raise too_large(self._max_bytes)
            return file.read()

    def exists(self, key: str) -> bool:
        try:
            with _translated(), self._open(key):
                return True
        except PhotoNotFound:
            return False

    def under(self, folder: str) -> list[str]:
        with _translated():
            return sorted(map(self._key, _files(self._folder(folder))))

    def erase(self, key: str) -> None:
        if not is_valid_key(key):
            return
        path = self._path(key)
        with _translated():
            if not _is_behind_a_link(path):
                self._remove(key, path)

    def erase_under(self, folder: str, kept: Collection[str] = ()) -> None:
        place = self._folder(folder)
        with _translated():
            for path in _files(place):
                if (key := self._key(path)) not in kept:
                    self._remove(key, path)
            for left in self._incoming.glob(f"{_prefix(folder)}*"):
                unlink(left)
            self._remove_if_empty(place)

    def expire(self, folder: str, before: datetime, named: Callable[[set[str]], set[str]]) -> int:
        """As the port says. Also deletes files that killed calls of ``put`` left behind an hour ago or earlier, and
        the templates of photos that are no longer there.
        """
        self._remove_abandoned(time.time() - _ABANDONED_AFTER.total_seconds())
        gone = 0
        with _translated():
            old = (path for path in _files(self._folder(folder)) if _was_put_before(path, before.timestamp()))
            while batch := {self._key(path): path for path in islice(old, _EXPIRED_AT_ONCE)}:
                for key in batch.keys() - named(set(batch)):
                    self._remove(key, batch[key])
                    gone += 1
                    if batch[key].parent != self._folder(folder):
                        self._remove_if_empty(batch[key].parent)
            self.templates.sweep()
        return gone

    def ping(self) -> None:
        if not self._root.is_dir():
            raise NotConfigured(Service.PHOTOS, "the folder is missing")
        if not os.access(self._root, os.R_OK | os.W_OK | os.X_OK):
            raise Refused(Service.PHOTOS, "EACCES")
        with _translated():
            require_room(self._root, Service.PHOTOS)

    def close(self) -> None:
        """Nothing is held open between calls."""

    def _path(self, key: str) -> Path:
        names = key.split("/")
        if all(map(_is_plain, names)):
            return self._root.joinpath(*names)
        return self._root / _HASHED / hashlib.sha256(key.encode()).hexdigest()

    def _folder(self, folder: str) -> Path:
        return self._root.joinpath(*folder.strip("/").split("/"))

    def _key(self, path: Path) -> str:
        return str(path.relative_to(self._root))

    def _identity(self, key: str) -> str | None:
        """What identifies the photo under ``key`` (``Templates.mark``); None if there is none."""
        try:
            with _translated(), self._open(key) as file:
                found = os.fstat(file.fileno())
        except PhotoNotFound:
            return None
        # The time of the last change of the file's own entry cannot be set, as that of its content can.
        return f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}-{found.st_ctime_ns}"

    def _write(self, key: str, path: Path, data: bytes) -> None:
        """Write the file at ``path``, which belongs to ``key``: durable, and complete or not at all."""
        with _translated():
            if _is_behind_a_link(path):
                raise Refused(Service.PHOTOS, "ELOOP")
            self._make(path.parent)
            self._make(self._incoming)
            descriptor, temporary = tempfile.mkstemp(dir=self._incoming, prefix=_prefix(key))
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(descriptor)
                Path(temporary).replace(path)
            except BaseException:
                Path(temporary).unlink(missing_ok=True)
                raise
            sync_folder(path.parent)

    def _remove(self, key: str, path: Path) -> None:
        # The template goes last: one that is being written now finds that its photo is gone, or is removed here.
        unlink(path)
        self.templates.remove(key)

    def _remove_if_empty(self, folder: Path) -> None:
        with suppress(OSError):  # missing, not empty, or a photo is being put into it
            folder.rmdir()
            sync_folder(folder.parent)

    @contextmanager
    def _open(self, key: str) -> Iterator[BinaryIO]:
        if not is_valid_key(key):
            raise not_found()
        path = self._path(key)
        try:
            if _is_behind_a_link(path):
                raise not_found()
            # Not blocking, because opening a named pipe would otherwise wait for its writer.
            descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in ABSENT:
                raise not_found() from error
            raise
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise not_found()
        with os.fdopen(descriptor, "rb") as file:
            yield file

    def _remove_abandoned(self, before: float) -> None:
        # Photos must stay readable even if nothing can be deleted, as on a read-only file system.
        with suppress(OSError), os.scandir(self._incoming) as entries:
            for entry in entries:
                with suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < before:
                        Path(entry).unlink()

    def _make(self, folder: Path) -> None:
        # A folder exists for others only once its parent has it durably, hence one lock around all of this.
        with self._making_folders:
            missing = [step for step in (folder, *folder.parents) if not step.is_dir()]
            for step in reversed(missing):
                step.mkdir(mode=0o700, exist_ok=True)
                sync_folder(step.parent)


def _prefix(key: str) -> str:
    """How the name of an unfinished file begins: it identifies the folder of its key without revealing it."""
    return f"{hashlib.sha256(key.rpartition('/')[0].encode()).hexdigest()[:32]}-"


def _files(folder: Path) -> Iterator[Path]:
    """The regular files in and below ``folder``, without following links; none if there is no such folder."""
    if folder.resolve() != folder:
        return
    with suppress(FileNotFoundError, NotADirectoryError), os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry))
            elif entry.is_file(follow_symlinks=False):
                yield Path(entry)


def _was_put_before(path: Path, moment: float) -> bool:
    with suppress(FileNotFoundError):
        return path.stat(follow_symlinks=False).st_mtime < moment
    return False


def _is_plain(name: str) -> bool:
    return (
        name.isprintable()
        and not name.startswith(".")
        and not {"\\", ":"} & set(name)
        and 0 < len(name.encode()) <= _MAX_NAME_BYTES
    )


def _is_behind_a_link(path: Path) -> bool:
    return path.parent.resolve() != path.parent


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        code = errno.errorcode.get(error.errno or 0, type(error).__name__)
        if error.errno in _FULL:
            raise DiskFull(Service.PHOTOS, code) from error
        raise (Unavailable if error.errno in _PASSING else Refused)(Service.PHOTOS, code) from error
