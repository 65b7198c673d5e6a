"""Which file a table means by a photo's name.

A name is compared with all files at once and the closest file is taken, if there is one closest: systems change the
case of names, the form of their letters, their folders and ``.jpeg`` for ``.jpg`` on the way from a camera to an
archive. A photo is never guessed: if several files are equally close and their bytes differ, none is taken.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from core.domain.errors import PhotoNotFound, PhotoRefused, PhotoUnsupported

#: Suffixes of one format.
_JPEG = ("jpeg", "jpe", "jfif")
#: What systems add to folders and archives. macOS keeps attributes of files in ``__MACOSX`` and "._" files.
_LITTER_FOLDER, _LITTER_PREFIX = "__macosx", "._"
_LITTER = frozenset({".ds_store", "thumbs.db", "desktop.ini"})
#: Longer paths are left out.
_LONGEST = 1024
#: The most files that are compared with a name, and the most whose bytes are compared.
_MAX_CLOSE, _MAX_EQUAL = 20, 8


class FilePath:
    """A path in a table, a folder or an archive, in the forms in which it is compared."""

    def __init__(self, text: str) -> None:
        self.parts = tuple(part for part in text.replace("\\", "/").split("/") if part not in ("", "."))

    @cached_property
    def composed(self) -> tuple[str, ...]:
        return tuple(unicodedata.normalize("NFC", part) for part in self.parts)

    @cached_property
    def compatible(self) -> tuple[str, ...]:
        """With characters that only look different, such as U+202F and a space, made the same."""
        return tuple(unicodedata.normalize("NFKC", part) for part in self.parts)

    @cached_property
    def folded(self) -> tuple[str, ...]:
        """Without differences in case."""
        return tuple(unicodedata.normalize("NFKC", part.casefold()) for part in self.compatible)

    @property
    def keys(self) -> tuple[tuple[str, ...], ...]:
        """What this path has in common with the files that may be meant, the closest first: all of it, its folder and
        name, its name; the latter without differences in case and in the suffix of one format.
        """
        stem, dot, suffix = self.folded[-1].rpartition(".")
        name = f"{stem}{dot}{'jpg' if suffix in _JPEG else suffix}"
        folder = self.folded[-2:-1]
        return self.parts, (*folder, name) if folder else self.parts, (name,)

    @property
    def is_litter(self) -> bool:
        return not self.parts or (
            _LITTER_FOLDER in self.folded or self.folded[-1].startswith(_LITTER_PREFIX) or self.folded[-1] in _LITTER
        )

    def ends_with(self, other: FilePath) -> bool:
        """Whether ``other`` is this path, or the end of it; letters such as é may be written in two ways."""
        return bool(other.parts) and self.composed[-len(other.parts) :] == other.composed


@dataclass(frozen=True)
class PhotoFile:
    """A file, and how it is read: that raises ``PhotoRefused`` for what is too large or damaged."""

    path: str
    read: Callable[[], bytes]


#: What a table means by a name, or why that cannot be said.
Found = PhotoFile | PhotoNotFound | PhotoRefused


def read(found: Found) -> bytes:
    """The bytes of the file that is meant. Raises why it cannot be said, or as ``PhotoFile.read``."""
    if isinstance(found, PhotoFile):
        return found.read()
    raise found


class PhotoFiles:
    """The files of a folder or an archive. ``place`` is what to call it: "folder" or "zip archive"."""

    def __init__(self, files: Iterable[PhotoFile], place: str) -> None:
        self._place = place
        self._files: list[PhotoFile] = []
        self._by_key: tuple[dict[tuple[str, ...], list[PhotoFile]], ...] = ({}, {}, {})
        self._digests: dict[int, bytes | None] = {}
        for file in files:
            path = FilePath(file.path)
            if len(file.path) <= _LONGEST and not path.is_litter:
                self._files.append(file)
                for by_key, key in zip(self._by_key, path.keys, strict=True):
                    by_key.setdefault(key, []).append(file)

    def __iter__(self) -> Iterator[PhotoFile]:
        return iter(self._files)

    def count(self, names: Iterable[str]) -> int:
        """How many of the names may be found."""
        return sum(bool(self._candidates(FilePath(name))) for name in names)

    def find(self, names: Iterable[str]) -> Mapping[str, Found]:
        """The file that is closest to each of the names of one table.

        A file that one name means is not taken for another name that is less close to it, unless the two differ only
        in case, the form of letters or a folder that one of them leaves out.
        """
        found: dict[str, Found] = {}
        claims: dict[str, list[tuple[FilePath, str]]] = {}
        for name in names:
            path = FilePath(name)
            found[name] = file = self._closest(path)
            if isinstance(file, PhotoFile):
                claims.setdefault(file.path, []).append((path, name))
        for file_path, claimed in claims.items():
            wrong = _wrong(FilePath(file_path), [path for path, _ in claimed])
            for path, name in claimed:
                if path in wrong:
                    found[name] = PhotoNotFound(
                        f"It is not in the {self._place}. The file {file_path!r} is close to it, but so it is to the "
                        "name on another line. Add the photo, or write the name as it is there."
                    )
        return found

    def _candidates(self, name: FilePath) -> list[PhotoFile]:
        if not name.parts:
            return []
        return next(
            (found for by_key, key in zip(self._by_key, name.keys, strict=True) if (found := by_key.get(key))), []
        )

    def _closest(self, name: FilePath) -> Found:
        files = self._candidates(name)
        if not files:
            return PhotoNotFound(f"It is not in the {self._place}.")
        closest = files
        if len(files) <= _MAX_CLOSE:
            ranked = [(_closeness(name, FilePath(file.path)), file) for file in files]
            best = max(closeness for closeness, _ in ranked)
            closest = [file for closeness, file in ranked if closeness == best]
        if not self._are_the_same(closest):
            return PhotoUnsupported(
                f"The {self._place} has several files of this name. Write the right one's folder in the table, too."
            )
        return closest[0]

    def _are_the_same(self, files: Sequence[PhotoFile]) -> bool:
        """Whether all have the same bytes."""
        if len(files) == 1 or len(files) > _MAX_EQUAL:
            return len(files) == 1
        digests = {self._digest(file) for file in files}
        return len(digests) == 1 and None not in digests

    def _digest(self, file: PhotoFile) -> bytes | None:
        if id(file) not in self._digests:
            try:
                self._digests[id(file)] = hashlib.sha256(file.read()).digest()
            except PhotoRefused:
                self._digests[id(file)] = None
        return self._digests[id(file)]


def _wrong(file: FilePath, names: Collection[FilePath]) -> set[FilePath]:
    """Those of the names for which the file was taken that may not mean it, because another is closer or as close."""
    closeness = {name: _closeness(name, file) for name in names}
    best = max(closeness.values())
    closest = [name for name in names if closeness[name] == best]
    longest = max(closest, key=lambda name: len(name.parts))
    if not all(_may_be_the_same(longest, name) for name in closest):
        return set(names)
    return {name for name in names if not _may_be_the_same(longest, name)}


def _closeness(name: FilePath, file: FilePath) -> tuple[int, ...]:
    """Greater for a file that is closer to the name."""
    shared = 0
    for one, other in zip(reversed(name.folded[:-1]), reversed(file.folded[:-1]), strict=False):
        if one != other:
            break
        shared += 1
    return (
        shared,
        name.folded[-1] == file.folded[-1],
        len(name.parts) == len(file.parts),
        name.parts == file.parts,
        name.compatible == file.compatible,
        name.parts[-1] == file.parts[-1],
        name.compatible[-1] == file.compatible[-1],
    )


def _may_be_the_same(one: FilePath, other: FilePath) -> bool:
    shared = min(len(one.parts), len(other.parts))
    return one.folded[-shared:] == other.folded[-shared:]
