"""Templates of photos, each in a file beside the photos."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from core.domain.errors import Service
from core.files.disk import unavailable_on_os_errors, unlink

#: The version of the files' form.
_VERSION = 1
#: What a file begins with: its version and the SHA-256 of all that follows.
_HEAD = struct.Struct(">B32s")
#: The lengths of key, model, mark and template, which follow in this order and end the file.
_LENGTHS = struct.Struct(">HHHI")


class FolderTemplates:
    """``Templates`` in a folder, each in a file that is named by the hash of its photo's key.

    The store of the photos makes it, so that no photo goes without its template. A template that is written while its
    photo is being replaced or erased is removed by whoever comes last. One gap is left: a process that is killed
    between its write and its second look at the photo. ``sweep`` removes what it left.
    """

    def __init__(
        self, folder: Path, identity: Callable[[str], str | None], write: Callable[[str, Path, bytes], None]
    ) -> None:
        """``identity`` answers ``mark``. ``write`` writes a file that belongs to a key, completely or not at all."""
        self._folder = folder
        self._identity = identity
        self._write = write

    def mark(self, key: str) -> str | None:
        return self._identity(key)

    def get(self, key: str, model: str) -> bytes | None:
        mark = self._identity(key)
        kept = _read(self._path(key)) if mark else None
        return kept.template if kept and (kept.key, kept.model, kept.mark) == (key, model, mark) else None

    def put(self, key: str, model: str, mark: str, template: bytes) -> None:
        if self._identity(key) != mark:
            return
        self._write(key, self._path(key), _Kept(key, model, mark, template).packed())
        if self._identity(key) != mark:
            with unavailable_on_os_errors(Service.PHOTOS):
                self.remove(key)

    def remove(self, key: str) -> None:
        """Delete the template of this photo, if there is one. Durable when it returns. Raises ``OSError``."""
        unlink(self._path(key))

    def sweep(self) -> None:
        """Delete the templates of photos that are gone or changed, and damaged ones. Raises ``OSError``."""
        with suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                kept = _read(Path(entry))
                if kept is None or self._identity(kept.key) != kept.mark:
                    unlink(Path(entry))

    def _path(self, key: str) -> Path:
        return self._folder / hashlib.sha256(key.encode()).hexdigest()


@dataclass(frozen=True)
class _Kept:
    """What a file holds."""

    key: str
    model: str
    mark: str
    template: bytes

    def packed(self) -> bytes:
        parts = (self.key.encode(), self.model.encode(), self.mark.encode(), self.template)
        content = _LENGTHS.pack(*map(len, parts)) + b"".join(parts)
        return _HEAD.pack(_VERSION, hashlib.sha256(content).digest()) + content


def _read(path: Path) -> _Kept | None:
    """What the file holds; None if there is no such file, or if it is damaged or of another version."""
    try:
        data = path.read_bytes()
        version, digest = _HEAD.unpack_from(data)
        content = data[_HEAD.size :]
        if version != _VERSION or hashlib.sha256(content).digest() != digest:
            return None
        *parts, template = _split(content)
        key, model, mark = (part.decode() for part in parts)
    except (OSError, ValueError, struct.error):
        return None
    return _Kept(key, model, mark, template)


def _split(content: bytes) -> list[bytes]:
    """The four parts of a file. Raises ``ValueError`` or ``struct.error`` if the lengths are not right."""
    parts, at = [], _LENGTHS.size
    for length in _LENGTHS.unpack_from(content):
        parts.append(content[at : at + length])
        at += length
    if at != len(content):
        raise ValueError("lengths")
    return parts
