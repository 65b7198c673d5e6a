"""Several instances over the same stores: any shows and stops a batch, and continues that of one that is gone.

The processes are built from their environment as servers are. They are killed as a machine dies: without a word.
"""

from __future__ import annotations

import os
import queue
import random
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from functools import partial

import pytest

from core.adapters.aws.worklists import DynamoWorklist
from core.domain.errors import Conflict, Service, Unavailable
from core.domain.records import Registration, Source
from core.flow.crew import End
from core.runtime.services import Services
from core.services import jobs
from core.services.batch import BatchProgress, Choice
from core.services.batch_jobs import BATCH, TakeOver, batch_work
from core.services.jobs import Job
from core.services.validation import Submitter
from tests.support.portraits import as_jpeg, hopper
from tests.support.production import Servers, Site, built, production
from tests.support.rekognition import RekognitionServer, SameFace
from tests.support.servers import ROOT
from tests.support.waiting import PATIENCE, until

EVENT = "expo"
KEY = "face-images/sent.jpg"
PEOPLE = 120
KILLS = 2
OLGA = Submitter(Source.BATCH, "Olga")


@pytest.fixture
def site(dynamodb_url: str, s3_server: str, mongodb_uri: str) -> Iterator[Site]:
    engine = RekognitionServer(SameFace())
    engine.start()
    with production(Servers(dynamodb_url, s3_server, mongodb_uri, engine.url)) as site:
        yield site
    engine.stop()


@pytest.fixture
def people(site: Site) -> list[Registration]:
    site.services.photos.put(KEY, as_jpeg(hopper(), size=(160, 188)))
    people = [
        Registration(registration_id=f"r{number}", user_id=f"u{number}", event_id=EVENT, submitted_photo_key=KEY)
        for number in range(PEOPLE)
    ]
    site.add(people)
    return people


@dataclass
class Cluster:
    """Processes that come and go. What they say of the batch is in ``news``: the process, and the photos done."""

    site: Site
    news: queue.Queue[tuple[subprocess.Popen[str], int]] = field(default_factory=queue.Queue)
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def add(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "tests.support.instance", EVENT, *arguments]
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MONGODB_"))}
        process = subprocess.Popen(
            command, cwd=ROOT, env={**ours, **self.site.environment}, stdout=subprocess.PIPE, text=True
        )
        self.running.append(process)
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()
        return process

    def _listen(self, process: subprocess.Popen[str]) -> None:
        for line in process.stdout or ():
            self.news.put((process, int(line)))

    def at(self, photos: int) -> subprocess.Popen[str]:
        """The process that works on the batch once it has done at least so many photos."""
        while True:
            process, done = self.news.get(timeout=PATIENCE)
            if done >= photos and process in self.running:
                return process

    def kill(self, process: subprocess.Popen[str]) -> None:
        self.running.remove(process)
        process.kill()
        process.wait(PATIENCE)

    def close(self) -> None:
        for process in list(self.running):
            self.kill(process)


@pytest.fixture
def cluster(site: Site) -> Iterator[Cluster]:
    cluster = Cluster(site)
    yield cluster
    cluster.close()


def attempts(site: Site, people: list[Registration]) -> Counter[tuple[int, int, str | None]]:
    """How many records say how many attempts, list how many, and by whom."""
    records = [site.services.records.get(each.user_id, each.registration_id) for each in people]
    return Counter(
        (record.verification_attempt, len(record.attempts), record.attempts[0].operator)
        for record in records
        if record
    )


def test_whichever_instance_is_killed_another_continues_and_each_photo_is_validated_once(
    site: Site, people: list[Registration], cluster: Cluster
) -> None:
    luck = random.Random(20261126)
    cluster.add("--start")
    cluster.add()
    done = 0
    for _ in range(KILLS):
        done += luck.randint(5, 30)
        cluster.kill(cluster.at(done))
        cluster.add()
    until(lambda: site.services.batches.unfinished(EVENT) is None)
    assert attempts(site, people) == {(1, 1, "Olga"): PEOPLE}
    until(lambda: not (site.services.jobs.of(BATCH, EVENT) or pytest.fail("no job")).running)
    job = site.services.jobs.of(BATCH, EVENT)
    assert job
    assert isinstance(job.progress, BatchProgress)
    assert (job.operator, job.progress.end, job.progress.done) == ("Olga", End.DONE, PEOPLE)


# Two instances in this process, each built as a server is


