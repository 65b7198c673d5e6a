"""A batch in production while its engine throttles, or is gone for longer than any call's patience."""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import closing

import pytest

from core.domain.records import Registration, Source
from core.domain.worklists import Mark
from core.flow.crew import End
from core.services.batch import BatchProgress, Choice
from core.services.validation import Submitter
from tests.support.portraits import as_jpeg, hopper
from tests.support.production import Servers, Site, production
from tests.support.rekognition import Faults, RekognitionServer, SameFace

pytestmark = pytest.mark.faults

EVENT = "event-1"
KEY = "face-images/sent.jpg"
PEOPLE = 150
ANYBODY = Submitter(Source.BATCH)
#: Longer than a call's retries go on.
OUTAGE_SECONDS = 50


def registered(site: Site) -> list[Registration]:
    site.services.photos.put(KEY, as_jpeg(hopper(), size=(160, 188)))
    return [site.register(reference_photo_key=KEY, submitted_photo_key=KEY) for _ in range(PEOPLE)]


def attempts(site: Site, people: list[Registration]) -> Counter[int]:
    records = [site.services.records.get(each.user_id, each.registration_id) for each in people]
    return Counter(record.verification_attempt for record in records if record)


@pytest.fixture
def quick_engine(engine_server: RekognitionServer) -> RekognitionServer:
    engine_server.engine = SameFace()
    return engine_server


def test_while_a_third_of_the_calls_are_throttled_every_photo_gets_its_verdict_once(
    servers: Servers, quick_engine: RekognitionServer
) -> None:
    with production(servers) as site:
        people = registered(site)
        quick_engine.misbehave(Faults(throttle=0.3))
        with closing(site.services.batches.open(EVENT, Choice.ALL, ANYBODY)) as batch:
            summary = batch.run(threading.Event())
        quick_engine.heal()
        assert (summary.end, summary.marks, attempts(site, people)) == (
            End.DONE,
            {Mark.PASSED: PEOPLE},
            {1: PEOPLE},
        )


def test_an_engine_that_goes_away_midway_is_waited_for_and_nobody_is_made_to_wait_for_it(
    servers: Servers, quick_engine: RekognitionServer
) -> None:
    back = threading.Timer(OUTAGE_SECONDS, quick_engine.start)
    gone, paused = threading.Event(), threading.Event()

    def report(progress: BatchProgress) -> None:
        if progress.done >= 20 and not gone.is_set():
            gone.set()
            quick_engine.stop()
            back.start()
        if progress.paused:
            paused.set()

    with production(servers) as site:
        people = registered(site)
        with closing(site.services.batches.open(EVENT, Choice.ALL, ANYBODY)) as batch:
            summary = batch.run(threading.Event(), report)
        back.join()
        assert paused.is_set()
        assert (summary.end, summary.marks, attempts(site, people)) == (
            End.DONE,
            {Mark.PASSED: PEOPLE},
            {1: PEOPLE},
        )
