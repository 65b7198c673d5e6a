"""What an import would do, before anything is stored."""

from __future__ import annotations

from collections.abc import Collection

from core.services.export import as_csv
from core.services.lists.headers import Choices
from core.services.lists.people import read_people
from core.services.lists.plan import Plan, first_rows, planned
from core.services.lists.tables import Problem
from core.services.tables import refused_lines

HEADER = "registrationId,userId,eventId,name,photo"
STORED = {"r1", "r9"}


def plan(*lines: str, with_photos: bool = False, choices: Choices | None = None) -> Plan:
    return planned(
        read_people("\n".join(lines).encode(), choices or Choices()),
        lambda ids: STORED & set(ids),
        with_photos=with_photos,
    )


def test_new_replaced_and_refused_lines_are_counted() -> None:
    found = plan(HEADER, "r1,u1,e1", "r2,u1,e1", "r3,u1,e1", ",u1,e1", "r2,u1,e1")
    assert (found.new, found.replaced, found.imported, len(found.problems)) == (2, 1, 3, 2)


def test_a_line_with_a_photo_is_refused_where_no_photos_come_with_the_list() -> None:
    lines = (HEADER, "r1,u1,e1,Ada,a.jpg", ",u1", "r2,u1,e1")
    assert [each.line for each in plan(*lines).problems] == [2, 3]
    assert (plan(*lines).replaced, plan(*lines, with_photos=True).replaced) == (0, 1)


def test_the_store_is_asked_once_for_all_ids() -> None:
    asked: list[Collection[str]] = []

    def existing(ids: Collection[str]) -> set[str]:
        asked.append(set(ids))
        return set()

    people = read_people("\n".join([HEADER, *(f"r{n},u1,e1" for n in range(500))]).encode())
    planned(people, existing, with_photos=False)
    assert asked == [{f"r{n}" for n in range(500)}]


def test_the_first_rows_are_shown_as_they_were_understood() -> None:
    found = plan("Vorname;Nachname;Ticketnummer;User-ID", *(f"Ada;B;t{n};u{n}" for n in range(9)), choices=E1)
    names, rows = first_rows(found.people)
    assert (names, rows[0], len(rows)) == (
        ("registrationId", "userId", "eventId", "name"),
        ["t0", "u0", "e1", "Ada B"],
        5,
    )


def test_the_first_rows_of_a_list_that_is_not_understood_are_its_own() -> None:
    names, rows = first_rows(plan("Number,Who", "1", "2,Ada").people)
    assert (names, rows) == (("Number", "Who"), [["1", ""], ["2", "Ada"]])


def test_problems_are_written_without_formulas() -> None:
    written = b"".join(as_csv(refused_lines([Problem(3, "=1+1 is bad")]))).decode("utf-8-sig")
    assert written == "line,problem\r\n3,'=1+1 is bad\r\n"


E1 = Choices(event_id="e1")
