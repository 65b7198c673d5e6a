"""Profiles of events are imported with the registrations, by those who may change them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core.domain.clock import utc_now
from core.domain.errors import Conflict, Unavailable
from core.domain.profiles import EventProfile
from core.domain.roles import ALLOWED, Action, Principal, Role, local
from core.runtime.facades.event_work import GuardedLoading
from core.runtime.facades.guard import Guard
from core.services.event_profiles import ProfileService
from core.services.lists.people import People, read_people
from tests.support.desk import Desk

HEADER = "registrationId,userId,eventId,photo,eventName,startsAt,timeZone\n"
LIST = read_people(f"{HEADER}r1,u1,e1,,Expo,2026-11-26 18:00,Europe/Berlin\n".encode())


def loading(desk: Desk, **changed: Any) -> GuardedLoading:
    found = Guard(replace(desk.services, **changed)).acting_as(local("Grace")).loading
    assert found
    return found


def names(desk: Desk) -> list[tuple[str, str | None]]:
    return [(each.event_id, each.name) for each in desk.services.profile_service.all()]


def test_the_plan_says_what_profiles_get_and_stores_nothing(desk: Desk) -> None:
    (filled,) = loading(desk).plan(LIST, with_photos=False).profiles.filled
    assert (filled.profile.name, names(desk)) == ("Expo", [])


def test_an_import_stores_the_profile_in_the_name_of_whoever_imports(desk: Desk) -> None:
    report = loading(desk).registrations(LIST, None)
    stored = desk.services.profile_service.get("e1")
    assert (stored.name, stored.version, stored.changed_by) == ("Expo", 1, "Grace")
    assert [each.profile for each in report.profiles.filled] == [stored]


def test_the_audit_trail_has_the_change(desk: Desk) -> None:
    before = utc_now()
    loading(desk).registrations(LIST, None)
    entries = [
        each
        for each in desk.audit.entries(before, utc_now() + timedelta(minutes=1))
        if each.action is Action.EDIT_EVENT
    ]
    assert {(each.event_id, each.outcome) for each in entries} == {("e1", "ok"), ("e1", "begun")}
    assert [each.details["name"] for each in entries if each.outcome == "begun"] == ["Expo"]


def test_importing_again_changes_nothing(desk: Desk) -> None:
    loading(desk).registrations(LIST, None)
    report = loading(desk).registrations(LIST, None)
    assert (report.profiles.filled, desk.services.profile_service.get("e1").version) == ((), 1)


def test_an_event_of_which_no_registration_went_in_gets_nothing(desk: Desk) -> None:
    people = read_people(f"{HEADER}r1,u1,e1,missing.jpg,Expo,,\nr2,u2,e2,,Fair,,\n".encode())
    loading(desk).registrations(people, None)
    assert names(desk) == [("e2", "Fair")]


def test_whoever_may_not_edit_events_is_told_so_and_the_registrations_go_in(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ALLOWED, Action.LOAD_DATA, frozenset({Role.SUPPORT}))  # type: ignore[index]
    theirs = Guard(desk.services).acting_as(Principal(id="x", name=None, roles=frozenset({Role.SUPPORT}))).loading
    assert theirs
    assert theirs.plan(LIST, with_photos=False).profiles.refusal.startswith("Your role may not")
    report = theirs.registrations(LIST, None)
    assert (report.imported, report.profiles.refusal[:17], names(desk)) == (1, "Your role may not", [])


def test_where_another_system_keeps_the_profiles_the_import_says_so(desk: Desk) -> None:
    kept_elsewhere = ProfileService(desk.services.profiles, None, desk.services.clock)
    report = loading(desk, profile_service=kept_elsewhere).registrations(LIST, None)
    assert (report.imported, report.profiles.refusal.startswith("Another system keeps")) == (1, True)


class Meanwhile(ProfileService):
    """Profiles that somebody else changes just before each save."""

    theirs: EventProfile

    def save(self, profile: EventProfile, who: str) -> EventProfile:
        if self.get(profile.event_id).version < profile.version + 1 and not self.get(profile.event_id).version:
            super().save(self.theirs, "Ada")
        return super().save(profile, who)


@pytest.fixture
def meanwhile(desk: Desk) -> Meanwhile:
    service = desk.services.profile_service
    assert service._edits
    return Meanwhile(service._edits, service._edits, desk.services.clock)


def test_what_somebody_sets_meanwhile_is_not_replaced(desk: Desk, meanwhile: Meanwhile) -> None:
    meanwhile.theirs = EventProfile(event_id="e1", name="Gala")
    loading(desk, profile_service=meanwhile).registrations(LIST, None)
    stored = desk.services.profile_service.get("e1")
    assert (stored.name, bool(stored.starts_at), stored.version) == ("Gala", True, 2)


@pytest.mark.parametrize("error", [Conflict("Somebody changed it."), Unavailable("profiles", "Down")])
def test_a_profile_that_is_not_stored_is_said_and_the_registrations_are_in(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(ProfileService, "save", fail)
    report = loading(desk).registrations(LIST, None)
    (notice,) = report.profiles.notices
    assert (report.imported, report.profiles.filled, notice.line) == (1, (), 2)
    assert notice.message.startswith("The settings of the event 'e1' were not stored: ")


def test_a_long_list_reads_the_profiles_once(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    every = ProfileService.all
    monkeypatch.setattr(ProfileService, "all", lambda self: [asked.append("all"), every(self)][1])
    lines = "".join(f"r{number},u,e{number % 20},,Event {number % 20},,\n" for number in range(400))
    people: People = read_people((HEADER + lines).encode())
    loading(desk).plan(people, with_photos=False)
    assert asked == ["all"]
