"""A page at one server, while another one works on the event's batch."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from core.domain.records import Source
from core.ports import Answer
from core.services.batch import Choice
from core.services.batch_jobs import BATCH, batch_work
from core.services.validation import Submitter
from tests.support.browser import PATIENCE, dashboard
from tests.support.portraits import as_jpeg, hopper
from tests.support.production import Servers, Site, production
from tests.support.rekognition import RekognitionServer, SameFace

pytestmark = pytest.mark.browser

EVENT = "expo"
KEY = "face-images/sent.jpg"


class Held(SameFace):
    """Answers when it may."""

    def __init__(self) -> None:
        super().__init__()
        self.may = threading.Event()

    def detect(self, photo: bytes) -> Answer:
        self.may.wait(PATIENCE / 1000)
        return super().detect(photo)


@pytest.fixture
def engine() -> Held:
    return Held()


@pytest.fixture
def site(dynamodb_url: str, s3_server: str, mongodb_uri: str, engine: Held) -> Iterator[Site]:
    rekognition = RekognitionServer(engine)
    rekognition.start()
    with production(Servers(dynamodb_url, s3_server, mongodb_uri, rekognition.url)) as site:
        yield site
    rekognition.stop()


def test_a_page_that_showed_the_end_of_a_batch_comes_to_show_all_of_it_without_a_press(
    site: Site, engine: Held, page: Page, tmp_path: Path
) -> None:
    site.services.photos.put(KEY, as_jpeg(hopper(), size=(160, 188)))
    site.register(as_jpeg(hopper(), size=(160, 188)), event_id=EVENT, submitted_photo_key=KEY)
    with dashboard(site.environment, tmp_path / "log") as address:
        opened = partial(site.services.batches.open, EVENT, Choice.ALL, Submitter(Source.BATCH, "Olga"))
        site.services.jobs.start(BATCH, EVENT, batch_work(opened), "Olga")
        page.goto(f"{address}/event_overview?event_id={EVENT}")
        expect(page.get_by_text("1 registered · 0 tried")).to_be_visible()
        expect(page.get_by_text("0 of 1")).to_be_visible()
        engine.may.set()
        expect(page.get_by_text("All done.")).to_be_visible()
        expect(page.get_by_text("1 registered · 1 tried")).to_be_visible()
