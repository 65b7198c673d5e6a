"""Work in the background: it outlives its page, and every session of every process can see it and stop it."""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from pydantic import TypeAdapter

from core.domain.errors import Conflict, FacedeskError, ServiceError
from core.flow.crew import End, Progress
from core.ports import JobBoard, Notice
from core.services.batch import BatchProgress
from core.services.forgetting import IsErased

P = TypeVar("P", bound=Progress)

logger = logging.getLogger(__name__)

#: Seconds that the end of the server waits for photos that are in hand. A batch goes on elsewhere, or later.
GRACE_SECONDS = 5.0
#: Seconds between two looks of a job at whether it is to stop, and two notices of its progress.
TELL_EVERY = 2.0

#: Given what tells it to stop and what to tell its progress to, does the work and returns its last progress.
Work = Callable[[threading.Event, Callable[[Progress], None]], Progress]

#: The kinds of progress as other processes read them.
_KINDS: Mapping[str, TypeAdapter[Progress]] = {
    "batch": TypeAdapter(BatchProgress),
    "work": TypeAdapter(Progress),
}


@dataclass(frozen=True)
class Job:
    """A job as it is seen: ``progress`` is its latest, ``failure`` a sentence if it broke off.

    A job that neither runs nor has an ``end`` in its progress, nor a failure, has lost its process.
    """

    operator: str | None
    progress: Progress | None
    failure: str | None
    running: bool
    stopping: bool


class Jobs:
    """Does jobs in threads of this process, and tells of the latest one of each kind and event, whose ever it is."""

    def __init__(self, board: JobBoard) -> None:
        self._board = board
        self._here: dict[tuple[str, str], _Here] = {}
        self._lock = threading.Lock()
        self._ending = False

    def start(self, kind: str, event_id: str, work: Work, operator: str | None) -> None:
        """Raises ``Conflict`` if one of this kind and event runs here, or the process ends. If one runs elsewhere,
        nothing is done; the job that runs is seen.
        """
        with self._lock:
            known = self._here.get((kind, event_id))
            if self._ending or (known and known.is_alive()):
                raise Conflict("This is running already.")
            job = self._here[kind, event_id] = _Here(self, self._board, kind, event_id, work, operator)
            job.start()

    def run(
        self,
        kind: str,
        event_id: str,
        work: Callable[[threading.Event, Callable[[Progress], None]], P],
        operator: str | None,
        stop: threading.Event,
    ) -> P:
        """Does the work in the thread that calls this, as a job that other processes see and stop; returns its last
        progress. Raises what the work raises, and ``Conflict`` if one of this kind and event runs elsewhere.
        """
        last: list[P] = []

        def kept(stop: threading.Event, report: Callable[[Progress], None]) -> Progress:
            last.append(work(stop, report))
            return last[0]

        _Here(self, self._board, kind, event_id, kept, operator, stop).do()
        return last[0]

    def restart(self, kind: str, event_id: str, work: Work, operator: str | None) -> None:
        """Starts a job that can go on where an earlier one stopped, which it stops if it runs here."""
        known = self._here.get((kind, event_id))
        if known and known.is_alive():
            known.stop.set()
            known.join(GRACE_SECONDS)
        with suppress(Conflict):  # the earlier one goes on, and finds out by itself what is new
            self.start(kind, event_id, work, operator)

    def of(self, kind: str, event_id: str) -> Job | None:
        """The latest job of the kind and event, of whichever process; None without one. Raises ``ServiceError``."""
        here = self._here.get((kind, event_id))
        if here and (here.is_alive() or (here.unnoticed and here.failure)):
            return here.seen()
        notice = self._board.of(kind, event_id)
        if here and notice and notice.job_id == here.job_id:
            return here.seen()
        return _read(notice) if notice else None

    def stop(self, kind: str, event_id: str) -> None:
        """Asks the job to end, whichever process does it, after what is in hand. Raises ``ServiceError``."""
        here = self._here.get((kind, event_id))
        if here and here.is_alive():
            here.stop.set()
        elif notice := self._board.of(kind, event_id):
            self._board.ask_to_stop(notice.job_id)

    def forget(self, kind: str, event_id: str) -> None:
        """Of one that has ended: its summary is shown no more. Raises ``ServiceError``."""
        notice = self._board.of(kind, event_id)
        if notice and not notice.running:
            self._board.remove(kind, event_id, notice.job_id)
        with self._lock:
            here = self._here.get((kind, event_id))
            if here and not here.is_alive():
                del self._here[kind, event_id]

    def forget_erased(self, is_erased: IsErased) -> None:
        """Removes the summaries that are about erased people from memory."""
        with self._lock:
            for key, here in list(self._here.items()):
                if not here.is_alive() and any(map(is_erased, _people(here.progress))):
                    del self._here[key]

    def join(self, kind: str, event_id: str, seconds: float | None = None) -> None:
        """Waits until the job of this process, if there is one, has ended."""
        if here := self._here.get((kind, event_id)):
            here.join(seconds)

    @property
    def ending(self) -> bool:
        return self._ending

    def end(self) -> None:
        """Stops all jobs of this process, and gives them a moment."""
        with self._lock:
            self._ending = True
            running = [job for job in self._here.values() if job.is_alive()]
        for job in running:
            job.stop.set()
        for job in running:
            job.join(GRACE_SECONDS)

    def close(self) -> None:
        self._board.close()


