"""Labelled photos for ``benchmarks.faces``: which of a folder are measured, whom they show, and lists of pairs."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp"})
HALVES = ("tune", "measure")


@dataclass(frozen=True)
class Photo:
    """A photo of a person: ``FOLDER/person/photo.jpg``."""

    path: Path

    @property
    def person(self) -> str:
        return self.path.parent.name

    @property
    def name(self) -> str:
        return f"{self.person}/{self.path.name}"


@dataclass(frozen=True)
class Pair:
    """Two photos to compare, and whether they show one person."""

    reference: Photo
    submitted: Photo
    same: bool


def half_of(person: str) -> str:
    """The half, of ``HALVES``, to which all photos of ``person`` belong: always the same one."""
    return HALVES[order_of(person)[0] % 2]


def photos_of(folder: Path, half: str, people: int | None = None, each: int | None = None) -> list[Photo]:
    """The photos of a half (or ``both``) of the people in ``folder``, sorted by person and name.

    Of more than ``people`` people, those with two photos or more come first; of more than ``each`` photos of one
    person, so many are taken, or one much photographed person would decide the result. Which ones does not depend on
    anything but their names.
    """
    of_people = {
        person.name: [Photo(path) for path in sorted(person.iterdir()) if path.suffix.lower() in SUFFIXES]
        for person in folder.iterdir()
        if person.is_dir() and half in ("both", half_of(person.name))
    }
    names = sorted(of_people, key=lambda person: (len(of_people[person]) < 2, order_of(person)))
    chosen = (
        sorted(of_people[name], key=lambda photo: order_of(photo.name))[:each] for name in sorted(names[:people])
    )
    return [photo for photos in chosen for photo in sorted(photos, key=lambda photo: photo.name)]


def matching(photos: Iterable[Photo], pattern: str) -> list[Photo]:
    """Those whose file's name matches a shell pattern, such as ``profile_*``."""
    return [photo for photo in photos if fnmatch(photo.path.name, pattern)]


def listed(photos: Iterable[Photo], names: Path) -> list[Photo]:
    """Those that a file lists by ``person/photo.jpg``, one a line."""
    wanted = set(names.read_text().split("\n"))
    return [photo for photo in photos if photo.name in wanted]


def pairs_of(file: Path, folder: Path, half: str) -> list[Pair]:
    """The pairs that ``file`` lists, of people who are both in ``half`` (or ``both``).

    A line is ``one/photo.jpg another/photo.jpg 1`` (0: different people), with paths in ``folder``; or it is as in
    the pairs of Labeled Faces in the Wild: ``Name 1 4``, or ``Name 1 Other_Name 2``. Fields are separated by tabs, or
    by spaces where there is no tab. A first line of numbers alone is passed over. Raises ``ValueError`` for others.
    """
    lines = [line.strip() for line in file.read_text().splitlines() if line.strip()]
    if lines and all(field.isdigit() for field in lines[0].split()):
        lines = lines[1:]
    pairs = [_pair(line.split("\t") if "\t" in line else line.split(), folder) for line in lines]
    if half == "both":
        return pairs
    return [
        pair for pair in pairs if half_of(pair.reference.person) == half and half_of(pair.submitted.person) == half
    ]


def _pair(fields: Sequence[str], folder: Path) -> Pair:
    match fields:
        case [name, first, second] if first.isdigit() and second.isdigit():
            return Pair(_numbered(folder, name, first), _numbered(folder, name, second), True)
        case [name, first, other, second] if first.isdigit() and second.isdigit():
            return Pair(_numbered(folder, name, first), _numbered(folder, other, second), False)
        case [one, other, ("0" | "1") as same]:
            return Pair(Photo(folder / one), Photo(folder / other), same == "1")
    raise ValueError(f"not a pair: {' '.join(fields)}")


def _numbered(folder: Path, name: str, number: str) -> Photo:
    return Photo(folder / name / f"{name}_{int(number):04d}.jpg")


def groups_of(file: Path) -> dict[str, str]:
    """Person -> group, of a CSV file with both columns and no head."""
    with file.open(newline="") as lines:
        return dict(csv.reader(lines))


def order_of(name: str) -> bytes:
    """What puts names into an order that has nothing to do with them, and is always the same."""
    return hashlib.sha256(name.encode()).digest()
