"""The photos that come with a list of registrations: the files of a folder or of a zip archive, by name."""

from __future__ import annotations

import os
import struct
import threading
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import IO, Protocol

from core.domain.errors import InvalidInput, PhotoTooLarge, PhotoUnsupported
from core.services.photo_names import Found, PhotoFile, PhotoFiles, read

#: The most files of a folder with its subfolders, and the most subfolders in each other.
MAX_FILES, MAX_DEPTH = 200_000, 12
#: The code pages of names in archives that say neither that they are UTF-8 nor are it: those of DOS, of Windows in
#: Western Europe, and of Japan.
CODE_PAGES = ("cp437", "cp850", "cp1252", "cp932")
#: Info-ZIP's extra field with a name in UTF-8: a version and the CRC of the name that it replaces stand before it.
_UNICODE_PATH = 0x7075


class PhotoSource(Protocol):
    """The photos that a table names. A name is looked up among those that are there, so none leads outside."""

    @property
    def place(self) -> str:
        """What to call it: "folder" or "zip archive"."""
        ...

    def find(self, names: Collection[str]) -> Mapping[str, Found]:
        """What the names of one table mean (``core.services.photo_names``)."""
        ...


class FolderSource:
    """The files of a folder and its subfolders, each of at most ``max_bytes``. No link leads out of it."""

    place = "folder"

    def __init__(self, folder: Path, max_bytes: int) -> None:
        if not folder.is_dir():
            raise InvalidInput(f"There is no folder {folder}.")
        files = (
            PhotoFile(_text(path.relative_to(folder)), partial(_read_file, path, max_bytes))
            for path in _files(folder)
        )
        self._files = PhotoFiles(files, self.place)

    @property
    def names(self) -> Iterable[str]:
        """The files' paths in the folder."""
        return (file.path for file in self._files)

    def find(self, names: Collection[str]) -> Mapping[str, Found]:
        return self._files.find(names)

    def read(self, name: str) -> bytes:
        """Raises ``PhotoNotFound``, or ``PhotoRefused`` for what is too large or damaged."""
        return read(self.find([name])[name])


class ZipSource:
    """The files of a zip archive, each of at most ``max_bytes`` unpacked."""

    place = "zip archive"

    def __init__(self, archive: IO[bytes], max_bytes: int) -> None:
        """``archive`` stays open, and the caller's to close. Raises ``InvalidInput`` where it is no zip archive."""
        try:
            self._archive = zipfile.ZipFile(archive)
        except (zipfile.BadZipFile, OSError, ValueError) as error:
            raise InvalidInput("The photos are not a readable zip archive.") from error
        self._max_bytes = max_bytes
        self._lock = threading.Lock()  # an archive's readers share one file and its count of users
        entries = [info for info in self._archive.infolist() if not info.is_dir()]
        if len(entries) > MAX_FILES:
            raise InvalidInput(f"The zip archive has more than {MAX_FILES:,} files. Split it.")
        pages = CODE_PAGES if any(_name(info, None) is None for info in entries) else CODE_PAGES[:1]
        self._by_page = [
            PhotoFiles(
                (PhotoFile(_name(info, page) or "", partial(self._read, info)) for info in entries), self.place
            )
            for page in pages
        ]

    def find(self, names: Collection[str]) -> Mapping[str, Found]:
        """As the port says; the names of files are read in the code page in which most of the names are found."""
        return max(self._by_page, key=lambda files: files.count(names)).find(names)

    def read(self, name: str) -> bytes:
        """Raises ``PhotoNotFound``, or ``PhotoRefused`` for what is too large or damaged."""
        return read(self.find([name])[name])

    def _read(self, info: zipfile.ZipInfo) -> bytes:
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # Others may ask for gigabytes of memory before they give the first byte.
            raise PhotoUnsupported("It is packed in a way that is not taken: make a plain zip archive.")
        try:
            with self._lock, self._archive.open(info) as file:
                # The size that the archive states may be a lie: what counts is what comes out.
                return _read_limited(file, self._max_bytes)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
            raise PhotoUnsupported("It cannot be unpacked: it is damaged or encrypted.") from error


def _read_file(path: Path, max_bytes: int) -> bytes:
    try:
        with path.open("rb") as file:
            return _read_limited(file, max_bytes)
    except OSError as error:
        raise PhotoUnsupported(f"It cannot be read ({error.strerror}).") from error


def _read_limited(file: IO[bytes], max_bytes: int) -> bytes:
    data = file.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise PhotoTooLarge(f"It is larger than {max_bytes / 2**20:g} MB.")
    return data


def _files(folder: Path) -> Iterator[Path]:
    """The files, sorted in each folder. Raises ``InvalidInput`` where there are too many."""
    inside, count = folder.resolve(), 0
    folders = [(folder, 0)]
    while folders:
        here, depth = folders.pop()
        try:
            entries = sorted(here.iterdir())
        except OSError:  # a folder that may not be read has nothing for us
            continue
        for path in entries:
            if path.is_symlink() and not path.resolve().is_relative_to(inside):
                continue
            if path.is_file():
                count += 1
                if count > MAX_FILES:
                    raise InvalidInput(
                        f"{folder} has more than {MAX_FILES:,} files. Name a folder that holds only the photos."
                    )
                yield path
            elif depth < MAX_DEPTH and path.is_dir() and not path.is_symlink():
                folders.append((path, depth + 1))


def _text(path: Path) -> str:
    """The path as text; a name that is none has replacement characters."""
    return os.fsencode(path.as_posix()).decode(errors="replace")


def _name(info: zipfile.ZipInfo, page: str | None) -> str | None:
    """The entry's path, which may depend on the code page; None if it does and none is given."""
    if info.flag_bits & 0x800:  # zipfile has read it as UTF-8
        return info.filename
    raw = info.orig_filename.encode("cp437")  # which undoes what zipfile did
    if (name := _unicode_path(info.extra, raw)) is not None:
        return name
    try:
        return raw.decode()  # as macOS writes it, and ASCII
    except UnicodeDecodeError:
        return raw.decode(page, "replace") if page else None


def _unicode_path(extra: bytes, raw: bytes) -> str | None:
    while len(extra) >= 4:
        kind, length = struct.unpack_from("<HH", extra)
        field, extra = extra[4 : 4 + length], extra[4 + length :]
        if kind == _UNICODE_PATH and field[:5] == struct.pack("<BL", 1, zlib.crc32(raw)):
            return field[5:].decode(errors="replace")
    return None
