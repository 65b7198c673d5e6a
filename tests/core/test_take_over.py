"""Batches that no process works on any more are continued, and those that break off each time less and less often."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest

from core.adapters.embedded.jobs import ProcessJobBoard
from core.domain.errors import Conflict, Unavailable
from core.domain.records import Source
from core.domain.worklists import Run
from core.flow.crew import End
from core.services.batch import Batch, Batches, BatchProgress
from core.services.batch_jobs import BATCH, FIRST_PAUSE, LONGEST_PAUSE, TakeOver
from core.services.jobs import Jobs
from core.services.validation import Submitter
from tests.support.clock import FakeClock

SECOND = timedelta(seconds=1)
ABANDONED = Run(uuid.uuid4(), "all", None, "Olga", "192.0.2.1", rests=False)


class _Batch:
    def progress(self) -> BatchProgress:
        return BatchProgress(1)

    def run(self, *_: Any) -> BatchProgress:
        return BatchProgress(1, 1, end=End.DONE)

    def close(self) -> None: ...


@dataclass
class Site:
    """A process with a batch that seems to be abandoned, and how it ends when it is continued."""

    clock: FakeClock = field(default_factory=FakeClock)
    jobs: Jobs = field(default_factory=lambda: Jobs(ProcessJobBoard()))
    error: Exception | None = None
    tries: int = 0
    by: Submitter | None = None

    def __post_init__(self) -> None:
        self._take_over = TakeOver(self.clock.elapsed)

    def abandoned(self) -> list[tuple[str, Run]]:
        return [("expo", ABANDONED)]

    def resume(self, event_id: str, by: Submitter) -> Batch:
        self.by = by
        self.tries += 1
        if self.error:
            raise self.error
        return cast("Batch", _Batch())

    def look(self, after: timedelta = timedelta(0)) -> int:
        """Looks once; returns how often the batch was continued by then."""
        self.clock.advance(after)
        self._take_over(cast("Batches", self), self.jobs)
        self.jobs.join(BATCH, "expo", 30)
        return self.tries


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.jobs.end()


def test_an_abandoned_batch_is_continued_in_the_name_of_who_started_it(site: Site) -> None:
    assert site.look() == 1
    job = site.jobs.of(BATCH, "expo")
    assert job
    assert (job.operator, job.failure) == ("Olga", None)
    assert site.by == Submitter(Source.BATCH, "Olga", "192.0.2.1")


def test_one_that_breaks_off_is_left_alone_for_longer_each_time(site: Site) -> None:
    site.error = Unavailable("registrations", "Timeout")
    assert site.look() == 1
    pause = FIRST_PAUSE
    for tries in range(1, 12):
        assert site.look(pause - SECOND) == tries
        assert site.look(SECOND) == tries + 1
        pause = min(2 * pause, LONGEST_PAUSE)
    assert pause == LONGEST_PAUSE


def test_one_that_did_not_break_off_is_continued_at_once_again(site: Site) -> None:
    site.error = Unavailable("registrations", "Timeout")
    site.look()
    site.error = None
    assert site.look(FIRST_PAUSE) == 2
    assert site.look() == 3


def test_one_that_another_process_was_quicker_to_continue_has_not_broken_off(site: Site) -> None:
    site.error = Conflict("A batch of this event is running already.")
    assert (site.look(), site.look()) == (1, 2)
