"""The photos that come with a list of registrations: the files of a folder or of a zip archive, by name."""

from __future__ import annotations

import threading
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import IO, Protocol

from core.domain.errors import InvalidInput, PhotoNotFound, PhotoTooLarge, PhotoUnsupported


class PhotoSource(Protocol):
    """The photos that a table names. A name is looked up among those that are there, so none leads outside."""

    def read(self, name: str) -> bytes:
        """Raises ``PhotoNotFound``, or ``PhotoRefused`` for what is too large or damaged."""
        ...


class FolderSource:
    """The files of a folder, not of folders inside it, each of at most ``max_bytes``."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        if not folder.is_dir():
            raise InvalidInput(f"There is no folder {folder}.")
        inside = folder.resolve()
        files = (path for path in folder.iterdir() if path.is_file() and path.resolve().parent == inside)
        self._files = {_normal(path.name): path for path in files}
        self._max_bytes = max_bytes

    @property
    def names(self) -> Iterable[str]:
        return self._files.keys()

    def read(self, name: str) -> bytes:
        if (path := self._files.get(_normal(name))) is None:
            raise PhotoNotFound("It is not in the folder.")
        try:
            with path.open("rb") as file:
                return _read_limited(file, self._max_bytes)
        except OSError as error:
            raise PhotoUnsupported(f"It cannot be read ({error.strerror}).") from error


class ZipSource:
    """The files of a zip archive by name, in whatever folder inside it, each of at most ``max_bytes`` unpacked."""

    def __init__(self, archive: IO[bytes], max_bytes: int) -> None:
        """``archive`` stays open, and the caller's to close. Raises ``InvalidInput`` where it is no zip archive."""
        try:
            self._archive = zipfile.ZipFile(archive)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise InvalidInput("The photos are not a readable zip archive.") from error
        self._files: dict[str, list[zipfile.ZipInfo]] = {}
        for info in self._archive.infolist():
            if not info.is_dir():
                name = PurePosixPath(info.filename.replace("\\", "/")).name
                self._files.setdefault(_normal(name), []).append(info)
        self._max_bytes = max_bytes
        self._lock = threading.Lock()  # an archive's readers share one file and its count of users

    def read(self, name: str) -> bytes:
        found = self._files.get(_normal(name), [])
        if not found:
            raise PhotoNotFound("It is not in the zip archive.")
        if len(found) > 1:
            raise PhotoUnsupported("The zip archive has several files of this name.")
        if found[0].compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # Others may ask for gigabytes of memory before they give the first byte.
            raise PhotoUnsupported("It is packed in a way that is not taken: make a plain zip archive.")
        try:
            with self._lock, self._archive.open(found[0]) as file:
                # The size that the archive states may be a lie: what counts is what comes out.
                return _read_limited(file, self._max_bytes)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
            raise PhotoUnsupported("It cannot be unpacked: it is damaged or encrypted.") from error


def _read_limited(file: IO[bytes], max_bytes: int) -> bytes:
    data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise PhotoTooLarge(f"It is larger than {max_bytes / 2**20:g} MB.")
    return data


def _normal(name: str) -> str:
    """One form for letters that can be written in two (é): a table and a file system may differ in it."""
    return unicodedata.normalize("NFC", name)
