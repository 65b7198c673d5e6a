"""Shares Rekognition's quotas among the instances that use them."""

from __future__ import annotations

import logging
import threading
from datetime import timedelta
from typing import Any

from core.adapters.aws.rekognition import pace_of
from core.adapters.aws.state_table import StateTable, expiring
from core.domain.clock import Clock, Stopwatch, elapsed
from core.domain.errors import NotConfigured, Service, ServiceError
from core.flow.pace import MIN_SHARE, Pace
from core.flow.retry import Retry

logger = logging.getLogger(__name__)

#: Time between two signs of life of an instance, and for how long one counts.
BEAT_EVERY, LIVES = timedelta(seconds=10), timedelta(seconds=30)
#: One part, so that a single query finds all.
_INSTANCES = "instances"


class QuotaShares:
    """Gives each instance an equal share of the quotas. Together they have no more than the whole, and the least
    share of each that has just come.

    An instance that calls Rekognition writes an item every ``BEAT_EVERY``, which expires after ``LIVES``, and counts
    the items. With its first call it is alone and has the whole, or it has the least share until every other one has
    seen it or has expired. One that cannot write has the least share, too.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        retry: Retry,
        clock: Clock,
        instance: str,
        *,
        stopwatch: Stopwatch = elapsed,
        every: timedelta = BEAT_EVERY,
    ) -> None:
        self._state = StateTable(client, table, retry, clock, Service.ENGINE)
        self._clock = clock
        self._instance = instance
        self._stopwatch = stopwatch
        self._every = every.total_seconds()
        self._paces: list[Pace] = []
        self._starting = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        #: Since when others have been able to see this instance without interruption; None: they are not.
        self._seen_since: timedelta | None = None
        self._was_alone = False

    def pace(self, calls_per_second: float) -> Pace:
        """The pace of this instance for an operation whose quota is ``calls_per_second``."""
        pace = pace_of(calls_per_second)
        pace.limit(MIN_SHARE)
        self._paces.append(pace)
        return pace

    def join(self) -> None:
        """Take part from now on. To be called before each call; only the first one does anything."""
        if self._thread is None:
            with self._starting:
                if self._thread is None:
                    self._thread = threading.Thread(target=self._keep, name="quota shares", daemon=True)
                    self._thread.start()

    def beat(self) -> None:
        """Show that this instance lives, count all, and set the paces accordingly."""
        try:
            share = self._share()
        except NotConfigured:  # there is no such table yet, as before it was introduced
            share = 1.0
        except ServiceError as error:
            logger.warning("this instance has the least share of Rekognition's quota: %s", error.code)
            self._seen_since, self._was_alone, share = None, False, MIN_SHARE
        for pace in self._paces:
            pace.limit(share)

    def close(self) -> None:
        """Leave the share to the others."""
        self._closing.set()
        if self._thread:
            self._thread.join(timeout=2)
            try:
                self._state.delete(_INSTANCES, self._instance)
            except ServiceError:
                logger.info("the share of this instance is free when its last sign of life has expired")
        self._state.close()

    def _share(self) -> float:
        now = self._stopwatch()
        self._state.put(_INSTANCES, self._instance, expiring(self._clock() + LIVES))
        count = sum(1 for _ in self._state.items(_INSTANCES))
        if self._seen_since is None:
            self._seen_since, self._was_alone = now, count == 1
        # Whoever was alone was seen by each that came later: those have waited since.
        if self._was_alone or now - self._seen_since > LIVES:
            return 1 / max(1, count)
        return MIN_SHARE

    def _keep(self) -> None:
        self.beat()
        while not self._closing.wait(self._every):
            self.beat()
