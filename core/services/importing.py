"""Registrations of a list and their photos: what is good goes in, the rest is named by its line."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from core.domain.errors import PhotoNotFound, PhotoRefused
from core.domain.records import Registration
from core.ports import Photos
from core.services.lists.events import ProfilePlan
from core.services.lists.people import Line, People
from core.services.lists.plan import NO_PHOTOS
from core.services.lists.tables import Notice, Problem
from core.services.photo_names import FilePath, Found, PhotoFile, read
from core.services.photo_sources import PhotoSource

#: Registrations that go in together, after their photos.
BATCH = 200
#: Photos under way at once; the decoding happens in the sanitiser's own processes.
_PHOTO_THREADS = 4

#: Called with how many good lines are done and how many there are.
Report = Callable[[int, int], object]


class Clean(Protocol):
    @property
    def jpeg(self) -> bytes: ...


class Sanitiser(Protocol):
    def clean(self, data: bytes) -> Clean:
        """Raises ``PhotoRefused`` with a sentence for the person."""
        ...


class Importer(Protocol):
    """What an import needs of ``RegistrationImport``."""

    def import_many(self, registrations: Iterable[Registration]) -> int: ...


@dataclass(frozen=True)
class ImportReport:
    """``events`` are the ids of those whose registrations went in, in the order of the list. ``profiles`` is what was
    done to the profiles of events (``core.services.profile_import``).
    """

    imported: int
    problems: tuple[Problem, ...]
    notices: tuple[Notice, ...] = ()
    events: tuple[str, ...] = ()
    profiles: ProfilePlan = field(default_factory=ProfilePlan)


def import_registrations(
    people: People,
    source: PhotoSource | None,
    *,
    registrations: Importer,
    photos: Photos,
    sanitiser: Sanitiser,
    progress: Report = lambda done, total: None,
) -> ImportReport:
    """Import the people of a list (``core.services.lists.people.read_people``), whose photos ``source`` has.

    A registration that exists is replaced. A line whose photo is missing or refused does not go in: a registration
    without its reference photo would be judged on the face alone. Keys of photos, which our own exports have, must be
    in ``photos``. Photos are kept before the registrations that name them, in batches; a ``ServiceError`` ends the
    import with the batches before it in place, and it can be run again. Raises ``InvalidInput`` where the list lacks
    an id.
    """
    people.require_complete()
    files, place = _files(people.lines, source), source.place if source else ""
    imported, problems, notices = 0, list(people.problems), list[Notice]()
    events: dict[str, None] = {}
    with ThreadPoolExecutor(_PHOTO_THREADS) as threads:
        for start in range(0, len(people.lines), BATCH):
            batch = people.lines[start : start + BATCH]
            kept = list(threads.map(lambda line: _with_photos(line, files, photos, sanitiser), batch))
            good = [each for each in kept if isinstance(each, Registration)]
            problems += [each for each in kept if isinstance(each, Problem)]
            went_in = [line for line, each in zip(batch, kept, strict=True) if isinstance(each, Registration)]
            notices += [notice for line in went_in for notice in _notices(line, files, place)]
            imported += registrations.import_many(good) if good else 0
            events |= dict.fromkeys(each.event_id for each in good)
            progress(start + len(batch), len(people.lines))
    ordered = tuple(sorted(problems, key=lambda problem: problem.line))
    return ImportReport(imported, ordered, tuple(notices), tuple(events))


def keep_reference(data: bytes, photos: Photos, sanitiser: Sanitiser) -> str:
    """Keep a photo from outside, cleaned, and return its key, which follows from the content alone.

    Raises ``PhotoRefused`` and ``ServiceError``.
    """
    jpeg = sanitiser.clean(data).jpeg
    key = f"reference-faces/{hashlib.sha256(jpeg).hexdigest()}.jpg"
    photos.put(key, jpeg)
    return key


def keep_submitted(registration_id: str, data: bytes, photos: Photos, sanitiser: Sanitiser) -> str:
    """As ``keep_reference``, of a photo to be validated; no two registrations share a key, whatever they sent."""
    jpeg = sanitiser.clean(data).jpeg
    key = f"face-images/{hashlib.sha256(registration_id.encode() + bytes(1) + jpeg).hexdigest()}.jpg"
    photos.put(key, jpeg)
    return key


def _with_photos(
    entry: Line, files: Mapping[str, Found], photos: Photos, sanitiser: Sanitiser
) -> Registration | Problem:
    registration = entry.registration
    for key in (registration.reference_photo_key, registration.submitted_photo_key):
        if key is not None and not photos.exists(key):
            return Problem(entry.line, f"photo key {key!r}: there is no such photo here.")
    name = entry.photo
    try:
        if name:
            key = keep_reference(_named(name, files), photos, sanitiser)
            registration = registration.model_copy(update={"reference_photo_key": key})
        if name := entry.submitted:
            key = keep_submitted(registration.registration_id, _named(name, files), photos, sanitiser)
            registration = registration.model_copy(update={"submitted_photo_key": key})
    except (PhotoNotFound, PhotoRefused) as error:
        return Problem(entry.line, f"photo {name!r}: {error}")
    return registration


def _files(lines: Sequence[Line], source: PhotoSource | None) -> Mapping[str, Found]:
    """What the lines' names of photos mean; empty without a source."""
    names = [name for line in lines for name in (line.photo, line.submitted) if name]
    return source.find(list(dict.fromkeys(names))) if source else {}


def _named(name: str, files: Mapping[str, Found]) -> bytes:
    return read(files.get(name, PhotoNotFound(NO_PHOTOS)))


def _notices(line: Line, files: Mapping[str, Found], place: str) -> Iterator[Notice]:
    """Which files the line's photos are, if they are called otherwise."""
    for name in (line.photo, line.submitted):
        file = files.get(name)
        if isinstance(file, PhotoFile) and not FilePath(file.path).ends_with(FilePath(name)):
            yield Notice(line.line, f"photo {name!r} is the file {file.path!r} in the {place}.")
