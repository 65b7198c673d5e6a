"""The registrations that a list says: what is good is taken, the rest is named by its line."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from core.domain.errors import InvalidInput
from core.domain.formulas import restored
from core.domain.records import Registration
from core.services.lists import ids
from core.services.lists.csv_tables import read_csv
from core.services.lists.dates import NotRead, zone_named
from core.services.lists.decoding import decoded
from core.services.lists.headers import Choices, Columns, lacking, understood
from core.services.lists.meanings import OF_EVENTS, Meaning
from core.services.lists.sheets import read_sheet
from core.services.lists.tables import Problem, Table

MAX_LIST_BYTES = 50 * 1024 * 1024
#: Longest value: an e-mail address has at most 254 characters (RFC 5321), and ids are keys of at most 1,024 bytes.
MAX_VALUE = 254
#: What no value has, a lone surrogate included, which no store can hold.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LINE_BREAKS = re.compile("[\t\n\v\f\r\x85\u2028\u2029]+")
_ADDRESS = re.compile(r"(?:https?|ftp)://|www\.", re.IGNORECASE)
_ZIP, _OLD_WORKBOOK = b"PK\x03\x04", b"\xd0\xcf\x11\xe0"
_NO_CHOICES = Choices()


@dataclass(frozen=True)
class Line:
    """A line that is good, and the names of its photos' files, empty where there is none."""

    line: int
    registration: Registration
    photo: str = ""
    submitted: str = ""


@dataclass(frozen=True)
class People:
    """What a list says, line by line, as far as its columns are known.

    ``lacking`` are ids that no column has; there are no ``lines`` then. ``repairable`` counts the ids that
    ``Choices.repair_ids`` repairs, whether it was chosen or not. ``events`` has what good lines say of their events:
    the event's id and its cells in the order of ``OF_EVENTS``, with the lines that say so. ``time_zone`` is that of
    ``Choices``.
    """

    table: Table
    columns: Columns
    lacking: tuple[Meaning, ...]
    lines: tuple[Line, ...] = ()
    problems: tuple[Problem, ...] = ()
    notices: tuple[str, ...] = ()
    repairable: int = 0
    events: Mapping[tuple[str, tuple[str, ...]], Sequence[int]] = field(default_factory=dict)
    time_zone: str = ""

    def require_complete(self) -> None:
        """Raises ``InvalidInput`` if it is not known which columns have the ids."""
        if not self.lacking:
            return
        if self.lacking == (Meaning.EVENT_ID,):
            raise InvalidInput(
                "The list has no column with event ids. Say which column it is, or name one event for all."
            )
        names = ", ".join(f"“{name}”" for name in self.table.names)
        raise InvalidInput(
            f"It is not clear which column has {' and '.join(self.lacking)}. Say which one it is; the columns are "
            f"{names}. Where people have no user id, the e-mail address or the registration id may stand for it."
        )


def read_people(data: bytes, choices: Choices = _NO_CHOICES) -> People:
    """The people of a list. Raises ``InvalidInput`` where the file as a whole cannot be read."""
    return people_of(read_table(data, choices), choices)


def read_table(data: bytes, choices: Choices = _NO_CHOICES) -> Table:
    """The file as a table. What it is follows from its content: a workbook, or CSV in one of several encodings.

    Of ``choices`` the names of columns matter, which tell the header from other lines.
    """
    if len(data) > MAX_LIST_BYTES:
        raise InvalidInput(f"The list is larger than {MAX_LIST_BYTES // 2**20} MB. Split it.")
    wanted = [name for name in choices.columns.values() if name]
    if data.startswith(_ZIP):
        return read_sheet(data, wanted)
    if data.startswith(_OLD_WORKBOOK):
        raise InvalidInput(
            "The file is a workbook of an old Excel (.xls), or protected. Save it as .xlsx and try again."
        )
    text, notices = decoded(data)
    return read_csv(text, wanted, notices)


def people_of(table: Table, choices: Choices = _NO_CHOICES) -> People:
    """As ``read_people``, of a table that was read before."""
    columns = understood(table.names, table.header, choices)
    missing = lacking(columns, choices)
    if missing:
        return People(table, columns, missing, notices=table.notices + columns.notices)
    reading = _Reading(columns, choices)
    found = list(reading.lines(table))
    problems = [*table.problems, *(each for each in found if isinstance(each, Problem))]
    return People(
        table,
        columns,
        missing,
        tuple(each for each in found if isinstance(each, Line)),
        tuple(sorted(problems, key=lambda problem: problem.line)),
        (*table.notices, *columns.notices, *reading.notices()),
        reading.repairable,
        reading.events,
        choices.time_zone,
    )


class _Unusable(Exception):
    """Why a line does not go in."""


