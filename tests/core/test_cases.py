"""Claims and notes as principals have them, and what an erasure, an expiry and an absent store make of them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import apsw
import pytest

from core.domain.cases import LEASE, MAX_NOTE, Claim
from core.domain.clock import utc_now
from core.domain.errors import (
    Forbidden,
    InvalidInput,
    NotConfigured,
    NotFound,
    RecordNotFound,
    Refused,
    RegistrationNotFound,
    Unavailable,
)
from core.domain.records import Source
from core.domain.roles import Action, Principal, Role, local
from core.runtime.facades.guard import Guard, GuardedServices
from core.services.validation import Submitter
from tests.support.cases import a_claim, a_note
from tests.support.desk import Desk
from tests.support.records import an_outcome

DAY, TTL = timedelta(days=1), timedelta(days=30)
ADMIN = local("ada")


def as_role(desk: Desk, *roles: Role, events: set[str] | None = None, name: str | None = "Ada") -> GuardedServices:
    principal = Principal(id="ada@example.com", name=name, roles=frozenset(roles), events=events)
    return Guard(desk.services).acting_as(principal)


@pytest.fixture(autouse=True)
def cases(desk: Desk) -> None:
    """The cases that the tests are about."""
    for user, registration in [("user-1", "reg-1"), ("user-1", "reg-3"), *((f"user-{n}", "reg-1") for n in "02389")]:
        ids = {"user_id": user, "registration_id": registration, "event_id": "event-1"}
        desk.records.record_attempt(an_outcome(**ids, timestamp=utc_now()), TTL)


def claimed(desk: Desk, holder: str = "ada-1", **changes: Any) -> Claim:
    now = utc_now()
    claim = a_claim(holder, **{"since": now, "until": now + LEASE, **changes})
    return desk.services.claims.take(claim, holder)


def noted(desk: Desk, note_id: str = "note-1", **changes: Any) -> None:
    desk.services.notes.add(a_note(note_id, **{"at": utc_now(), **changes}), TTL)


def erase(desk: Desk) -> Any:
    return desk.erasures.erase("user-1", "user-1", ADMIN)


def left(desk: Desk) -> tuple[list[Any], list[Any]]:
    return desk.services.claims.standing(), desk.services.notes.of("user-1")


# As principals have them


def test_a_note_has_its_author_and_time_from_whoever_is_signed_in(desk: Desk) -> None:
    before = utc_now()
    support = as_role(desk, Role.SUPPORT)
    support.notes.add("user-1", "reg-1", "event-1", "  They called.\n", "note-1")
    (note,) = support.notes.of("user-1", "reg-1")
    assert (note.author, note.text, note.event_id) == ("Ada", "They called.", "event-1")
    assert before - timedelta(milliseconds=1) <= note.at <= utc_now()


def test_whoever_has_no_name_signs_by_their_id(desk: Desk) -> None:
    support = as_role(desk, Role.SUPPORT, name=None)
    support.notes.add("user-1", "reg-1", "event-1", "They called.", "note-1")
    assert [note.author for note in support.notes.of("user-1")] == ["ada@example.com"]


def test_a_note_that_is_sent_twice_is_one(desk: Desk) -> None:
    support = as_role(desk, Role.SUPPORT)
    for _ in range(2):
        support.notes.add("user-1", "reg-1", "event-1", "They called.", "note-1")
    assert len(support.notes.of("user-1")) == 1


@pytest.mark.parametrize("text", ["", " \n\t", "x" * (MAX_NOTE + 1), "a \ud800"], ids=ascii)
def test_a_note_that_is_empty_too_long_or_no_text_is_refused(desk: Desk, text: str) -> None:
    support = as_role(desk, Role.SUPPORT)
    with pytest.raises(InvalidInput):
        support.notes.add("user-1", "reg-1", "event-1", text, "note-1")
    assert support.notes.of("user-1") == []


def test_a_note_of_the_greatest_length_is_taken(desk: Desk) -> None:
    support = as_role(desk, Role.SUPPORT)
    support.notes.add("user-1", "reg-1", "event-1", f" {'🙂' * MAX_NOTE} ", "note-1")
    assert [len(note.text) for note in support.notes.of("user-1")] == [MAX_NOTE]


def test_the_trail_has_an_entry_of_a_note_without_its_text_or_an_id(desk: Desk) -> None:
    as_role(desk, Role.SUPPORT).notes.add("user-1", "reg-1", "event-1", "a canary", "note-1")
    (entry,) = desk.audit.entries(utc_now() - DAY, utc_now() + DAY)
    assert (entry.action, entry.who, entry.event_id, entry.outcome) == (
        Action.NOTE,
        "ada@example.com",
        "event-1",
        "ok",
    )
    assert entry.user
    assert entry.registration
    assert not [canary for canary in ("canary", "user-1", "reg-1", "note-1") if canary in entry.model_dump_json()]


def test_a_claim_has_no_entry_in_the_trail(desk: Desk) -> None:
    support = as_role(desk, Role.SUPPORT)
    support.claims.take(a_claim(since=utc_now(), until=utc_now() + LEASE), "ada-1")
    support.claims.standing()
    support.claims.release_all("ada-1")
    assert list(desk.audit.entries(utc_now() - DAY, utc_now() + DAY)) == []


def test_whoever_has_some_events_sees_and_takes_cases_of_those_alone(desk: Desk) -> None:
    claimed(desk)
    for user, event in (("user-8", "event-9"), ("user-9", None)):
        claimed(desk, user_id=user, event_id=event)
        noted(desk, user, event_id=event)
    noted(desk)
    theirs = as_role(desk, *Role, events={"event-1"})
    assert [claim.event_id for claim in theirs.claims.standing()] == ["event-1"]
    assert [note.event_id for note in theirs.notes.of("user-1")] == ["event-1"]
    for event in ("event-9", None):
        with pytest.raises(Forbidden, match="not one of yours"):
            theirs.claims.take(a_claim(event_id=event), "ada-1")
        with pytest.raises(Forbidden, match="not one of yours"):
            theirs.notes.add("user-1", "reg-1", event, "They called.", "note-2")


def test_a_manager_sees_who_has_which_case(desk: Desk) -> None:
    claim = claimed(desk)
    assert as_role(desk, Role.MANAGER).claims.standing() == [claim]


def test_an_analyst_sees_how_many_cases_are_taken_but_nobody(desk: Desk) -> None:
    moment = datetime.now(UTC)
    for number in range(3):
        claimed(desk, user_id=f"user-{number}", since=moment - number * timedelta(minutes=20))
    shown = as_role(desk, Role.ANALYST).claims.standing()
    assert len(shown) == 3
    assert shown == sorted(shown, key=lambda claim: claim.since)
    assert {claim.since.minute % 15 for claim in shown} | {claim.until.minute % 15 for claim in shown} == {0}
    text = " ".join(claim.model_dump_json() for claim in shown)
    assert not [canary for canary in ("user-", "reg-1", "ada-1", "Ada") if canary in text]


def test_a_pseudonym_of_a_claim_is_that_of_the_record(desk: Desk) -> None:
    claimed(desk, user_id="user-1", registration_id="reg-1")
    analyst = as_role(desk, Role.ANALYST)
    (claim,) = analyst.claims.standing()
    people = analyst.registrations.event_frame("event-1")
    assert (claim.user_id, claim.registration_id) in set(zip(people["userId"], people["registrationId"], strict=True))


# Erasure


def test_claims_and_notes_go_with_the_person_and_are_counted(desk: Desk) -> None:
    claimed(desk)
    noted(desk)
    noted(desk, "note-2", registration_id="reg-3")
    claimed(desk, user_id="user-2")
    assert desk.erasures.preview("user-1").counts.case_notes == 2
    assert erase(desk).counts.case_notes == 2
    assert left(desk) == (desk.services.claims.standing(), [])
    assert [claim.user_id for claim in desk.services.claims.standing()] == ["user-2"]


def test_somebody_of_whom_there_is_only_a_note_is_not_nobody(desk: Desk) -> None:
    """The record has expired; the note was written later."""
    noted(desk, user_id="user-2")
    desk.erasure_store.erase_records("user-2")
    assert not desk.erasures.preview("user-2").counts.nothing


@pytest.mark.parametrize("kind", ["claims", "notes"])
def test_whoever_looks_at_a_case_that_is_gone_writes_nothing_about_it(desk: Desk, kind: str) -> None:
    erase(desk)
    with pytest.raises(RecordNotFound, match="no such case"):
        WRITES[kind](desk)
    assert left(desk) == ([], [])


def test_an_erased_note_is_in_no_file(desk: Desk) -> None:
    claimed(desk, holder="canary-holder", name="Canary Name")
    noted(desk, text="canary-text")
    for number in range(200):
        noted(desk, f"n{number}", user_id="user-2", text="x" * 400)
    erase(desk)
    files = [path for path in desk.photo_folder.parent.rglob("*") if path.is_file()]
    found = [
        (path.name, canary)
        for path in files
        for canary in (b"canary-holder", b"Canary Name", b"canary-text")
        if canary in path.read_bytes()
    ]
    assert found == []


WRITES: dict[str, Callable[[Desk], object]] = {"claims": claimed, "notes": noted}


@pytest.mark.parametrize("kind", WRITES)
def test_nothing_is_written_of_a_person_who_is_being_erased(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def fail(_user_id: str) -> int:
        raise Unavailable("a store", "gone")

    with monkeypatch.context() as failing:
        failing.setattr(desk.erasure_store, "erase_records", fail)
        with pytest.raises(Unavailable):
            erase(desk)
    with pytest.raises(RegistrationNotFound, match="being erased"):
        WRITES[kind](desk)
    desk.erasures.resume()
    assert left(desk) == ([], [])


@pytest.mark.parametrize("lost", [False, True], ids=["answered", "answer lost"])
@pytest.mark.parametrize(("kind", "method"), [("claims", "take"), ("notes", "add")])
def test_what_an_erasure_overtakes_is_taken_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, kind: str, method: str, lost: bool
) -> None:
    """The whole erasure happens between the write and its answer; the person's other notes have gone with it."""
    port = getattr(desk.services, kind)._port
    write = getattr(port, method)

    def written(*given: Any) -> Any:
        done = write(*given)
        erase(desk)
        write(*given)  # as if the erasure had looked before the write
        if lost:
            raise Unavailable("claims and notes", "gone")
        return done

    noted(desk, "another")
    monkeypatch.setattr(port, method, written)
    with pytest.raises(RegistrationNotFound, match="erased"):
        WRITES[kind](desk)
    assert left(desk) == ([], [])


