"""So much a second and no more, for any number of threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: Refusals within this many seconds are taken for one: those of calls that were under way when the pace fell.
CALM_SECONDS = 1.0
#: What a refusal leaves of the pace. A stray one costs a twentieth of a second; where others use half of the quota,
#: the pace is down to the other half in a quarter of a minute.
SLOWER = 0.95
MIN_SHARE = 1 / 16
STEP = 1 / 1000


class Pace:
    """Calls, or the units that they consume, spread evenly over time.

    ``burst``: seconds' worth that may come at once after a pause. With a short one a pause is made good a little,
    and no two calls come much nearer to each other than they should.
    """

    def __init__(
        self,
        per_second: float,
        burst: float,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._full = self._per_second = per_second
        self._burst = burst
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._paid_off = clock() - burst
        self._slowed = clock() - CALM_SECONDS

    def delay(self) -> float:
        """Seconds until a call may be made."""
        with self._lock:
            return max(0.0, self._paid_off - self._clock())

    def spend(self, units: float = 1.0) -> None:
        """Further calls wait until ``units`` are paid off: what a call consumes may be known only after it."""
        with self._lock:
            self._paid_off = max(self._paid_off, self._clock() - self._burst) + units / self._per_second

    def wait(self) -> None:
        """Return when a call of one unit may be made, which is spent."""
        # One sleeps, the others wait behind it: a machine that stumbles does not let several go at once.
        with self._turn:
            self._sleep(self.delay())
            self.spend()

    def slow_down(self) -> None:
        """A call was refused as one too many: fall by ``SLOWER``, but not below ``MIN_SHARE`` of the full pace."""
        with self._lock:
            now = self._clock()
            if now - self._slowed >= CALM_SECONDS:
                self._slowed = now
                self._per_second = max(self._per_second * SLOWER, self._full * MIN_SHARE)

    def speed_up(self) -> None:
        """A call went well: a ``STEP`` back towards the full pace."""
        with self._lock:
            self._per_second = min(self._per_second + self._full * STEP, self._full)
