"""Events kept in memory: what an answer has, what it asks of the store, and how many share it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import apsw
import pandas as pd
import pytest

from core.adapters.embedded.records import SqliteRecords
from core.domain.errors import Conflict, Unavailable
from core.domain.frames import alive_in_order
from core.domain.records import Decision
from core.ports import EventChanges
from core.services import live_events
from core.services.live_events import FRESH, KEPT, REREAD, STALE, LiveRecords
from tests.support.clock import NOON, FakeClock
from tests.support.records import a_review, an_outcome
from tests.support.stores import wait_for_rereading

TTL = timedelta(days=30)
SECOND = timedelta(seconds=1)
JUMPS = [timedelta(hours=-1), timedelta(days=-400), timedelta(hours=1), timedelta(days=20)]
#: Seconds that nothing here takes unless it hangs.
HANG = 30


class Watched(SqliteRecords):
    """A store that notes each reading of an event: the mark that it goes on from. ``before`` runs first."""

    def __init__(self, path: Path, clock: FakeClock) -> None:
        super().__init__(path, clock)
        self.path = path
        self.marks: list[Any] = []
        self.before: Callable[[Any], None] = lambda since: None

    def event_changes(self, event_id: str, since: Any = None, columns: Sequence[str] | None = None) -> EventChanges:
        self.marks.append(since)
        self.before(since)
        return super().event_changes(event_id, since, columns)

    def asked(self) -> list[Any]:
        """The marks since the last ask."""
        marks, self.marks = self.marks, []
        return marks


class Held:
    """What ``Watched`` has run before a reading: it lets the reading begin, and go on when the test says so."""

    def __init__(self) -> None:
        self.began, self.may_end = threading.Event(), threading.Event()

    def __call__(self, since: Any) -> None:
        self.began.set()
        self.may_end.wait(HANG)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Iterator[Watched]:
    store = Watched(tmp_path / "facedesk.db", clock)
    yield store
    wait_for_rereading()
    store.close()


@pytest.fixture
def elsewhere(store: Watched, clock: FakeClock) -> Iterator[SqliteRecords]:
    """The same records in another process."""
    other = SqliteRecords(store.path, clock)
    yield other
    other.close()


@pytest.fixture
def records(store: Watched, clock: FakeClock) -> LiveRecords:
    return LiveRecords(store, clock, clock.elapsed)


def attempt(records: Any, number: int = 1, **changes: Any) -> Any:
    given = {"attempt_id": f"attempt-{number}", "registration_id": f"reg-{number}"}
    outcome = an_outcome(**{**given, "timestamp": NOON + number * SECOND, **changes})
    return records.record_attempt(outcome, TTL)


def ids(records: Any, event_id: str = "event-1") -> list[str]:
    return list(records.event_frame(event_id)["registrationId"])


def statuses(records: Any) -> list[str]:
    return list(records.event_frame("event-1")["status"])


def erase(store: Watched, registration_id: str) -> None:
    """Erase a record past every store."""
    connection = apsw.Connection(str(store.path))
    connection.execute("DELETE FROM faceVerifications WHERE registrationId = ?", (registration_id,))
    connection.close()


# What is asked of the store


def test_a_rerun_asks_the_store_nothing(records: LiveRecords, store: Watched, clock: FakeClock) -> None:
    attempt(store)
    first = records.event_frame("event-1")
    clock.advance(FRESH - SECOND)
    assert records.event_frame("event-1") is first
    assert store.asked() == [None]


def test_a_refresh_asks_for_what_is_new_alone(records: LiveRecords, store: Watched, clock: FakeClock) -> None:
    attempt(store)
    ids(records)
    mark = store.event_changes("event-1").mark
    store.asked()
    clock.advance(FRESH)
    ids(records)
    assert store.asked() == [mark]


def test_an_event_that_did_not_change_is_the_same_object(
    records: LiveRecords, store: Watched, clock: FakeClock
) -> None:
    attempt(store, source="api")
    attempt(store, 2, source="batch")
    first = records.event_frame("event-1")
    clock.advance(FRESH)
    assert records.event_frame("event-1") is first


def test_where_reading_is_slow_it_is_done_less_often(records: LiveRecords, store: Watched, clock: FakeClock) -> None:
    store.before = lambda since: clock.advance(10 * SECOND)
    ids(records)
    clock.advance(FRESH)
    ids(records)
    assert len(store.asked()) == 2
    clock.advance(99 * SECOND)
    ids(records)
    assert store.asked() == []
    clock.advance(SECOND)
    ids(records)
    assert len(store.asked()) == 1


def test_a_first_reading_that_is_slow_makes_the_refreshes_no_rarer(
    records: LiveRecords, store: Watched, clock: FakeClock
) -> None:
    store.before = lambda since: clock.advance(10 * SECOND) if since is None else None
    ids(records)
    attempt(store, 1)
    clock.advance(FRESH)
    assert ids(records) == ["reg-1"]


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_clock_that_jumps_neither_stops_nor_hurries_the_refreshing(
    records: LiveRecords, store: Watched, clock: FakeClock, jump: timedelta
) -> None:
    ids(records)
    clock.jump(jump)
    attempt(store, timestamp=clock())
    assert ids(records) == []
    clock.advance(FRESH)
    assert ids(records) == ["reg-1"]
    assert [mark is None for mark in store.asked()] == [True, False]


# What is in an answer


def test_what_another_process_recorded_is_in_the_next_refresh(
    records: LiveRecords, elsewhere: SqliteRecords, clock: FakeClock
) -> None:
    attempt(elsewhere, 1)
    assert ids(records) == ["reg-1"]
    attempt(elsewhere, 2)
    attempt(elsewhere, 1, attempt_id="again", status="failed", timestamp=NOON + 9 * SECOND)
    clock.advance(FRESH)
    assert ids(records) == ["reg-2", "reg-1"]
    assert statuses(records) == ["success", "failed"]


def test_an_attempt_of_this_process_is_in_the_next_answer_without_a_read(
    records: LiveRecords, store: Watched
) -> None:
    attempt(records, 1)
    ids(records)
    store.asked()
    attempt(records, 2)
    attempt(records, 1, attempt_id="again", status="failed", timestamp=NOON + 9 * SECOND)
    assert ids(records) == ["reg-2", "reg-1"]
    pd.testing.assert_frame_equal(records.event_frame("event-1"), SqliteRecords.event_frame(store, "event-1"))
    assert store.asked() == [None]  # the comparison's own


def test_a_decision_of_this_process_is_in_the_next_answer_without_a_read(
    records: LiveRecords, store: Watched
) -> None:
    seen = attempt(records, status="pending")
    assert statuses(records) == ["pending"]
    store.asked()
    records.decide("user-1", "reg-1", a_review(Decision.APPROVED), seen.version)
    assert statuses(records) == ["success"]
    assert store.asked() == []


def test_who_was_second_to_decide_sees_the_first_ones_decision(
    records: LiveRecords, elsewhere: SqliteRecords, store: Watched
) -> None:
    seen = attempt(records, status="pending")
    assert statuses(records) == ["pending"]
    elsewhere.decide("user-1", "reg-1", a_review(Decision.REJECTED, reviewer="Grace"), seen.version)
    with pytest.raises(Conflict):
        records.decide("user-1", "reg-1", a_review(Decision.APPROVED), seen.version)
    store.asked()
    assert statuses(records) == ["failed"]
    assert store.asked() == []


def test_an_expired_record_is_in_no_answer_though_nothing_is_read(
    records: LiveRecords, store: Watched, clock: FakeClock
) -> None:
    clock.advance(timedelta(days=30) - 2 * SECOND)
    attempt(records, 1)
    attempt(records, 3)
    assert ids(records) == ["reg-1", "reg-3"]
    store.asked()
    clock.advance(3 * SECOND)
    assert ids(records) == ["reg-3"]
    assert store.asked() == []


def test_a_frame_stays_as_it_was_handed_out(records: LiveRecords) -> None:
    attempt(records, 1)
    handed_out = records.event_frame("event-1")
    before = handed_out.copy(deep=True)
    attempt(records, 2)
    attempt(records, 1, attempt_id="again", status="failed")
    ids(records)
    pd.testing.assert_frame_equal(handed_out, before)


def test_what_was_read_before_a_write_of_this_process_does_not_undo_it(
    records: LiveRecords, store: Watched, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = attempt(records, status="pending")
    ids(records)
    old = store.event_changes("event-1")
    records.decide("user-1", "reg-1", a_review(Decision.APPROVED), seen.version)
    # As an index that trails its table answers.
    monkeypatch.setattr(store, "event_changes", lambda *_: old)
    clock.advance(FRESH)
    assert statuses(records) == ["success"]


# All is read now and then


def test_what_was_erased_elsewhere_goes_with_the_next_whole_reading(
    records: LiveRecords, store: Watched, clock: FakeClock
) -> None:
    for number in (1, 2):
        attempt(store, number)
    ids(records)
    erase(store, "reg-1")
    clock.advance(REREAD)
    ids(records)
    wait_for_rereading()
    assert ids(records) == ["reg-2"]


def test_a_whole_reading_is_in_the_background_and_nobody_waits_for_it(
    records: LiveRecords, store: Watched, clock: FakeClock
) -> None:
    attempt(store)
    ids(records)
    may_end = threading.Event()
    store.before = lambda since: None if since is not None else may_end.wait(HANG) and None
    clock.advance(REREAD)
    assert ids(records) == ["reg-1"]
    attempt(store, 2)
    clock.advance(FRESH)
    assert ids(records) == ["reg-1", "reg-2"]
    may_end.set()
    wait_for_rereading()
    assert ids(records) == ["reg-1", "reg-2"]


def test_there_is_one_whole_reading_at_a_time(records: LiveRecords, store: Watched, clock: FakeClock) -> None:
    ids(records)
    store.asked()
    may_end = threading.Event()
    store.before = lambda since: None if since is not None else may_end.wait(HANG) and None
    clock.advance(REREAD)
    for _ in range(5):
        ids(records)
        clock.advance(FRESH)
    may_end.set()
    wait_for_rereading()
    assert store.asked().count(None) == 1


def test_what_is_written_while_all_is_read_is_in_every_answer(
    records: LiveRecords, store: Watched, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = attempt(records, status="pending")
    ids(records)
    old = store.event_changes("event-1")
    clock.advance(REREAD)

    def changes(event_id: str, since: Any, columns: Any) -> EventChanges:
        if since is None:  # reads on for long after the decision, and saw the record before it
            records.decide("user-1", "reg-1", a_review(Decision.APPROVED), seen.version)
            clock.advance(2 * KEPT)
            return EventChanges(old.records, old.mark, complete=True)
        return EventChanges(old.records.iloc[:0], old.mark, complete=False)

    monkeypatch.setattr(store, "event_changes", changes)
    ids(records)
    wait_for_rereading()
    assert statuses(records) == ["success"]


def test_a_whole_reading_that_fails_leaves_what_is_there_and_is_tried_again(
    records: LiveRecords, store: Watched, clock: FakeClock
) -> None:
    attempt(store)
    ids(records)

    def down(since: Any) -> None:
        if since is None:
            raise Unavailable("validation records", "BusyError")

    store.before = down
    clock.advance(REREAD)
    assert ids(records) == ["reg-1"]
    wait_for_rereading()
    assert ids(records) == ["reg-1"]
    store.before = lambda since: None
    erase(store, "reg-1")
    clock.advance(STALE)
    ids(records)
    wait_for_rereading()
    assert ids(records) == []


# What this process erased


def test_an_erased_persons_records_are_in_no_answer_even_if_a_read_still_has_them(
    records: LiveRecords, store: Watched, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt(store, 1)
    attempt(store, 2, user_id="user-2")
    ids(records)
    old = store.event_changes("event-1")
    erase(store, "reg-1")
    records.forget("user-1")
    assert ids(records) == ["reg-2"]
    # As an index that trails its table answers.
    monkeypatch.setattr(store, "event_changes", lambda *_: old)
    clock.advance(FRESH)
    assert ids(records) == ["reg-2"]


def test_an_erasure_while_an_event_is_read_is_in_the_answer(
    records: LiveRecords, store: Watched, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt(store, 1)
    attempt(store, 2, user_id="user-2")
    ids(records)
    event_changes = store.event_changes

    def changes(event_id: str, since: Any, columns: Any) -> EventChanges:
        found = event_changes(event_id, None)
        erase(store, "reg-1")
        records.forget("user-1")
        return found

    monkeypatch.setattr(store, "event_changes", changes)
    clock.advance(FRESH)
    assert ids(records) == ["reg-2"]


@pytest.mark.parametrize("jump", JUMPS, ids=str)
@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_who_was_erased_and_registers_again_is_in_the_answer_however_the_clock_jumps(
    records: LiveRecords,
    store: Watched,
    elsewhere: SqliteRecords,
    clock: FakeClock,
    jump: timedelta,
    where: str,
) -> None:
    attempt(records, 1)
    ids(records)
    erase(store, "reg-1")
    records.forget("user-1")
    clock.jump(jump)
    attempt(records if where == "here" else elsewhere, 1, attempt_id="again", status="failed", timestamp=clock())
    for _ in range(3):
        clock.advance(FRESH)
        assert statuses(records) == ["failed"]
    clock.advance(REREAD)
    ids(records)
    wait_for_rereading()
    assert statuses(records) == ["failed"]


def test_an_attempt_that_is_taken_back_is_in_no_answer_and_the_others_are(
    records: LiveRecords, store: Watched, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    attempt(records, 1)
    attempt(records, 1, attempt_id="again", status="failed", timestamp=NOON + 9 * SECOND)
    attempt(records, 2)
    assert statuses(records) == ["success", "failed"]
    old = store.event_changes("event-1")
    records.take_back("user-1", "reg-1", "again")
    records.take_back("user-1", "reg-2", "attempt-2")
    assert (ids(records), statuses(records)) == (["reg-1"], ["success"])
    monkeypatch.setattr(store, "event_changes", lambda *_: old)
    clock.advance(FRESH)
    assert (ids(records), statuses(records)) == (["reg-1"], ["success"])


def test_what_an_erased_person_does_later_is_in_the_answer(records: LiveRecords, clock: FakeClock) -> None:
    attempt(records, 1)
    ids(records)
    clock.advance(3 * SECOND)
    records.forget("user-1")
    attempt(records, 2, timestamp=clock())
    assert ids(records) == ["reg-2"]


# Bounds


def test_the_event_looked_at_least_lately_goes_first(store: Watched, clock: FakeClock) -> None:
    records = LiveRecords(store, clock, clock.elapsed, max_events=2)
    for event_id in ("a", "b", "a", "c"):
        records.event_frame(event_id)
    store.asked()
    records.event_frame("a")
    records.event_frame("c")
    assert store.asked() == []
    records.event_frame("b")
    assert store.asked() == [None]


def test_frames_take_no_more_bytes_than_allowed_but_for_the_one_looked_at(store: Watched, clock: FakeClock) -> None:
    for number in range(50):
        attempt(store, number, event_id="a" if number % 2 else "b")
    one = int(store.event_frame("a").memory_usage(deep=True).sum())
    records = LiveRecords(store, clock, clock.elapsed, max_bytes=one + one // 2)
    for event_id in ("a", "b"):
        assert len(records.event_frame(event_id)) == 25
    assert list(records._events) == ["b"]
    assert records._bytes() <= one + one // 2


# Many at once


def test_of_many_who_ask_first_one_reads_and_the_others_wait(records: LiveRecords, store: Watched) -> None:
    attempt(store)
    held = store.before = Held()
    with ThreadPoolExecutor(8) as sessions:
        asked = [sessions.submit(ids, records) for _ in range(8)]
        assert held.began.wait(HANG)
        held.may_end.set()
        assert [answer.result(HANG) for answer in asked] == [["reg-1"]] * 8
    assert store.asked() == [None]


def test_while_one_refreshes_others_use_what_is_there(records: LiveRecords, store: Watched, clock: FakeClock) -> None:
    attempt(store, 1)
    ids(records)
    attempt(store, 2)
    clock.advance(FRESH)
    held = store.before = Held()
    with ThreadPoolExecutor(1) as session:
        refreshing = session.submit(ids, records)
        assert held.began.wait(HANG)
        assert ids(records) == ["reg-1"]
        held.may_end.set()
        assert refreshing.result(HANG) == ["reg-1", "reg-2"]


def test_what_is_too_old_is_not_used_while_it_is_refreshed(
    records: LiveRecords, store: Watched, clock: FakeClock
) -> None:
    attempt(store, 1)
    ids(records)
    attempt(store, 2)
    clock.advance(STALE)
    held = store.before = Held()
    with ThreadPoolExecutor(2) as sessions:
        refreshing = sessions.submit(ids, records)
        assert held.began.wait(HANG)
        other = sessions.submit(ids, records)
        held.may_end.set()
        assert refreshing.result(HANG) == other.result(HANG) == ["reg-1", "reg-2"]


def test_a_failure_reaches_all_who_wait_and_the_next_one_tries_again(records: LiveRecords, store: Watched) -> None:
    held = Held()

    def fail(since: Any) -> None:
        held(since)
        raise Unavailable("validation records", "BusyError")

    store.before = fail
    with ThreadPoolExecutor(4) as sessions:
        asked = [sessions.submit(ids, records) for _ in range(4)]
        assert held.began.wait(HANG)
        held.may_end.set()
        assert {type(answer.exception(HANG)) for answer in asked} == {Unavailable}
    store.before = lambda since: None
    assert ids(records) == []


def test_a_refresh_that_fails_is_told(records: LiveRecords, store: Watched, clock: FakeClock) -> None:
    ids(records)

    def down(since: Any) -> None:
        raise Unavailable("validation records", "BusyError")

    store.before = down
    clock.advance(FRESH)
    with pytest.raises(Unavailable):
        ids(records)


def test_many_sessions_that_write_and_read_at_once_end_with_what_the_store_has(
    store: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Everything is due all the time.
    for name in ("FRESH", "REREAD", "KEPT", "STALE"):
        monkeypatch.setattr(live_events, name, timedelta(milliseconds=1))
    monkeypatch.setattr(live_events, "SHARE", 1)
    records = LiveRecords(store, lambda: NOON, _Ticking(), max_events=1)

    def session(number: int) -> None:
        for turn in range(25):
            event_id = f"event-{turn % 2}"
            registration = f"reg-{number}-{turn // 4}-{turn % 2}"
            outcome = an_outcome(
                f"{number}-{turn}", event_id=event_id, registration_id=registration, status="pending"
            )
            written = records.record_attempt(outcome, TTL)
            if turn % 3 == 0:
                records.decide("user-1", registration, a_review(), written.version)
            frame = records.event_frame(event_id)
            row = frame[frame["registrationId"] == registration]
            assert list(row["attempts"]) == [written.verification_attempt]

    with ThreadPoolExecutor(8) as sessions:
        for ended in [sessions.submit(session, number) for number in range(8)]:
            ended.result()
    wait_for_rereading()
    for event_id in ("event-0", "event-1"):
        records.event_frame(event_id)
        wait_for_rereading()
        whole = SqliteRecords.event_changes(store, event_id).records
        pd.testing.assert_frame_equal(records.event_frame(event_id), alive_in_order(whole, NOON))


class _Ticking:
    """A stopwatch that moves on by a millisecond each time it is asked."""

    def __init__(self) -> None:
        self._now = timedelta(0)
        self._lock = threading.Lock()

    def __call__(self) -> Any:
        with self._lock:
            self._now += timedelta(milliseconds=1)
            return self._now
