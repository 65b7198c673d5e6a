"""What a server does by itself: erasures that were cut off go on, and once a day what has expired goes."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta

from core.erasure import Erasures
from core.errors import FacedeskError, ServiceError
from core.retention import Retention

logger = logging.getLogger(__name__)

#: Time between two looks for erasures that were cut off.
RESUME_EVERY = timedelta(minutes=5)
SWEEP_EVERY = timedelta(days=1)


class Housekeeping:
    """A thread that begins at once and goes on until ``close``; a store that is out of reach is tried again."""

    def __init__(self, erasures: Erasures, retention: Retention | None) -> None:
        """Without ``retention`` services clear away what has expired."""
        self._erasures = erasures
        self._retention = retention
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="housekeeping", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._closing.set()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        rounds = SWEEP_EVERY // RESUME_EVERY
        number = 0
        while True:
            self._try("resume erasures", self._erasures.resume)
            if self._retention and number % rounds == 0:
                self._try("clear away what has expired", self._retention.sweep)
            number += 1
            if self._closing.wait(RESUME_EVERY.total_seconds()):
                return

    def _try(self, doing: str, work: Callable[[], object]) -> None:
        try:
            work()
        except FacedeskError as error:
            # Not the error's own words: they may name a registration.
            code = f" ({error.code})" if isinstance(error, ServiceError) else ""
            logger.warning("could not %s: %s%s", doing, type(error).__name__, code)
        except Exception:
            logger.exception("could not %s", doing)
