"""The rates of tokens over all instances, counted in the table of Facedesk's own state."""

from __future__ import annotations

import logging
import math
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from core.adapters.aws.state_table import StateTable
from core.domain.clock import Clock, Stopwatch, elapsed
from core.domain.errors import Service, ServiceError
from core.flow.pace import Pace
from core.flow.retry import Retry

logger = logging.getLogger(__name__)

#: The length of a window in which requests are counted, seconds. Longer if a token may make less than one in it.
WINDOW_SECONDS = 10.0
#: The share of what is left in a window that an instance takes at most at once.
LARGEST_SHARE = 1 / 8
#: For how long an instance counts for itself after the table could not be reached.
ALONE = timedelta(seconds=30)
#: How long an item is kept after its window.
_KEPT = timedelta(minutes=5)


@dataclass
class _Allowance:
    """What one instance knows of one token's window: how many requests of it are its own to allow, and how many are
    left for all.
    """

    pace: Pace
    lock: threading.Lock = field(default_factory=threading.Lock)
    window: int = -1
    ours: int = 0
    used: int = 0
    left: int = 0


class DynamoRates:
    """``TokenRates`` in DynamoDB: an item for each token and window counts the requests that instances have taken.

    An instance takes one request first, then as many as it has already allowed in the window, but never more than
    ``LARGEST_SHARE`` of what is left: so a busy instance seldom asks, and an idle one keeps little that it does not
    need. Once all are taken, the table is not asked before the next window. While the table is out of reach, each
    instance allows the whole rate by itself.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        retry: Retry,
        clock: Clock,
        per_minute: float,
        stopwatch: Stopwatch = elapsed,
    ) -> None:
        self._state = StateTable(client, table, retry, clock, Service.TOKENS)
        self._clock = clock
        self._stopwatch = stopwatch
        self._per_second = per_minute / 60
        self._seconds = max(WINDOW_SECONDS, math.ceil(1 / self._per_second))
        self._lock = threading.Lock()
        self._allowances: dict[str, _Allowance] = {}
        self._alone_until = timedelta(0)

    def wait(self, token_hash: str) -> float:
        with self._lock:
            if token_hash not in self._allowances:
                self._allowances[token_hash] = _Allowance(self._pace())
            allowance = self._allowances[token_hash]
        with allowance.lock:
            return self._wait(token_hash, allowance)

    def close(self) -> None:
        self._state.close()

    def _wait(self, token_hash: str, allowance: _Allowance) -> float:
        now = self._clock().timestamp()
        window = math.floor(now / self._seconds)
        if window != allowance.window:
            allowance.window, allowance.ours, allowance.used = window, 0, 0
            allowance.left = self._budget(window)
        if not allowance.ours and allowance.left:
            if self._stopwatch() < self._alone_until:
                return _by(allowance.pace)
            try:
                self._take(token_hash, allowance)
            except ServiceError as error:
                logger.warning("requests of tokens cannot be counted over all instances: %s", error.code)
                self._alone_until = self._stopwatch() + ALONE
                return _by(allowance.pace)
        if not allowance.ours:
            return (window + 1) * self._seconds - now
        allowance.ours -= 1
        allowance.used += 1
        return 0.0

    def _take(self, token_hash: str, allowance: _Allowance) -> None:
        wanted = max(1, min(allowance.used, math.floor(allowance.left * LARGEST_SHARE)))
        window, budget = allowance.window, self._budget(allowance.window)
        until = datetime.fromtimestamp((window + 1) * self._seconds, UTC) + _KEPT
        # A try whose answer was lost has taken some for nobody: then a few requests fewer are allowed.
        taken = self._state.add(f"rates#{token_hash}", str(window), wanted, until)
        allowance.ours = max(0, min(wanted, budget - (taken - wanted)))
        allowance.left = max(0, budget - taken)

    def _budget(self, window: int) -> int:
        """The requests of a window. Over all windows they are exactly the rate, whatever its fraction."""
        each = self._per_second * self._seconds
        return math.floor((window + 1) * each) - math.floor(window * each)

    def _pace(self) -> Pace:
        return Pace(self._per_second, WINDOW_SECONDS, clock=lambda: self._stopwatch().total_seconds())


def _by(pace: Pace) -> float:
    wait = pace.delay()
    if not wait:
        pace.spend()
    return wait
