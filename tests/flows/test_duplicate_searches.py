"""Searches for people who registered twice, from the switch to the erasure, the same for both backends."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Event
from uuid import uuid4

import pytest
from PIL import Image

from core.domain.duplicates import Answer, Search
from core.domain.errors import Conflict
from core.domain.records import Registration
from core.domain.roles import local
from core.settings import Backend
from tests.support.portraits import as_jpeg, hopper
from tests.support.production import Servers, Site, backend_of, production
from tests.support.rekognition import RekognitionServer, SameFace

ROOT = Path(__file__).parents[2]
SETTINGS = {
    "DUPLICATE_THRESHOLD": "80",
    "REKOGNITION_COLLECTION_CALLS_PER_SECOND": "1000",
    "HASH_KEY": "a key of these tests",
}


@pytest.fixture(scope="module", params=list(Backend))
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with backend_of(request, tmp_path_factory, **SETTINGS) as site:
        yield site


class Expo:
    """An event of its own, in which one of two people is registered twice."""

    def __init__(self, site: Site, twice: bytes, once: bytes) -> None:
        self.event_id = f"expo-{uuid4().hex}"
        self.duplicates, self.services = site.services.duplicates, site.services
        photos = (twice, _smaller(twice), once)
        self.first, self.second, self.other = (self._registered(site, photo) for photo in photos)

    def switch(self, on: bool) -> None:
        self.duplicates.set_switch(self.event_id, on=on, reason="these tests", who="an admin")

    def search(self) -> Search:
        return self.duplicates.search(self.event_id, Event())

    @property
    def pair(self) -> tuple[str, str]:
        first, second = sorted((self.first.registration_id, self.second.registration_id))
        return first, second

    def _registered(self, site: Site, photo: bytes) -> Registration:
        return site.register(photo, event_id=self.event_id)


def _smaller(photo: bytes) -> bytes:
    image = Image.open(io.BytesIO(photo))
    return as_jpeg(photo, size=(int(0.7 * image.width), int(0.7 * image.height)))


@pytest.fixture
def expo(site: Site, hopper_jpeg: bytes, astronaut_jpeg: bytes) -> Iterator[Expo]:
    expo = Expo(site, hopper_jpeg, astronaut_jpeg)
    yield expo
    expo.switch(on=False)


@pytest.fixture
def searched(expo: Expo) -> Search:
    expo.switch(on=True)
    return expo.search()


def keys(search: Search | None) -> list[tuple[str, str]]:
    return [(pair.first.registration_id, pair.second.registration_id) for pair in search.pairs] if search else []


def test_nothing_is_asked_of_the_engine_while_searches_are_off(expo: Expo, engine_server: RekognitionServer) -> None:
    before = engine_server.calls.copy()
    with pytest.raises(Conflict):
        expo.search()
    assert engine_server.calls == before
    assert engine_server.collections.kept == {}


def test_the_person_who_registered_twice_is_found(expo: Expo, searched: Search) -> None:
    assert keys(searched) == [expo.pair]
    assert searched.pairs[0].similarity >= 80
    assert (searched.compared, searched.finished) == (3, True)


def test_an_answer_is_seen_by_the_next_search(expo: Expo, searched: Search) -> None:
    expo.duplicates.answer(expo.event_id, *expo.pair, Answer.SAME, "the same scar", "Ada")
    (pair,) = expo.search().pairs
    assert pair.answer
    assert (pair.answer.answer, pair.answer.by) == (Answer.SAME, "Ada")


def test_of_an_erased_person_no_face_is_kept(expo: Expo, searched: Search, engine_server: RekognitionServer) -> None:
    faces = [len(faces) for faces in engine_server.collections.kept.values()]
    expo.services.erasures.erase(expo.first.user_id, expo.first.user_id, local("an admin"))
    assert keys(expo.duplicates.latest(expo.event_id)) == []
    assert [len(faces) for faces in engine_server.collections.kept.values()] == [count - 1 for count in faces]


def test_switching_off_deletes_what_the_engine_keeps(
    expo: Expo, searched: Search, engine_server: RekognitionServer
) -> None:
    expo.switch(on=False)
    assert engine_server.collections.kept == {}
    assert expo.duplicates.latest(expo.event_id) is None


# A server that is killed


@pytest.fixture
def crowd(dynamodb_url: str, s3_server: str, mongodb_uri: str) -> Iterator[tuple[Site, RekognitionServer]]:
    """Production with an event of twelve people whom the engine takes for one, and searches that are slow enough."""
    server = RekognitionServer(SameFace())
    server.start()
    pace = {"REKOGNITION_COLLECTION_CALLS_PER_SECOND": "4"}
    with production(Servers(dynamodb_url, s3_server, mongodb_uri, server.url), **{**SETTINGS, **pace}) as site:
        photo = as_jpeg(hopper(), size=(160, 188))
        for _ in range(12):
            site.register(photo)
        site.services.duplicates.set_switch("event-1", on=True, reason="these tests", who="an admin")
        yield site, server
    server.stop()


def killed_after(site: Site, steps: int) -> None:
    foreign = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "FACEDESK_"))}
    command = [sys.executable, "-m", "tests.support.searcher", "event-1"]
    environment = {**foreign, **site.environment}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for _ in range(steps):
            assert process.stdout.readline(), "it ended by itself"
        process.kill()


@pytest.mark.parametrize("steps", [5, 17], ids=["while it adds faces", "while it compares them"])
def test_a_search_continues_what_a_killed_one_began(crowd: tuple[Site, RekognitionServer], steps: int) -> None:
    site, server = crowd
    killed_after(site, steps)
    server.calls.clear()
    search = site.services.duplicates.search("event-1", Event())
    assert (search.compared, len(search.pairs), search.finished) == (12, 66, True)
    assert server.calls["IndexFaces"] < 12
    assert [len(faces) for faces in server.collections.kept.values()] == [12]
