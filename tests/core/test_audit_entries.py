"""An action whose beginning and end are both in the audit trail is one entry for whoever reads it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.domain.audit import AuditEntry, one_an_action
from core.domain.roles import Action
from tests.support.audit import an_entry
from tests.support.clock import NOON


def written(*outcomes: str | dict[str, Any]) -> list[AuditEntry]:
    """Entries of one person about one registration a second apart, the first of them the oldest; newest first."""
    given = [{"outcome": each} if isinstance(each, str) else each for each in outcomes]
    return [an_entry(f"e{n}", at=NOON + timedelta(seconds=n), **each) for n, each in enumerate(given)][::-1]


@pytest.mark.parametrize(
    ("outcomes", "left"),
    [
        (["begun", "ok"], ["ok"]),
        (["begun", "Conflict"], ["Conflict"]),
        (["begun", "ok", "begun", "ok"], ["ok", "ok"]),
        (["begun"], ["begun"]),
        (["ok"], ["ok"]),
        (["ok", "begun"], ["begun", "ok"]),  # the end of an action never comes before its beginning
        (["begun", "begun", "ok"], ["ok", "begun"]),  # cut off, and done at the second attempt
        (["begun", "Forbidden"], ["Forbidden", "begun"]),  # what was refused has not begun
    ],
)
def test_a_beginning_is_left_out_if_its_end_is_there(outcomes: list[str], left: list[str]) -> None:
    assert [entry.outcome for entry in one_an_action(written(*outcomes))] == left


@pytest.mark.parametrize(
    "other",
    [
        {"who": "eve@example.com"},
        {"action": Action.ERASE},
        {"user": "b" * 16},
        {"registration": "b" * 16},
        {"event_id": "event-2"},
        {"details": {"what": "records.csv"}},
    ],
)
def test_a_beginning_stays_beside_the_end_of_another_action(other: dict[str, Any]) -> None:
    assert len(list(one_an_action(written("begun", {"outcome": "ok", **other})))) == 2


@pytest.mark.parametrize("outcomes", [("begun", "ok"), ("ok", "begun")])
def test_in_one_moment_either_may_be_read_first(outcomes: tuple[str, str]) -> None:
    entries = [an_entry(f"e{number}", outcome=outcome) for number, outcome in enumerate(outcomes)]
    assert [entry.outcome for entry in one_an_action(entries)] == ["ok"]


def test_an_erasure_is_one_entry_though_more_was_found_at_its_end() -> None:
    counts = [{"photos": "2"}, {"photos": "3"}]
    begun, ended = (
        {"action": Action.ERASE, "outcome": outcome, "details": details}
        for outcome, details in zip(("begun", "ok"), counts, strict=True)
    )
    assert [entry.details for entry in one_an_action(written(begun, ended))] == [counts[1]]


def test_no_more_is_read_than_is_asked_for() -> None:
    read = 0

    def entries() -> Any:
        nonlocal read
        for entry in written("begun", "ok", "begun", "ok", "begun", "ok"):
            read += 1
            yield entry

    next(one_an_action(entries()))
    assert read <= 2
