"""All events in figures: how far each one has come, and which one needs its manager first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum

import numpy as np
import pandas as pd
from pydantic import TypeAdapter, ValidationError

from core.domain.frames import KEPT_BY, places_of
from core.domain.profiles import EventProfile
from core.domain.records import Status
from core.domain.statistics import Readiness, readiness

#: Days of the trend: today and those before it.
TREND_DAYS = 14
#: The columns of the frames that a summary is made of.
SUMMARY_COLUMNS = (*KEPT_BY, "status", "attempts")
REGISTERED_COLUMNS = ("userId", "registrationId", "referencePhotoKey")

_DAY, _HOUR = timedelta(days=1), timedelta(hours=1)
_HOURS_A_DAY = 24


@dataclass(frozen=True)
class Failures:
    """How many people failed in each of some hours, by their newest photo. All hours are those of UTC.

    A record has the time of its newest attempt alone. So ``passed_again`` counts those whose newest attempt was not
    the first, and passed, by its hour.
    """

    #: The first hour, in hours since 1970.
    since: int = 0
    failed: tuple[int, ...] = ()
    passed_again: tuple[int, ...] = ()

    def last_day(self, now: datetime) -> int:
        """People who failed in the last 24 hours; the one that has begun is the last of them."""
        return self._day(self.failed, self._hour(now))

    def day_before(self, now: datetime) -> int:
        """People who failed in the 24 hours before those. Who has passed since then counts as one who failed then:
        otherwise each day would look worse than the one before, since people try again.
        """
        hour = self._hour(now)
        return self._day(self.failed, hour - _HOURS_A_DAY) + self._day(self.passed_again, hour)

    def _hour(self, now: datetime) -> int:
        return int(now.timestamp() // 3600) - self.since

    @staticmethod
    def _day(counts: tuple[int, ...], hour: int) -> int:
        return sum(counts[max(0, hour - _HOURS_A_DAY + 1) : max(0, hour + 1)])


@dataclass(frozen=True)
class EventSummary:
    """An event's figures. All but ``oldest_waiting`` count registrations, as ``core.domain.statistics`` does.

    ``expiring`` counts those whose record expires before the event starts, ``oldest_waiting`` is when the oldest
    waiting case began to wait. ``trend`` counts those whose newest attempt passed on each of
    the last ``TREND_DAYS`` days of the event's time zone, oldest first; today is the last one.
    """

    readiness: Readiness
    expiring: int
    oldest_waiting: datetime | None
    trend: tuple[int, ...]
    failures: Failures = Failures()


@dataclass(frozen=True)
class Basis:
    """What a summary depends on besides registrations and records: the event's dates, and the day."""

    starts_at: datetime | None
    time_zone: str
    #: The date in that time zone.
    today: date

    @classmethod
    def of(cls, profile: EventProfile, now: datetime) -> Basis:
        return cls(profile.starts_at, profile.time_zone, today_of(profile, now))


@dataclass(frozen=True)
class KeptSummary:
    """A summary as it is kept for every process. It names nobody.

    ``as_of`` is when the reading began that it was made of.
    """

    summary: EventSummary
    basis: Basis
    as_of: datetime

    def to_json(self) -> str:
        return _KEPT.dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> KeptSummary | None:
        """The summary that was written as this text; None if another version wrote it, for it can be made again."""
        try:
            return _KEPT.validate_json(text)
        except ValidationError:
            return None


_KEPT = TypeAdapter(KeptSummary)


class Phase(IntEnum):
    """Where an event stands in time. The order is that of ``urgency``."""

    AHEAD = 0  # or under way
    UNDATED = 1
    PAST = 2


@dataclass(frozen=True)
class EventLine:
    """An event among others. ``summary`` is None until it has been read, or ``as_of`` an earlier time.

    ``failure`` says in a sentence without names why it could not be read now; the summary is then an older one.
    """

    profile: EventProfile
    summary: EventSummary | None = None
    failure: str | None = None
    #: When the figures were read, if that was before and they are being read again; None if they are new.
    as_of: datetime | None = None


