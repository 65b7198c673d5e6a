"""Keeps the records of events until the dates that the events' profiles say, whatever was changed when.

A record expires ``RECORD_TTL_DAYS`` after its newest attempt, but not before its event's end and the days that the
profile adds to it. An attempt is dated by the profile as it was read before; who records it looks at the profile once
more afterwards. After a change of a profile, the records of its event are dated again in the background. That may be
interrupted at any time, and may run in several processes at once: it writes nothing but the dates of the newest
profile, and is only finished for the dates that ``DatedEvents`` has.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from core.domain.clock import Clock
from core.domain.errors import ServiceError
from core.domain.profiles import EventProfile
from core.domain.records import ValidationRecord
from core.flow.crew import End, Progress
from core.ports import AgeingPhotos, DatedEvents, EventProfiles, ValidationRecords

if TYPE_CHECKING:  # half a second to load, and only frames need it
    from pandas import DataFrame, Series

logger = logging.getLogger(__name__)

#: Records that are dated between two looks at the profile.
CHUNK = 200


@dataclass(frozen=True)
class Shortening:
    """What an event's records lose by a change of its dates: how many expire sooner, and how many of them at once.

    ``first`` is when the next of the others expires.
    """

    records: int = 0
    at_once: int = 0
    first: datetime | None = None


class EventDates:
    """The dates of events' records. ``kept_until`` is for those who write records, the rest for profiles' changes."""

    def __init__(
        self,
        records: ValidationRecords,
        profiles: EventProfiles,
        dated: DatedEvents,
        clock: Clock,
        record_ttl: timedelta,
        on_dated: Callable[[str], object],
        photos: AgeingPhotos | None = None,
    ) -> None:
        """``on_dated`` is called with the id of an event whose records have been dated again.

        ``photos`` is None if submitted photos are deleted with their records.
        """
        self._records = records
        self._profiles = profiles
        self._dated = dated
        self._clock = clock
        self._record_ttl = record_ttl
        self._on_dated = on_dated
        self._photos = photos

    def profile(self, event_id: str) -> EventProfile | None:
        return self._profiles.get(event_id)

    def kept_until(self, event_id: str) -> datetime | None:
        """Until when the event's records are kept at least."""
        profile = self.profile(event_id)
        return profile.kept_until if profile else None

    def date_again(self, record: ValidationRecord, kept_until: datetime | None) -> None:
        """Dates the record, which was written with this date, by a profile that has changed meanwhile.

        An error is only logged, because the record is written; ``catch_up`` dates it later.
        """
        try:
            while record.event and (newer := self.kept_until(record.event)) != kept_until:
                self._records.redate([(record.user_id, record.registration_id)], self._record_ttl, newer)
                kept_until = newer
        except ServiceError as error:
            # The error's own message may name a registration, so it is not logged.
            logger.warning("a record was not dated again: %s (%s)", type(error).__name__, error.code)

    def shortening(self, profile: EventProfile) -> Shortening:
        """What the event's records would lose if this were its profile."""
        records = self._records.event_frame(profile.event_id)
        wanted = self._wanted(records, profile.kept_until)
        sooner = wanted[wanted < records["expiresAt"]]
        now = self._clock()
        later = sooner[sooner > now]
        first = None if later.empty else later.min().to_pydatetime()
        return Shortening(len(sooner), len(sooner) - len(later), first)

    def unfinished(self) -> list[str]:
        """The events whose records are not all dated by their profiles, by id.

        An event whose profile another system took away, or wrote in a form that cannot be read, keeps its dates: the
        records of a passing mistake must not be deleted.
        """
        profiles = self._profiles.all()
        return _unfinished(profiles, self._dated.all() if profiles else {})

    def catch_up(self, stop: threading.Event, *, everything: bool = False) -> None:
        """Dates the records of all unfinished events, or, with ``everything``, of all events that have a profile.

        The latter finds records that other services wrote, and attempts whose process was killed.
        """
        profiles = self._profiles.all()
        done = self._dated.all() if profiles else {}
        self._distrust_unreadable(profiles, done)
        events = _unfinished(profiles, done)
        if everything:
            events = sorted({*events, *self._standing(profiles)})
        for event_id in events:
            self._date_records(event_id, stop, lambda progress: None)
        self._keep_photos(events)

    def run(
        self, event_id: str, stop: threading.Event, report: Callable[[Progress], None] = lambda progress: None
    ) -> Progress:
        """Dates the event's records by its profile, and by any newer one that it gets meanwhile.

        Returns the last progress, which is reported after each ``CHUNK`` of records. Raises ``ServiceError``.
        """
        progress = self._date_records(event_id, stop, report)
        self._keep_photos([event_id])
        return progress

    def _date_records(self, event_id: str, stop: threading.Event, report: Callable[[Progress], None]) -> Progress:
        while True:
            kept_until = self.kept_until(event_id)
            progress = self._pass(event_id, kept_until, stop, report)
            if progress is None:
                continue
            self._on_dated(event_id)
            if progress.end is not End.DONE:
                return progress
            self._dated.set(event_id, kept_until)
            if self.kept_until(event_id) == kept_until:
                return progress

    def _distrust_unreadable(self, profiles: Iterable[EventProfile], done: Mapping[str, datetime | None]) -> None:
        """Has events whose profile cannot be read dated again once it can be: attempts until then are dated by their
        age alone.
        """
        for each in profiles:
            if each.unreadable and done.get(each.event_id):
                self._dated.set(each.event_id, None)

    def _standing(self, profiles: Iterable[EventProfile]) -> dict[str, datetime]:
        """The events whose records are kept until a time in the future, and that time."""
        now = self._clock()
        return {
            each.event_id: each.kept_until
            for each in profiles
            if each.kept_until and each.kept_until > now and not each.unreadable
        }

    def _keep_photos(self, events: Collection[str]) -> None:
        """Keeps the photo of each record of the events, that of its newest attempt, for as long as the record."""
        if self._photos is None or not events:
            return
        kept_until: dict[str, datetime] = {}
        for event_id, until in self._standing(self._profiles.all()).items():
            for records in self._records.event_batches(event_id) if event_id in events else ():
                for key in records["faceImageKey"].dropna():
                    kept_until[key] = max(until, kept_until.get(key, until))
        self._photos.renew(kept_until, self._record_ttl, self._clock())

    def close(self) -> None:
        self._profiles.close()
        self._dated.close()

    def _pass(
        self,
        event_id: str,
        kept_until: datetime | None,
        stop: threading.Event,
        report: Callable[[Progress], None],
    ) -> Progress | None:
        """Dates the records once. None if the profile got other dates meanwhile."""
        cases = list(self._to_date(event_id, kept_until))
        progress = Progress(len(cases))
        for start in range(0, len(cases), CHUNK):
            if stop.is_set():
                return Progress(len(cases), start, end=End.STOPPED)
            if self.kept_until(event_id) != kept_until:
                return None
            self._records.redate(cases[start : start + CHUNK], self._record_ttl, kept_until)
            progress = Progress(len(cases), min(start + CHUNK, len(cases)))
            report(progress)
        return Progress(len(cases), len(cases), end=End.DONE)

    def _to_date(self, event_id: str, kept_until: datetime | None) -> Iterator[tuple[str, str]]:
        """The event's records that seem to expire at another time than they should."""
        for records in self._records.event_batches(event_id):
            wrong = records[
                (self._wanted(records, kept_until) != records["expiresAt"]) & records["expiresAt"].notna()
            ]
            yield from zip(wrong["userId"], wrong["registrationId"], strict=True)

    def _wanted(self, records: DataFrame, kept_until: datetime | None) -> Series[Any]:
        """When each of the records should expire if Facedesk wrote it. Whole seconds, as ``expiresAt`` has them."""
        import pandas as pd

        wanted: Series[Any] = (records["timestamp"] + self._record_ttl).dt.floor("s")
        return wanted if kept_until is None else wanted.clip(lower=pd.Timestamp(kept_until).floor("s"))  # type: ignore[call-overload]


def _unfinished(profiles: Iterable[EventProfile], done: Mapping[str, datetime | None]) -> list[str]:
    return [each.event_id for each in profiles if not each.unreadable and each.kept_until != done.get(each.event_id)]
