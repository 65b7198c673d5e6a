"""A lease that a process keeps while it works."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from datetime import timedelta

from core.adapters.aws.leases import Leases
from core.domain.errors import ServiceError

#: How long a lease lasts unless it is renewed, and the time between two renewals. So three in a row may fail.
LEASE = timedelta(seconds=30)
RENEW_EVERY = timedelta(seconds=7.5)


class KeptLease:
    """Renews a lease, which its caller has taken for ``LEASE``, until ``end``."""

    def __init__(self, leases: Leases, name: str, holder: str) -> None:
        self.lost = threading.Event()
        self._leases = leases
        self._name = name
        self._holder = holder
        self._ends = time.monotonic() + LEASE.total_seconds()
        self._ending = threading.Event()
        self._stopped: list[threading.Event] = []
        self._thread = threading.Thread(target=self._renew, name="lease", daemon=True)
        self._thread.start()

    def stops(self, stop: threading.Event) -> None:
        """Sets ``stop`` once the lease is lost."""
        self._stopped.append(stop)
        if self.lost.is_set():
            stop.set()

    def end(self) -> None:
        """Gives the lease back. If that fails, it ends by itself."""
        self._ending.set()
        self._thread.join()
        with suppress(ServiceError):
            self._leases.give_back(self._name, self._holder)

    def _renew(self) -> None:
        while not self._ending.wait(RENEW_EVERY.total_seconds()):
            asked = time.monotonic()
            try:
                kept = self._leases.take(self._name, self._holder, LEASE)
            except ServiceError:
                kept = time.monotonic() < self._ends
            else:
                self._ends = asked + LEASE.total_seconds()
            if not kept:
                self.lost.set()
                for stop in self._stopped:
                    stop.set()
                return
