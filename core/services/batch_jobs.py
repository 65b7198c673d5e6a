"""Batches as jobs in the background, and the takeover of those whose process was killed or has ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import timedelta
from functools import partial
from uuid import UUID

from core.domain.clock import Stopwatch, elapsed
from core.domain.errors import Conflict
from core.domain.records import Source
from core.flow.crew import Progress
from core.services.batch import Batch, Batches
from core.services.jobs import Jobs, Work
from core.services.validation import Submitter

#: The kind of the jobs.
BATCH = "batch"
#: How long a batch that broke off is left alone: the first time, doubled with each further time, and at the most.
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=30), timedelta(minutes=15)


def batch_work(opened: Callable[[], Batch]) -> Work:
    """The work of a batch that ``opened`` opens or resumes."""

    def work(stop: threading.Event, report: Callable[[Progress], None]) -> Progress:
        with closing(opened()) as batch:
            report(batch.progress())
            return batch.run(stop, report)

    return work


class TakeOver:
    """Continues the batches that no process works on any more, in the name of whoever started them.

    Batches that a person stopped, or that gave up, are left alone. Of several processes that find the same batch, one
    continues it. A batch that breaks off each time is continued after longer and longer pauses.
    """

    def __init__(self, stopwatch: Stopwatch = elapsed) -> None:
        self._stopwatch = stopwatch
        #: Of batches that broke off here: how often in a row, and when they may be continued.
        self._broken_off: dict[UUID, tuple[int, timedelta]] = {}

    def __call__(self, batches: Batches, jobs: Jobs) -> None:
        """Looks once for such batches. Raises ``ServiceError``."""
        for event_id, run in batches.abandoned():
            if run.id in self._broken_off and self._stopwatch() < self._broken_off[run.id][1]:
                continue
            submitter = Submitter(Source.BATCH, run.operator, run.ip_address)
            work = batch_work(partial(batches.resume, event_id, submitter))
            with suppress(Conflict):
                jobs.start(BATCH, event_id, partial(self._noted, run.id, work), run.operator)

    def _noted(self, run_id: UUID, work: Work, stop: threading.Event, report: Callable[[Progress], None]) -> Progress:
        try:
            progress = work(stop, report)
        except Conflict:  # another process has it
            raise
        except Exception:
            times, _ = self._broken_off.get(run_id, (0, None))
            pause = min(FIRST_PAUSE * 2**times, LONGEST_PAUSE)
            self._broken_off[run_id] = min(times + 1, 10), self._stopwatch() + pause
            raise
        self._broken_off.pop(run_id, None)
        return progress
