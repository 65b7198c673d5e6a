"""The lists that other programs export are read as they are meant."""

from __future__ import annotations

import pytest

from core.services.lists.people import read_people
from tests.support.exports import EXPORTS, Export


@pytest.mark.parametrize("export", EXPORTS, ids=str)
def test_an_export_says_who_registered(export: Export) -> None:
    people = read_people(export.data, export.choices)
    registrations = [line.registration for line in people.lines]
    assert [
        (each.registration_id, each.user_id, each.event_id, each.name, each.email) for each in registrations
    ] == list(export.expected)
    assert [problem.line for problem in people.problems] == list(export.refused)


def test_there_are_thirty_and_each_has_a_name_of_its_own() -> None:
    assert len({export.name for export in EXPORTS}) == len(EXPORTS) >= 30
