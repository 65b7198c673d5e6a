"""What a server does by itself: it notices erasures, goes on with those that were cut off, and clears away once a day
what has expired.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from core.domain.errors import Conflict, FacedeskError, ServiceError

if TYPE_CHECKING:
    from core.runtime.services import Services

logger = logging.getLogger(__name__)

#: Time between two looks for erasures that other processes ended. What this one keeps in memory of a person is gone
#: after two looks.
NOTICE_EVERY = timedelta(seconds=10)
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
        turn, noticed = 0, True
        while True:
            if turn % (RESUME_EVERY // NOTICE_EVERY) == 0:
                self._try("resume erasures", lambda: self._services().erasures.resume())
            if turn % (SWEEP_EVERY // NOTICE_EVERY) == 0:
                self._try("clear away what has expired", self._sweep)
                self._try("check the database", self._verify)
            # A store that is out of reach is logged once, not every few seconds.
            noticed = self._try("notice erasures", lambda: self._services().forgetting.look(), log=noticed)
            turn += 1
            if self._closing.wait(NOTICE_EVERY.total_seconds()):
                return

    def _sweep(self) -> None:
        if retention := self._services().retention:
            try:
                retention.sweep()
            except Conflict as jumped:  # its words name nobody
                logger.warning("%s", jumped)

    def _verify(self) -> None:
        if verify := self._services().verify:
            verify()

    def _try(self, doing: str, work: Callable[[], object], *, log: bool = True) -> bool:
        """Whether it could be done."""
        try:
            work()
            return True
        except FacedeskError as error:
            if log:
                # Not the error's own words: they may name a registration.
                code = f" ({error.code})" if isinstance(error, ServiceError) else ""
                logger.warning("could not %s: %s%s", doing, type(error).__name__, code)
        except Exception:
            if log:
                logger.exception("could not %s", doing)
        return False
