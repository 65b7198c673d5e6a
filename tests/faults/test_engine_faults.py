"""A thousand submissions at once to a face engine at its worst: none is lost, none waits for ever."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from uuid import uuid4

import pytest

from core.domain.reasons import Reason
from core.domain.records import Registration, Source, Status
from core.services.validation import Submitter, ValidationService
from tests.support.portraits import as_jpeg, hopper
from tests.support.production import Servers, Site, built, embedded, production, validation_by
from tests.support.rekognition import Faults, RekognitionServer, SameFace
from tests.support.servers import REGION

pytestmark = pytest.mark.faults

#: Submissions under way at any time: a counter with thirty scanners, or a busy page.
AT_ONCE = 30
#: What the product promises, with its default deadlines, seconds.
P99_SECONDS = 10
PHOTO_KEY = "reference-faces/one.jpg"
ARTIFACTS = Path(__file__).parents[2] / "test-artifacts"


@dataclass(frozen=True)
class Figures:
    """Of one run; times are seconds."""

    submitted: int
    lost: int
    verdicts: int
    pending: int
    other: int
    p50: float
    p99: float
    longest: float


@dataclass(frozen=True)
class Desk:
    site: Site
    validation: ValidationService


@pytest.fixture(scope="module")
def engine_server() -> Iterator[RekognitionServer]:
    """An engine that costs nothing: what is measured is what the service makes of its faults."""
    server = RekognitionServer(SameFace(), seed=20260301)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def photo() -> bytes:
    return as_jpeg(hopper(), size=(160, 188))


@pytest.fixture(scope="module")
def whole_desk(
    engine_server: RekognitionServer, photo: bytes, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Desk]:
    """Production's engine, as settings build it, over the embedded stores: what takes time is the engine's faults."""
    production = built(
        {
            "FACEDESK_BACKEND": "aws",
            "FACEDESK_AUTH": "off",
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "local",
            "AWS_SECRET_ACCESS_KEY": "local",
            "AWS_ENDPOINT_URL_REKOGNITION": engine_server.url,
            "DYNAMODB_FACE_VALIDATION_TABLE": "never-asked",
            "FACE_IMAGES_BUCKET": "never-asked",
            "MONGODB_URI": "mongodb://127.0.0.1",
            "MONGODB_DATABASE": "never-asked",
            "HASH_KEY": "a key of these tests",
        }
    )
    with embedded(tmp_path_factory.mktemp("faults")) as site:
        services, settings = site.services, production.settings
        services.photos.put(PHOTO_KEY, photo)
        validation = validation_by(
            production.engine,
            services,
            policy=settings.policy,
            record_ttl=settings.record_ttl,
            engine_deadline=settings.engine_deadline_seconds,
        )
        yield Desk(site, validation)
        validation.close()
    production.close()


@pytest.fixture
def desk(whole_desk: Desk, engine_server: RekognitionServer) -> Iterator[Desk]:
    yield whole_desk
    engine_server.heal()


def submitted(desk: Desk, number: int, name: str, at_once: int = AT_ONCE) -> Figures:
    """``number`` submissions, as many attempts each of a few registrations; the figures go into an artifact, too."""
    registrations = [
        Registration(
            registration_id=uuid4().hex, user_id=uuid4().hex, event_id="event-1", reference_photo_key=PHOTO_KEY
        )
        for _ in range(50)
    ]
    desk.site.add(registrations)

    def submit(attempt: int) -> float:
        registration_id = registrations[attempt % len(registrations)].registration_id
        began = time.perf_counter()
        desk.validation.validate_stored(registration_id, PHOTO_KEY, f"attempt-{attempt}", Submitter(Source.BATCH))
        return time.perf_counter() - began

    with ThreadPoolExecutor(at_once) as threads:
        seconds = list(threads.map(submit, range(number)))
    figures = _figures(desk.site, registrations, seconds)
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / f"engine-{name}.json").write_text(json.dumps(asdict(figures)))
    return figures


def _figures(site: Site, registrations: Sequence[Registration], seconds: Sequence[float]) -> Figures:
    records = [site.services.records.get(r.user_id, r.registration_id) for r in registrations]
    attempts = [attempt for record in records if record for attempt in record.attempts]
    kept = {attempt.attempt_id for attempt in attempts}
    kinds = Counter(_kind(attempt.status, attempt.reasons) for attempt in attempts)
    percentiles = quantiles(seconds, n=100)
    return Figures(
        submitted=len(seconds),
        lost=len({f"attempt-{number}" for number in range(len(seconds))} - kept),
        verdicts=kinds["verdict"],
        pending=kinds["pending"],
        other=kinds["other"],
        p50=round(percentiles[49], 2),
        p99=round(percentiles[98], 2),
        longest=round(max(seconds), 2),
    )


def _kind(status: Status, reasons: Sequence[str]) -> str:
    match status, reasons:
        case Status.SUCCESS, ():
            return "verdict"
        case Status.PENDING, (Reason.ENGINE_UNAVAILABLE,):
            return "pending"
        case _:
            return "other"


@pytest.mark.parametrize(
    ("faults", "number", "least_verdicts"),
    [
        pytest.param(Faults(throttle=0.5), 1000, 950, id="half-throttled"),
        pytest.param(Faults(error=0.5), 1000, 950, id="half-500"),
        pytest.param(Faults(stall=0.1), 880, 800, id="tenth-stalled"),
        pytest.param(Faults(stall=1), 120, 0, id="all-stalled"),
    ],
)
def test_every_submission_ends_in_time_as_a_verdict_or_waiting(
    desk: Desk,
    engine_server: RekognitionServer,
    request: pytest.FixtureRequest,
    faults: Faults,
    number: int,
    least_verdicts: int,
) -> None:
    engine_server.misbehave(faults)
    figures = submitted(desk, number, request.node.callspec.id)
    assert (figures.lost, figures.verdicts + figures.pending) == (0, number), figures
    assert figures.verdicts >= least_verdicts, figures
    assert figures.p99 < P99_SECONDS, figures


def test_with_the_engine_gone_for_good_each_submission_answers_within_its_deadline_and_waits(
    desk: Desk, engine_server: RekognitionServer
) -> None:
    engine_server.stop()
    try:
        figures = submitted(desk, 120, "gone")
    finally:
        engine_server.start()
    assert (figures.lost, figures.pending) == (0, 120), figures
    assert figures.longest < P99_SECONDS, figures


def test_once_the_stalls_are_over_submissions_get_their_verdicts(
    desk: Desk, engine_server: RekognitionServer
) -> None:
    engine_server.misbehave(Faults(stall=1))
    submitted(desk, AT_ONCE, "stalled-before")
    engine_server.heal()
    figures = submitted(desk, AT_ONCE, "after-stalls")
    assert figures.verdicts == AT_ONCE, figures


def test_production_as_a_whole_loses_none_while_half_of_the_engine_calls_are_throttled(
    servers: Servers, engine_server: RekognitionServer, photo: bytes
) -> None:
    with production(servers) as site:
        site.services.photos.put(PHOTO_KEY, photo)
        engine_server.misbehave(Faults(throttle=0.5))
        figures = submitted(Desk(site, site.services.validation), 200, "production", at_once=8)
        engine_server.heal()
    assert (figures.lost, figures.verdicts + figures.pending) == (0, 200), figures
    assert figures.verdicts >= 185, figures
