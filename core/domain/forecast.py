"""How many people will be ready when an event starts, by the pace of the last days. Pure.

It is rough: nobody knows who will still come. The numbers below were chosen on simulated events, not on real ones, so
that the interval holds what came in about nine of ten of them (``tests/core/test_forecast.py`` looks at others).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

#: The pace is that of so many days: a whole week, so that weekdays and weekends have their share.
PACE_DAYS = 7
#: With fewer passes, or of a shorter time, there is no pace to speak of.
LEAST_PASSES, LEAST_DAYS = 10, 2
#: Further or less far ahead nothing is foretold.
NEAREST, FURTHEST = timedelta(hours=12), timedelta(days=14)

#: Of those who are not ready, the share that comes at all.
_COME = 0.84
#: How much the pace rises towards the start: by this factor, and with each day that is left by so much more.
_RISE, _RISE_A_DAY = 1.5, 0.12
#: How far off it may be downwards and upwards, in log-odds of the share of those who are not ready that still passes.
_DOWN, _UP = 1.1, 1.85
#: Standard deviations to either side of nine tenths of what chance does.
_NINE_TENTHS = 1.645


@dataclass(frozen=True)
class Forecast:
    """Shares of the registered people, 0-1, that will be ready at the start: the likely one, and its interval."""

    share: float
    low: float
    high: float


def forecast(passes: pd.Series, registered: int, ready: int, now: datetime, start: datetime) -> Forecast | None:
    """What to expect of an event that starts at ``start``.

    ``passes`` are the moments at which people passed (with a zone; absent ones are left out), ``ready`` of
    ``registered`` people are ready ``now``. None where there is too little to go by: fewer than ``LEAST_PASSES``
    passes in the last ``PACE_DAYS`` days, passes of less than ``LEAST_DAYS`` days, or a start that is not
    ``NEAREST`` to ``FURTHEST`` ahead; and where nobody is left to come.
    """
    left, open_yet = start - now, registered - ready
    if not NEAREST <= left <= FURTHEST or open_yet <= 0:
        return None
    ages = (pd.Timestamp(now) - passes.dropna()).dt.total_seconds().to_numpy() / timedelta(days=1).total_seconds()
    days = min(PACE_DAYS, ages.max(initial=0))
    recent = int((ages <= days).sum())
    if recent < LEAST_PASSES or days < LEAST_DAYS:
        return None
    days_left = left / timedelta(days=1)
    #: As a share of those who are not ready, were the pace to stay as it is.
    steady = recent / days * days_left / open_yet
    share = _COME * -np.expm1(-(_RISE + _RISE_A_DAY * days_left) * steady)
    chance = _NINE_TENTHS**2 * (1 / recent + 1 / (open_yet * share * (1 - share)))
    odds = np.log(share / (1 - share))
    low, high = odds - np.hypot(_DOWN, np.sqrt(chance)), odds + np.hypot(_UP, np.sqrt(chance))
    return Forecast(*(float((ready + open_yet * part) / registered) for part in (share, _share(low), _share(high))))


def _share(log_odds: float) -> float:
    return float(1 / (1 + np.exp(-log_odds)))
