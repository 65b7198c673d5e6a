"""Records of an event are kept until its profile lets them go, on both backends, whatever happens in which order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.domain.profiles import EventProfile
from core.domain.records import ValidationRecord
from core.runtime.services import Services
from core.services import event_dates
from core.settings import Backend
from tests.support.clock import NOON, FakeClock
from tests.support.production import Site, backend_of
from tests.support.records import an_outcome

DAY = timedelta(days=1)
TTL = timedelta(days=30)
PEOPLE = 5
GO_ON = threading.Event()

person = st.integers(0, PEOPLE - 1)
#: Days from now to the event's end, None for an event without a date, and the days that records are kept after it.
dates = st.tuples(st.none() | st.integers(-5, 90), st.integers(0, 20))
steps = st.lists(
    st.one_of(
        st.tuples(st.just("attempt"), person),
        st.tuples(st.just("attempt that began before"), person, dates),
        st.tuples(st.just("profile"), dates),
        st.tuples(st.just("profile, killed"), dates, st.integers(1, 3)),
        st.tuples(st.just("days"), st.integers(1, 40)),
        st.tuples(st.just("sweep")),
    ),
    min_size=4,
    max_size=14,
)


class Killed(BaseException):
    """What no code of ours can catch by mistake."""


class Event:
    """An event, and what is true of its records by the rules alone."""

    def __init__(self, site: Site, clock: FakeClock) -> None:
        self.id = f"event-{uuid4().hex}"
        self.services: Services = site.services
        self.clock = clock
        self.kept_until: datetime | None = None
        self.tried: dict[int, datetime] = {}

    def attempt(self, number: int) -> None:
        self._record(number, self.kept_until)

    def attempt_that_began_before(self, number: int, days: Any) -> None:
        known = self.kept_until
        self.profile(days)
        self._record(number, known)

    def profile(self, days: Any) -> None:
        self._save(days)
        self._dates().run(self.id, GO_ON)

    def profile_killed(self, days: Any, calls: int, patch: pytest.MonkeyPatch) -> None:
        """The records are dated in a process that is killed, twice, and then in another."""
        self._save(days)
        records = self.services.records
        for _ in range(2):
            left = iter(range(calls))

            def redate(*given: Any, left: Any = left) -> int:
                if next(left, None) is None:
                    raise Killed
                return type(records).redate(records, *given)

            with patch.context() as patched:
                patched.setattr(records, "redate", redate, raising=False)
                try:
                    self._dates().run(self.id, GO_ON)
                except Killed:
                    assert self.id in self._dates().unfinished()
        self._dates().catch_up(GO_ON)

    def days(self, days: int) -> None:
        self.clock.advance(days * DAY)
        self.tried = {number: at for number, at in self.tried.items() if self._expiry(at) > self.clock()}

    def sweep(self) -> None:
        if self.services.retention:
            self.services.retention.sweep(trust_clock=True)

    def check(self) -> None:
        self.tried = {number: at for number, at in self.tried.items() if self._expiry(at) > self.clock()}
        found = {number: self._stored(number) for number in range(PEOPLE)}
        expected = {number: self._expiry(self.tried[number]) if number in self.tried else None for number in found}
        assert {number: record and _expiry_of(record) for number, record in found.items()} == expected

    def _record(self, number: int, kept_until: datetime | None) -> None:
        outcome = an_outcome(
            uuid4().hex,
            user_id=f"{self.id}-{number}",
            registration_id=f"{self.id}-r{number}",
            event_id=self.id,
            timestamp=self.clock(),
        )
        record = self.services.records.record_attempt(outcome, TTL, kept_until)
        self._dates().date_again(record, kept_until)
        self.tried[number] = self.clock()

    def _save(self, days: Any) -> None:
        to_end, keep = days
        end = None if to_end is None else self.clock() + to_end * DAY
        seen = self.services.profile_service.get(self.id)
        changed = seen.model_copy(update={"ends_at": end, "keep_days": keep})
        self.kept_until = self.services.profile_service.save(changed, "Grace").kept_until

    def _expiry(self, at: datetime) -> datetime:
        return max(at + TTL, self.kept_until or at)

    def _stored(self, number: int) -> ValidationRecord | None:
        return self.services.records.get(f"{self.id}-{number}", f"{self.id}-r{number}")

    def _dates(self) -> event_dates.EventDates:
        return self.services.event_dates


def _expiry_of(record: ValidationRecord) -> datetime:
    assert record.expires_at
    return datetime.fromtimestamp(record.expires_at, UTC)


@pytest.fixture(scope="module")
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="module", params=list(Backend))
def site(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, clock: FakeClock
) -> Iterator[Site]:
    with backend_of(request, tmp_path_factory, clock) as site:
        yield site


@pytest.fixture(scope="module", autouse=True)
def small_chunks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(event_dates, "CHUNK", 1)
        yield


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_no_record_expires_before_its_event_lets_it_or_stays_longer(
    site: Site, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[Any, ...]]
) -> None:
    clock.now = NOON
    event = Event(site, clock)
    for name, *values in steps:
        match name:
            case "attempt":
                event.attempt(*values)
            case "attempt that began before":
                event.attempt_that_began_before(*values)
            case "profile":
                event.profile(*values)
            case "profile, killed":
                event.profile_killed(*values, monkeypatch)
            case "days":
                event.days(*values)
            case "sweep":
                event.sweep()
        event.check()


def test_a_pass_of_long_before_the_event_stands_at_its_doors(site: Site, clock: FakeClock) -> None:
    clock.now = NOON
    event = Event(site, clock)
    event.profile((45, 3))
    event.attempt(0)
    event.days(44)
    event.sweep()
    assert event.tried
    event.check()


def test_shortening_says_what_will_go_and_when(site: Site, clock: FakeClock) -> None:
    clock.now = NOON
    event = Event(site, clock)
    event.profile((60, 0))
    event.attempt(0)
    event.days(20)
    event.attempt(1)
    event.days(15)
    seen = site.services.profile_service.get(event.id)
    loses = site.services.event_dates.shortening(seen.model_copy(update={"ends_at": clock()}))
    assert loses == event_dates.Shortening(records=2, at_once=1, first=NOON + 50 * DAY)


def test_records_of_other_services_are_kept_too_once_the_day_comes(site: Site, clock: FakeClock) -> None:
    clock.now = NOON
    event = Event(site, clock)
    event.profile((60, 0))
    # As another service writes it: without any date of the event, and after the records were dated.
    site.services.records.record_attempt(
        an_outcome(user_id=f"{event.id}-0", registration_id=f"{event.id}-r0", event_id=event.id), TTL
    )
    event.tried[0] = NOON
    site.services.event_dates.catch_up(GO_ON, everything=True)
    event.check()


def test_a_profile_of_before_an_installation_had_any_is_none(site: Site) -> None:
    profile = site.services.profile_service.get("never seen")
    assert profile == EventProfile(event_id="never seen")


def test_the_photos_of_an_events_records_are_kept_with_them(site: Site, clock: FakeClock) -> None:
    clock.now = NOON
    event = Event(site, clock)
    event.profile((60, 0))
    event.attempt(0)
    event.attempt(1)
    asked: list[dict[str, datetime]] = []

    class Ageing:
        def renew(self, kept_until: dict[str, datetime], ttl: timedelta, now: datetime) -> int:
            asked.append(kept_until)
            return 0

    services = site.services
    photos: Any = Ageing()
    dates = event_dates.EventDates(
        services.records, services.profiles, services.event_dates._dated, clock, TTL, print, photos
    )
    dates.run(event.id, GO_ON)
    found = [event._stored(number) for number in (0, 1)]
    assert asked == [{record.face_image_key: event.kept_until for record in found if record}]


@pytest.mark.parametrize("profiles", [[], [EventProfile(event_id="x", unreadable="endsAt", version=1)]])
def test_a_profile_that_another_system_loses_or_spoils_deletes_nothing(
    site: Site, clock: FakeClock, profiles: list[EventProfile], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.now = NOON
    event = Event(site, clock)
    event.profile((60, 0))
    event.attempt(0)
    event.days(40)
    spoilt = [each.model_copy(update={"event_id": event.id}) for each in profiles]
    monkeypatch.setattr(type(site.services.profiles), "all", lambda _: spoilt)
    monkeypatch.setattr(type(site.services.profiles), "get", lambda _, __: next(iter(spoilt), None))
    site.services.event_dates.catch_up(GO_ON, everything=True)
    event.check()


def test_attempts_while_a_profile_could_not_be_read_are_dated_by_it_once_it_can_be(
    site: Site, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock.now = NOON
    event = Event(site, clock)
    event.profile((60, 0))
    spoilt = EventProfile(event_id=event.id, unreadable="endsAt", version=1)
    with monkeypatch.context() as patch:
        patch.setattr(type(site.services.profiles), "all", lambda _: [spoilt])
        patch.setattr(type(site.services.profiles), "get", lambda _, __: spoilt)
        kept_until, event.kept_until = event.kept_until, None
        event.attempt(0)
        site.services.event_dates.catch_up(GO_ON)
        event.check()
    event.kept_until = kept_until
    site.services.event_dates.catch_up(GO_ON)
    event.check()
