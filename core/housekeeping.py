"""What a server does by itself: erasures that were cut off go on, and once a day what has expired goes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from core.errors import Conflict, FacedeskError, ServiceError

if TYPE_CHECKING:
    from core.bootstrap import Services

logger = logging.getLogger(__name__)

#: Time between two looks for erasures that were cut off.
RESUME_EVERY = timedelta(minutes=5)
SWEEP_EVERY = timedelta(days=1)


class Housekeeping:
    """A thread that begins at once and goes on until ``close``; what fails is tried again at its next turn."""

    def __init__(self, services: Callable[[], Services]) -> None:
        """``services`` may take long, or raise: they are asked for by the thread, each time."""
        self._services = services
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends at the next pause; what is under way then goes on at the next start."""
        self._closing.set()
        self._thread.join(timeout=2)

    def _run(self) -> None:
        turn = 0
        while True:
            self._try("resume erasures", lambda: self._services().erasures.resume())
            if turn % (SWEEP_EVERY // RESUME_EVERY) == 0:
                self._try("clear away what has expired", self._sweep)
            turn += 1
            if self._closing.wait(RESUME_EVERY.total_seconds()):
                return

    def _sweep(self) -> None:
        if retention := self._services().retention:
            try:
                retention.sweep()
            except Conflict as jumped:  # its words name nobody
                logger.warning("%s", jumped)

    def _try(self, doing: str, work: Callable[[], object]) -> None:
        try:
            work()
        except FacedeskError as error:
            # Not the error's own words: they may name a registration.
            code = f" ({error.code})" if isinstance(error, ServiceError) else ""
            logger.warning("could not %s: %s%s", doing, type(error).__name__, code)
        except Exception:
            logger.exception("could not %s", doing)
