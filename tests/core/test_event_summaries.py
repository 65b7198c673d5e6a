"""All events: their figures, what is kept of them and read again, and which one needs its manager first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.adapters.embedded.profiles import SqliteProfiles
from core.adapters.embedded.records import SqliteRecords
from core.adapters.embedded.registrations import SqliteRegistrations
from core.adapters.embedded.summaries import SqliteSummaries
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
from core.services.event_summaries import CURRENT, OWN_WRITES, REGISTRATIONS_FRESH, STORED_EVERY, EventSummaries
from core.services.live_events import FRESH, LiveRecords
from tests.support.clock import NOON, FakeClock
from tests.support.frames import record_rows, registration_rows
from tests.support.held import held
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


#: How old the figures of another process may be.
LAST = timedelta(seconds=150)


class Bench:
    """A process, and with the ``clock`` of another bench one beside it on the same files."""

    def __init__(self, folder: Path, clock: FakeClock | None = None) -> None:
        path = folder / "facedesk.sqlite3"
        self.clock = clock or FakeClock()
        self.store = SqliteRecords(path, self.clock)
        self.registrations = SqliteRegistrations(path)
        self.profiles = SqliteProfiles(path)
        self.live = LiveRecords(self.store, self.clock, self.clock.elapsed, columns=SUMMARY_COLUMNS)
        self.kept = SqliteSummaries(path, self.clock)
        self.summaries = EventSummaries(
            self.live,
            self.registrations,
            self.profiles,
            self.kept,
            self.clock,
            self.clock.elapsed,
            others_last=LAST,
        )

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
    may_end = held(monkeypatch, bench.registrations, "event_frame")
    (unread,) = bench.summaries.all(patience=timedelta(0))
    assert (unread.summary, unread.failure) == (None, None)
    may_end.set()
    assert bench.ready() == (2, 0)


@pytest.mark.parametrize("jump", [CURRENT, -2 * CURRENT, -DAY])
def test_figures_that_a_slow_read_leaves_old_have_their_age(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, jump: timedelta
) -> None:
    assert bench.ready() == (2, 0)
    bench.clock.jump(jump)  # also one that sets the clock back makes nothing new
    bench.clock.advance(FRESH)
    may_end = held(monkeypatch, bench.store, "event_changes")
    (old,) = bench.summaries.all(patience=timedelta(0))
    assert (old.summary is not None, old.as_of) == (True, NOON)
    may_end.set()
    assert bench.one().as_of is None


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


# What other processes have read


@pytest.fixture
def other(bench: Bench, tmp_path: Path) -> Iterator[Bench]:
    """A process that starts beside the first one."""
    other = Bench(tmp_path, bench.clock)
    yield other
    other.close()


def reads_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench.store, "event_changes", lambda *_: pytest.fail("the event is read"))
    monkeypatch.setattr(bench.registrations, "event_frame", lambda *_: pytest.fail("the event is read"))


def test_a_process_need_not_read_what_another_one_has_just_read(
    bench: Bench, other: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.store.record_attempt(an_outcome(), TTL)
    assert bench.ready() == (2, 1)
    reads_nothing(other, monkeypatch)
    bench.clock.advance(LAST / 2)
    assert other.ready() == (2, 1)
    assert other.one().as_of is None


def test_while_others_read_an_event_their_latest_figures_are_taken(
    bench: Bench, other: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (bench.ready(), other.ready()) == ((2, 0), (2, 0))
    reads_nothing(other, monkeypatch)
    bench.store.record_attempt(an_outcome(), TTL)
    bench.clock.advance(STORED_EVERY)
    assert bench.ready() == (2, 1)
    bench.clock.advance(FRESH)
    assert other.ready() == (2, 1)


def test_an_event_that_nobody_reads_any_more_is_read(bench: Bench, other: Bench) -> None:
    assert (bench.ready(), other.ready()) == ((2, 0), (2, 0))
    bench.store.record_attempt(an_outcome(), TTL)
    bench.clock.advance(LAST)
    assert other.ready() == (2, 1)


def test_until_an_event_has_been_read_its_figures_are_those_of_before(
    bench: Bench, other: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bench.ready() == (2, 0)
    bench.store.record_attempt(an_outcome(), TTL)
    bench.clock.advance(DAY / 2)
    may_end = held(monkeypatch, other.store, "event_changes")
    (before,) = other.summaries.all(patience=timedelta(0))
    assert before.summary
    assert (before.summary.readiness.passed, before.as_of) == (0, NOON)
    may_end.set()
    assert other.ready() == (2, 1)
    assert other.one().as_of is None


def test_who_writes_in_an_event_reads_it(bench: Bench, other: Bench) -> None:
    assert bench.ready() == (2, 0)
    other.live.record_attempt(an_outcome(), TTL)
    bench.clock.advance(FRESH - timedelta(seconds=1))
    assert other.ready() == (2, 1)


def test_who_wrote_in_an_event_long_ago_need_not_read_it(
    bench: Bench, other: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    other.live.record_attempt(an_outcome(), TTL)
    bench.clock.advance(OWN_WRITES)
    assert bench.ready() == (2, 1)
    reads_nothing(other, monkeypatch)
    assert other.ready() == (2, 1)


def test_after_an_erasure_figures_of_before_are_not_enough(bench: Bench, other: Bench) -> None:
    bench.store.record_attempt(an_outcome(), TTL)
    assert (bench.ready(), other.ready()) == ((2, 1), (2, 1))
    bench.clock.advance(timedelta(seconds=1))
    bench.store.take_back("user-1", "reg-1", "attempt-1")
    other.summaries.forget_all()
    assert other.ready() == (2, 0)


def test_figures_for_another_date_of_the_event_are_not_enough(bench: Bench, other: Bench) -> None:
    bench.store.record_attempt(an_outcome(), TTL)
    assert bench.ready() == (2, 1)
    bench.profiles.save(EventProfile(event_id="event-1", starts_at=NOON + 60 * DAY, version=1))
    summary = other.one().summary
    assert summary
    assert summary.expiring == 1


def test_figures_of_yesterday_are_not_enough(bench: Bench, other: Bench) -> None:
    bench.store.record_attempt(an_outcome(), TTL)
    bench.clock.advance(DAY / 2 - timedelta(seconds=1))  # from noon
    assert bench.ready() == (2, 1)
    bench.clock.advance(timedelta(seconds=1))
    summary = other.one().summary
    assert summary
    assert summary.trend[-2:] == (1, 0)


def test_what_failed_here_is_no_matter_where_others_read_the_event(
    bench: Bench, other: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise Unavailable("validation records", "Down")

    monkeypatch.setattr(other.store, "event_changes", fails)
    assert other.one().failure
    assert bench.ready() == (2, 0)
    bench.clock.advance(FRESH)
    found = other.one()
    assert (found.failure, found.summary) == (None, bench.one().summary)


@pytest.mark.parametrize("failing", ["all", "keep"])
def test_without_its_store_the_figures_are_read_nevertheless(
    bench: Bench, failing: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise Unavailable("event summaries", "Down")

    monkeypatch.setattr(bench.kept, failing, fails)
    assert bench.ready() == (2, 0)
    assert bench.one().failure is None


# For those who wait until an event has been read


def test_meanwhile_the_figures_are_those_that_any_process_read_last(
    bench: Bench, other: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.store.record_attempt(an_outcome(), TTL)
    assert bench.ready() == (2, 1)
    bench.clock.advance(DAY)
    reads_nothing(other, monkeypatch)
    found = other.summaries.meanwhile("event-1")
    assert found
    assert (found.summary.readiness.passed, found.as_of) == (1, NOON)


def test_a_look_at_one_event_takes_nothing_from_the_figures_of_the_others(
    bench: Bench, other: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.registrations.import_many([registration("reg-9", event_id="event-9")])
    bench.summaries.all(patience=None)
    reads_nothing(other, monkeypatch)
    other.summaries.all({"event-9"}, patience=None)
    assert other.summaries.meanwhile("event-1")
    assert other.ready() == (2, 0)


def test_meanwhile_an_event_that_nobody_has_read_has_no_figures(bench: Bench) -> None:
    assert bench.summaries.meanwhile("event-1") is None


def test_whoever_has_all_of_an_event_at_hand_need_not_wait(bench: Bench) -> None:
    live = LiveRecords(bench.live, bench.clock, bench.clock.elapsed)
    stores = bench.registrations, bench.profiles, bench.kept
    summaries = EventSummaries(bench.live, *stores, bench.clock, is_at_hand=live.is_kept)
    summaries.all(patience=None)
    assert summaries.meanwhile("event-1")
    live.event_frame("event-1")
    assert summaries.meanwhile("event-1") is None
    live.forget_event("event-1")
    assert summaries.meanwhile("event-1")
    summaries.close()
