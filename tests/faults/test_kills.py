"""``kill -9`` while eight processes are validating: what was acknowledged is there after the restart."""

from __future__ import annotations

import json
import random
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from multiprocessing import get_context
from multiprocessing.connection import Connection, wait
from pathlib import Path
from uuid import uuid4

import apsw
import pytest

from core.domain.records import MAX_ATTEMPTS, Registration
from core.photos.sanitiser import PhotoSanitiser
from tests.faults.writer import Acknowledged, Job, write
from tests.support.portraits import as_jpeg, hopper
from tests.support.production import Servers, Site, built, embedded, production

pytestmark = pytest.mark.faults

WRITERS = 8
REGISTRATIONS = 40
#: As many as the records of a round can list.
SUBMISSIONS = REGISTRATIONS * MAX_ATTEMPTS // WRITERS
#: The kill comes after any number of acknowledgements up to this one: early ones while others still start.
KILL_WITHIN = 100
#: For the next acknowledgement to come, the writers' start included, on a busy machine, seconds.
PATIENCE = 60
REFERENCE_KEY = "reference-faces/one.jpg"
ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"

#: Opens the installation as after a restart: nothing in this process knows what was there before.
Restart = Callable[[], AbstractContextManager[Site]]

# A new process for each writer, forked from one that has the libraries loaded and nothing else.
_processes = get_context("forkserver")
_processes.set_forkserver_preload(["tests.faults.writer"])


@pytest.fixture(scope="module")
def photo() -> bytes:
    return as_jpeg(hopper(), size=(160, 188))


@pytest.fixture
def luck() -> random.Random:
    return random.Random(20260301)


def registered(site: Site, photo: bytes) -> tuple[Registration, ...]:
    site.services.photos.put(REFERENCE_KEY, photo)
    registrations = [
        Registration(
            registration_id=uuid4().hex, user_id=uuid4().hex, event_id="event-1", reference_photo_key=REFERENCE_KEY
        )
        for _ in range(REGISTRATIONS)
    ]
    site.add(registrations)
    return tuple(registrations)


def killed(job: Job, luck: random.Random) -> list[Acknowledged]:
    """Eight writers, all ended by SIGKILL at a moment that they did not choose; what they had been told."""
    pipes = [_processes.Pipe(duplex=False) for _ in range(WRITERS)]
    writers = [
        _processes.Process(target=write, args=(replace(job, name=f"{job.name}-{number}"), end))
        for number, (_, end) in enumerate(pipes)
    ]
    for process, (_, end) in zip(writers, pipes, strict=True):
        process.start()
        end.close()
    reports = [reports for reports, _ in pipes]
    try:
        acknowledged = first(luck.randint(1, KILL_WITHIN), reports)
    finally:
        for process in writers:
            process.kill()
        for process in writers:
            process.join()
    assert {process.exitcode for process in writers} == {-signal.SIGKILL}
    return acknowledged + [report for connection in reports for report in rest(connection)]


def first(number: int, reports: list[Connection]) -> list[Acknowledged]:
    acknowledged: list[Acknowledged] = []
    while len(acknowledged) < number:
        ready = wait(reports, PATIENCE)
        assert ready, f"{len(acknowledged)} acknowledged, then nothing"
        acknowledged += [connection.recv() for connection in ready if isinstance(connection, Connection)]
    return acknowledged


def rest(reports: Connection) -> Iterator[Acknowledged]:
    """What lies in the pipe of a writer that has died."""
    with reports:
        while True:
            try:
                yield reports.recv()
            except EOFError:
                return


def lost(site: Site, acknowledged: list[Acknowledged], clean: bytes) -> list[Acknowledged]:
    """Those whose attempt is not listed, or whose photo is not there in full."""
    services = site.services
    records = {
        key: services.records.get(*key) for key in {(entry.user_id, entry.registration_id) for entry in acknowledged}
    }

    def is_kept(entry: Acknowledged) -> bool:
        record = records[entry.user_id, entry.registration_id]
        attempt = record.attempt(entry.attempt_id) if record else None
        return (
            attempt is not None
            and attempt.face_image_key == entry.photo_key
            and services.photos.get(entry.photo_key) == clean
        )

    return [entry for entry in acknowledged if not is_kept(entry)]


def miscounted(site: Site, registrations: tuple[Registration, ...]) -> list[str]:
    """Registrations whose attempts are not numbered from one to their count, each listed once."""
    found = {r.registration_id: site.services.records.get(r.user_id, r.registration_id) for r in registrations}
    return [
        registration_id
        for registration_id, record in found.items()
        if record is not None
        and (
            [attempt.number for attempt in record.attempts] != list(range(1, record.verification_attempt + 1))
            or len({attempt.attempt_id for attempt in record.attempts}) != len(record.attempts)
        )
    ]


def survive(restart: Restart, rounds: int, photo: bytes, clean: bytes, luck: random.Random, name: str) -> None:
    """Kills ``rounds`` times; fails where something acknowledged is gone after a restart, or at the end."""
    everything: list[Acknowledged] = []
    with restart() as site:
        registrations = registered(site, photo)
    for number in range(rounds):
        job = Job(str(number), site.environment, tuple(r.registration_id for r in registrations), photo, SUBMISSIONS)
        acknowledged = killed(job, luck)
        everything += acknowledged
        with restart() as site:
            assert lost(site, acknowledged, clean) == []
            assert miscounted(site, registrations) == []
            registrations = registered(site, photo)
    with restart() as site:
        assert lost(site, everything, clean) == []
    ARTIFACTS.mkdir(exist_ok=True)
    figures = {"kills": rounds, "writers": WRITERS, "acknowledged": len(everything), "lost": 0}
    (ARTIFACTS / f"kills-{name}.json").write_text(json.dumps(figures))
    assert len(everything) > rounds * WRITERS, figures


def test_embedded_keeps_all_that_it_acknowledged_over_fifty_kills(
    tmp_path: Path, photo: bytes, sanitiser: PhotoSanitiser, luck: random.Random
) -> None:
    survive(lambda: embedded(tmp_path), 50, photo, sanitiser.clean(photo).jpeg, luck, "embedded")
    database = apsw.Connection(str(tmp_path / "facedesk.sqlite3"))
    assert database.pragma("integrity_check") == "ok"
    database.close()


def test_production_keeps_all_that_it_acknowledged_over_ten_kills(
    servers: Servers, photo: bytes, sanitiser: PhotoSanitiser, luck: random.Random
) -> None:
    with production(servers) as site:
        survive(lambda: restarted(site), 10, photo, sanitiser.clean(photo).jpeg, luck, "production")


@contextmanager
def restarted(site: Site) -> Iterator[Site]:
    services = built(site.environment)
    yield replace(site, services=services)
    services.close()
