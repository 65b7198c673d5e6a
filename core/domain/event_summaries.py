"""All events in figures: how far each one has come, and which one needs its manager first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import IntEnum

import numpy as np
import pandas as pd

from core.domain.frames import KEPT_BY, places_of
from core.domain.profiles import EventProfile
from core.domain.records import Status
from core.domain.statistics import Readiness, readiness

#: Days of the trend: today and those before it.
TREND_DAYS = 14
#: The columns of the frames that a summary is made of.
SUMMARY_COLUMNS = (*KEPT_BY, "status")
REGISTERED_COLUMNS = ("userId", "registrationId", "referencePhotoKey")

_DAY = timedelta(days=1)


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


class Phase(IntEnum):
    """Where an event stands in time. The order is that of ``urgency``."""

    AHEAD = 0  # or under way
    UNDATED = 1
    PAST = 2


@dataclass(frozen=True)
class EventLine:
    """An event among others. ``summary`` is None until it has been read.

    ``failure`` says in a sentence without names why it could not be read now; the summary is then an older one.
    """

    profile: EventProfile
    summary: EventSummary | None = None
    failure: str | None = None


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
