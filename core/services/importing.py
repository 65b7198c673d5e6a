"""Registrations and their reference photos from a CSV file: what is good goes in, the rest is named by its line."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Protocol

from core.domain.errors import InvalidInput, PhotoNotFound, PhotoRefused
from core.domain.formulas import restored
from core.domain.records import Registration
from core.ports import Photos
from core.services.photo_names import FilePath, Found, PhotoFile
from core.services.photo_sources import PhotoSource

COLUMNS = ("registrationId", "userId", "eventId", "name", "email", "photo")
REQUIRED = ("registrationId", "userId", "eventId")
#: Names a photo that the person sent to be validated; it may be missing from a table.
SUBMITTED = "submittedPhoto"
#: Columns that only our own list of registrations has (``core.services.tables.REGISTRATION_EXPORT``), in which
#: ``photo`` may be missing: keys of photos that are stored.
KEYS = ("referencePhotoKey", "submittedPhotoKey")
MAX_TABLE_BYTES = 50 * 1024 * 1024
#: Longest value: an e-mail address has at most 254 characters (RFC 5321), and ids are keys of at most 1,024 bytes.
MAX_VALUE = 254
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
#: Registrations that go in together, after their photos.
BATCH = 200
#: Photos under way at once; the decoding happens in the sanitiser's own processes.
_PHOTO_THREADS = 4

#: Called with how many lines are done and how many there are.
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
class Problem:
    """A line (1 is the header's) that did not go in, and why, in one sentence."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.message}"


@dataclass(frozen=True)
class Notice(Problem):
    """A line that went in otherwise than it says, and how, in one sentence."""


@dataclass(frozen=True)
class ImportReport:
    imported: int
    problems: tuple[Problem, ...]
    notices: tuple[Notice, ...] = ()


@dataclass(frozen=True)
class _Row:
    line: int
    registration: Registration
    #: The files' names, empty where there is none: the reference photo, and the one to be validated.
    photo: str
    submitted: str


def import_registrations(
    table: bytes,
    source: PhotoSource | None,
    *,
    registrations: Importer,
    photos: Photos,
    sanitiser: Sanitiser,
    progress: Report = lambda done, total: None,
) -> ImportReport:
    """Import a CSV table (UTF-8; comma, semicolon or tab) with the columns ``COLUMNS``, whose photos ``source`` has.

    It may have the column ``SUBMITTED`` as well. A table with the columns ``KEYS`` is our own export: its text is
    restored (``core.domain.formulas``), and its keys name photos that ``photos`` must have. Text of any other table
    is taken as it is.

    A registration that exists is replaced; of two lines with one id the first goes in. A line whose photo is missing
    or refused does not go in: a registration without its reference photo would be judged on the face alone. Photos
    are kept before the registrations that name them, in batches; a ``ServiceError`` ends the import with the
    batches before it in place, and it can be run again. Raises ``InvalidInput`` where the table as a whole cannot be
    read.
    """
    entries = list(_read(table))
    files = _files(entries, source)
    imported, problems, notices = 0, [], []
    with ThreadPoolExecutor(_PHOTO_THREADS) as threads:
        for start in range(0, len(entries), BATCH):
            batch = entries[start : start + BATCH]
            kept = list(threads.map(lambda entry: _with_photos(entry, files, photos, sanitiser), batch))
            good = [each for each in kept if isinstance(each, Registration)]
            problems += [each for each in kept if isinstance(each, Problem)]
            went_in = [row for row, each in zip(batch, kept, strict=True) if isinstance(each, Registration)]
            notices += [notice for row in went_in for notice in _notices(row, files, source.place if source else "")]
            imported += registrations.import_many(good) if good else 0
            progress(start + len(batch), len(entries))
    return ImportReport(imported, tuple(problems), tuple(notices))


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
    entry: _Row | Problem, files: Mapping[str, Found], photos: Photos, sanitiser: Sanitiser
) -> Registration | Problem:
    if isinstance(entry, Problem):
        return entry
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


def _files(entries: Iterable[_Row | Problem], source: PhotoSource | None) -> Mapping[str, Found]:
    """What the lines' names of photos mean; empty without a source."""
    names = [name for row in entries if isinstance(row, _Row) for name in (row.photo, row.submitted) if name]
    return source.find(list(dict.fromkeys(names))) if source else {}