@dataclass
class _Reading:
    columns: Columns
    choices: Choices
    invisible: int = 0
    repairable: int = 0
    apostrophes: int = 0
    repeated: int = 0
    events: dict[tuple[str, tuple[str, ...]], list[int]] = field(default_factory=dict)
    _first_lines: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            self._event_id = self._id(Meaning.EVENT_ID, text) if (text := self.choices.event_id.strip()) else ""
        except _Unusable as error:
            raise InvalidInput(f"The event id for the whole list cannot be used: {error}") from error
        if self.choices.time_zone:
            try:
                zone_named(self.choices.time_zone)
            except NotRead as error:
                raise InvalidInput(f"The time zone {self.choices.time_zone!r} {error}") from error

    def lines(self, table: Table) -> Iterator[Line | Problem]:
        width = len(table.header)
        for line, cells in table.rows:
            try:
                if not self._fits(cells, width):
                    raise _Unusable(f"there are {len(cells)} cells where the header has {width}.")
                yield self._line(line, [restored(cell) for cell in cells] if self.columns.ours else cells)
            except _Unusable as error:
                yield Problem(line, str(error))

    def _fits(self, cells: Sequence[str], width: int) -> bool:
        """Whether nothing is lost of the line, and no unquoted comma in a name moved what follows it."""
        if len(cells) == width:
            return True
        if any(cell.strip() for cell in cells[width:]):
            return False
        email = self._cell(Meaning.EMAIL, cells)
        return not email or "@" in email

    def notices(self) -> Iterator[str]:
        if self.repeated:
            lines = "line repeats" if self.repeated == 1 else "lines repeat"
            yield (
                f"{self.repeated:,} {lines} the registration id of an earlier line. If the column "
                f"“{self.columns.name_of(Meaning.REGISTRATION_ID)}” is the same for several people, such as the "
                "number of an order, take a column that differs for each."
            )
        if self.invisible:
            yield f"Invisible characters were taken off {_ids(self.invisible)}."
        if self.repairable and self.choices.repair_ids:
            yield f'{_ids(self.repairable)} such as 1001.0 or ="00123" became 1001 or 00123.'
        if self.apostrophes:
            yield (
                f"{_ids(self.apostrophes)} begin with an apostrophe that a spreadsheet or an export may have "
                "put there. They are taken as they are."
            )

    def _line(self, line: int, cells: Sequence[str]) -> Line:
        registration_id = self._id_in(Meaning.REGISTRATION_ID, cells)
        user_id = self._id_in(Meaning.USER_ID, cells)
        event_id = self._event_id or self._id_in(Meaning.EVENT_ID, cells)
        photo, submitted = self._photo(Meaning.PHOTO, cells), self._photo(Meaning.SUBMITTED_PHOTO, cells)
        name, email = self._name(cells), self._value(Meaning.EMAIL, cells)
        keys = [self._value(key, cells) for key in (Meaning.REFERENCE_PHOTO_KEY, Meaning.SUBMITTED_PHOTO_KEY)]
        if (first := self._first_lines.setdefault(registration_id, line)) != line:
            self.repeated += 1
            raise _Unusable(f"registrationId {registration_id!r} is on line {first} already.")
        registration = Registration(
            registration_id=registration_id,
            user_id=user_id,
            event_id=event_id,
            name=name or None,
            email=email or None,
            # A file that the line names comes in the place of a photo that is stored.
            reference_photo_key=None if photo else keys[0] or None,
            submitted_photo_key=None if submitted else keys[1] or None,
        )
        if any(said := tuple(self._cell(meaning, cells) for meaning in OF_EVENTS)):
            self.events.setdefault((event_id, said), []).append(line)
        return Line(line, registration, photo, submitted)

    def _id_in(self, meaning: Meaning, cells: Sequence[str]) -> str:
        text = self._cell(meaning, cells)
        for place in self.columns.doubles.get(meaning, ()):
            if place < len(cells) and (other := cells[place].strip()) not in ("", text):
                raise _Unusable(
                    f"two columns have {meaning}, and say {text!r} and {other!r}. Say which of them is right."
                )
        return self._id(meaning, text)

    def _id(self, meaning: Meaning, text: str) -> str:
        if not self.columns.ours and (visible := ids.visible(text)) != text:
            self.invisible += 1
            text = visible
        if not text:
            raise _Unusable(f"{meaning} is empty.")
        if reason := ids.lost(text):
            raise _Unusable(f"{meaning} {reason}")
        # Of our own export an id is what was stored.
        return _checked(meaning, text if self.columns.ours else self._as_meant(meaning, text))

    def _as_meant(self, meaning: Meaning, text: str) -> str:
        if (repaired := ids.repaired(text)) is not None:
            self.repairable += 1
            if not self.choices.repair_ids:
                raise _Unusable(
                    f"{meaning} {text!r} is how a spreadsheet writes {repaired!r}. Correct it in the list, or choose "
                    "that such ids are repaired."
                )
            return repaired
        if text.startswith("'") and restored(text) != text:
            self.apostrophes += 1
        return text

    def _photo(self, meaning: Meaning, cells: Sequence[str]) -> str:
        name = self._cell(meaning, cells)
        if _ADDRESS.match(name):
            raise _Unusable(
                f"{meaning} {name[:80]!r} is a web address. Download the photo, write the name of its file into "
                "the list, and give the file with the other photos."
            )
        return _checked(meaning, name)

    def _name(self, cells: Sequence[str]) -> str:
        name = self._value(Meaning.NAME, cells)
        if name:
            return name
        parts = [self._value(Meaning.FIRST_NAME, cells), self._value(Meaning.LAST_NAME, cells)]
        return _checked(
            Meaning.NAME, " ".join(filter(None, reversed(parts) if self.columns.family_name_first else parts))
        )

    def _value(self, meaning: Meaning, cells: Sequence[str]) -> str:
        text = self._cell(meaning, cells)
        if meaning in (Meaning.NAME, Meaning.FIRST_NAME, Meaning.LAST_NAME):
            text = _LINE_BREAKS.sub(" ", text)
        return _checked(meaning, text)

    def _cell(self, meaning: Meaning, cells: Sequence[str]) -> str:
        place = self.columns.places.get(meaning)
        return cells[place].strip() if place is not None and place < len(cells) else ""


def _checked(meaning: Meaning, text: str) -> str:
    if len(text) > MAX_VALUE:
        raise _Unusable(f"{meaning} is longer than {MAX_VALUE} characters.")
    if _CONTROL.search(text):
        raise _Unusable(f"{meaning} has a line break or another control character.")
    return text


def _ids(count: int) -> str:
    return f"{count:,} id" if count == 1 else f"{count:,} ids"
