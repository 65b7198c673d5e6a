"""Events kept in memory, shared by all sessions of the process: a refresh costs what is new, not what is there."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from pandas import DataFrame

from core.domain.clock import Clock, Stopwatch, elapsed
from core.domain.errors import Conflict
from core.domain.frames import alive_in_order, frame_of, with_changes
from core.domain.records import Outcome, Review, ValidationRecord
from core.ports import EventChanges, ValidationRecords

logger = logging.getLogger(__name__)

#: An event that was read so lately is answered without a word to the store.
FRESH = timedelta(seconds=5)
#: While one session refreshes an event, others use what is there; unless it is so old: then they wait.
STALE = timedelta(minutes=1)
#: How often all of an event is read, in the background and while somebody looks: for what ``event_changes`` can miss.
REREAD = timedelta(minutes=5)
#: Reading one event takes at most such a share of the time: where it is slow, it is done less often.
SHARE = 10
#: How long what this process wrote is held against what is read, which may trail it.
KEPT = timedelta(minutes=2)
#: Events, and bytes of their frames, that are kept; those looked at least lately go first.
MAX_EVENTS = 16
MAX_BYTES = 512 * 1024 * 1024
#: The thread that reads all of an event.
THREAD_NAME = "live-reread"

_NEVER = timedelta.min


class LiveRecords:
    """``ValidationRecords`` above a store: ``event_frame`` answers from memory, all else is the store's.

    One frame an event, read once and refreshed by ``event_changes`` when somebody looks and it is older than
    ``FRESH``: by one thread, while others use what is there. What this process writes is in the next answer. What
    ``event_changes`` can miss (other processes' decisions, other services' changes, erasures) is in it at the latest
    ``REREAD`` and the time of a whole read after somebody looks. Expired records are in no answer.

    The wall clock decides what has expired and nothing else. A read that may trail an erasure of this process is not
    sorted out by times either: what it has of that person is asked of the store again, which is never stale by key.

    A frame is handed out as it is and stays so: nobody writes into it, and an unchanged event is the same object.
    """

    def __init__(
        self,
        store: ValidationRecords,
        clock: Clock,
        stopwatch: Stopwatch = elapsed,
        *,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
    ) -> None:
        self._store = store
        self._clock = clock
        self._stopwatch = stopwatch
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._events: OrderedDict[str, _Event] = OrderedDict()
        self._lock = threading.Lock()

    def event_frame(self, event_id: str) -> DataFrame:
        """As the port says; at most ``FRESH`` old, or ``STALE`` while it is being refreshed."""
        event = self._kept(event_id)
        self._refresh(event_id, event)
        frame = event.answer(self._clock())
        self._make_room()
        return frame

    def get(self, user_id: str, registration_id: str) -> ValidationRecord | None:
        return self._store.get(user_id, registration_id)

    def history(self, user_id: str, limit: int | None = None) -> list[ValidationRecord]:
        return self._store.history(user_id, limit)

    def event_changes(self, event_id: str, since: Any = None) -> EventChanges:
        return self._store.event_changes(event_id, since)

    def event_batches(self, event_id: str) -> Iterator[DataFrame]:
        return self._store.event_batches(event_id)

    def event_records(self, event_id: str, limit: int) -> list[ValidationRecord]:
        return self._store.event_records(event_id, limit)

    def event_notice(self) -> str | None:
        return self._store.event_notice()

    def record_attempt(self, outcome: Outcome, ttl: timedelta) -> ValidationRecord:
        return self._written(self._store.record_attempt(outcome, ttl))

    def take_back(self, user_id: str, registration_id: str, attempt_id: str) -> ValidationRecord | None:
        left = self._store.take_back(user_id, registration_id, attempt_id)
        self._removed(user_id, registration_id)
        return self._written(left) if left else None

    def decide(self, user_id: str, registration_id: str, review: Review, seen_version: str) -> ValidationRecord:
        try:
            return self._written(self._store.decide(user_id, registration_id, review, seen_version))
        except Conflict:
            # Somebody elsewhere was first: what is kept of the record is out of date.
            if current := self._store.get(user_id, registration_id):
                self._written(current)
            raise

    def ping(self) -> None:
        self._store.ping()

    def close(self) -> None:
        self._store.close()

    def _kept(self, event_id: str) -> _Event:
        """The event, made where it is not kept, and from now on the one looked at last."""
        with self._lock:
            event = self._events.setdefault(event_id, _Event())
            self._events.move_to_end(event_id)
            return event

    def _make_room(self) -> None:
        with self._lock:
            while len(self._events) > self._max_events or (len(self._events) > 1 and self._bytes() > self._max_bytes):
                self._events.popitem(last=False)

    def _bytes(self) -> int:
        return sum(event.bytes for event in self._events.values())

    def _written(self, record: ValidationRecord) -> ValidationRecord:
        with self._lock:
            event = self._events.get(record.event or "")
        if event:
            event.note(_Note(self._stopwatch(), record.user_id, record.registration_id, record))
        return record

    def forget(self, user_id: str) -> None:
        """Let the user's records be in no answer: they were erased just now."""
        self._removed(user_id, None)

    def _removed(self, user_id: str, registration_id: str | None) -> None:
        note = _Note(self._stopwatch(), user_id, registration_id)
        with self._lock:
            events = list(self._events.values())
        for event in events:
            event.note(note)

    def forget_all(self) -> None:
        """Read every event anew when somebody looks next: somebody was erased, perhaps by another process."""
        with self._lock:
            self._events.clear()

    def _refresh(self, event_id: str, event: _Event) -> None:
        now = self._stopwatch()
        reading, ours = event.begin_reading(now)
        if ours:
            with event.reading(reading):
                self._take(event_id, event, self._store.event_changes(event_id, event.mark), now)
        elif reading:
            reading.result()
        if event.begin_rereading(now):
            threading.Thread(target=self._reread, args=(event_id, event, now), name=THREAD_NAME, daemon=True).start()

    def _take(
        self, event_id: str, event: _Event, changes: EventChanges, began: timedelta, *, whole: bool = False
    ) -> None:
        """Have the event take what a reading found that ``began`` then; for whoever reads alone."""
        taken = False
        while not taken:
            removals, users = event.removed()
            checked = replace(changes, records=self._checked(event_id, changes.records, users))
            taken = event.take(checked, removals, began, self._stopwatch(), whole=whole)

    def _checked(self, event_id: str, records: DataFrame, users: frozenset[str]) -> DataFrame:
        """``records``, of which those of ``users`` are as the store has them now."""
        doubtful = records["userId"].isin(users)
        if not doubtful.any():
            return records
        found = [self._store.history(user_id) for user_id in sorted(set(records.loc[doubtful, "userId"]))]
        theirs = [record for each in found for record in each if record.event == event_id]
        return with_changes(records[~doubtful].reset_index(drop=True), frame_of(theirs))

    def _reread(self, event_id: str, event: _Event, began: timedelta) -> None:
        """Read all of the event and then, before anybody sees it, what came meanwhile."""
        try:
            whole = self._store.event_changes(event_id)
            with event.reading(event.wait_to_read()):
                changes = self._store.event_changes(event_id, whole.mark)
                records = with_changes(whole.records, changes.records)
                whole = EventChanges(records, changes.mark, complete=True)
                self._take(event_id, event, whole, began, whole=True)
        except Exception as error:  # noqa: BLE001 - nobody waits for it: what is there stays, and it is tried again
            logger.warning("an event could not be read anew: %s", type(error).__name__)
        finally:
            event.end_rereading(self._stopwatch())