class _Here(threading.Thread):
    """A job of this process."""

    def __init__(
        self,
        jobs: Jobs,
        board: JobBoard,
        kind: str,
        event_id: str,
        work: Work,
        operator: str | None,
        stop: threading.Event | None = None,
    ) -> None:
        super().__init__(name="job", daemon=True)
        self.job_id = uuid.uuid4().hex
        self.operator = operator
        self.progress: Progress | None = None
        self.failure: str | None = None
        self.stop = stop or threading.Event()
        #: Whether the board has not answered yet. A job that breaks off before it does is seen here alone.
        self.unnoticed = True
        self._jobs = jobs
        self._board = board
        self._kind = kind
        self._event_id = event_id
        self._work = work
        self._ended = threading.Event()

    def run(self) -> None:
        try:
            self.do()
        except FacedeskError as error:
            self.failure = str(error)
        except Exception as error:  # noqa: BLE001 - nobody else would hear of it
            # Not its own words: they may name a person.
            logger.error("a job broke off: %s", type(error).__name__)

    def do(self) -> None:
        """Does the work in the thread that calls it, and tells of it. Raises what the work raises, and ``Conflict``
        if such a job runs elsewhere.
        """
        posted = self._post()
        self.unnoticed = False
        if not posted:
            raise Conflict("This is running already.")
        telling = threading.Thread(target=self._tell, name="job-notice", daemon=True)
        telling.start()
        try:
            self.progress = self._work(self.stop, self._report)
        except FacedeskError as error:
            self.failure = str(error)
            raise
        except Exception as error:
            self.failure = f"Something unforeseen broke it off ({type(error).__name__})."
            raise
        finally:
            self._ended.set()
            telling.join()
            with suppress(ServiceError):  # then it counts as running for some seconds more
                self._tell_end()

    def seen(self) -> Job:
        running = self.is_alive()
        return Job(self.operator, self.progress, self.failure, running, running and self.stop.is_set())

    def _report(self, progress: Progress) -> None:
        self.progress = progress

    def _tell(self) -> None:
        """Tells other processes how far it is, and hears from them whether it is to stop."""
        while not self._ended.wait(TELL_EVERY):
            # A store that is out of reach for a while stops no job.
            with suppress(ServiceError):
                self._post()
                if self._board.is_asked_to_stop(self.job_id):
                    self.stop.set()

    def _post(self) -> bool:
        return self._board.post(self._kind, self._event_id, self.job_id, _written(self))

    def _tell_end(self) -> None:
        if self._jobs.ending and self.progress and self.progress.end is End.STOPPED:
            # The process ends, not the work: nobody is told that somebody stopped it.
            self._board.remove(self._kind, self._event_id, self.job_id)
        else:
            people = _people(self.progress)
            self._board.end(self._kind, self._event_id, self.job_id, _written(self), people)


def _people(progress: Progress | None) -> frozenset[str]:
    return progress.people if isinstance(progress, BatchProgress) else frozenset()


def _written(job: _Here) -> str:
    progress = job.progress
    kind = "batch" if isinstance(progress, BatchProgress) else "work"
    # Their ids are for an erasure to find the notice by, and no process needs them to show it.
    told = _KINDS[kind].dump_python(progress, mode="json", exclude={"people"}) if progress else None
    return json.dumps({"operator": job.operator, "failure": job.failure, "kind": kind, "progress": told})


def _read(notice: Notice) -> Job:
    text = json.loads(notice.text)
    told = text["progress"]
    progress = _KINDS[text["kind"]].validate_python(told) if told is not None else None
    return Job(text["operator"], progress, text["failure"], notice.running, notice.stopping)
