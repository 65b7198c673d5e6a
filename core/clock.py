"""Where the time comes from: handed in, so that rules and tests can say what time it is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

#: Gives the present moment, with a time zone.
Clock = Callable[[], datetime]


def utc_now() -> datetime:
    return datetime.now(UTC)
