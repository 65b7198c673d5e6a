"""A clock that stands still until a test moves it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class FakeClock:
    """A ``core.domain.clock.Clock``."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now
        self._elapsed = timedelta(0)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        """Time passes."""
        self.now += by
        self._elapsed += by

    def jump(self, by: timedelta) -> None:
        """Somebody sets the clock, forward or back; no time passes."""
        self.now += by

    def elapsed(self) -> timedelta:
        """A ``core.domain.clock.Stopwatch``."""
        return self._elapsed
