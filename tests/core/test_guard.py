"""What each role gets from the services: the table, walked method by method; events, pseudonyms, and the trail."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from core import ports
from core.domain import statistics
from core.domain.audit import AuditEntry
from core.domain.errors import Forbidden, InvalidInput, Refused, RegistrationNotFound, Unavailable
from core.domain.frames import record_frame, registration_frame
from core.domain.records import Decision, Outcome, Registration, Source, Status, isoformat
from core.domain.roles import ALLOWED, METHODS, Action, Principal, Role, local
from core.runtime.services import Services
from core.runtime.facades.guard import BEGUN, OPEN, Guard, GuardedServices
from core.runtime.operation_log import Journal
from core.services.batch import Batches
from core.services.erasure import Erasures
from core.services.forgetting import Forgetting
from core.services.hashing import IdHash
from core.services.pseudonyms import Pseudonyms
from core.services.reference_check import ReferenceCheck
from core.services.retention import Retention
from core.services.validation import Submitter, ValidationService
from tests.support.desk import REGISTERED, Desk
from tests.support.portraits import as_jpeg, astronaut

#: A part of the services -> what defines its public methods.
PARTS: dict[str, type] = {
    "records": ports.ValidationRecords,
    "registrations": ports.Registrations,
    "importer": ports.RegistrationImport,
    "photos": ports.Photos,
    "engine": ports.FaceEngine,
    "audit": ports.AuditTrail,
    "validation": ValidationService,
    "batches": Batches,
    "references": ReferenceCheck,
    "erasures": Erasures,
    "forgetting": Forgetting,
    "retention": Retention,
    "metrics": ports.ServiceMetrics,
    "journal": Journal,
}
OTHER = Registration(
    registration_id="reg-9", user_id="user-9", event_id="event-9", name="Bob", email="bob@example.com"
)
SUBMITTER = Submitter(Source.DASHBOARD, "Ada")


def public(kind: type) -> list[str]:
    return [name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")]


EVERY_METHOD = sorted(f"{part}.{name}" for part, kind in PARTS.items() for name in public(kind))


def a(role: Role, events: set[str] | None = None) -> Principal:
    return Principal(id=f"{role}@example.com", name=None, roles={role}, events=events)


class _Anything:
    """A part whose every method answers nothing."""

    def __init__(self, kind: type) -> None:
        for name in public(kind):
            setattr(self, name, lambda *_, **__: None)


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


def test_every_part_of_the_services_is_guarded_or_open() -> None:
    assert {field.name for field in fields(Services)} == set(PARTS) | OPEN


def test_every_method_is_in_the_table_and_no_other() -> None:
    assert sorted(METHODS) == EVERY_METHOD


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("method", EVERY_METHOD)
def test_a_role_may_call_what_the_table_says(services: Services, method: str, role: Role) -> None:
    part, _, name = method.partition(".")
    hollow: dict[str, Any] = {name: _Anything(PARTS[name]) for name in ("audit", part)}
    guarded = Guard(replace(services, **hollow)).acting_as(a(role))
    allowed = any(role in ALLOWED[action] for action in METHODS[method])
    try:
        getattr(getattr(guarded, part), name)()
    except Forbidden:
        assert not allowed
    else:
        assert allowed


LONE = "\ud800"


@pytest.mark.parametrize("given", [LONE, ["ok", LONE], {"x": LONE}, Submitter(Source.API, LONE)], ids=repr)
@pytest.mark.parametrize("method", EVERY_METHOD)
def test_no_method_takes_a_text_that_is_none(services: Services, method: str, given: Any) -> None:
    part, _, name = method.partition(".")
    called: list[str] = []
    hollow = SimpleNamespace(**{name: lambda *_, **__: called.append(method)})
    guarded = Guard(replace(services, **{part: hollow})).acting_as(local("Ada"))  # type: ignore[arg-type]
    with pytest.raises(InvalidInput):
        getattr(getattr(guarded, part), name)(given)
    assert called == []


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


def test_a_method_that_is_not_in_the_table_is_refused(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(METHODS, "registrations.events")  # type: ignore[arg-type]
    with pytest.raises(Forbidden):
        Guard(services).acting_as(local("Ada")).registrations.events()


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
        assert [each.event_id for each in found] == ["event-1"]

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
        assert theirs.importer
        with pytest.raises(Forbidden):
            theirs.importer.import_many([REGISTERED, OTHER.model_copy(update={"name": "Changed"})])
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
            }
        )
        shown = Pseudonyms(IdHash(b"a key of these tests")).frame(plain)
        for zone in ("UTC", "Asia/Kathmandu", "Asia/Kolkata"):
            (unit, by_manager), (same, by_analyst) = (statistics.over_time(each, zone) for each in (plain, shown))
            assert unit == same
            pd.testing.assert_frame_equal(by_manager, by_analyst)
        bins = [statistics.histogram(each["similarity"], each["status"], 0, 100, 4) for each in (plain, shown)]
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

    @pytest.mark.parametrize("found", [b"bytes", {"userId": "user-1"}, REGISTERED, [REGISTERED]], ids=str)
    def test_an_analyst_gets_nothing_of_another_kind(self, services: Services, found: Any) -> None:
        records = _Anything(ports.ValidationRecords)
        records.event_frame = lambda event_id: found  # type: ignore[attr-defined]
        analyst = Guard(replace(services, records=records)).acting_as(a(Role.ANALYST))  # type: ignore[arg-type]
        with pytest.raises(Forbidden, match="figures"):
            analyst.records.event_frame("event-1")

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
    admin = a(Role.ADMIN, {"event-1"})
    with pytest.raises(Forbidden):
        guard.acting_as(admin).erasures.erase("user-1", "user-1", admin)


def test_nobody_erases_in_anothers_name(guard: Guard, desk: Desk) -> None:
    with pytest.raises(Forbidden):
        guard.acting_as(a(Role.ADMIN)).erasures.erase("user-1", "user-1", local("eve"))
    assert desk.registrations.of_user("user-1")
