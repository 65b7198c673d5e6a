"""The rates of tokens where one process gets all requests."""

from __future__ import annotations

import threading

from core.flow.pace import Pace

#: How many seconds' worth of requests a token may send at once.
BURST_SECONDS = 10.0


class ProcessRates:
    """``TokenRates`` in the memory of this process."""

    def __init__(self, per_minute: float) -> None:
        self._per_second = per_minute / 60
        self._lock = threading.Lock()
        self._paces: dict[str, Pace] = {}

    def wait(self, token_hash: str) -> float:
        with self._lock:
            if token_hash not in self._paces:
                self._paces[token_hash] = Pace(self._per_second, BURST_SECONDS)
            pace = self._paces[token_hash]
        wait = pace.delay()
        if not wait:
            pace.spend()
        return wait

    def close(self) -> None: ...