@pytest.fixture
def other(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Services]:
    monkeypatch.setattr(jobs, "TELL_EVERY", 0.05)
    other = built(site.environment)
    yield other
    other.close()


def started(services: Services) -> None:
    opened = partial(services.batches.open, EVENT, Choice.ALL, OLGA)
    services.jobs.start(BATCH, EVENT, batch_work(opened), "Olga")


def seen(services: Services) -> Job:
    return services.jobs.of(BATCH, EVENT) or pytest.fail("no job")


def has_done_some(services: Services) -> bool:
    job = services.jobs.of(BATCH, EVENT)
    return bool(job and job.progress and job.progress.done)


def test_an_instance_that_ends_hands_its_batch_on(site: Site, people: list[Registration], other: Services) -> None:
    started(other)
    until(lambda: has_done_some(other))
    other.close()
    choice_and_progress = site.services.batches.unfinished(EVENT)
    assert choice_and_progress
    assert (choice_and_progress[1].goes_on, site.services.jobs.of(BATCH, EVENT)) == (True, None)
    TakeOver()(site.services.batches, site.services.jobs)
    site.services.jobs.join(BATCH, EVENT, PATIENCE)
    assert attempts(site, people) == {(1, 1, "Olga"): PEOPLE}
    assert site.services.batches.unfinished(EVENT) is None


def killed_while_it(site: Site, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    """A batch of Olga's whose process was killed when it came to a method of its list."""

    def die(*_: object, **__: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(DynamoWorklist, method, die)
        # A killed process does nothing of this on its way out.
        patched.setattr(DynamoWorklist, "_delete", lambda self: None)
        patched.setattr(DynamoWorklist, "rest", lambda self: None)
        with suppress(SystemExit), closing(site.services.batches.open(EVENT, Choice.ALL, OLGA)) as batch:
            batch.run(threading.Event())


@pytest.mark.parametrize("method", ["_list", "stops", "left"])
def test_a_batch_whose_process_is_killed_as_it_starts_goes_on_too(
    site: Site, people: list[Registration], monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    killed_while_it(site, monkeypatch, method)
    TakeOver()(site.services.batches, site.services.jobs)
    site.services.jobs.join(BATCH, EVENT, PATIENCE)
    assert attempts(site, people) == {(1, 1, "Olga"): PEOPLE}
    assert site.services.batches.unfinished(EVENT) is None


def test_a_batch_that_could_not_be_begun_is_not_begun_by_others(
    site: Site, people: list[Registration], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Unavailable(Service.REGISTRATIONS, "Down")

    with monkeypatch.context() as patched:
        patched.setattr(DynamoWorklist, "_list", fail)
        with pytest.raises(Unavailable):
            site.services.batches.open(EVENT, Choice.ALL, OLGA)
    assert site.services.batches.abandoned() == []


def test_a_batch_that_was_opened_and_never_run_waits_for_a_person(site: Site, people: list[Registration]) -> None:
    site.services.batches.open(EVENT, Choice.ALL, OLGA).close()
    _, left = site.services.batches.unfinished(EVENT) or pytest.fail("it is not there")
    assert (left.goes_on, site.services.batches.abandoned()) == (False, [])


def test_another_instance_shows_how_far_a_batch_is_and_stops_it_for_good(
    site: Site, people: list[Registration], other: Services
) -> None:
    started(other)
    until(lambda: has_done_some(site.services))
    job = seen(site.services)
    assert (job.running, job.operator, job.stopping) == (True, "Olga", False)
    site.services.jobs.stop(BATCH, EVENT)
    other.jobs.join(BATCH, EVENT, PATIENCE)
    _, left = site.services.batches.unfinished(EVENT) or pytest.fail("it was not stopped")
    summary = seen(site.services).progress
    assert isinstance(summary, BatchProgress)
    assert (summary.end, summary.done) == (End.STOPPED, left.done)
    assert (left.goes_on, site.services.batches.abandoned()) == (False, [])


def test_a_batch_that_another_instance_works_on_is_not_worked_on_here(
    site: Site, people: list[Registration], other: Services
) -> None:
    started(other)
    until(lambda: has_done_some(site.services))
    TakeOver()(site.services.batches, site.services.jobs)
    with pytest.raises(Conflict, match="running already"):
        site.services.batches.resume(EVENT, OLGA)
    site.services.jobs.stop(BATCH, EVENT)
