"""Batches as jobs in the background, and the takeover of those whose process was killed or has ended."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial

from core.domain.errors import Conflict
from core.domain.records import Source
from core.flow.crew import Progress
from core.services.batch import Batch, Batches
from core.services.jobs import Jobs, Work
from core.services.validation import Submitter

#: The kind of the jobs.
BATCH = "batch"


def batch_work(opened: Callable[[], Batch], submitter: Submitter) -> Work:
    """The work of a batch that ``opened`` opens or resumes; its attempts are those of ``submitter``."""

    def work(stop: threading.Event, report: Callable[[Progress], None]) -> Progress:
        with closing(opened()) as batch:
            report(batch.progress())
            return batch.run(submitter, stop, report)

    return work


def take_over(batches: Batches, jobs: Jobs) -> None:
    """Continues the batches that no process works on any more, in the name of whoever started them.

    Batches that a person stopped, or that gave up, are left alone. Of several processes that find the same batch, one
    continues it. Raises ``ServiceError``.
    """
    for event_id, run in batches.abandoned():
        submitter = Submitter(Source.BATCH, run.operator, run.ip_address)
        with suppress(Conflict):
            jobs.start(BATCH, event_id, batch_work(partial(batches.resume, event_id), submitter), run.operator)
