"""What an import of a list would do, before anything is stored."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from core.services.lists.events import ProfilePlan
from core.services.lists.meanings import IDS, KEYS, Meaning
from core.services.lists.people import People
from core.services.lists.tables import Problem

#: Why a line with a photo does not go in where no photos come with the list.
NO_PHOTOS = "No photos were given with the list."
#: Rows that show whether the columns were understood.
FIRST_ROWS = 5


@dataclass(frozen=True)
class Plan:
    """``new`` and ``replaced`` count the lines that would go in, ``problems`` has the others. ``profiles`` is what
    the import would do to the profiles of events.

    Whether the files that lines name are there, and are photos, only the import itself finds out.
    """

    people: People
    new: int
    replaced: int
    problems: tuple[Problem, ...]
    profiles: ProfilePlan = field(default_factory=ProfilePlan)

    @property
    def imported(self) -> int:
        return self.new + self.replaced


def planned(people: People, existing: Callable[[Collection[str]], set[str]], *, with_photos: bool) -> Plan:
    """The plan. ``existing`` gives those of some registration ids that are stored; ``with_photos`` says whether
    photos come with the list.
    """
    problems = list(people.problems)
    good = set[str]()
    for line in people.lines:
        if (name := line.photo or line.submitted) and not with_photos:
            problems.append(Problem(line.line, f"photo {name!r}: {NO_PHOTOS}"))
        else:
            good.add(line.registration.registration_id)
    replaced = len(existing(good)) if good else 0
    ordered = tuple(sorted(problems, key=lambda problem: problem.line))
    return Plan(people, len(good) - replaced, replaced, ordered)


def first_rows(people: People) -> tuple[Sequence[str], list[Sequence[str]]]:
    """The names of some columns, and their first rows: as they were understood, or else as the file has them."""
    if not people.lines:
        names = people.table.names
        return names, [[*cells, *[""] * len(names)][: len(names)] for _, cells in people.table.rows[:FIRST_ROWS]]
    shown = (Meaning.NAME, Meaning.EMAIL, Meaning.PHOTO, Meaning.SUBMITTED_PHOTO, *KEYS)
    there = set(people.columns.places)
    if there & {Meaning.FIRST_NAME, Meaning.LAST_NAME}:
        there.add(Meaning.NAME)
    names = (*IDS, *(meaning for meaning in shown if meaning in there))
    rows: list[Sequence[str]] = []
    for line in people.lines[:FIRST_ROWS]:
        values = line.registration.model_dump(by_alias=True) | {
            Meaning.PHOTO: line.photo,
            Meaning.SUBMITTED_PHOTO: line.submitted,
        }
        rows.append([values[name] or "" for name in names])
    return names, rows
