"""Background work of a server.

It notices erasures by other processes, resumes interrupted erasures and changes of events' dates, continues batches
whose process is gone, looks for alerts, and once a day deletes expired records, ends searches for duplicates whose
time is over, and checks the database.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from core.domain.errors import Conflict, FacedeskError, ServiceError
from core.services.batch_jobs import TakeOver

if TYPE_CHECKING:
    from core.runtime.services import Services

logger = logging.getLogger(__name__)

#: Time between two checks for erasures that other processes have completed. An erased person is out of this process's
#: memory after two checks.
NOTICE_EVERY = timedelta(seconds=10)
#: Time between two attempts to resume what was interrupted.
RESUME_EVERY = timedelta(minutes=5)
#: The shortest and the longest time between two looks for batches whose process is gone; each time by chance, so that
#: instances do not all look at once. As their leases end after half a minute, they go on within a minute.
TAKE_OVER_AFTER = timedelta(seconds=12), timedelta(seconds=18)
#: Time between two sweeps of expired records.
SWEEP_EVERY = timedelta(days=1)


class Housekeeping:
    """Starts threads that work until ``close``. Work that fails is tried again at its next turn."""

    def __init__(self, services: Callable[[], Services]) -> None:
        """``services`` is called by the threads for each piece of work. It may be slow, or raise an error."""
        self._services = services
        self._closing = threading.Event()
        # Alerts have a thread of their own: reading all events may take long, and erasures must be noticed meanwhile.
        # So have batches, which are to go on soon.
        self._threads = [
            threading.Thread(target=run, name=name, daemon=True)
            for name, run in {"housekeeping": self._run, "alerts": self._alert, "batches": self._take_over}.items()
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """Stops the threads at their next pause, for which it waits 2 s each. Unfinished work continues at the next
        start.
        """
        self._closing.set()
        for thread in self._threads:
            thread.join(timeout=2)

    def _run(self) -> None:
        turn, noticed = 0, True
        while True:
            if turn % (RESUME_EVERY // NOTICE_EVERY) == 0:
                self._try("resume erasures", lambda: self._services().erasures.resume())
                self._try(
                    "recalculate when records expire", lambda: self._services().event_dates.catch_up(self._closing)
                )
            if turn % (SWEEP_EVERY // NOTICE_EVERY) == 0:
                self._try("delete expired records", self._sweep)
                self._try("end searches for duplicates", lambda: self._services().duplicates.tidy())
                self._try("check the database", self._verify)
            self._try("drop what nobody looks at", self._tidy)
            # An unreachable store is logged once, not every few seconds.
            noticed = self._try("notice erasures", lambda: self._services().forgetting.look(), log=noticed)
            turn += 1
            if self._closing.wait(NOTICE_EVERY.total_seconds()):
                return

    def _alert(self) -> None:
        pause: timedelta | None = RESUME_EVERY  # while the settings cannot be read

        def look() -> None:
            nonlocal pause
            services = self._services()
            pause = services.settings.digest_every
            if pause:
                services.alerts.look()

        while True:
            self._try("look for alerts", look)
            # Without a pause there are no alerts, and nothing to do until the end.
            if self._closing.wait(pause.total_seconds() if pause else None):
                return

    def _take_over(self) -> None:
        take_over = TakeOver()

        def look() -> None:
            services = self._services()
            take_over(services.batches, services.jobs)

        shortest, longest = (each.total_seconds() for each in TAKE_OVER_AFTER)
        looked = True
        while not self._closing.wait(random.uniform(shortest, longest)):
            looked = self._try("take over batches", look, log=looked)

    def _sweep(self) -> None:
        if (retention := self._services().retention) is None:
            self._services().event_dates.catch_up(self._closing, everything=True)
        else:
            try:
                retention.sweep()
            except Conflict as jumped:  # its message contains no ids
                logger.warning("%s", jumped)

    def _verify(self) -> None:
        if verify := self._services().verify:
            verify()

    def _tidy(self) -> None:
        if tidy := self._services().tidy:
            tidy()

    def _try(self, doing: str, work: Callable[[], object], *, log: bool = True) -> bool:
        """Does the work, and logs an error; returns whether the work was done."""
        try:
            work()
            return True
        except FacedeskError as error:
            if log:
                # The error's own message may name a registration, so it is not logged.
                code = f" ({error.code})" if isinstance(error, ServiceError) else ""
                logger.warning("could not %s: %s%s", doing, type(error).__name__, code)
        except Exception:
            if log and not self._closing.is_set():  # by then what the work needs may be closed
                logger.exception("could not %s", doing)
        return False
