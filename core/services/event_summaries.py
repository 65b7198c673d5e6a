"""Keeps a summary of every event, so that a look at all of them reads only what is new, or nothing at all."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pandas import DataFrame

from core.domain.clock import Clock, Stopwatch, elapsed
from core.domain.errors import FacedeskError, ServiceError
from core.domain.event_summaries import (
    REGISTERED_COLUMNS,
    Basis,
    EventLine,
    KeptSummary,
    by_urgency,
    summary_of,
)
from core.domain.expiry import expires_at
from core.domain.profiles import EventProfile
from core.ports import EventProfiles, Registrations, SummaryStore
from core.services.live_events import FRESH, LiveRecords

logger = logging.getLogger(__name__)

#: How long the answer waits for what is being read: within it the figures are new, else those of before.
PATIENCE = timedelta(seconds=0.5)
#: Events that are read at once.
WORKERS = 4
#: How often an event's registrations are asked for.
REGISTRATIONS_FRESH = timedelta(seconds=60)
#: Reading registrations, or refreshing records, takes at most one part in this of the time for each event. A table
#: without an index is scanned for each event, so this is more than ``live_events.SHARE``.
SHARE = 50
#: The most events whose records are kept. A record takes about 100 bytes.
MAX_EVENTS = 1000
#: How often an event's summary is stored for other processes while somebody looks, and how long it stays there.
STORED_EVERY = timedelta(minutes=1)
STORED_FOR = timedelta(days=30)
#: Older figures are shown with their age, if an answer does not wait until the event has been read again.
CURRENT = timedelta(minutes=2)
#: How long this process reads an event itself after it has written in it, since figures of others may lack that:
#: others find a decision when they read the event as a whole (``live_events.REREAD``), unless that takes long.
OWN_WRITES = timedelta(minutes=15)


class EventSummaries:
    """The summaries of all events, read by a few threads in the background.

    An event's summary is made of two frames with few columns: its records, which ``LiveRecords`` refreshes with what
    is new and reads as a whole from time to time, and its registrations. It is made again only if a frame, the
    event's dates or the day have changed. Figures include this process's own attempts and decisions at once;
    registrations are up to ``REGISTRATIONS_FRESH`` old, and more if reading them takes long (``SHARE``).

    Summaries are stored for other processes, and for this one after a restart. A process that has not read an event
    shows the stored one until it has, and does not read it as long as others do, unless it writes in it itself.
    """

    def __init__(
        self,
        records: LiveRecords,
        registrations: Registrations,
        profiles: EventProfiles,
        store: SummaryStore,
        clock: Clock,
        stopwatch: Stopwatch = elapsed,
        *,
        others_last: timedelta = timedelta(0),
        is_at_hand: Callable[[str], bool] = lambda event_id: False,
    ) -> None:
        """``records`` must return at least ``SUMMARY_COLUMNS``.

        ``others_last`` is how old a summary of another process may be so that this one need not read the event.
        ``is_at_hand`` says whether all columns of an event's records are in memory.
        """
        self._records = records
        self._registrations = registrations
        self._profiles = profiles
        self._store = store
        self._others_last = others_last
        self._is_at_hand = is_at_hand
        self._clock = clock
        self._stopwatch = stopwatch
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="event-summaries")
        self._lock = threading.Lock()
        self._events: dict[str, _Event] = {}
        self._ids: list[str] = []
        self._ids_due = timedelta.min
        #: What was found in the store, and when it is to be asked again.
        self._stored: Mapping[str, KeptSummary] = {}
        self._stored_due = timedelta.min
        #: How often somebody was erased, and when that was last. What was read before is not kept afterwards.
        self._erasures = 0
        self._erased_at: datetime | None = None

    def all(
        self,
        events: Collection[str] | None = None,
        patience: timedelta | None = PATIENCE,
        which: Callable[[EventProfile], bool] = lambda profile: True,
    ) -> list[EventLine]:
        """A line for each event that has registrations or a profile, the most urgent one first; ``events`` and
        ``which`` limit them.

        Waits for what must be read, at most for ``patience`` (None: as long as it takes), and then answers with what
        there is; the rest is read in the background. Raises ``ServiceError`` if the list of events cannot be read.
        """
        now = self._clock()
        known = [profile for profile in self._with_profiles(events) if which(profile)]
        self._look_up([profile.event_id for profile in known])
        first_guess = by_urgency((self._line(profile) for profile in known), now)
        readings = [self._begin(line.profile) for line in first_guess if not self._others_read(line.profile)]
        done, _ = wait(readings, timeout=None if patience is None else patience.total_seconds())
        for reading in done:
            reading.result()
        return by_urgency((self._line(profile) for profile in known), now)

    def meanwhile(self, event_id: str) -> KeptSummary | None:
        """The event's figures as any process read them last, for those who wait until all of the event has been read;
        None if it is in memory, or nobody has read it. Reads no people.
        """
        if self._is_at_hand(event_id):
            return None
        self._look_up([event_id])
        with self._lock:
            return self._events[event_id].kept

    def forget_all(self) -> None:
        """Drops all that is kept of people, because somebody has been erased.

        The figures name nobody: they are shown until they have been made again.
        """
        self._records.forget_all()
        with self._lock:
            self._erasures += 1
            self._erased_at = self._clock()
            for event in self._events.values():
                event.registered = event.made_of = None

    def close(self) -> None:
        """Returns when nothing is read any more."""
        self._threads.shutdown(cancel_futures=True)
        self._store.close()

    def _with_profiles(self, events: Collection[str] | None) -> list[EventProfile]:
        profiles = {profile.event_id: profile for profile in self._profiles.all()}
        now = self._stopwatch()
        if now >= self._ids_due:
            self._ids = self._registrations.events()
            self._ids_due = now + FRESH
        wanted = {*profiles, *self._ids}
        if events is not None:
            wanted &= set(events)
        return [profiles.get(event_id) or EventProfile(event_id=event_id) for event_id in sorted(wanted)]

    def _look_up(self, event_ids: Collection[str]) -> None:
        """Takes over the stored summaries of those events that this process has not read."""
        with self._lock:
            events = {event_id: self._events.setdefault(event_id, _Event()) for event_id in event_ids}
            unread = {event_id: event for event_id, event in events.items() if event.made_of is None}
            now = self._stopwatch()
            is_due = unread and now >= self._stored_due
            if is_due:
                self._stored_due = now + FRESH
        if is_due:
            try:
                self._stored = self._store.all()
            except ServiceError as error:
                logger.warning("stored summaries could not be read: %s", type(error).__name__)
        with self._lock:
            for event_id, event in unread.items():
                kept = self._stored.get(event_id)
                if kept and event.made_of is None and (event.kept is None or kept.as_of > event.kept.as_of):
                    event.kept = kept

    def _others_read(self, profile: EventProfile) -> bool:
        """Whether the event's figures come from a process that reads it, so that this one need not."""
        with self._lock:
            event = self._events[profile.event_id]
            kept = event.kept if event.made_of is None else None
        now = self._clock()
        return (
            kept is not None
            and -self._others_last < now - kept.as_of < self._others_last
            and (self._erased_at is None or self._erased_at < kept.as_of)
            and kept.basis == Basis.of(profile, now)
            and not self._records.has_written(profile.event_id, OWN_WRITES)
        )

    def _line(self, profile: EventProfile) -> EventLine:
        with self._lock:
            event = self._events[profile.event_id]
            kept, failure, is_read = event.kept, event.failure, event.made_of is not None
        if kept is None:
            return EventLine(profile, None, failure)
        if not is_read and self._others_read(profile):
            return EventLine(profile, kept.summary)
        is_current = is_read and abs(self._clock() - kept.as_of) < CURRENT
        return EventLine(profile, kept.summary, failure, None if is_current else kept.as_of)

    def _begin(self, profile: EventProfile) -> Future[None]:
        """Has the event read, unless it is being read."""
        with self._lock:
            event = self._events[profile.event_id]
            if event.reading is None or event.reading.done():
                event.reading = self._threads.submit(self._read, event, profile)
            return event.reading

    def _read(self, event: _Event, profile: EventProfile) -> None:
        """Makes the event's summary. One thread at a time does this for an event."""
        try:
            while not self._take(event, profile):
                pass
            event.failure = None
            self._keep(event, profile)
        except FacedeskError as error:
            event.failure = _sentence(error)

    def _take(self, event: _Event, profile: EventProfile) -> bool:
        """Reads what the summary is made of, and makes it. False if somebody was erased meanwhile."""
        erasures = self._erasures
        registered = event.registered
        began, now = self._clock(), self._stopwatch()
        if registered is None or now >= registered.due:
            frame = self._registrations.event_frame(profile.event_id)[list(REGISTERED_COLUMNS)]
            took = self._stopwatch() - now
            if registered and frame.equals(registered.frame):
                frame = registered.frame
            registered = _Registered(frame, now + max(REGISTRATIONS_FRESH, SHARE * took))
        records = self._records.event_frame(profile.event_id)
        made_of = _MadeOf(registered.frame, records, Basis.of(profile, began))
        if event.kept and event.made_of and made_of.is_same(event.made_of):
            summary = event.kept.summary
        else:
            summary = summary_of(profile, registered.frame, records, made_of.basis.today)
        with self._lock:
            if erasures != self._erasures:
                return False
            event.registered, event.made_of = registered, made_of
            event.kept = KeptSummary(summary, made_of.basis, began)
            return True

    def _keep(self, event: _Event, profile: EventProfile) -> None:
        """Stores the event's summary, unless that was done lately."""
        kept, now = event.kept, self._stopwatch()
        if kept is None or now < event.stored_due:
            return
        event.stored_due = now + STORED_EVERY
        try:
            self._store.keep(profile.event_id, kept, expires_at(kept.as_of, STORED_FOR))
        except ServiceError as error:
            logger.warning("a summary could not be stored: %s", type(error).__name__)


@dataclass(frozen=True)
class _Registered:
    frame: DataFrame
    due: timedelta


@dataclass(frozen=True)
class _MadeOf:
    """What a summary was made of."""

    registrations: DataFrame
    records: DataFrame
    basis: Basis

    def is_same(self, other: _MadeOf) -> bool:
        """Nobody writes into a frame, so its identity says what is in it."""
        return (
            self.registrations is other.registrations and self.records is other.records and self.basis == other.basis
        )


@dataclass
class _Event:
    """What is kept of an event, and its reading, if there was any."""

    registered: _Registered | None = None
    #: None until this process has read the event; ``kept`` is then another's summary, or one of before.
    made_of: _MadeOf | None = None
    kept: KeptSummary | None = None
    #: When the summary is due to be stored again.
    stored_due: timedelta = timedelta.min
    failure: str | None = None
    reading: Future[None] | None = field(default=None, repr=False)


def _sentence(error: FacedeskError) -> str:
    """What went wrong. A store's own message may name a registration, so it is left out."""
    return str(type(error)(error.service, error.code) if isinstance(error, ServiceError) else error)
