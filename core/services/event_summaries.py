"""Keeps a summary of every event, so that a look at all of them reads only what is new."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from pandas import DataFrame

from core.domain.clock import Clock, Stopwatch, elapsed
from core.domain.errors import FacedeskError, ServiceError
from core.domain.event_summaries import (
    REGISTERED_COLUMNS,
    EventLine,
    EventSummary,
    by_urgency,
    summary_of,
    today_of,
)
from core.domain.profiles import EventProfile
from core.ports import EventProfiles, Registrations
from core.services.live_events import FRESH, LiveRecords

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


class EventSummaries:
    """The summaries of all events, read by a few threads in the background.

    An event's summary is made of two frames with few columns: its records, which ``LiveRecords`` refreshes with what
    is new and reads as a whole from time to time, and its registrations. It is made again only if a frame, the
    event's dates or the day have changed. Figures include this process's own attempts and decisions at once;
    registrations are up to ``REGISTRATIONS_FRESH`` old, and more if reading them takes long (``SHARE``).
    """

    def __init__(
        self,
        records: LiveRecords,
        registrations: Registrations,
        profiles: EventProfiles,
        clock: Clock,
        stopwatch: Stopwatch = elapsed,
    ) -> None:
        """``records`` must return at least ``SUMMARY_COLUMNS``."""
        self._records = records
        self._registrations = registrations
        self._profiles = profiles
        self._clock = clock
        self._stopwatch = stopwatch
        self._threads = ThreadPoolExecutor(WORKERS, thread_name_prefix="event-summaries")
        self._lock = threading.Lock()
        self._events: dict[str, _Event] = {}
        self._ids: list[str] = []
        self._ids_due = timedelta.min
        #: How often somebody was erased. What was read before is not kept afterwards.
        self._erasures = 0

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
        first_guess = by_urgency((self._line(profile) for profile in known), now)
        readings = [self._begin(line.profile) for line in first_guess]
        done, _ = wait(readings, timeout=None if patience is None else patience.total_seconds())
        for reading in done:
            reading.result()
        return by_urgency((self._line(profile) for profile in known), now)

    def forget_all(self) -> None:
        """Drops all that is kept of people, because somebody has been erased.

        The figures name nobody: they are shown until they have been made again.
        """
        self._records.forget_all()
        with self._lock:
            self._erasures += 1
            for event in self._events.values():
                event.registered = event.made_of = None

    def close(self) -> None:
        """Returns when nothing is read any more."""
        self._threads.shutdown(cancel_futures=True)

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

    def _line(self, profile: EventProfile) -> EventLine:
        with self._lock:
            event = self._events.setdefault(profile.event_id, _Event())
            return EventLine(profile, event.summary, event.failure)

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
        except FacedeskError as error:
            event.failure = _sentence(error)

    def _take(self, event: _Event, profile: EventProfile) -> bool:
        """Reads what the summary is made of, and makes it. False if somebody was erased meanwhile."""
        erasures = self._erasures
        registered = event.registered
        now = self._stopwatch()
        if registered is None or now >= registered.due:
            frame = self._registrations.event_frame(profile.event_id)[list(REGISTERED_COLUMNS)]
            took = self._stopwatch() - now
            if registered and frame.equals(registered.frame):
                frame = registered.frame
            registered = _Registered(frame, now + max(REGISTRATIONS_FRESH, SHARE * took))
        records = self._records.event_frame(profile.event_id)
        made_of = _MadeOf(registered.frame, records, profile.starts_at, today_of(profile, self._clock()), profile)
        summary = event.summary
        if event.made_of is None or summary is None or not made_of.is_same(event.made_of):
            summary = summary_of(profile, registered.frame, records, made_of.today)
        with self._lock:
            if erasures != self._erasures:
                return False
            event.registered, event.made_of, event.summary = registered, made_of, summary
            return True


@dataclass(frozen=True)
class _Registered:
    frame: DataFrame
    due: timedelta


@dataclass(frozen=True)
class _MadeOf:
    """What a summary was made of."""

    registrations: DataFrame
    records: DataFrame
    starts_at: datetime | None
    today: date
    profile: EventProfile

    def is_same(self, other: _MadeOf) -> bool:
        """Nobody writes into a frame, so its identity says what is in it."""
        return (
            self.registrations is other.registrations
            and self.records is other.records
            and (self.starts_at, self.today, self.profile.time_zone)
            == (other.starts_at, other.today, other.profile.time_zone)
        )


@dataclass
class _Event:
    """What is kept of an event, and its reading, if there was any."""

    registered: _Registered | None = None
    made_of: _MadeOf | None = None
    summary: EventSummary | None = None
    failure: str | None = None
    reading: Future[None] | None = field(default=None, repr=False)


def _sentence(error: FacedeskError) -> str:
    """What went wrong. A store's own message may name a registration, so it is left out."""
    return str(type(error)(error.service, error.code) if isinstance(error, ServiceError) else error)
