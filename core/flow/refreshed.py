"""A value from a service that is read again every few seconds, so that nobody who asks for it has to wait."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Generic, TypeVar

from core.domain.clock import Stopwatch, elapsed
from core.domain.errors import ServiceError, Unavailable

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Refreshed(Generic[T]):
    """What ``read`` returned last. A thread of its own reads it again ``every`` so many seconds until ``close``.

    The first caller starts the thread, and waits for the first reading. If readings fail, callers get what was read
    last for ``good_for``; then they get the error.
    """

    def __init__(
        self,
        read: Callable[[], T],
        *,
        service: str,
        every: timedelta,
        good_for: timedelta,
        stopwatch: Stopwatch = elapsed,
    ) -> None:
        self._read = read
        self._service = service
        self._every = every.total_seconds()
        self._good_for = good_for
        self._stopwatch = stopwatch
        self._starting = threading.Lock()
        self._reading = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        #: The value with the time before it was read; None before the first reading that succeeded.
        self._known: tuple[T, timedelta] | None = None
        self._error: ServiceError | None = None

    def __call__(self) -> T:
        """The value. Raises ``ServiceError`` if there is none that is good."""
        if self._thread is None:
            self._start()
        known = self._known
        if known is None or self._stopwatch() - known[1] > self._good_for:
            raise self._error or Unavailable(self._service, "NotRead")
        return known[0]

    def refresh(self) -> None:
        """Read the value now, so that it is no older than this call. A failure shows in the value's age."""
        with self._reading:
            began = self._stopwatch()
            try:
                self._known = self._read(), began
            except ServiceError as error:
                self._error = error
            except Exception:  # the thread must go on
                logger.exception("%s could not be read", self._service)

    def close(self) -> None:
        """Stop reading. The thread ends with the reading that it may be at."""
        self._closing.set()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self.refresh()
                self._thread = threading.Thread(target=self._keep, name=f"read {self._service}", daemon=True)
                self._thread.start()

    def _keep(self) -> None:
        while not self._closing.wait(self._every):
            self.refresh()
