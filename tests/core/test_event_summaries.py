"""All events: their figures, what is kept of them and read again, and which one needs its manager first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from core.adapters.embedded.profiles import SqliteProfiles
from core.adapters.embedded.records import SqliteRecords
from core.adapters.embedded.registrations import SqliteRegistrations
from core.domain.errors import Unavailable
from core.domain.event_summaries import (
    SUMMARY_COLUMNS,
    TREND_DAYS,
    EventLine,
    EventSummary,
    Phase,
    by_urgency,
    days_to_go,
    phase_of,
    summary_of,
)
from core.domain.profiles import EventProfile
from core.domain.statistics import Readiness
from core.services.event_summaries import REGISTRATIONS_FRESH, EventSummaries
from core.services.live_events import FRESH, LiveRecords
from tests.support.clock import NOON, FakeClock
from tests.support.frames import record_rows, registration_rows
from tests.support.records import an_outcome
from tests.support.registrations import registration

DAY = timedelta(days=1)
TTL = 30 * DAY


def profile(event_id: str = "event-1", starts: timedelta | None = None, length: timedelta = DAY) -> EventProfile:
    if starts is None:
        return EventProfile(event_id=event_id)
    return EventProfile(event_id=event_id, starts_at=NOON + starts, ends_at=NOON + starts + length)


def line(event_id: str, starts: timedelta | None, ready: int | None, of: int = 100) -> EventLine:
    """An event with so many people ready; None if it has not been read."""
    if ready is None:
        return EventLine(profile(event_id, starts))
    counts = Readiness(of, of, ready, ready, 0, 0, 0, of - ready, 0)
    return EventLine(profile(event_id, starts), EventSummary(counts, 0, None, (0,) * TREND_DAYS))


def order(*lines: EventLine) -> list[str]:
    return [each.profile.event_id for each in by_urgency(lines, NOON)]


# Urgency


def test_the_nearer_of_two_equally_ready_events_comes_first() -> None:
    assert order(line("far", 20 * DAY, 50), line("near", 3 * DAY, 50)) == ["near", "far"]


def test_the_less_ready_of_two_equally_near_events_comes_first() -> None:
    assert order(line("ready", 3 * DAY, 90), line("less", 3 * DAY, 40)) == ["less", "ready"]


def test_a_nearly_ready_event_tomorrow_comes_after_one_that_has_far_to_go() -> None:
    assert order(line("tomorrow", DAY, 99), line("next week", 7 * DAY, 20)) == ["next week", "tomorrow"]


def test_events_without_a_date_stand_between_those_ahead_and_those_that_are_over() -> None:
    lines = [line("over", -9 * DAY, 0), line("no date", None, 0), line("all ready", 90 * DAY, 100)]
    assert order(*lines) == ["all ready", "no date", "over"]


def test_of_events_without_a_date_the_one_with_the_most_people_who_are_not_ready_comes_first() -> None:
    assert order(line("few", None, 0, of=10), line("many", None, 500, of=1000)) == ["many", "few"]


def test_of_events_that_are_over_the_last_one_to_end_comes_first() -> None:
    assert order(line("long ago", -90 * DAY, 0), line("lately", -3 * DAY, 100)) == ["lately", "long ago"]


def test_an_event_under_way_counts_as_one_on_its_last_day() -> None:
    under_way, tomorrow = line("under way", -DAY / 2, 50), line("tomorrow", DAY, 50)
    assert phase_of(under_way.profile, NOON) is Phase.AHEAD
    assert order(tomorrow, under_way) == ["under way", "tomorrow"]


@pytest.mark.parametrize("unknown", [line("unknown", 5 * DAY, 0, of=0), line("unknown", 5 * DAY, None)])
def test_where_nobody_is_registered_or_nothing_has_been_read_nobody_is_ready(unknown: EventLine) -> None:
    assert order(line("half", 5 * DAY, 50), unknown) == ["unknown", "half"]


def test_days_are_counted_by_the_calendar_of_the_event() -> None:
    late = datetime(2026, 3, 1, 20, tzinfo=UTC)  # in Kolkata it is past midnight
    starts = datetime(2026, 3, 2, 8, tzinfo=UTC)
    assert days_to_go(EventProfile(event_id="e", starts_at=starts), late) == 1
    assert days_to_go(EventProfile(event_id="e", starts_at=starts, time_zone="Asia/Kolkata"), late) == 0
    assert days_to_go(EventProfile(event_id="e"), late) is None


# The figures


def test_people_are_counted_once_for_each_registration() -> None:
    registered = registration_rows(
        [{"userId": "u", "registrationId": name, "eventId": "e"} for name in ("r0", "r1", "r2")]
    )
    records = record_rows([{"status": "success"}, {"status": "failed"}, {"userId": "somebody else"}])
    found = summary_of(profile(), registered, records, NOON.date()).readiness
    assert (found.registered, found.passed, found.failed, found.never_tried) == (3, 1, 1, 1)


def test_what_expires_before_the_start_is_counted_of_those_who_are_registered() -> None:
    registered = registration_rows([{"userId": "u", "registrationId": f"r{number}"} for number in range(3)])
    records = record_rows({"expiresAt": NOON + days * DAY} for days in (1, 9, 11, 1))
    assert summary_of(profile(starts=10 * DAY), registered, records, NOON.date()).expiring == 2
    assert summary_of(profile(), registered, records, NOON.date()).expiring == 0


def test_the_oldest_waiting_case_is_the_one_that_has_waited_longest() -> None:
    waiting = [{"status": "pending", "timestamp": NOON - hours * timedelta(hours=1)} for hours in (2, 30, 1)]
    records = record_rows([*waiting, {"status": "failed", "timestamp": NOON - 9 * DAY}])
    found = summary_of(profile(), registration_rows([]), records, NOON.date())
    assert found.oldest_waiting == NOON - timedelta(hours=30)


def test_the_trend_counts_passes_by_the_days_of_the_events_time_zone() -> None:
    times = [
        *(datetime(2026, 3, 1, 20, tzinfo=UTC), datetime(2026, 3, 1, 12, tzinfo=UTC)),  # the 2nd and 1st in Kolkata
        *(NOON - 13 * DAY, NOON - 14 * DAY, datetime(2026, 2, 16, 17, tzinfo=UTC)),
    ]
    rows = [{"timestamp": time} for time in times]
    records = record_rows([*rows, {"status": "failed", "timestamp": NOON}])
    registered = registration_rows([{"userId": "u", "registrationId": f"r{number}"} for number in range(6)])
    kolkata = EventProfile(event_id="e", time_zone="Asia/Kolkata")
    assert summary_of(kolkata, registered, records, date(2026, 3, 2)).trend == (0, *(0,) * 11, 1, 1)
    in_london = summary_of(EventProfile(event_id="e"), registered, records, date(2026, 3, 1)).trend
    assert in_london == (2, *(0,) * 12, 2)


# What is kept and read again


class Bench:
    def __init__(self, folder: Path) -> None:
        path = folder / "facedesk.sqlite3"
        self.clock = FakeClock()
        self.store = SqliteRecords(path, self.clock)
        self.registrations = SqliteRegistrations(path)
        self.profiles = SqliteProfiles(path)
        self.live = LiveRecords(self.store, self.clock, self.clock.elapsed, columns=SUMMARY_COLUMNS)
        self.summaries = EventSummaries(self.live, self.registrations, self.profiles, self.clock, self.clock.elapsed)

    def one(self, event_id: str = "event-1") -> EventLine:
        (found,) = self.summaries.all({event_id}, patience=None)
        return found

    def ready(self) -> tuple[int, int]:
        """Registered and passed."""
        summary = self.one().summary
        assert summary
        return summary.readiness.registered, summary.readiness.passed

    def close(self) -> None:
        self.summaries.close()
        for store in (self.store, self.registrations, self.profiles):
            store.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.registrations.import_many([registration("reg-1"), registration("reg-2")])
    yield bench
    bench.close()


def test_events_with_registrations_or_a_profile_appear(bench: Bench) -> None:
    bench.profiles.save(EventProfile(event_id="event-2", name="Gala", version=1))
    found = bench.summaries.all(patience=None)
    assert [each.profile.title for each in found] == ["event-1", "Gala"]
    assert [each.summary and each.summary.readiness.registered for each in found] == [2, 0]


def test_only_the_events_that_are_asked_for_are_read(bench: Bench) -> None:
    bench.registrations.import_many([registration("reg-9", event_id="event-9")])
    assert [each.profile.event_id for each in bench.summaries.all({"event-9", "none"}, patience=None)] == ["event-9"]


def test_what_this_process_writes_is_in_the_figures_at_once(bench: Bench) -> None:
    assert bench.ready() == (2, 0)
    bench.live.record_attempt(an_outcome(), TTL)
    assert bench.ready() == (2, 1)


def test_what_others_write_is_in_the_figures_after_a_while(bench: Bench) -> None:
    assert bench.ready() == (2, 0)
    bench.store.record_attempt(an_outcome(), TTL)
    bench.clock.advance(FRESH)
    assert bench.ready() == (2, 1)


def test_an_event_that_did_not_change_keeps_its_summary(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    before = bench.one().summary
    monkeypatch.setattr("core.services.event_summaries.summary_of", lambda *_: pytest.fail("made again"))
    bench.clock.advance(REGISTRATIONS_FRESH)
    assert bench.one().summary is before


def test_new_registrations_are_counted_after_a_while(bench: Bench) -> None:
    assert bench.ready() == (2, 0)
    bench.registrations.import_many([registration("reg-3")])
    bench.clock.advance(REGISTRATIONS_FRESH)
    assert bench.ready() == (3, 0)


def test_a_new_date_of_the_event_is_taken_into_account_at_once(bench: Bench) -> None:
    bench.store.record_attempt(an_outcome(), TTL)
    bench.profiles.save(EventProfile(event_id="event-1", version=1))
    summary = bench.one().summary
    assert summary
    assert summary.expiring == 0
    bench.profiles.save(EventProfile(event_id="event-1", starts_at=NOON + 60 * DAY, version=2))
    summary = bench.one().summary
    assert summary
    assert summary.expiring == 1


def test_an_expired_record_counts_as_absent(bench: Bench) -> None:
    bench.store.record_attempt(an_outcome(), TTL)
    assert bench.ready() == (2, 1)
    bench.clock.advance(TTL)
    assert bench.ready() == (2, 0)


def test_who_was_erased_is_counted_no_more(bench: Bench) -> None:
    bench.store.record_attempt(an_outcome(), TTL)
    assert bench.ready() == (2, 1)
    bench.store.take_back("user-1", "reg-1", "attempt-1")
    bench.registrations.erase("user-1")
    bench.registrations.import_many([registration("reg-3", user_id="user-3")])
    bench.summaries.forget_all()
    assert bench.ready() == (1, 0)


def test_an_answer_does_not_wait_for_slow_reads(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    may_end = Event()
    read = bench.registrations.event_frame

    def slow(event_id: str) -> object:
        may_end.wait(30)
        return read(event_id)

    monkeypatch.setattr(bench.registrations, "event_frame", slow)
    (unread,) = bench.summaries.all(patience=timedelta(0))
    assert (unread.summary, unread.failure) == (None, None)
    may_end.set()
    assert bench.ready() == (2, 0)


def test_an_event_that_cannot_be_read_keeps_its_figures_and_the_others_are_read(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.registrations.import_many([registration("reg-9", event_id="event-9")])
    assert bench.ready() == (2, 0)
    read = bench.store.event_changes

    def failing(event_id: str, *given: Any) -> object:
        if event_id == "event-1":
            raise Unavailable("validation records", "Down", "The record of reg-1 is out of reach.")  # type: ignore[arg-type]
        return read(event_id, *given)

    monkeypatch.setattr(bench.store, "event_changes", failing)
    bench.clock.advance(FRESH)
    one, other = sorted(bench.summaries.all(patience=None), key=lambda each: each.profile.event_id)
    assert one.summary
    assert one.summary.readiness.registered == 2
    assert one.failure
    assert "reg-1" not in one.failure
    assert other.summary
    assert not other.failure
    monkeypatch.undo()
    assert bench.one().failure is None
