"""Work in the background: what any process sees of it, how it is stopped, and what happens at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from core.adapters.embedded.jobs import ProcessJobBoard
from core.domain.errors import Conflict, Unavailable
from core.domain.worklists import Mark
from core.flow.crew import End, Progress
from core.services import jobs as module
from core.services.batch import BatchProgress
from core.services.jobs import Job, Jobs
from tests.support.waiting import until

KIND, EVENT = "batch", "expo"
SUMMARY = BatchProgress(
    12,
    11,
    errors={"photos: SlowDown": 1},
    rate=2.5,
    end=End.LEFT,
    marks={Mark.PASSED: 10, Mark.MISSING: 1},
    problems=(("reg-1", "There is no photo."),),
    people=frozenset({"ada"}),
)


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TELL_EVERY", 0.01)


class Board(ProcessJobBoard):
    """One that is out of reach when a test says so."""

    error: Exception | None = None

    def post(self, kind: str, event_id: str, job_id: str, text: str) -> bool:
        if self.error:
            raise self.error
        return super().post(kind, event_id, job_id, text)


@pytest.fixture
def board() -> Board:
    return Board()


@pytest.fixture
def here(board: Board) -> Iterator[Jobs]:
    jobs = Jobs(board)
    yield jobs
    jobs.end()


@pytest.fixture
def elsewhere(board: Board) -> Jobs:
    """The jobs of another process."""
    return Jobs(board)


class Work:
    """Work that goes on until it is stopped, or a test says that it may end with ``last``."""

    def __init__(self, last: Progress = SUMMARY) -> None:
        self.may_end = threading.Event()
        self.progress: Progress = Progress(12)
        self._last = last

    def __call__(self, stop: threading.Event, report: Callable[[Progress], None]) -> Progress:
        while not self.may_end.wait(0.005):
            report(self.progress)
            if stop.is_set():
                return Progress(12, self.progress.done, end=End.STOPPED)
        return self._last


def ended(jobs: Jobs) -> Job:
    jobs.join(KIND, EVENT, 30)
    return seen(jobs)


def seen(jobs: Jobs) -> Job:
    return jobs.of(KIND, EVENT) or pytest.fail("no job")


def test_without_work_there_is_no_job(here: Jobs) -> None:
    assert here.of(KIND, EVENT) is None
    here.stop(KIND, EVENT)
    here.forget(KIND, EVENT)


def test_another_process_sees_how_far_it_is(here: Jobs, elsewhere: Jobs) -> None:
    work = Work()
    here.start(KIND, EVENT, work, "Olga")
    work.progress = BatchProgress(12, 3, rate=1.5, paused="Waiting.", marks={Mark.FAILED: 3})
    until(lambda: seen(elsewhere).progress == work.progress)
    assert seen(elsewhere) == seen(here) == Job("Olga", work.progress, None, running=True, stopping=False)


def test_another_process_sees_the_summary(here: Jobs, elsewhere: Jobs) -> None:
    work = Work()
    work.may_end.set()
    here.start(KIND, EVENT, work, "Olga")
    assert ended(here) == Job("Olga", SUMMARY, None, running=False, stopping=False)
    progress = seen(elsewhere).progress
    assert isinstance(progress, BatchProgress)
    assert (progress.marks, progress.problems, progress.end) == (SUMMARY.marks, SUMMARY.problems, End.LEFT)


@pytest.mark.parametrize(
    ("error", "said"), [(Unavailable("photos", "gone"), "out of reach"), (KeyError("ada"), "unforeseen")]
)
def test_what_breaks_a_job_off_is_said_everywhere(here: Jobs, elsewhere: Jobs, error: Exception, said: str) -> None:
    def broken(stop: threading.Event, report: object) -> Progress:
        raise error

    here.start(KIND, EVENT, broken, None)
    for jobs in (here, elsewhere):
        failure = ended(here) and seen(jobs).failure
        assert failure
        assert said in failure
        assert "ada" not in failure


def test_any_process_stops_it(here: Jobs, elsewhere: Jobs) -> None:
    here.start(KIND, EVENT, Work(), None)
    until(lambda: elsewhere.of(KIND, EVENT) is not None)
    elsewhere.stop(KIND, EVENT)
    job = ended(here)
    assert job.progress
    assert job.progress.end is End.STOPPED


def test_one_of_a_kind_and_event_runs_in_all_processes(here: Jobs, elsewhere: Jobs) -> None:
    here.start(KIND, EVENT, Work(), "Olga")
    until(lambda: elsewhere.of(KIND, EVENT) is not None)
    with pytest.raises(Conflict):
        here.start(KIND, EVENT, Work(), "Ada")
    begun = threading.Event()

    def work(stop: threading.Event, report: object) -> Progress:
        begun.set()
        return Progress(0)

    elsewhere.start(KIND, EVENT, work, "Ada")
    elsewhere.join(KIND, EVENT, 30)
    assert not begun.is_set()
    assert seen(elsewhere).operator == "Olga"


def test_a_job_that_is_started_again_begins_when_the_former_has_stopped(here: Jobs) -> None:
    here.start(KIND, EVENT, Work(), "Olga")
    work = Work()
    work.may_end.set()
    here.restart(KIND, EVENT, work, "Ada")
    assert ended(here).operator == "Ada"


def test_a_summary_is_put_away_in_all_processes(here: Jobs, elsewhere: Jobs) -> None:
    work = Work()
    work.may_end.set()
    here.start(KIND, EVENT, work, None)
    ended(here)
    elsewhere.forget(KIND, EVENT)
    assert (here.of(KIND, EVENT), elsewhere.of(KIND, EVENT)) == (None, None)


def test_a_summary_about_an_erased_person_is_gone(here: Jobs, elsewhere: Jobs, board: Board) -> None:
    work = Work()
    work.may_end.set()
    here.start(KIND, EVENT, work, None)
    ended(here)
    board.forget("ada")
    here.forget_erased(lambda user_id: user_id == "ada")
    assert (here.of(KIND, EVENT), elsewhere.of(KIND, EVENT), here._here) == (None, None, {})


def test_a_board_that_cannot_be_reached_at_first_keeps_a_job_from_starting(here: Jobs, board: Board) -> None:
    board.error = Unavailable("batches", "gone")
    here.start(KIND, EVENT, Work(), None)
    failure = ended(here).failure
    assert failure
    assert "out of reach" in failure
    here.forget(KIND, EVENT)
    assert here.of(KIND, EVENT) is None


def test_a_board_that_cannot_be_reached_for_a_while_stops_no_job(here: Jobs, elsewhere: Jobs, board: Board) -> None:
    work = Work()
    here.start(KIND, EVENT, work, None)
    until(lambda: elsewhere.of(KIND, EVENT) is not None)
    board.error = Unavailable("batches", "gone")
    work.progress = Progress(12, 5)
    until(lambda: seen(here).progress == work.progress)
    assert seen(elsewhere).progress != work.progress
    board.error = None
    until(lambda: seen(elsewhere).progress == work.progress)


def test_at_the_end_of_the_process_nobody_is_told_that_somebody_stopped_it(here: Jobs, elsewhere: Jobs) -> None:
    here.start(KIND, EVENT, Work(), None)
    until(lambda: elsewhere.of(KIND, EVENT) is not None)
    here.end()
    assert elsewhere.of(KIND, EVENT) is None
    with pytest.raises(Conflict):
        here.start(KIND, EVENT, Work(), None)


def test_a_command_does_a_job_that_a_server_sees_and_stops(here: Jobs, elsewhere: Jobs) -> None:
    def work(stop: threading.Event, report: Callable[[Progress], None]) -> Progress:
        until(lambda: elsewhere.of(KIND, EVENT) is not None)
        elsewhere.stop(KIND, EVENT)
        assert stop.wait(30)
        return SUMMARY

    assert here.run(KIND, EVENT, work, "Olga", threading.Event()) == SUMMARY
    job = seen(elsewhere)
    assert (job.operator, job.running) == ("Olga", False)


def test_a_command_hears_what_breaks_its_job_off_and_that_another_runs(here: Jobs, elsewhere: Jobs) -> None:
    def broken(stop: threading.Event, report: object) -> Progress:
        raise Unavailable("photos", "gone")

    with pytest.raises(Unavailable):
        here.run(KIND, EVENT, broken, None, threading.Event())
    assert "out of reach" in str(seen(elsewhere).failure)
    here.start(KIND, EVENT, Work(), "Olga")
    until(lambda: seen(elsewhere).running)
    with pytest.raises(Conflict):
        elsewhere.run(KIND, EVENT, broken, None, threading.Event())
