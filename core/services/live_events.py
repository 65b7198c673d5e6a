"""Keeps the records of events in memory for all page sessions, so that a refresh reads only what is new."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pandas as pd
from pandas import DataFrame

from core.domain.clock import Clock, Stopwatch, elapsed
from core.domain.errors import Conflict
from core.domain.frames import alive_in_order, frame_of, with_changes
from core.domain.records import Outcome, Review, ValidationRecord, Withdrawal
from core.ports import EventChanges, ValidationRecords
from core.services.own_writes import Note, without, written

logger = logging.getLogger(__name__)

#: An event that was read within this time is answered from memory, without a request to the store.
FRESH = timedelta(seconds=5)
#: While one session refreshes an event, others use the old frame, unless it is older than this: then they wait.
STALE = timedelta(minutes=1)
#: How often a viewed event is read as a whole, in the background, to find what ``event_changes`` can miss.
REREAD = timedelta(minutes=5)
#: Reading an event takes at most one part in ``SHARE`` of the time: slow reads are made less often.
SHARE = 10
#: How long this process's own writes are merged into what it reads, as reads may lag behind them.
KEPT = timedelta(minutes=2)
#: The most events, and bytes of their frames, that are kept. The least recently viewed are dropped first.
MAX_EVENTS = 16
MAX_BYTES = 512 * 1024 * 1024
#: The most events that are read again as a whole at once.
REREADS = 4
#: The name of the thread that reads a whole event.
THREAD_NAME = "live-reread"

_NEVER = timedelta.min


class LiveRecords:
    """``ValidationRecords`` over a store: ``event_frame`` answers from memory, the other methods ask the store.

    Each event has one frame. It is read once, and refreshed by ``event_changes`` when it is requested and older than
    ``FRESH``. One thread refreshes it while others use the old frame. An answer includes everything that this process
    has written before. Changes that ``event_changes`` can miss (decisions of other processes, changes by other
    services, erasures) are included at the latest ``REREAD``, plus the time of a whole read, after a request. Expired
    records are never included.

    The wall clock only decides what has expired. No times are compared to find out whether a read lags behind an
    erasure by this process: the erased person's records are read again by key, which is never stale.

    A frame that was returned is never changed, and callers must not change it: an unchanged event is the same object.
    """

    def __init__(
        self,
        store: ValidationRecords,
        clock: Clock,
        stopwatch: Stopwatch = elapsed,
        *,
        max_events: int = MAX_EVENTS,
        max_bytes: int = MAX_BYTES,
        columns: Sequence[str] | None = None,
        share: int = SHARE,
    ) -> None:
        """``columns`` are those that ``event_frame`` returns, by default all; ``share`` is as ``SHARE``."""
        self._store = store
        self._clock = clock
        self._stopwatch = stopwatch
        self._max_events = max_events
        self._max_bytes = max_bytes
        self._columns = columns
        self._share = share
        self._rereads = threading.Semaphore(REREADS)
        #: When this process wrote in each event last; for None, when it removed records, of whatever event.
        self._wrote: dict[str | None, timedelta] = {}
        self._events: OrderedDict[str, _Event] = OrderedDict()
        self._lock = threading.Lock()

    def event_frame(self, event_id: str) -> DataFrame:
        """Returns the frame as the port does; at most ``FRESH`` old, or ``STALE`` during a refresh."""
        event = self._kept(event_id)
        self._refresh(event_id, event)
        frame = event.answer(self._clock())
        self._make_room()
        return frame

    def get(self, user_id: str, registration_id: str) -> ValidationRecord | None:
        return self._store.get(user_id, registration_id)

    def history(self, user_id: str, limit: int | None = None) -> list[ValidationRecord]:
        return self._store.history(user_id, limit)

    def event_changes(self, event_id: str, since: Any = None, columns: Sequence[str] | None = None) -> EventChanges:
        return self._store.event_changes(event_id, since, columns)

    def event_batches(self, event_id: str) -> Iterator[DataFrame]:
        return self._store.event_batches(event_id)

    def event_records(self, event_id: str, limit: int) -> list[ValidationRecord]:
        return self._store.event_records(event_id, limit)

    def event_notice(self) -> str | None:
        return self._store.event_notice()

    def events_verified(self) -> datetime | None:
        return self._store.events_verified()

    def record_attempt(
        self, outcome: Outcome, ttl: timedelta, kept_until: datetime | None = None
    ) -> ValidationRecord:
        return self._written(self._store.record_attempt(outcome, ttl, kept_until))

    def take_back(self, user_id: str, registration_id: str, attempt_id: str) -> ValidationRecord | None:
        left = self._store.take_back(user_id, registration_id, attempt_id)
        self._removed(user_id, registration_id)
        return self._written(left) if left else None

    def decide(
        self, user_id: str, registration_id: str, change: Review | Withdrawal, seen_version: str
    ) -> ValidationRecord:
        try:
            return self._written(self._store.decide(user_id, registration_id, change, seen_version))
        except Conflict:
            # Another process has changed the record, so the one in memory is out of date.
            if current := self._store.get(user_id, registration_id):
                self._written(current)
            raise

    def redate(self, cases: Sequence[tuple[str, str]], ttl: timedelta, kept_until: datetime | None) -> int:
        """As the port does. ``forget_event`` must be called when all records of the event have been dated."""
        return self._store.redate(cases, ttl, kept_until)

    def is_kept(self, event_id: str) -> bool:
        """Whether ``event_frame`` answers from memory."""
        with self._lock:
            event = self._events.get(event_id)
        return event is not None and event.is_read

    def forget_event(self, event_id: str) -> None:
        """Drops the event's frame, which is read again when requested."""
        with self._lock:
            self._events.pop(event_id, None)

    def has_written(self, event_id: str, within: timedelta) -> bool:
        """Whether this process may have written in the event within this time."""
        since = self._stopwatch() - within
        return any(self._wrote.get(event, _NEVER) > since for event in (event_id, None))

    def ping(self) -> None:
        self._store.ping()

    def close(self) -> None:
        self._store.close()

    def _kept(self, event_id: str) -> _Event:
        """Returns the event, created if necessary, and marks it as the most recently viewed."""
        with self._lock:
            event = self._events.setdefault(event_id, _Event(self._columns, self._share))
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
            if record.event:
                self._wrote[record.event] = self._stopwatch()
            event = self._events.get(record.event or "")
        if event:
            event.note(Note(self._stopwatch(), record.user_id, record.registration_id, record))
        return record

    def forget(self, user_id: str) -> None:
        """Removes the user's records from all answers, because they have just been erased."""
        self._removed(user_id, None)

    def _removed(self, user_id: str, registration_id: str | None) -> None:
        note = Note(self._stopwatch(), user_id, registration_id)
        with self._lock:
            self._wrote[None] = note.at
            events = list(self._events.values())
        for event in events:
            event.note(note)

    def forget_all(self) -> None:
        """Drops all frames after an erasure, perhaps by another process; each event is read again when requested."""
        with self._lock:
            self._events.clear()

    def _refresh(self, event_id: str, event: _Event) -> None:
        now = self._stopwatch()
        reading, is_reader = event.begin_reading(now)
        if is_reader:
            with event.reading(reading):
                self._take(event_id, event, self._changes(event_id, event.mark), now)
        elif reading:
            reading.result()
        if event.begin_rereading(now):
            threading.Thread(target=self._reread, args=(event_id, event, now), name=THREAD_NAME, daemon=True).start()

    def _changes(self, event_id: str, since: Any = None) -> EventChanges:
        return self._store.event_changes(event_id, since, self._columns)

    def _take(
        self, event_id: str, event: _Event, changes: EventChanges, began: timedelta, *, whole: bool = False
    ) -> None:
        """Merges the result of a read that ``began`` then into the event. Only the current reader may call it."""
        taken = False
        while not taken:
            removals, users = event.removed()
            checked = replace(changes, records=self._checked(event_id, changes.records, users))
            taken = event.take(checked, removals, began, self._stopwatch(), whole=whole)

    def _checked(self, event_id: str, records: DataFrame, users: frozenset[str]) -> DataFrame:
        """Returns ``records``, with those of ``users`` replaced by what the store has now."""
        doubtful = records["userId"].isin(users)
        if not doubtful.any():
            return records
        found = [self._store.history(user_id) for user_id in sorted(set(records.loc[doubtful, "userId"]))]
        theirs = [record for each in found for record in each if record.event == event_id]
        return with_changes(records[~doubtful].reset_index(drop=True), frame_of(theirs, self._columns))

    def _reread(self, event_id: str, event: _Event, began: timedelta) -> None:
        """Reads the whole event, and then what has changed meanwhile, before the result is shown."""
        try:
            with self._rereads:
                whole = self._changes(event_id)
                with event.reading(event.wait_to_read()):
                    changes = self._changes(event_id, whole.mark)
                    records = with_changes(whole.records, changes.records)
                    whole = EventChanges(records, changes.mark, complete=True)
                    self._take(event_id, event, whole, began, whole=True)
        except Exception as error:  # noqa: BLE001 - nobody waits for it: the old frame is kept, and it is tried again
            logger.warning("an event could not be read again: %s", type(error).__name__)
        finally:
            event.end_rereading(self._stopwatch())


