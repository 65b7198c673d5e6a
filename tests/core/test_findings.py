"""What runs found, as every process sees it: without names in the store, without those who were erased meanwhile."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import timedelta

import pytest

from core.domain.erasures import Receipt
from core.domain.errors import Refused
from core.domain.findings import Findings
from core.domain.records import Registration
from core.domain.roles import local
from core.flow.crew import Progress
from core.services import erased_meanwhile
from core.services.findings import KEPT
from core.services.reference_check import KIND, ReferenceCheck
from tests.support.clock import FakeClock
from tests.support.desk import Desk

EVENT = "expo"
ADMIN = local("Ada")


@pytest.fixture
def people(desk: Desk) -> list[Registration]:
    """Three without a reference photo."""
    people = [
        Registration(
            registration_id=f"r{number}",
            user_id=f"u{number}",
            event_id=EVENT,
            name=f"Person {number}",
            email=f"{number}@example.com",
        )
        for number in range(3)
    ]
    desk.registrations.import_many(people)
    return people


@pytest.fixture
def checks(desk: Desk, people: list[Registration]) -> ReferenceCheck:
    return desk.references


def ids(check: ReferenceCheck) -> list[str]:
    checked = check.latest(EVENT)
    assert checked
    return [problem.person.registration_id for problem in checked.problems]


def run(check: ReferenceCheck) -> list[str]:
    return [each.person.registration_id for each in check.run(EVENT, threading.Event()).problems]


def stored(check: ReferenceCheck) -> Findings:
    findings = check._kept._store.of(KIND, EVENT)
    assert findings
    return findings


def test_neither_names_nor_addresses_are_kept(checks: ReferenceCheck) -> None:
    run(checks)
    for text in (stored(checks).summary, *(row.text for row in stored(checks).rows)):
        assert "Person" not in text
        assert "example.com" not in text


def test_people_are_named_as_they_are_registered(
    desk: Desk, checks: ReferenceCheck, people: list[Registration]
) -> None:
    run(checks)
    desk.registrations.import_many([people[0].model_copy(update={"name": "Zelda"})])
    checked = checks.latest(EVENT)
    assert checked
    assert [problem.person.name for problem in checked.problems] == ["Zelda", "Person 1", "Person 2"]


def test_whoever_is_registered_no_more_is_left_out(desk: Desk, checks: ReferenceCheck) -> None:
    run(checks)
    desk.registrations.erase("u1")
    assert ids(checks) == ["r0", "r2"]


def test_what_did_not_change_is_read_once(checks: ReferenceCheck, monkeypatch: pytest.MonkeyPatch) -> None:
    run(checks)
    first = checks.latest(EVENT)
    monkeypatch.setattr(checks._kept._store, "of", lambda *_: pytest.fail("it was read again"))
    assert checks.latest(EVENT) is first


def test_a_later_run_is_seen_at_once(desk: Desk, checks: ReferenceCheck) -> None:
    run(checks)
    assert ids(checks) == ["r0", "r1", "r2"]
    desk.registrations.erase("u0")
    run(checks)
    assert ids(checks) == ["r1", "r2"]


def test_findings_expire(checks: ReferenceCheck, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    monkeypatch.setattr(checks._kept, "_clock", clock)
    monkeypatch.setattr(checks._kept._store._port, "_clock", clock)  # type: ignore[attr-defined]
    run(checks)
    clock.advance(KEPT - timedelta(seconds=1))
    assert checks.latest(EVENT)
    clock.advance(timedelta(seconds=1))
    assert checks.latest(EVENT) is None


def test_whoever_is_erased_during_a_run_is_not_in_it(desk: Desk, checks: ReferenceCheck) -> None:
    def erase(progress: Progress) -> None:
        desk.erasures.erase("u1", "u1", ADMIN)

    checked = checks.run(EVENT, threading.Event(), erase)
    assert [problem.person.registration_id for problem in checked.problems] == ["r0", "r2"]
    assert [row.users for row in stored(checks).rows] == [("u0",), ("u2",)]


def test_an_erasure_that_ends_while_findings_are_being_kept_loses_nothing(
    desk: Desk, checks: ReferenceCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = checks._kept._store
    keep = store.keep

    def overtaken(kind: str, event_id: str, findings: Findings, expires_at: int) -> None:
        desk.erasures.erase("u1", "u1", ADMIN)
        keep(kind, event_id, findings, expires_at)

    monkeypatch.setattr(store, "keep", overtaken)
    assert run(checks) == ["r0", "r2"]
    assert [row.users for row in stored(checks).rows] == [("u0",), ("u2",)]


def test_an_erasure_that_the_journal_has_long_forgotten_is_known_at_the_end(
    desk: Desk, checks: ReferenceCheck, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal keeps receipts for an hour at least, and a run may take longer."""
    monkeypatch.setattr(erased_meanwhile, "LOOK_EVERY", timedelta(0))
    reports: list[Progress] = []

    def ended() -> list[Receipt]:
        return desk.erasure_store.ended() if len(reports) < 2 else []

    def erase(progress: Progress) -> None:
        reports.append(progress)
        if len(reports) == 1:
            desk.erasures.erase("u1", "u1", ADMIN)

    monkeypatch.setattr(checks, "_erased", replace(checks._erased, ended=ended))
    checked = checks.run(EVENT, threading.Event(), erase)
    assert len(reports) > 2
    assert [problem.person.registration_id for problem in checked.problems] == ["r0", "r2"]


def test_an_erasure_deletes_the_rows_of_its_person(desk: Desk, checks: ReferenceCheck) -> None:
    run(checks)
    assert ids(checks) == ["r0", "r1", "r2"]
    desk.erasures.erase("u1", "u1", ADMIN)
    assert ids(checks) == ["r0", "r2"]
    assert [row.users for row in stored(checks).rows] == [("u0",), ("u2",)]


def test_findings_of_an_unknown_form_are_refused(checks: ReferenceCheck) -> None:
    checks._kept._store.keep(KIND, EVENT, Findings("one", "{}", ()), 4_000_000_000)
    with pytest.raises(Refused, match="another version"):
        checks.latest(EVENT)
