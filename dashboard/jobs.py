"""Work in the background of this process: it outlives its page, and every session can see it and stop it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import suppress

from core.domain.errors import Conflict, FacedeskError
from core.flow.crew import Progress
from dashboard.once import Once

logger = logging.getLogger(__name__)

#: What the end of the server waits for: photos that are in hand. A job that takes longer goes on at the next start.
GRACE_SECONDS = 5.0

#: Given what tells it to stop and what to tell its progress to, does the work and returns its last progress.
Work = Callable[[threading.Event, Callable[[Progress], None]], Progress]


class Job:
    """One piece of work: ``progress`` is its latest, ``failure`` a sentence where it broke off."""

    def __init__(self, work: Work, operator: str | None) -> None:
        self.operator = operator
        self.progress: Progress | None = None
        self.failure: str | None = None
        self.stop = threading.Event()
        self._work = work
        self._thread = threading.Thread(target=self._run, name="job", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    def join(self, seconds: float | None = None) -> None:
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            self.progress = self._work(self.stop, self._report)
        except FacedeskError as error:
            self.failure = str(error)
        except Exception as error:  # noqa: BLE001 - nobody else would hear of it
            # Not its own words: they may name a person.
            logger.error("a job broke off: %s", type(error).__name__)
            self.failure = f"Something unforeseen broke it off ({type(error).__name__})."

    def _report(self, progress: Progress) -> None:
        self.progress = progress


class Jobs:
    """The latest job of each kind and event."""

    def __init__(self) -> None:
        self._jobs: dict[tuple[str, str], Job] = {}
        self._lock = threading.Lock()

    def start(self, kind: str, event_id: str, work: Work, operator: str | None) -> Job:
        """Raises ``Conflict`` where one of this kind and event runs."""
        with self._lock:
            known = self._jobs.get((kind, event_id))
            if known and known.running:
                raise Conflict("This is running already.")
            job = self._jobs[kind, event_id] = Job(work, operator)
            return job

    def restart(self, kind: str, event_id: str, work: Work, operator: str | None) -> None:
        """Starts a job that can go on where an earlier one stopped, which it stops if it runs."""
        known = self.of(kind, event_id)
        if known and known.running:
            known.stop.set()
            known.join(GRACE_SECONDS)
        with suppress(Conflict):  # the earlier one goes on, and finds out by itself what is new
            self.start(kind, event_id, work, operator)

    def of(self, kind: str, event_id: str) -> Job | None:
        return self._jobs.get((kind, event_id))

    def forget(self, kind: str, event_id: str) -> None:
        """Of one that has ended: its summary is shown no more."""
        with self._lock:
            job = self._jobs.get((kind, event_id))
            if job and not job.running:
                del self._jobs[kind, event_id]

    def end(self) -> None:
        """Stop them all, and give them a moment."""
        running = [job for job in self._jobs.values() if job.running]
        for job in running:
            job.stop.set()
        for job in running:
            job.join(GRACE_SECONDS)


#: Those of this process.
jobs = Once(Jobs, close=Jobs.end)
