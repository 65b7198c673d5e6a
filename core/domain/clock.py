"""Where the time comes from: handed in, so that rules and tests can say what time it is.

The wall clock says what time it is and may jump either way. How long something takes, or how old it is, within one
process is asked of a stopwatch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

#: Gives the present moment, with a time zone.
Clock = Callable[[], datetime]
#: Gives the time since some moment, the same one for the whole process, whatever happens to the wall clock.
Stopwatch = Callable[[], timedelta]


def utc_now() -> datetime:
    return datetime.now(UTC)


def elapsed() -> timedelta:
    """A ``Stopwatch``."""
    return timedelta(seconds=time.monotonic())