def _named(name: str, files: Mapping[str, Found]) -> bytes:
    found = files.get(name, PhotoNotFound("No photos were given with the table."))
    if isinstance(found, PhotoFile):
        return found.read()
    raise found


def _notices(row: _Row | Problem, files: Mapping[str, Found], place: str) -> Iterator[Notice]:
    """Which files the line's photos are, if they are called otherwise."""
    for name in (row.photo, row.submitted) if isinstance(row, _Row) else ():
        file = files.get(name)
        if isinstance(file, PhotoFile) and not FilePath(file.path).ends_with(FilePath(name)):
            yield Notice(row.line, f"photo {name!r} is the file {file.path!r} in the {place}.")


def _read(table: bytes) -> Iterator[_Row | Problem]:
    """The table's lines in order, each as what it says or as what is wrong with it."""
    text = _decoded(table)
    header_line = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header_line.count), strict=True)
    header = _header(reader)
    ours = _is_ours(header)
    known = (*COLUMNS, SUBMITTED, *(KEYS if ours else ()))
    positions = {column: header.index(column.casefold()) for column in known if column.casefold() in header}
    first_lines: dict[str, int] = {}
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lost = f"; lines {line} to {reader.line_num} are lost with it" if reader.line_num > line else ""
            yield Problem(line, f"the line is not CSV ({error}){lost}.")
            continue
        if not any(cell.strip() for cell in cells):
            continue
        if ours:
            cells = [restored(cell) for cell in cells]
        entry = _entry(line, cells, len(header), positions, first_lines)
        if isinstance(entry, _Row):
            first_lines[entry.registration.registration_id] = line
        yield entry


def _decoded(table: bytes) -> str:
    if len(table) > MAX_TABLE_BYTES:
        raise InvalidInput(f"The CSV file is larger than {MAX_TABLE_BYTES // (1024 * 1024)} MB. Split it.")
    try:
        return table.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = table.count(b"\n", 0, error.start) + 1
        raise InvalidInput(
            f"The CSV file is not UTF-8 (line {line}). Save it as “CSV UTF-8” and try again."
        ) from error


def _header(reader: Iterator[list[str]]) -> list[str]:
    """The names in the first line, letter case aside; each column that must be there is among them once."""
    try:
        names = [name.strip().casefold() for name in next(reader, [])]
    except csv.Error as error:
        raise InvalidInput("The first line of the CSV file cannot be read.") from error
    optional = (SUBMITTED, "photo", *KEYS) if _is_ours(names) else (SUBMITTED,)
    wrong = [column for column in COLUMNS if column not in optional and names.count(column.casefold()) != 1]
    wrong += [column for column in optional if names.count(column.casefold()) > 1]
    if wrong:
        raise InvalidInput(
            f"The CSV file must have each of the columns {', '.join(COLUMNS)} once in its first line; "
            f"look at {', '.join(wrong)}. (Cells of name, email and photo may be empty.)"
        )
    return names


def _is_ours(names: Collection[str]) -> bool:
    """Whether a table with these names, letter case aside, is our own export."""
    return all(key.casefold() in names for key in KEYS)


def _entry(
    line: int, cells: list[str], width: int, positions: Mapping[str, int], first_lines: Mapping[str, int]
) -> _Row | Problem:
    if len(cells) != width:  # an unquoted comma in a name would move all that follows it
        return Problem(line, f"there are {len(cells)} cells where the first line has {width}.")
    values = {column: cells[place].strip() for column, place in positions.items()}
    for column, value in values.items():
        if not value and column in REQUIRED:
            return Problem(line, f"{column} is empty.")
        if len(value) > MAX_VALUE:
            return Problem(line, f"{column} is longer than {MAX_VALUE} characters.")
        if _CONTROL.search(value):
            return Problem(line, f"{column} has a line break or another control character.")
    if (registration_id := values["registrationId"]) in first_lines:
        return Problem(line, f"registrationId {registration_id!r} is on line {first_lines[registration_id]} already.")
    photo, submitted = values.get("photo", ""), values.get(SUBMITTED, "")
    registration = Registration(
        registration_id=registration_id,
        user_id=values["userId"],
        event_id=values["eventId"],
        name=values["name"] or None,
        email=values["email"] or None,
        # A file that the line names comes in the place of a photo that is stored.
        reference_photo_key=None if photo else values.get("referencePhotoKey") or None,
        submitted_photo_key=None if submitted else values.get("submittedPhotoKey") or None,
    )
    return _Row(line, registration, photo, submitted)
