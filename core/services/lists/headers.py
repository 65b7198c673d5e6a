"""Which column of a list says what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from core.domain.errors import InvalidInput
from core.services.lists.meanings import (
    BY_NAME,
    FAMILY_NAME_FIRST,
    FIRST_NAMES_BESIDE_A_NAME,
    IDS,
    KEYS,
    Meaning,
    normal,
)

_BESIDE = {normal(name) for name in FIRST_NAMES_BESIDE_A_NAME}
_FAMILY_FIRST = {normal(name) for name in FAMILY_NAME_FIRST}


@dataclass(frozen=True)
class Choices:
    """What the person who imports a list says of it. The rest is understood from the list itself.

    ``columns`` names the column that has a meaning; an empty name says that none has. ``event_id`` is of the whole
    list, which then has no such column. ``time_zone`` (IANA) is that of dates which name none, if neither the list
    nor the event's profile says it. With ``repair_ids`` ids such as ``1001.0`` and ``="00123"`` become ``1001`` and
    ``00123``; without it their lines are refused.
    """

    columns: Mapping[Meaning, str] = field(default_factory=dict)
    event_id: str = ""
    time_zone: str = ""
    repair_ids: bool = False


@dataclass(frozen=True)
class Columns:
    """``places`` says where a meaning's column is, ``doubles`` where others of the same name are."""

    names: tuple[str, ...]
    places: Mapping[Meaning, int]
    doubles: Mapping[Meaning, tuple[int, ...]]
    notices: tuple[str, ...]

    @cached_property
    def ours(self) -> bool:
        """Whether the list is our own export (``core.services.export.registrations_csv``)."""
        return all(key in self.places for key in KEYS)

    @cached_property
    def family_name_first(self) -> bool:
        place = self.places.get(Meaning.LAST_NAME)
        return place is not None and normal(self.names[place]) in _FAMILY_FIRST

    def name_of(self, meaning: Meaning) -> str:
        """The name of the meaning's column; empty if there is none."""
        place = self.places.get(meaning)
        return "" if place is None else self.names[place]


def understood(names: Sequence[str], header: Sequence[str], choices: Choices) -> Columns:
    """The columns. ``names`` are unique and what a choice names, ``header`` is how the file writes them.

    Raises ``InvalidInput`` if a choice names a column that there is not.
    """
    by_meaning = _by_meaning([normal(name) for name in header])
    for meaning, name in choices.columns.items():
        by_meaning[meaning] = [_place(name, names)] if name else []
    places = {meaning: found[0] for meaning, found in by_meaning.items() if found}
    if not all(key in places for key in KEYS):
        places = {meaning: place for meaning, place in places.items() if meaning not in KEYS}
    if choices.event_id.strip() and Meaning.EVENT_ID in places:
        raise InvalidInput(
            f"The list has a column with event ids, “{names[places[Meaning.EVENT_ID]]}”. Leave out the event id for "
            "the whole list, or say that no column has it."
        )
    others = {meaning: found[1:] for meaning, found in by_meaning.items() if meaning in places and found[1:]}
    doubles = {
        meaning: tuple(place for place in found if normal(header[place]) == normal(header[places[meaning]]))
        for meaning, found in others.items()
    }
    notices = tuple(
        f"{meaning} is taken from the column “{names[places[meaning]]}”, not from "
        f"{', '.join(f'“{names[place]}”' for place in found)}."
        for meaning, found in others.items()
    )
    return Columns(tuple(names), places, doubles, notices)


def lacking(columns: Columns, choices: Choices) -> tuple[Meaning, ...]:
    """The ids that neither a column nor a choice says."""
    given = {Meaning.EVENT_ID} if choices.event_id.strip() else set()
    return tuple(meaning for meaning in IDS if meaning not in columns.places and meaning not in given)


def _by_meaning(names: Sequence[str]) -> dict[Meaning, list[int]]:
    """The columns of each meaning, the surest first."""
    found: dict[Meaning, list[tuple[int, int]]] = {}
    for place, name in enumerate(names):
        if name in BY_NAME:
            meaning, rank = BY_NAME[name]
            found.setdefault(meaning, []).append((rank, place))
    ordered = {meaning: [place for _, place in sorted(ranked)] for meaning, ranked in found.items()}
    if Meaning.LAST_NAME not in ordered and any(
        names[place] in _BESIDE for place in ordered.get(Meaning.FIRST_NAME, [])
    ):
        # "Name; Vorname": the family name has no better name of its own.
        ordered[Meaning.LAST_NAME] = ordered.pop(Meaning.NAME, [])
    return ordered


def _place(name: str, names: Sequence[str]) -> int:
    """The place of the column that was named, as it is written or nearly so."""
    if name in names:
        return names.index(name)
    alike = [place for place, each in enumerate(names) if normal(each) == normal(name)]
    if not alike:
        known = ", ".join(f"“{each}”" for each in names)
        raise InvalidInput(f"The list has no column “{name}”. Its columns are {known}.")
    return alike[0]