def summary_of(
    profile: EventProfile, registrations: pd.DataFrame, records: pd.DataFrame, today: date
) -> EventSummary:
    """The summary of an event whose frames have at least ``REGISTERED_COLUMNS`` and ``SUMMARY_COLUMNS``.

    ``today`` is the date in the event's time zone. Expired records must not be among ``records``.
    """
    places = places_of(registrations, records)
    theirs = records.iloc[places[places >= 0]]
    waiting_since = records.loc[records["status"] == Status.PENDING, "timestamp"].min()
    starts_at = profile.starts_at
    return EventSummary(
        readiness=readiness(registrations, records, places),
        expiring=0 if starts_at is None else int((theirs["expiresAt"] < pd.Timestamp(starts_at)).sum()),
        oldest_waiting=None if pd.isna(waiting_since) else waiting_since.to_pydatetime(),
        trend=_trend(theirs.loc[theirs["status"] == Status.SUCCESS, "timestamp"], profile, today),
        failures=_failures(theirs, today),
    )


def phase_of(profile: EventProfile, now: datetime) -> Phase:
    if profile.end is None:
        return Phase.UNDATED
    return Phase.PAST if profile.end <= now else Phase.AHEAD


def days_to_go(profile: EventProfile, now: datetime) -> int | None:
    """Midnights of the event's time zone between now and its start; negative after it. None without a date."""
    starts = profile.starts_at or profile.ends_at
    return None if starts is None else (starts.astimezone(profile.zone).date() - today_of(profile, now)).days


def today_of(profile: EventProfile, now: datetime) -> date:
    """The date in the event's time zone."""
    return now.astimezone(profile.zone).date()


def urgency(line: EventLine, now: datetime) -> tuple[Phase, float, float, str]:
    """By what events are sorted: the smallest one needs its manager first.

    First come the events that are ahead or under way, by the share of their people who must still become ready per
    day until the start: of two equally ready ones the nearer one, of two equally near ones the less ready one. The
    last day, and an event that is under way, count as one day. Where nobody is registered, or nothing has been read
    yet, nobody counts as ready. Of those in which everybody is ready the nearest one comes first. Then follow events
    without a date, most people not ready first, and at last those that are over, the last one to end first.
    """
    profile, ready = line.profile, line.summary.readiness if line.summary else None
    phase = phase_of(profile, now)
    share = ready.share_ready if ready else None
    missing = 1.0 if share is None else 1 - share
    starts, end = profile.starts_at or profile.ends_at, profile.end
    if starts is None or end is None:
        return phase, -missing * (ready.registered if ready else 0), -missing, profile.event_id
    if phase is Phase.PAST:
        return phase, -end.timestamp(), 0.0, profile.event_id
    days = max((starts - now) / _DAY, 1.0)
    return phase, -missing / days, starts.timestamp(), profile.event_id


def by_urgency(lines: Iterable[EventLine], now: datetime) -> list[EventLine]:
    """The lines, the most urgent one first."""
    return sorted(lines, key=lambda line: urgency(line, now))


def _trend(passed: pd.Series, profile: EventProfile, today: date) -> tuple[int, ...]:
    first = today - (TREND_DAYS - 1) * _DAY
    # A day more than wanted, because the zone's days begin at other moments than those of UTC.
    recent = passed[passed >= pd.Timestamp(first - _DAY, tz="UTC")]
    days = recent.dt.tz_convert(profile.zone).dt.tz_localize(None).to_numpy().astype("datetime64[D]")
    ago = (days - np.datetime64(first)).astype(int)
    counts = np.bincount(ago[(ago >= 0) & (ago < TREND_DAYS)], minlength=TREND_DAYS)
    return tuple(int(count) for count in counts)


def _failures(records: pd.DataFrame, today: date) -> Failures:
    """The failures of the two days before ``today`` and of all of it, wherever on earth it is that day."""
    first = pd.Timestamp(today - 3 * _DAY, tz="UTC")
    hours = 6 * _HOURS_A_DAY
    recent = records[records["timestamp"].between(first, first + hours * _HOUR, inclusive="left")]
    hour = ((recent["timestamp"] - first) // _HOUR).to_numpy().astype("int64")
    failed, passed = ((recent["status"] == status).to_numpy() for status in (Status.FAILED, Status.SUCCESS))
    counted = (
        np.bincount(hour[which], minlength=hours) for which in (failed, passed & (recent["attempts"] > 1).to_numpy())
    )
    return Failures(int(first.timestamp()) // 3600, *(tuple(counts.tolist()) for counts in counted))