class _Event:
    """One event's frame, its age and its current reader. Safe for use by several threads."""

    def __init__(self, columns: Sequence[str] | None, share: int) -> None:
        self.mark: Any = None
        self.bytes = 0
        self._columns = columns
        self._share = share
        self._lock = threading.Lock()
        self._frame: DataFrame | None = None
        self._first_expiry: datetime | None = None
        #: When the frame was requested from the store, when changes are due to be read, and when the whole event is.
        self._read_at = self._due = self._whole_due = _NEVER
        self._reading: Future[None] | None = None
        self._rereading_since: timedelta | None = None
        #: What this process wrote lately, and what of it the frame does not show yet.
        self._notes: list[Note] = []
        self._unmerged: list[Note] = []
        #: Removals that the frame does not show yet, and the number of all removals so far.
        self._to_remove: list[Note] = []
        self._removals = 0

    @property
    def is_read(self) -> bool:
        return self._frame is not None

    def begin_reading(self, now: timedelta) -> tuple[Future[None] | None, bool]:
        """Returns the read to wait for, if any, and whether the caller must do it."""
        with self._lock:
            if self._frame is not None and now < self._due:
                return None, False
            if self._reading is None:
                self._reading = Future()
                return self._reading, True
            others_may = self._frame is not None and now - self._read_at < STALE
            return None if others_may else self._reading, False

    def wait_to_read(self) -> Future[None]:
        """Waits for the current reader, if any, and makes the caller the next one."""
        while True:
            with self._lock:
                if self._reading is None:
                    self._reading = Future()
                    return self._reading
                others = self._reading
            wait([others])

    @contextmanager
    def reading(self, own: Future[None] | None) -> Iterator[None]:
        """Runs the caller's read in a ``with`` statement. Waiting threads continue, or fail, with it."""
        assert own is not None
        try:
            yield
        except BaseException as error:
            self._end_reading()
            own.set_exception(error)
            raise
        self._end_reading()
        own.set_result(None)

    def begin_rereading(self, now: timedelta) -> bool:
        """Whether the caller must start a read of the whole event."""
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
        """Returns the number of removals so far, and the users of whom a read may still return removed records."""
        with self._lock:
            return self._removals, frozenset(note.user_id for note in self._notes if note.record is None)

    def take(
        self, changes: EventChanges, removals: int, began: timedelta, now: timedelta, *, whole: bool = False
    ) -> bool:
        """Merges the result of a read that ``began`` then and ended ``now``. Only the reader may call it.

        ``whole`` says that the whole event was read although a refresh would have sufficed. Returns False, and merges
        nothing, if there have been more removals than the ``removals`` for which the result was checked.
        """
        took = now - began
        with self._lock:
            if removals != self._removals:
                return False
            self._remove()
            known = self._frame
            frame = changes.records if changes.complete or known is None else with_changes(known, changes.records)
            # The duration of the first read says nothing about that of a refresh.
            pause = FRESH if self.mark is None or whole else max(FRESH, self._share * took)
            self.mark = changes.mark
            self._read_at, self._due = began, now + pause
            if changes.complete:
                self._whole_due = now + max(REREAD, self._share * took)
            # A whole read may be older than this process's own writes, so recent ones are merged into it again.
            oldest = min(began, began if self._rereading_since is None else self._rereading_since) - KEPT
            self._notes = [note for note in self._notes if note.at >= oldest]
            if changes.complete:
                self._unmerged = list(self._notes)
            self._set(frame)
            return True

    def note(self, note: Note) -> None:
        with self._lock:
            self._notes.append(note)
            self._unmerged.append(note)
            if note.record is None:
                self._to_remove.append(note)
                self._removals += 1

    def answer(self, now: datetime) -> DataFrame:
        with self._lock:
            assert self._frame is not None
            self._remove()
            if self._unmerged:
                self._set(with_changes(self._frame, written(self._unmerged, self._columns)))
                self._unmerged.clear()
            if self._first_expiry is not None and self._first_expiry <= now:
                self._set(alive_in_order(self._frame, now))
            return self._frame

    def _end_reading(self) -> None:
        with self._lock:
            self._reading = None

    def _remove(self) -> None:
        """Applies the noted removals to the frame. Later reads are checked for them separately."""
        if self._frame is not None:
            for note in self._to_remove:
                self._set(without(self._frame, note))
        self._to_remove.clear()

    def _set(self, frame: DataFrame) -> None:
        if frame is not self._frame:
            self._frame = frame
            self.bytes = int(frame.memory_usage(deep=True).sum())
            first = frame["expiresAt"].min()
            self._first_expiry = None if pd.isna(first) else first
