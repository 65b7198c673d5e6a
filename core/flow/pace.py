"""A rate limit for calls, for any number of threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: Refusals within this many seconds count as one: they are of calls that were in progress when the pace fell.
CALM_SECONDS = 1.0
#: The factor by which a refusal reduces the pace. A single one costs a twentieth of a second. If others use half of
#: the quota, the pace is down to the other half in a quarter of a minute.
SLOWER = 0.95
#: The least share of the full pace.
MIN_SHARE = 1 / 16
#: The share of the full pace by which a successful call raises the pace again.
STEP = 1 / 1000


class Pace:
    """Spreads calls, or the units that they consume, evenly over time.

    ``burst`` is the number of seconds of a pause that may be made up for at once. With a short one, calls keep their
    distance even after a pause.
    """

    def __init__(
        self,
        per_second: float,
        burst: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._whole = self._full = self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._paid_off = clock() - burst
        self._slowed = clock() - CALM_SECONDS

    def limit(self, share: float) -> None:
        """Have no more than this share, above 0 and up to 1, of the pace that this was made with from now on.

        How far the pace has been slowed down stays the same.
        """
        with self._lock:
            full = self._whole * share
            self._per_second *= full / self._full
            self._full = full

    def delay(self) -> float:
        """Seconds until a call may be made."""
        with self._lock:
            return max(0.0, self._paid_off - self._clock())

    def spend(self, units: float = 1.0) -> None:
        """Record ``units`` as consumed; further calls wait accordingly. They may be known only after the call."""
        with self._lock:
            self._paid_off = max(self._paid_off, self._clock() - self._burst) + units / self._per_second

    def wait(self) -> None:
        """Wait until a call of one unit may be made, and record it as consumed."""
        # One thread sleeps and the others wait behind it, so that a scheduling delay does not release several at
        # once.
        with self._turn:
            self._sleep(self.delay())
            self.spend()

    def slow_down(self) -> None:
        """Reduce the pace by ``SLOWER``, after a throttled call; not below ``MIN_SHARE`` of the full pace."""
        with self._lock:
            now = self._clock()
            if now - self._slowed >= CALM_SECONDS:
                self._slowed = now
                self._per_second = max(self._per_second * SLOWER, self._full * MIN_SHARE)

    def speed_up(self) -> None:
        """Raise the pace by a ``STEP`` towards the full pace, after a successful call."""
        with self._lock:
            self._per_second = min(self._per_second + self._full * STEP, self._full)