def test_what_is_taken_back_leaves_what_was_written_of_the_person_since(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They registered again, and a colleague wrote a note, before the late writer looked at the journal."""
    port = desk.services.notes._port  # type: ignore[attr-defined]
    add = port.add

    def late(*given: Any) -> None:
        monkeypatch.setattr(port, "add", add)
        erase(desk)
        desk.records.record_attempt(an_outcome(timestamp=utc_now()), TTL)
        noted(desk, "new")
        add(*given)

    monkeypatch.setattr(port, "add", late)
    with pytest.raises(RegistrationNotFound):
        noted(desk, "late")
    assert [note.note_id for note in desk.services.notes.of("user-1")] == ["new"]


def test_claims_and_notes_that_race_with_an_erasure_leave_nothing(desk: Desk) -> None:
    going = threading.Event()

    def write(number: int) -> None:
        for turn in range(200):
            try:
                claimed(desk, registration_id=f"reg-{1 + number % 2 * 2}")
                noted(desk, f"note-{number}-{turn}")
            except NotFound:
                return
            going.set()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    going.wait(30)
    erase(desk)
    for thread in threads:
        thread.join()
    assert left(desk) == ([], [])


def test_an_erasure_that_could_not_look_for_notes_erases_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: Any) -> Any:
        raise NotConfigured("claims and notes", "ResourceNotFoundException")

    monkeypatch.setattr(desk.services.notes._port._port, "of", missing)  # type: ignore[attr-defined]
    with pytest.raises(NotConfigured):
        erase(desk)
    assert (len(desk.registrations.of_user("user-1")), desk.erasures.unfinished()) == (2, [])


@pytest.mark.parametrize("kind", WRITES)
def test_a_store_of_cases_that_fails_midway_leaves_an_erasure_that_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    claimed(desk)
    noted(desk)
    adapter = getattr(desk.services, kind)._port._port

    def fail(_user_id: str) -> int:
        raise Unavailable("claims and notes", "gone")

    with monkeypatch.context() as failing:
        failing.setattr(adapter, "erase", fail)
        with pytest.raises(Unavailable):
            erase(desk)
    assert len(desk.erasures.unfinished()) == 1
    desk.erasures.resume()
    assert (left(desk), desk.erasures.unfinished()) == (([], []), [])


# What depends on them


def test_validations_and_decisions_need_no_claims_and_no_notes(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, hopper_jpeg: bytes
) -> None:
    for kind in ("claims", "notes"):
        adapter = getattr(desk.services, kind)._port._port
        for name in ("take", "release", "standing", "add", "of"):
            with suppress(AttributeError):
                monkeypatch.setattr(adapter, name, lambda *_: pytest.fail("was asked"))
    done = desk.validation.validate_upload("reg-1", hopper_jpeg, "a1", Submitter(Source.DASHBOARD))
    assert done.stored


def test_a_damaged_entry_says_that_the_database_is_damaged(desk: Desk) -> None:
    claimed(desk)
    connection = apsw.Connection(str(desk.photo_folder.parent / "facedesk.sqlite3"))
    connection.execute("UPDATE claims SET claim = 'no JSON'")
    connection.close()
    with pytest.raises(Refused, match="damaged: an entry of its claims and notes cannot be read"):
        desk.services.claims.standing()
