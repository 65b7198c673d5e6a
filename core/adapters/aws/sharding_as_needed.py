"""Spreads events over shards by itself, once DynamoDB says that their key of the event index takes no more writes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from core.adapters.aws.sharding import Sharding
from core.domain.clock import Clock
from core.domain.errors import FacedeskError, InvalidInput, ServiceError
from core.flow.retry import Retry

logger = logging.getLogger(__name__)


class _Closing(Exception):
    pass


class ShardingAsNeeded:
    """Gives an event ``count`` shards when it is asked to, unless it has as many: in the background, in the three
    minutes that ``core.adapters.aws.sharding`` takes. Several processes may do so at once.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        retry: Retry,
        clock: Clock,
        count: int,
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        """``wait`` waits for the end of this process, for some seconds; it returns whether it has come."""
        self._closing = threading.Event()
        self._client = client
        self._sharding = Sharding(client, table, retry, clock, self._pause)
        self._count = count
        self._wait = wait
        self._lock = threading.Lock()
        self._asked: dict[str, threading.Thread] = {}

    def __call__(self, event_id: str) -> None:
        """Returns at once. What failed is tried again when it is asked for again."""
        with self._lock:
            if event_id not in self._asked and not self._closing.is_set():
                thread = threading.Thread(target=self._spread, args=(event_id,), name="shards", daemon=True)
                self._asked[event_id] = thread
                thread.start()

    def close(self) -> None:
        """Leaves what waits: another process, or the next start, does it when it is asked to."""
        self._closing.set()
        with self._lock:
            threads = list(self._asked.values())
        for thread in threads:
            thread.join()
        self._client.close()

    def _spread(self, event_id: str) -> None:
        try:
            if self._sharding.widen(event_id, self._count):
                logger.warning("writes of an event were throttled: it has %d shards from now on", self._count)
        except _Closing:
            pass
        except FacedeskError as error:
            # Not its own words: they may name the event.
            code = error.code if isinstance(error, ServiceError) else ""
            logger.warning("could not spread an event over shards: %s %s", type(error).__name__, code)
            if not isinstance(error, InvalidInput):
                with self._lock:
                    del self._asked[event_id]

    def _pause(self, seconds: float) -> None:
        if self._wait(self._closing, seconds):
            raise _Closing