@dataclass(frozen=True)
class _Note:
    """What this process did: it wrote ``record``; or, without one, it removed the user's record of the registration,
    or all records of the user."""

    at: timedelta
    user_id: str
    registration_id: str | None
    record: ValidationRecord | None = None

    def removes(self, user_id: str, registration_id: str) -> bool:
        return self.record is None and self.user_id == user_id and self.registration_id in (None, registration_id)


class _Event:
    """One event's frame, how old it is, and who reads it; for any number of threads."""

    def __init__(self) -> None:
        self.mark: Any = None
        self.bytes = 0
        self._lock = threading.Lock()
        self._frame: DataFrame | None = None
        self._first_expiry: datetime | None = None
        #: When what is there was asked for, and when to ask again: for what is new, and for all.
        self._read_at = self._due = self._whole_due = _NEVER
        self._reading: Future[None] | None = None
        self._rereading_since: timedelta | None = None
        self._notes: list[_Note] = []
        self._noted = False
        #: Notes of removals that the frame does not show yet, and how many there have been in all.
        self._to_remove: list[_Note] = []
        self._removals = 0

    def begin_reading(self, now: timedelta) -> tuple[Future[None] | None, bool]:
        """The reading to wait for, if any, and whether it is the caller who reads."""
        with self._lock:
            if self._frame is not None and now < self._due:
                return None, False
            if self._reading is None:
                self._reading = Future()
                return self._reading, True
            others_may = self._frame is not None and now - self._read_at < STALE
            return None if others_may else self._reading, False

    def wait_to_read(self) -> Future[None]:
        """Become the one who reads, when whoever does now has ended."""
        while True:
            with self._lock:
                if self._reading is None:
                    self._reading = Future()
                    return self._reading
                others = self._reading
            wait([others])

    @contextmanager
    def reading(self, ours: Future[None] | None) -> Iterator[None]:
        """Inside, the caller reads; those who wait go on when it ends, and fail if it does."""
        assert ours is not None
        try:
            yield
        except BaseException as error:
            self._end_reading()
            ours.set_exception(error)
            raise
        self._end_reading()
        ours.set_result(None)

    def begin_rereading(self, now: timedelta) -> bool:
        """Whether it is the caller who is to see to it that all is read."""
        with self._lock:
            due = self._frame is not None and now >= self._whole_due and self._rereading_since is None
            if due:
                self._rereading_since = now
            return due

    def end_rereading(self, now: timedelta) -> None:
        with self._lock:
            self._rereading_since = None
            self._whole_due = max(self._whole_due, now + STALE)

    def removed(self) -> tuple[int, frozenset[str]]:
        """How many removals there have been, and of which users a read may still have what is gone."""
        with self._lock:
            return self._removals, frozenset(note.user_id for note in self._notes if note.record is None)

    def take(
        self, changes: EventChanges, removals: int, began: timedelta, now: timedelta, *, whole: bool = False
    ) -> bool:
        """Have what a reading found that ``began`` then and ended ``now``; ``whole``: all was asked for though a
        refresh would have done. For whoever reads alone.

        False, and nothing is taken, if there have been more removals than the ``removals`` that it was checked for.
        """
        took = now - began
        with self._lock:
            if removals != self._removals:
                return False
            self._remove()
            known = self._frame
            frame = changes.records if changes.complete or known is None else with_changes(known, changes.records)
            # A first reading tells nothing of what a refresh will take.
            pause = FRESH if self.mark is None or whole else max(FRESH, SHARE * took)
            self.mark = changes.mark
            self._read_at, self._due = began, now + pause
            if changes.complete:
                self._whole_due = now + max(REREAD, SHARE * took)
            # What is read may be older than what was written here: notes are made again in it.
            oldest = min(began, began if self._rereading_since is None else self._rereading_since) - KEPT
            self._notes = [note for note in self._notes if note.at >= oldest]
            self._noted = bool(self._notes)
            self._set(frame)
            return True

    def note(self, note: _Note) -> None:
        with self._lock:
            self._notes.append(note)
            self._noted = True
            if note.record is None:
                self._to_remove.append(note)
                self._removals += 1

    def answer(self, now: datetime) -> DataFrame:
        with self._lock:
            assert self._frame is not None
            self._remove()
            if self._noted:
                self._set(with_changes(self._frame, _written(self._notes)))
                self._noted = False
            if self._first_expiry is not None and self._first_expiry <= now:
                self._set(alive_in_order(self._frame, now))
            return self._frame

    def _end_reading(self) -> None:
        with self._lock:
            self._reading = None

    def _remove(self) -> None:
        """Show the removals that were noted. What is read later is checked for them and may stay."""
        if self._frame is not None:
            for note in self._to_remove:
                self._set(_without(self._frame, note))
        self._to_remove.clear()

    def _set(self, frame: DataFrame) -> None:
        if frame is not self._frame:
            self._frame = frame
            self.bytes = int(frame.memory_usage(deep=True).sum())
            first = frame["expiresAt"].min()
            self._first_expiry = None if pd.isna(first) else first


def _without(records: DataFrame, note: _Note) -> DataFrame:
    gone = records["userId"] == note.user_id
    if note.registration_id is not None:
        gone &= records["registrationId"] == note.registration_id
    return records[~gone].reset_index(drop=True) if gone.any() else records


def _written(notes: Sequence[_Note]) -> DataFrame:
    """What was written and not removed since."""
    written: dict[tuple[str, str], ValidationRecord] = {}
    for note in notes:
        if note.record is not None:
            written[note.user_id, note.record.registration_id] = note.record
        else:
            written = {key: record for key, record in written.items() if not note.removes(*key)}
    return frame_of(list(written.values()))
