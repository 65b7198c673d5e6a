"""Made-up events that fill up before they start: when people pass, and how many have passed in the end.

Independent of any forecast: each person comes by a rate that rises, falls or stays, with weekdays, evenings, a rush
before the start and days of a reminder, and a share of the people never comes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd

#: The day on which every one of the events starts, at different hours.
_DAY = datetime(2026, 11, 28, tzinfo=UTC)
#: How people are spread over the hours of a day: few at night, most in the evening.
_HOURS = np.array([2, 1, 1, 1, 1, 2, 4, 6, 8, 9, 9, 9, 10, 9, 8, 8, 9, 11, 14, 16, 16, 13, 8, 4], dtype=float)


@dataclass(frozen=True)
class SimulatedEvent:
    """An event as it looks at ``now``, and ``truth``: the share of ``registered`` (0-1) that has passed by ``start``.

    ``passes`` are the times of the passes until ``now``.
    """

    registered: int
    passes: pd.Series
    now: datetime
    start: datetime
    truth: float


def simulated(seed: int) -> SimulatedEvent:
    """The event of this seed: 50 to 20,000 people who send photos for 10 to 60 days. ``now`` is half a day to 14 days
    before the start.
    """
    random = np.random.default_rng(seed)
    registered = int(np.exp(random.uniform(np.log(50), np.log(20_000))))
    days = int(random.integers(10, 61))
    start = _DAY + timedelta(hours=int(random.integers(7, 20)), days=int(random.integers(0, 7)))
    opened = start - timedelta(days=days)
    hours = days * 24
    rate = _interest(random, days).repeat(24) * _rhythm(random, opened, hours)
    comes = random.random(registered) > random.uniform(0, 0.3)
    moments = random.choice(hours, size=int(comes.sum()), p=rate / rate.sum()) + random.random(int(comes.sum()))
    # Some people are in time with their photo, but it passes only after further attempts; a few never get there.
    tries = random.geometric(random.uniform(0.6, 0.98), size=len(moments)) - 1
    moments = np.sort(moments + tries * random.exponential(12, size=len(moments)))
    moments = moments[moments < hours]
    left = random.uniform(0.5, min(14, days * 0.7)) * 24
    times = pd.Series(pd.Timestamp(opened) + pd.to_timedelta(moments, unit="h").astype("timedelta64[us]"))
    now = start - timedelta(hours=left)
    return SimulatedEvent(registered, times[times <= pd.Timestamp(now)], now, start, len(times) / registered)


def _interest(random: np.random.Generator, days: int) -> np.ndarray:
    """The rate of each day: steady, decaying or accelerating, with a rush at the end or days of a reminder."""
    done = np.linspace(0, 1, days)
    strength = random.uniform(0.3, 2.5)
    shape = random.integers(0, 3)
    rate = np.exp((0, -strength, strength)[shape] * done)
    if random.random() < 0.3:
        rate *= 1 + random.uniform(0.5, 2) * np.exp(-(days - 1 - np.arange(days)) / 2)
    if random.random() < 0.4:
        rate[random.integers(0, days)] *= random.uniform(2, 5)
    return rate * random.lognormal(0, 0.2, size=days)


def _rhythm(random: np.random.Generator, opened: datetime, hours: int) -> np.ndarray:
    """The rate of each hour of the week, relative: weekends have less or more, nights have little."""
    weekend = random.uniform(0.3, 1.4)
    weekdays = np.array([1, 1, 1, 1, 1, weekend, weekend])
    clock = [opened + timedelta(hours=hour) for hour in range(hours)]
    return np.array([weekdays[each.weekday()] * _HOURS[each.hour] for each in clock])
