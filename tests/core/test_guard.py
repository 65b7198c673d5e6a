"""What each role gets from the services: the table, walked method by method; events, pseudonyms, and the trail."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from core.domain import statistics
from core.domain.audit import BEGUN, AuditEntry
from core.domain.cases import LEASE
from core.domain.duplicates import Answer
from core.domain.errors import (
    FacedeskError,
    Forbidden,
    InvalidInput,
    Refused,
    RegistrationNotFound,
    Unavailable,
)
from core.domain.frames import record_frame, registration_frame
from core.domain.over_time import beside_previous, over_time
from core.domain.profiles import EventProfile
from core.domain.records import Decision, Outcome, Registration, Source, Status, ValidationRecord, isoformat
from core.domain.roles import ALLOWED, Action, Principal, Role, local
from core.runtime.facades.guard import Guard, GuardedServices
from core.runtime.services import Services
from core.services.batch import Choice
from core.services.hashing import IdHash
from core.services.lists.people import read_people
from core.services.pseudonyms import Pseudonyms
from core.services.unmapped import UnmappedService
from core.services.validation import Submitter
from tests.support.cases import a_claim, a_note
from tests.support.desk import REFERENCE_KEY, REGISTERED, Desk
from tests.support.portraits import as_jpeg, astronaut
from tests.support.unmapped import KeptUnmapped

OTHER = Registration(
    registration_id="reg-9", user_id="user-9", event_id="event-9", name="Bob", email="bob@example.com"
)
SUBMITTER = Submitter(Source.DASHBOARD, "Ada")


def a(role: Role, events: set[str] | None = None) -> Principal:
    return Principal(id=f"{role}@example.com", name=None, roles={role}, events=events)


@pytest.fixture
def guard(services: Services, desk: Desk) -> Guard:
    desk.registrations.import_many([OTHER])
    return Guard(services)


def entries(services: Services) -> list[AuditEntry]:
    now = datetime.now(UTC)
    return list(services.audit.entries(now - timedelta(hours=1), now + timedelta(hours=1)))


def outcome(registration: Registration, **more: Any) -> Outcome:
    ids = registration.model_dump(include={"user_id", "registration_id", "event_id"})
    given = {"attempt_id": "a1", "timestamp": datetime.now(UTC), "status": Status.PENDING, "face_image_key": "f/1"}
    return Outcome(**{**ids, **given, **more})


NOW = datetime.now(UTC)
SOME = timedelta(hours=1)
#: A method of the facades -> the actions of which any one will do, and a call of it about ``event-1`` and its people.
CALLS: dict[str, tuple[tuple[Action, ...], Callable[[GuardedServices], Any]]] = {
    "records.get": ((Action.FIND_PEOPLE,), lambda s: s.records.get("user-1", "reg-1")),
    "records.history": ((Action.FIND_PEOPLE,), lambda s: s.records.history("user-1")),
    "records.event_frame": ((Action.SEE_EVENTS, Action.DECIDE), lambda s: s.records.event_frame("event-1")),
    "records.event_batches": ((Action.SEE_EVENTS,), lambda s: list(s.records.event_batches("event-1"))),
    "records.event_records": ((Action.LIST_PEOPLE,), lambda s: s.records.event_records("event-1", 10)),
    "records.count_unreadable": ((Action.SEE_OPERATIONS,), lambda s: s.records.count_unreadable("event-1")),
    "records.event_notice": ((Action.SEE_EVENTS, Action.DECIDE), lambda s: s.records.event_notice()),
    "records.events_verified": ((Action.SEE_OPERATIONS,), lambda s: s.records.events_verified()),
    "registrations.get": ((Action.FIND_PEOPLE,), lambda s: s.registrations.get("reg-1")),
    "registrations.of_user": ((Action.FIND_PEOPLE,), lambda s: s.registrations.of_user("user-1")),
    "registrations.search": ((Action.FIND_PEOPLE,), lambda s: s.registrations.search("Ada").registrations),
    "registrations.event_frame": ((Action.SEE_EVENTS,), lambda s: s.registrations.event_frame("event-1")),
    "registrations.being_read": ((Action.SEE_EVENTS,), lambda s: s.registrations.being_read("event-1")),
    "registrations.unreadable": ((Action.SEE_EVENTS,), lambda s: s.registrations.unreadable("event-1")),
    "registrations.events": (
        (Action.SEE_EVENTS, Action.DECIDE, Action.SEE_OPERATIONS),
        lambda s: s.registrations.events(),
    ),
    "registrations.is_empty": ((Action.SIGN_IN,), lambda s: s.registrations.is_empty()),
    "validation.validate_upload": (
        (Action.VALIDATE,),
        lambda s: s.validation.validate_upload("reg-1", as_jpeg(astronaut()), "a7", SUBMITTER),
    ),
    "validation.validate_stored": (
        (Action.VALIDATE,),
        lambda s: s.validation.validate_stored("reg-1", REFERENCE_KEY, "a8", SUBMITTER),
    ),
    "validation.decide": (
        (Action.DECIDE,),
        lambda s: s.validation.decide(SEEN, Decision.APPROVED, "Ada"),
    ),
    "validation.undo": ((Action.UNDO,), lambda s: s.validation.undo(SEEN, "Ada")),
    "validation.preview": ((Action.VALIDATE,), lambda s: s.validation.preview(as_jpeg(astronaut()))),
    "validation.photo": ((Action.SEE_FACES,), lambda s: s.validation.photo(REFERENCE_KEY)),
    "batches.count": ((Action.RUN_BATCH,), lambda s: s.batches.count("event-1", Choice.ALL)),
    "batches.unfinished": ((Action.RUN_BATCH,), lambda s: s.batches.unfinished("event-1")),
    "batches.open": (
        (Action.RUN_BATCH,),
        lambda s: s.batches.open("event-1", Choice.ALL, SUBMITTER).close(),
    ),
    "batches.resume": ((Action.RUN_BATCH,), lambda s: s.batches.resume("event-1", SUBMITTER).close()),
    "batches.drop": ((Action.RUN_BATCH,), lambda s: s.batches.drop("event-1")),
    "references.count": ((Action.RUN_BATCH,), lambda s: s.references.count("event-1")),
    "references.run": ((Action.RUN_BATCH,), lambda s: s.references.run("event-1", Event())),
    "references.latest": ((Action.RUN_BATCH,), lambda s: s.references.latest("event-1")),
    "erasures.preview": ((Action.ERASE,), lambda s: s.erasures.preview("user-1")),
    "erasures.erase": ((Action.ERASE,), lambda s: s.erasures.erase(user_id="user-1", confirmation="user-1")),
    "erasures.unfinished": ((Action.ERASE,), lambda s: s.erasures.unfinished()),
    "erasures.resume": ((Action.ERASE,), lambda s: s.erasures.resume()),
    "claims.take": ((Action.DECIDE,), lambda s: s.claims.take(CLAIM, CLAIM.holder)),
    "claims.release": ((Action.DECIDE,), lambda s: s.claims.release("user-1", "reg-1", CLAIM.holder)),
    "claims.release_all": ((Action.DECIDE,), lambda s: s.claims.release_all(CLAIM.holder)),
    "claims.standing": ((Action.DECIDE, Action.SEE_EVENTS), lambda s: s.claims.standing()),
    "notes.add": ((Action.NOTE,), lambda s: s.notes.add("user-1", "reg-1", "event-1", "They called.", "n1")),
    "notes.of": ((Action.NOTE,), lambda s: s.notes.of("user-1", "reg-1")),
    "tokens.all": ((Action.MAKE_TOKEN, Action.REVOKE_TOKEN), lambda s: s.tokens.all()),
    "tokens.make": ((Action.MAKE_TOKEN,), lambda s: s.tokens.make("kiosk-7", ["support"], [], 90)),
    "tokens.take_over": ((Action.MAKE_TOKEN,), lambda s: s.tokens.take_over()),
    "tokens.revoke": ((Action.REVOKE_TOKEN,), lambda s: s.tokens.revoke("kiosk-7")),
    "profiles.get": (
        (Action.SEE_EVENTS, Action.FIND_PEOPLE, Action.EDIT_EVENT),
        lambda s: s.profiles.get("event-1"),
    ),
    "profiles.all": ((Action.SEE_EVENTS, Action.DECIDE, Action.EDIT_EVENT), lambda s: s.profiles.all()),
    "profiles.save": ((Action.EDIT_EVENT,), lambda s: s.profiles.save(EventProfile(event_id="event-1", name="Gala"))),
    "profiles.shortening": (
        (Action.EDIT_EVENT,),
        lambda s: s.profiles.shortening(EventProfile(event_id="event-1")),
    ),
    "profiles.redate": ((Action.EDIT_EVENT,), lambda s: s.profiles.redate("event-1", Event())),
    "event_summaries.all": ((Action.SEE_EVENTS,), lambda s: s.event_summaries.all()),
    "event_summaries.meanwhile": ((Action.SEE_EVENTS,), lambda s: s.event_summaries.meanwhile("event-1")),
    "second_looks.wanted": ((Action.SECOND_LOOK,), lambda s: s.second_looks.wanted("event-1", "Ada")),
    "second_looks.wants": ((Action.SECOND_LOOK,), lambda s: s.second_looks.wants(SEEN, "Ada")),
    "second_looks.store": (
        (Action.SECOND_LOOK,),
        lambda s: s.second_looks.store(SEEN, Decision.APPROVED, "Ada"),
    ),
    "second_looks.error_rates": ((Action.SEE_EVENTS,), lambda s: s.second_looks.error_rates(["event-1"])),
    "second_looks.false_accepts_at": (
        (Action.SEE_EVENTS,),
        lambda s: s.second_looks.false_accepts_at(["event-1"], threshold=80),
    ),
    "second_looks.agreements": ((Action.SEE_AGREEMENT,), lambda s: s.second_looks.agreements(["event-1"])),
    "duplicates.switch": ((Action.FIND_DUPLICATES,), lambda s: s.duplicates.switch("event-1")),
    "duplicates.set_switch": (
        (Action.SWITCH_DUPLICATES,),
        lambda s: s.duplicates.set_switch("event-1", True, "consent", "Ada"),
    ),
    "duplicates.search": ((Action.FIND_DUPLICATES,), lambda s: s.duplicates.search("event-1", Event())),
    "duplicates.latest": ((Action.FIND_DUPLICATES,), lambda s: s.duplicates.latest("event-1")),
    "duplicates.answer": (
        (Action.ANSWER_DUPLICATES,),
        lambda s: s.duplicates.answer("event-1", "reg-1", "reg-2", Answer.SAME, "", "Ada"),
    ),
    "duplicates.look": ((Action.FIND_DUPLICATES,), lambda s: s.duplicates.look("event-1", "reg-1", "reg-2")),
    "duplicates.photo": ((Action.FIND_DUPLICATES,), lambda s: s.duplicates.photo("event-1", "reg-1")),
    "audit.entries": ((Action.SEE_AUDIT,), lambda s: list(s.audit.entries(NOW - SOME, NOW + SOME))),
    "operation_metrics.by_minute": ((Action.SEE_OPERATIONS,), lambda s: s.operation_metrics.by_minute(NOW)),
    "loading.sample": ((Action.LOAD_DATA,), lambda s: s.loading and s.loading.sample(now=NOW, progress=print)),
    "loading.plan": (
        (Action.LOAD_DATA,),
        lambda s: s.loading and s.loading.plan(people=LIST, with_photos=False),
    ),
    "loading.registrations": (
        (Action.LOAD_DATA,),
        lambda s: s.loading and s.loading.registrations(people=LIST, source=None, progress=print),
    ),
    "metrics.read": ((Action.SEE_OPERATIONS,), lambda s: s.metrics and s.metrics.read(NOW - SOME, NOW)),
    "expiry.count_ignored": ((Action.SEE_OPERATIONS,), lambda s: s.expiry and s.expiry.count_ignored()),
    "metrics.month_to_date": ((Action.SEE_OPERATIONS,), lambda s: s.metrics and s.metrics.month_to_date(NOW)),
    "unmapped.of_event": ((Action.SEE_EVENTS,), lambda s: s.unmapped and s.unmapped.of_event("event-1")),
    "unmapped.all": ((Action.SEE_OPERATIONS,), lambda s: s.unmapped and s.unmapped.all()),
    "health": ((Action.SEE_OPERATIONS,), lambda s: s.health()),
}
TABLE = b"registrationId,userId,eventId,name,email,photo\nreg-7,user-7,event-1,Ada,,\n"
LIST = read_people(TABLE)
#: A record of event-1 as somebody saw it, who is not limited to it.
SEEN = ValidationRecord(
    user_id="user-1",
    registration_id="reg-1",
    event_id="event-1",
    validation_status=Status.PENDING,
    timestamp=NOW,
)
#: A claim of the same case.
CLAIM = a_claim(since=NOW, until=NOW + LEASE)
#: What every caller may know: nothing of it belongs to an event or a person, or the call has a check of its own.
OF_NO_EVENT = {
    *("records.event_notice", "registrations.is_empty", "validation.preview", "validation.photo", "health"),
    *(
        "records.events_verified",
        "operation_metrics.by_minute",
        "metrics.read",
        "metrics.month_to_date",
        "expiry.count_ignored",
    ),
}


class _NoMetrics:
    """A metrics service that counted nothing."""

    def read(self, since: datetime, until: datetime) -> None: ...

    def month_to_date(self, now: datetime) -> None: ...

    def close(self) -> None: ...


class _NoneIgnored:
    """A check that finds nothing."""

    def count_ignored(self) -> int:
        return 0

    def close(self) -> None: ...


@pytest.fixture
def whole(desk: Desk) -> Guard:
    """Over services that have every part, and a record of event-1, which somebody has, with a note."""
    desk.records.record_attempt(outcome(REGISTERED), timedelta(days=1))
    desk.services.claims.take(CLAIM, CLAIM.holder)
    desk.services.notes.add(a_note(at=NOW), timedelta(days=1))
    unmapped = UnmappedService(KeptUnmapped(), desk.registrations)
    services = replace(desk.services, metrics=_NoMetrics(), expiry=_NoneIgnored(), unmapped=unmapped)  # type: ignore[arg-type]
    return Guard(services)


def test_every_method_of_the_facades_is_in_the_table_of_this_test(whole: Guard) -> None:
    services = whole.acting_as(local("Ada"))
    facades = {field.name: getattr(services, field.name) for field in fields(GuardedServices)}
    found = {
        f"{part}.{name}"
        for part, facade in facades.items()
        if type(facade).__module__.startswith("core.runtime.facades") and part != "acting"
        for name, _ in inspect.getmembers(facade, inspect.ismethod)
        if not name.startswith("_")
    }
    own = {name for name, _ in inspect.getmembers(services, inspect.ismethod) if not name.startswith("_")}
    assert found | own == set(CALLS)


def test_a_caller_is_given_nothing_but_facades_and_what_holds_nobodys_data(whole: Guard) -> None:
    services = whole.acting_as(local("Ada"))
    others = {
        field.name
        for field in fields(GuardedServices)
        if not type(getattr(services, field.name)).__module__.startswith("core.runtime.facades")
    }
    assert others == {"principal", "settings", "clock", "_check"}


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("method", CALLS)
def test_a_role_may_call_what_its_actions_allow(whole: Guard, method: str, role: Role) -> None:
    actions, call = CALLS[method]
    allowed = any(role in ALLOWED[action] for action in actions)
    try:
        call(whole.acting_as(a(role)))
    except Forbidden:
        assert not allowed
    except FacedeskError:  # there is no batch to resume, for example
        assert allowed
    else:
        assert allowed


@pytest.mark.parametrize("method", sorted(CALLS.keys() - OF_NO_EVENT))
def test_nobody_limited_to_another_event_gets_anything_of_this_one(whole: Guard, method: str) -> None:
    limited = Principal(id="x", name=None, roles=frozenset(Role), events=frozenset({"event-9"}))
    before = entries(whole.services)
    try:
        found = CALLS[method][1](whole.acting_as(limited))
    except (Forbidden, RegistrationNotFound):
        found = None
    assert found is None or found == []
    assert [e for e in entries(whole.services) if e not in before and e.outcome != "Forbidden"] == []


LONE = "\ud800"
#: Calls with a text that is none, one for each place where a text is taken.
LONE_CALLS: dict[str, Callable[[GuardedServices], Any]] = {
    "records.get user": lambda s: s.records.get(LONE, "reg-1"),
    "records.get registration": lambda s: s.records.get("user-1", LONE),
    "records.history": lambda s: s.records.history(LONE),
    "records.event_frame": lambda s: s.records.event_frame(LONE),
    "records.event_batches": lambda s: s.records.event_batches(LONE),
    "records.count_unreadable": lambda s: s.records.count_unreadable(LONE),
    "records.event_records": lambda s: s.records.event_records(LONE, 10),
    "registrations.get": lambda s: s.registrations.get(LONE),
    "registrations.of_user": lambda s: s.registrations.of_user(LONE),
    "registrations.search": lambda s: s.registrations.search(LONE),
    "registrations.event_frame": lambda s: s.registrations.event_frame(LONE),
    "registrations.being_read": lambda s: s.registrations.being_read(LONE),
    "registrations.unreadable": lambda s: s.registrations.unreadable(LONE),
    "validate_upload registration": lambda s: s.validation.validate_upload(LONE, b"", "a1", SUBMITTER),
    "validate_upload attempt": lambda s: s.validation.validate_upload("reg-1", b"", LONE, SUBMITTER),
    "validate_upload submitter": lambda s: s.validation.validate_upload("reg-1", b"", "a1", LONE_SUBMITTER),
    "validate_stored registration": lambda s: s.validation.validate_stored(LONE, "k", "a1", SUBMITTER),
    "validate_stored key": lambda s: s.validation.validate_stored("reg-1", LONE, "a1", SUBMITTER),
    "validate_stored attempt": lambda s: s.validation.validate_stored("reg-1", "k", LONE, SUBMITTER),
    "validate_stored submitter": lambda s: s.validation.validate_stored("reg-1", "k", "a1", LONE_SUBMITTER),
    "decide reviewer": lambda s: s.validation.decide(SEEN, Decision.APPROVED, LONE),
    "decide reason": lambda s: s.validation.decide(SEEN, Decision.REJECTED, "Ada", LONE),
    "decide note": lambda s: s.validation.decide(SEEN, Decision.APPROVED, "Ada", note=LONE),
    "undo reviewer": lambda s: s.validation.undo(SEEN, LONE),
    "photo": lambda s: s.validation.photo(LONE),
    "batches.count": lambda s: s.batches.count(LONE, Choice.ALL),
    "batches.unfinished": lambda s: s.batches.unfinished(LONE),
    "batches.open": lambda s: s.batches.open(LONE, Choice.ALL, SUBMITTER),
    "batches.resume": lambda s: s.batches.resume(LONE, SUBMITTER),
    "batches.drop": lambda s: s.batches.drop(LONE),
    "references.count": lambda s: s.references.count(LONE),
    "references.run": lambda s: s.references.run(LONE, Event()),
    "references.latest": lambda s: s.references.latest(LONE),
    "claims.take user": lambda s: s.claims.take(a_claim(user_id=LONE), "ada-1"),
    "claims.take registration": lambda s: s.claims.take(a_claim(registration_id=LONE), "ada-1"),
    "claims.take event": lambda s: s.claims.take(a_claim(event_id=LONE), "ada-1"),
    "claims.take holder": lambda s: s.claims.take(a_claim(LONE), "ada-1"),
    "claims.take name": lambda s: s.claims.take(a_claim(name=LONE), "ada-1"),
    "claims.take instead": lambda s: s.claims.take(a_claim(), LONE),
    "claims.release user": lambda s: s.claims.release(LONE, "reg-1", "ada-1"),
    "claims.release registration": lambda s: s.claims.release("user-1", LONE, "ada-1"),
    "claims.release holder": lambda s: s.claims.release("user-1", "reg-1", LONE),
    "claims.release_all": lambda s: s.claims.release_all(LONE),
    "notes.add user": lambda s: s.notes.add(LONE, "reg-1", None, "text", "n1"),
    "notes.add registration": lambda s: s.notes.add("user-1", LONE, None, "text", "n1"),
    "notes.add event": lambda s: s.notes.add("user-1", "reg-1", LONE, "text", "n1"),
    "notes.add text": lambda s: s.notes.add("user-1", "reg-1", None, f"a {LONE}", "n1"),
    "notes.add id": lambda s: s.notes.add("user-1", "reg-1", None, "text", LONE),
    "notes.of user": lambda s: s.notes.of(LONE),
    "notes.of registration": lambda s: s.notes.of("user-1", LONE),
    "tokens.make name": lambda s: s.tokens.make(LONE, ["support"], [], None),
    "tokens.make event": lambda s: s.tokens.make("kiosk-7", ["support"], [LONE], None),
    "tokens.revoke": lambda s: s.tokens.revoke(LONE),
    "second_looks.wanted event": lambda s: s.second_looks.wanted(LONE, "Ada"),
    "second_looks.wanted reviewer": lambda s: s.second_looks.wanted("event-1", LONE),
    "second_looks.wants": lambda s: s.second_looks.wants(SEEN, LONE),
    "second_looks.store reviewer": lambda s: s.second_looks.store(SEEN, Decision.APPROVED, LONE),
    "second_looks.store reason": lambda s: s.second_looks.store(SEEN, Decision.REJECTED, "Ada", LONE),
    "second_looks.error_rates": lambda s: s.second_looks.error_rates([LONE]),
    "second_looks.false_accepts_at": lambda s: s.second_looks.false_accepts_at([LONE], 80),
    "second_looks.agreements": lambda s: s.second_looks.agreements([LONE]),
    "duplicates.switch": lambda s: s.duplicates.switch(LONE),
    "duplicates.set_switch event": lambda s: s.duplicates.set_switch(LONE, True, "consent", "Ada"),
    "duplicates.set_switch reason": lambda s: s.duplicates.set_switch("event-1", True, LONE, "Ada"),
    "duplicates.set_switch who": lambda s: s.duplicates.set_switch("event-1", True, "consent", LONE),
    "duplicates.search": lambda s: s.duplicates.search(LONE, Event()),
    "duplicates.latest": lambda s: s.duplicates.latest(LONE),
    "duplicates.answer event": lambda s: s.duplicates.answer(LONE, "reg-1", "reg-2", Answer.SAME, "", "Ada"),
    "duplicates.answer first": lambda s: s.duplicates.answer("event-1", LONE, "reg-2", Answer.SAME, "", "Ada"),
    "duplicates.answer second": lambda s: s.duplicates.answer("event-1", "reg-1", LONE, Answer.SAME, "", "Ada"),
    "duplicates.answer note": lambda s: s.duplicates.answer("event-1", "reg-1", "reg-2", Answer.SAME, LONE, "Ada"),
    "duplicates.answer who": lambda s: s.duplicates.answer("event-1", "reg-1", "reg-2", Answer.SAME, "", LONE),
    "duplicates.look event": lambda s: s.duplicates.look(LONE, "reg-1", "reg-2"),
    "duplicates.look first": lambda s: s.duplicates.look("event-1", LONE, "reg-2"),
    "duplicates.look second": lambda s: s.duplicates.look("event-1", "reg-1", LONE),
    "duplicates.photo event": lambda s: s.duplicates.photo(LONE, "reg-1"),
    "duplicates.photo registration": lambda s: s.duplicates.photo("event-1", LONE),
    "erasures.preview": lambda s: s.erasures.preview(LONE),
    "erasures.erase user": lambda s: s.erasures.erase(LONE, "user-1"),
    "erasures.erase confirmation": lambda s: s.erasures.erase("user-1", LONE),
}
LONE_SUBMITTER = Submitter(Source.API, LONE)


@pytest.mark.parametrize("call", LONE_CALLS.values(), ids=LONE_CALLS)
def test_no_method_takes_a_text_that_is_none(whole: Guard, call: Callable[[GuardedServices], Any]) -> None:
    with pytest.raises(InvalidInput):
        call(whole.acting_as(local("Ada")))
    assert entries(whole.services) == []


def test_neither_looks_nor_exports_take_a_text_that_is_none(services: Services) -> None:
    acting = Guard(services).acting_as(local("Ada")).acting
    for act in (
        lambda: acting.look(LONE, "reg-1", None),
        lambda: acting.look("user-1", "reg-1", LONE),
        lambda: acting.reveal("user-1", LONE),
        lambda: next(acting.export("history", iter(()), user_id=LONE)),
        lambda: next(acting.export("records", iter(()), event_id=LONE)),
    ):
        with pytest.raises(InvalidInput):
            act()
    assert entries(services) == []


def test_nobody_has_a_name_that_is_no_text() -> None:
    with pytest.raises(InvalidInput):
        local(LONE)


@pytest.mark.parametrize(("role", "may"), [(Role.ADMIN, True), (Role.MANAGER, True), (Role.ANALYST, False)])
def test_what_has_no_event_is_for_those_who_see_operations(guard: Guard, role: Role, may: bool) -> None:
    with nullcontext() if may else pytest.raises(Forbidden):
        assert guard.acting_as(a(role)).registrations.unreadable(None).empty


class TestEvents:
    """Whoever has some events finds nothing of others."""

    @pytest.fixture
    def theirs(self, guard: Guard, desk: Desk) -> GuardedServices:
        for registration in (REGISTERED, OTHER):
            desk.records.record_attempt(outcome(registration), timedelta(days=1))
        everything = frozenset(Role)
        return guard.acting_as(Principal(id="x", name=None, roles=everything, events=frozenset({"event-1"})))

    @pytest.mark.parametrize("method", ["event_frame", "event_batches", "event_records"])
    def test_records_of_another_event_are_refused(self, theirs: GuardedServices, method: str) -> None:
        more = (10,) if method == "event_records" else ()
        with pytest.raises(Forbidden, match="not one of yours"):
            getattr(theirs.records, method)("event-9", *more)

    @pytest.mark.parametrize("event_id", ["event-9", None])
    def test_what_could_not_be_read_of_another_event_or_of_none_is_refused(
        self, theirs: GuardedServices, event_id: str | None
    ) -> None:
        with pytest.raises(Forbidden):
            theirs.registrations.unreadable(event_id)

    def test_registrations_of_another_event_are_refused(self, theirs: GuardedServices) -> None:
        with pytest.raises(Forbidden, match="not one of yours"):
            theirs.registrations.event_frame("event-9")

    def test_only_theirs_are_listed(self, theirs: GuardedServices) -> None:
        assert theirs.registrations.events() == ["event-1"]

    def test_another_events_record_is_not_found(self, theirs: GuardedServices) -> None:
        assert theirs.records.get("user-9", "reg-9") is None
        assert theirs.records.get("user-1", "reg-1") is not None

    def test_another_events_record_is_not_in_the_history(self, theirs: GuardedServices) -> None:
        assert theirs.records.history("user-9") == []
        assert len(theirs.records.history("user-1")) == 1

    def test_another_events_registration_is_not_found(self, theirs: GuardedServices) -> None:
        assert theirs.registrations.get("reg-9") is None
        assert theirs.registrations.of_user("user-9") == []

    def test_a_search_finds_theirs_alone_and_as_many_as_wanted(self, theirs: GuardedServices, desk: Desk) -> None:
        many = [OTHER.model_copy(update={"registration_id": f"a-{n:02}", "name": "Ada"}) for n in range(30)]
        desk.registrations.import_many(many)
        found = theirs.registrations.search("Ada", limit=1)
        assert ([each.event_id for each in found.registrations], found.total) == (["event-1"], 2)

    def test_a_photo_is_not_validated_for_another_event(self, theirs: GuardedServices) -> None:
        with pytest.raises(RegistrationNotFound):
            theirs.validation.validate_upload("reg-9", as_jpeg(astronaut()), "a2", SUBMITTER)

    def test_another_events_case_is_not_decided(self, theirs: GuardedServices, desk: Desk) -> None:
        seen = desk.records.get("user-9", "reg-9")
        assert seen
        with pytest.raises(Forbidden):
            theirs.validation.decide(seen, Decision.APPROVED, "Ada")
        assert desk.records.get("user-9", "reg-9") == seen

    def test_another_events_registrations_are_not_imported(self, theirs: GuardedServices, desk: Desk) -> None:
        assert theirs.loading
        people = read_people(TABLE + b"reg-9,user-9,event-9,Changed,,\n")
        with pytest.raises(Forbidden):
            theirs.loading.registrations(people, None)
        assert desk.registrations.get("reg-9") == OTHER

    def test_whoever_has_no_event_sees_none(self, guard: Guard) -> None:
        nothing = guard.acting_as(Principal(id="x", name=None, roles=frozenset(Role), events=frozenset()))
        assert nothing.registrations.events() == []


class TestPseudonyms:
    COLUMNS: ClassVar[dict[str, list[Any]]] = {
        "userId": ["canary-user", "u2", "canary-user"],
        "registrationId": ["canary-reg", "r2", "r3"],
        "eventId": ["e", "e", "e"],
        "status": ["success", "failed", "pending"],
        "timestamp": ["2026-11-01T10:00:00.000Z"] * 3,
        "reviewer": ["canary-reviewer", None, None],
        "faceImageKey": ["canary-key", None, "canary-other-key"],
        "storedFaceKey": ["canary-stored", None, None],
    }

    @pytest.fixture
    def plain(self) -> pd.DataFrame:
        return record_frame(self.COLUMNS)

    @pytest.fixture
    def shown(self, plain: pd.DataFrame) -> pd.DataFrame:
        return Pseudonyms(IdHash(b"a key of these tests")).frame(plain)

    def test_nothing_that_names_somebody_is_left(self, shown: pd.DataFrame) -> None:
        assert "canary" not in shown.to_csv()

    def test_columns_and_dtypes_stay(self, shown: pd.DataFrame, plain: pd.DataFrame) -> None:
        pd.testing.assert_series_equal(shown.dtypes, plain.dtypes)

    def test_the_same_id_has_the_same_pseudonym(self, shown: pd.DataFrame) -> None:
        assert sorted(shown["userId"].value_counts()) == [1, 2]

    def test_another_key_gives_other_pseudonyms(self, shown: pd.DataFrame, plain: pd.DataFrame) -> None:
        other = Pseudonyms(IdHash(b"another key of them")).frame(plain)
        assert set(other["userId"]).isdisjoint(shown["userId"])

    def test_registrations_and_records_still_join(self, plain: pd.DataFrame) -> None:
        pseudonyms = Pseudonyms(IdHash(b"a key of these tests"))
        named = {"name": ["canary-name"] * 3, "email": ["canary@example.com"] * 3}
        people = registration_frame(
            {**{c: self.COLUMNS[c] for c in ("userId", "registrationId", "eventId")}, **named}
        )
        shown = pseudonyms.frame(people)
        assert "canary" not in shown.to_csv()
        assert set(shown["registrationId"]) == set(pseudonyms.frame(plain)["registrationId"])

    def test_a_column_that_nobody_knows_is_emptied(self, plain: pd.DataFrame) -> None:
        frame = plain.assign(phone=pd.Series(["canary"] * 3, dtype="str"))
        assert Pseudonyms(IdHash(b"a key of these tests")).frame(frame)["phone"].isna().all()

    def test_how_many_have_a_photo_is_still_told(self, shown: pd.DataFrame) -> None:
        assert shown["faceImageKey"].notna().sum() == 2

    def test_times_and_measured_numbers_are_cut(self) -> None:
        times = ["2026-11-01T10:14:59.999Z", "2026-11-01T10:15:00.000Z", "2026-11-01T10:31:00.000Z"]
        measured = {"similarity": [79.99, 64.1, None], "confidence": [100, 0, 8.2]}
        plain = record_frame({**self.COLUMNS, "timestamp": times, **measured})
        shown = Pseudonyms(IdHash(b"a key of these tests")).frame(plain)
        assert shown["timestamp"].dt.strftime("%H:%M:%S.%f").tolist() == [
            "10:00:00.000000",
            "10:15:00.000000",
            "10:30:00.000000",
        ]
        assert shown["similarity"].dropna().tolist() == [79.9, 64.1]
        assert shown["confidence"].tolist() == [100, 0, 8.2]

    def test_charts_and_the_what_if_count_as_a_manager_counts(self) -> None:
        random = np.random.default_rng(1)
        count = 2000
        ids = [f"u{n}" for n in range(count)]
        similarity = random.uniform(60, 100, count)
        begin = datetime(2026, 11, 1, tzinfo=UTC)
        plain = record_frame(
            {
                "userId": ids,
                "registrationId": ids,
                "status": np.where(similarity >= 80, "success", np.where(similarity >= 70, "pending", "failed")),
                "threshold": [80.0] * count,
                "similarity": similarity,
                "timestamp": [isoformat(begin + timedelta(minutes=n * 3, milliseconds=n)) for n in range(count)],
                "rules": ["r1" if n < 777 else "r2" for n in range(count)],
            }
        )
        shown = Pseudonyms(IdHash(b"a key of these tests")).frame(plain)
        for zone in ("UTC", "Asia/Kathmandu", "Asia/Kolkata"):
            (unit, by_manager), (same, by_analyst) = (over_time(each, zone) for each in (plain, shown))
            assert unit == same
            assert (by_manager["changed"] == "rules").sum() == 1
            pd.testing.assert_frame_equal(by_manager, by_analyst)
            since, day = begin + timedelta(days=2, hours=3, minutes=15), timedelta(days=1)
            (_, by_manager), (_, by_analyst) = (beside_previous(each, since, day, zone) for each in (plain, shown))
            assert by_manager["previous"].sum() == 480
            pd.testing.assert_frame_equal(by_manager, by_analyst)
        for low, width in ((0, 4), (60, 1)):
            bins = [
                statistics.histogram(each["similarity"], each["status"], low, 100, width) for each in (plain, shown)
            ]
            pd.testing.assert_frame_equal(*bins)
        for threshold in (75, 79.9, 80, 90):
            changed = [
                statistics.flips(each, threshold, 70)["becomes"].value_counts().to_dict() for each in (plain, shown)
            ]
            assert changed[0] == changed[1]

    @pytest.mark.parametrize("seed", range(5))
    def test_the_order_of_the_rows_tells_nothing_of_the_order_in_which_they_were_read(
        self, shown: pd.DataFrame, plain: pd.DataFrame, seed: int
    ) -> None:
        shuffled = plain.sample(frac=1, random_state=seed)
        pd.testing.assert_frame_equal(Pseudonyms(IdHash(b"a key of these tests")).frame(shuffled), shown)

    def test_an_error_that_names_a_registration_does_not_name_it_to_an_analyst(
        self, guard: Guard, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(_event_id: str) -> Any:
            raise Refused("validation records", "UnreadableRecord", "The record of registration 'reg-1' is odd.")

        def later(event_id: str) -> Iterator[Any]:
            yield fail(event_id)

        monkeypatch.setattr(guard.services.records, "event_frame", fail)
        monkeypatch.setattr(guard.services.records, "event_batches", later)
        manager, analyst = (guard.acting_as(a(role)).records for role in (Role.MANAGER, Role.ANALYST))
        with pytest.raises(Refused, match="reg-1"):
            manager.event_frame("event-1")
        for read in (analyst.event_frame, lambda event_id: list(analyst.event_batches(event_id))):
            with pytest.raises(Refused) as refused:
                read("event-1")
            assert "reg-1" not in str(refused.value)
            assert refused.value.code == "UnreadableRecord"

    @pytest.mark.parametrize("method", ["event_frame", "event_batches"])
    def test_an_analyst_gets_them_from_every_reading_of_records(self, guard: Guard, desk: Desk, method: str) -> None:
        desk.records.record_attempt(outcome(REGISTERED), timedelta(days=1))
        found = getattr(guard.acting_as(a(Role.ANALYST)).records, method)("event-1")
        frame = pd.concat(found) if isinstance(found, Iterator) else found
        assert len(frame) == 1
        assert "user-1" not in frame.to_csv()

    def test_an_event_that_did_not_change_is_the_same_frame_again(self, plain: pd.DataFrame) -> None:
        pseudonyms = Pseudonyms(IdHash(b"a key of these tests"))
        assert pseudonyms.kept(plain) is pseudonyms.kept(plain)
        assert pseudonyms.kept(plain) is not pseudonyms.kept(plain.copy())

    def test_an_analyst_gets_them_of_registrations(self, guard: Guard) -> None:
        frame = guard.acting_as(a(Role.ANALYST)).registrations.event_frame("event-1")
        assert len(frame) == 2
        assert not {"user-1", "Ada", "ada@example.com"} & set(frame.to_numpy().ravel())

    def test_a_manager_sees_the_people_of_the_event(self, guard: Guard) -> None:
        frame = guard.acting_as(a(Role.MANAGER)).registrations.event_frame("event-1")
        assert "Ada Example" in set(frame["name"])


class TestTrail:
    @pytest.fixture
    def waiting(self, desk: Desk) -> Any:
        return desk.records.record_attempt(outcome(REGISTERED), timedelta(days=1))

    @pytest.fixture
    def more_settings(self) -> dict[str, Any]:
        return {"second_look_passes": 1}

    @pytest.fixture
    def passed(self, desk: Desk) -> Any:
        compared = {"similarity": 90.0, "threshold": 80.0, "is_match": True}
        passing = outcome(
            REGISTERED, status=Status.SUCCESS, comparison_result=compared, stored_face_key=REFERENCE_KEY
        )
        return desk.records.record_attempt(passing, timedelta(days=1))

    def test_a_validation_is_told_with_what_came_of_it(self, guard: Guard) -> None:
        support = guard.acting_as(a(Role.SUPPORT))
        status = support.validation.validate_upload("reg-1", as_jpeg(astronaut()), "a1", SUBMITTER).record
        (entry,) = entries(guard.services)
        assert (entry.action, entry.who, entry.outcome) == (Action.VALIDATE, "support@example.com", "ok")
        assert entry.details == {"status": str(status.validation_status)}
        assert entry.event_id == "event-1"

    def test_no_id_of_a_person_is_in_an_entry(self, guard: Guard, waiting: Any) -> None:
        guard.acting_as(a(Role.SUPPORT)).validation.decide(waiting, Decision.APPROVED, "Ada", note="a private note")
        text = " ".join(entry.model_dump_json() for entry in entries(guard.services))
        assert not [canary for canary in ("user-1", "reg-1", "private", "f/1") if canary in text]

    def test_a_decision_is_told_before_and_after(self, guard: Guard, waiting: Any) -> None:
        guard.acting_as(a(Role.SUPPORT)).validation.decide(waiting, Decision.APPROVED, "Ada")
        assert {entry.outcome for entry in entries(guard.services)} == {BEGUN, "ok"}

    def test_a_second_look_is_told_before_and_after_without_the_answer(self, guard: Guard, passed: Any) -> None:
        acting = guard.acting_as(a(Role.SUPPORT))
        acting.second_looks.store(passed, Decision.REJECTED, "Ada", "FACE_MISMATCH")
        told = entries(guard.services)
        assert {(entry.action, entry.outcome) for entry in told} == {
            (Action.SECOND_LOOK, BEGUN),
            (Action.SECOND_LOOK, "ok"),
        }
        assert {entry.user for entry in told} == {IdHash(b"a key of these tests")("user-1")}
        text = " ".join(entry.model_dump_json() for entry in told)
        assert not [canary for canary in ("rejected", "MISMATCH", "user-1", "reg-1") if canary in text]

    def test_without_the_trail_no_second_look_is_stored(self, services: Services, desk: Desk, passed: Any) -> None:
        support = Guard(replace(services, audit=_Broken())).acting_as(a(Role.SUPPORT))  # type: ignore[arg-type]
        with pytest.raises(Unavailable, match="audit trail"):
            support.second_looks.store(passed, Decision.APPROVED, "Ada")
        assert desk.second_looks.of_event("event-1") == []

    def test_what_fails_is_told_by_its_class(self, guard: Guard) -> None:
        with pytest.raises(RegistrationNotFound):
            guard.acting_as(a(Role.SUPPORT)).validation.validate_stored("none", "k", "a1", SUBMITTER)
        assert [entry.outcome for entry in entries(guard.services)] == ["RegistrationNotFound"]

    def test_a_refusal_is_told(self, guard: Guard, waiting: Any) -> None:
        with pytest.raises(Forbidden):
            guard.acting_as(a(Role.ANALYST)).validation.decide(waiting, Decision.APPROVED, "Ada")
        (entry,) = entries(guard.services)
        assert (entry.action, entry.outcome) == (Action.DECIDE, "Forbidden")

    def test_without_the_trail_nothing_is_decided(self, services: Services, desk: Desk, waiting: Any) -> None:
        support = Guard(replace(services, audit=_Broken())).acting_as(a(Role.SUPPORT))  # type: ignore[arg-type]
        with pytest.raises(Unavailable, match="audit trail"):
            support.validation.decide(waiting, Decision.APPROVED, "Ada")
        assert desk.records.get("user-1", "reg-1") == waiting

    def test_without_the_trail_nothing_is_exported(self, services: Services) -> None:
        manager = Guard(replace(services, audit=_Broken())).acting_as(a(Role.MANAGER))  # type: ignore[arg-type]
        with pytest.raises(Unavailable, match="audit trail"):
            next(manager.acting.export("records", iter([b"rows"]), event_id="event-1"))

    def test_without_the_trail_a_photo_is_validated_still(self, services: Services) -> None:
        support = Guard(replace(services, audit=_Broken())).acting_as(a(Role.SUPPORT))  # type: ignore[arg-type]
        assert support.validation.validate_upload("reg-1", as_jpeg(astronaut()), "a1", SUBMITTER).stored

    def test_an_export_is_told_before_its_first_byte(self, guard: Guard) -> None:
        parts = guard.acting_as(a(Role.MANAGER)).acting.export("records", iter([b"rows"]), event_id="event-1")
        next(parts)
        (entry,) = entries(guard.services)
        assert (entry.action, entry.outcome, entry.event_id) == (Action.EXPORT, BEGUN, "event-1")

    def test_how_an_export_ended_is_told(self, guard: Guard) -> None:
        acting = guard.acting_as(a(Role.MANAGER)).acting
        assert list(acting.export("records", iter([b"rows"]), event_id="event-1")) == [b"rows"]
        stopped = acting.export("records", iter([b"rows", b"more"]), event_id="event-1")
        next(stopped)
        stopped.close()
        assert {entry.outcome for entry in entries(guard.services)} == {BEGUN, "ok", "GeneratorExit"}

    def test_another_events_export_is_refused(self, guard: Guard) -> None:
        acting = guard.acting_as(a(Role.MANAGER, {"event-1"})).acting
        with pytest.raises(Forbidden):
            next(acting.export("records", iter([b"rows"]), event_id="event-9"))


class _Broken:
    def append(self, _entry: AuditEntry) -> None:
        raise Unavailable("audit trail", "Broken")


def test_whoever_is_limited_to_events_erases_nobody(guard: Guard) -> None:
    with pytest.raises(Forbidden):
        guard.acting_as(a(Role.ADMIN, {"event-1"})).erasures.erase("user-1", "user-1")


def test_an_erasure_is_in_the_name_of_whoever_asks(guard: Guard, desk: Desk) -> None:
    assert guard.acting_as(a(Role.ADMIN)).erasures.erase("user-1", "user-1").who == "admin@example.com"


def test_a_principals_facades_are_made_once(guard: Guard) -> None:
    assert guard.acting_as(a(Role.SUPPORT)) is guard.acting_as(a(Role.SUPPORT))
    assert guard.acting_as(a(Role.SUPPORT)) is not guard.acting_as(a(Role.SUPPORT, {"event-1"}))


class TestTokens:
    def test_a_token_is_made_in_the_name_of_whoever_made_it_and_the_trail_has_it_but_not_the_token(
        self, services: Services
    ) -> None:
        tokens = Guard(services).acting_as(a(Role.ADMIN)).tokens
        assert tokens
        token, made = tokens.make("kiosk-7", ["support"], ["expo"], 90)
        assert made.made_by == "admin@example.com"
        told = [entry for entry in entries(services) if entry.action == Action.MAKE_TOKEN]
        assert sorted(entry.outcome for entry in told) == [BEGUN, "ok"]
        (begun,) = [entry for entry in told if entry.outcome == BEGUN]
        assert begun.details == {"token": "kiosk-7", "roles": "support", "events": "expo", "days": "90"}
        assert not [entry for entry in told if token in str(entry) or made.hash in str(entry)]

    def test_without_a_trail_no_token_is_made_or_revoked(
        self, services: Services, desk: Desk, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tokens = Guard(services).acting_as(a(Role.ADMIN)).tokens
        assert tokens
        tokens.make("kept", ["support"], [], None)

        def fail(_entry: AuditEntry) -> None:
            raise Unavailable("audit trail", "Down")

        monkeypatch.setattr(desk.audit, "append", fail)
        for change in (lambda: tokens.make("new", ["support"], [], None), lambda: tokens.revoke("kept")):
            with pytest.raises(Unavailable):
                change()
        assert [token.name for token in tokens.all()] == ["kept"]

    def test_who_is_limited_to_events_has_nothing_to_do_with_tokens(self, services: Services) -> None:
        tokens = Guard(services).acting_as(a(Role.ADMIN, {"event-1"})).tokens
        assert tokens
        for call in (tokens.all, tokens.take_over, lambda: tokens.revoke("kiosk-7")):
            with pytest.raises(Forbidden):
                call()
