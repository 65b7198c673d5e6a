"""The contract of ``core.ports.FaceSearch``: with templates of the local engine, and with collections of Rekognition
(over the wire, a loopback server that judges by the same engine).
"""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from PIL import Image

from core.adapters.aws import clients
from core.adapters.aws.face_collections import FaceCollections
from core.adapters.aws.face_search import RekognitionFaceSearch
from core.adapters.embedded.photos import FolderPhotos
from core.domain.duplicates import Found, Reference
from core.flow.crew import Progress
from core.flow.retry import Retry
from core.photos.sanitiser import PhotoSanitiser
from core.ports import FaceSearch
from core.services.reference_photos import ReferenceTemplates
from core.services.template_search import TemplateSearch
from tests.support.portraits import as_jpeg

EVENT = "event-1"
THRESHOLD = 80.0


@dataclass
class Bench:
    faces: FaceSearch
    photos: FolderPhotos
    sanitiser: PhotoSanitiser
    references: list[Reference] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    progress: list[Progress] = field(default_factory=list)

    def add(self, registration_id: str, photo: bytes | None) -> Reference:
        """A registration of a person of its own; without ``photo`` there is none under its key."""
        reference = Reference(registration_id, f"user-of-{registration_id}", f"faces/{registration_id}.jpg")
        self.references.append(reference)
        if photo is not None:
            self.photos.put(reference.key, photo)
        return reference

    def search(self, threshold: float = THRESHOLD, event_id: str = EVENT) -> Found:
        return self.faces.search(event_id, self.references, self._read, threshold, self.stop, self.progress.append)

    def _read(self, key: str) -> bytes:
        return self.sanitiser.clean(self.photos.get(key)).jpeg


@pytest.fixture(params=["templates", "collections"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, sanitiser: PhotoSanitiser) -> Iterator[Bench]:
    photos = FolderPhotos(tmp_path / "photos")
    faces: FaceSearch
    if request.param == "templates":
        engine = request.getfixturevalue("local_engine")
        references = ReferenceTemplates(photos, sanitiser, engine, photos.templates)
        faces = TemplateSearch(references, engine, workers=2)
    else:
        request.getfixturevalue("rekognition_server")
        retry = Retry(deadline=9, call_timeout=4)
        collections = FaceCollections(clients.client("rekognition", "eu-west-1"), "faces", retry, 1000)
        faces = RekognitionFaceSearch(collections, photos.templates.mark, workers=2)
    yield Bench(faces, photos, sanitiser)
    faces.close()


def another(photo: bytes) -> bytes:
    """Another photo of the same person."""
    image = Image.open(io.BytesIO(photo))
    return as_jpeg(photo, size=(int(0.7 * image.width), int(0.7 * image.height)))


@pytest.fixture
def three(bench: Bench, hopper_jpeg: bytes, astronaut_jpeg: bytes) -> Bench:
    """Two people, of whom one is registered twice."""
    bench.add("reg-1", astronaut_jpeg)
    bench.add("reg-3", another(hopper_jpeg))
    bench.add("reg-2", hopper_jpeg)
    return bench


def ids(found: Found) -> list[tuple[str, str]]:
    return [(pair.first, pair.second) for pair in found.pairs]


def test_a_person_who_registered_twice_is_found_once_with_the_lower_id_first(three: Bench) -> None:
    found = three.search()
    assert ids(found) == [("reg-2", "reg-3")]
    assert THRESHOLD <= found.pairs[0].similarity <= 100
    assert (found.compared, found.without_face, found.without_photo, found.failed) == (3, 0, 0, 0)
    assert (found.capped, found.finished) == (False, True)


def test_pairs_less_similar_than_the_threshold_are_left_out(three: Bench) -> None:
    assert len(three.search(0.0).pairs) == 3
    assert ids(three.search(100.0)) == []


def test_the_most_similar_pair_comes_first(three: Bench) -> None:
    similarities = [pair.similarity for pair in three.search(0.0).pairs]
    assert similarities == sorted(similarities, reverse=True)


def test_a_second_search_finds_the_same(three: Bench) -> None:
    first = three.search()
    assert three.search() == first


def test_an_event_of_nobody_has_no_pairs(bench: Bench) -> None:
    found = bench.search()
    assert (ids(found), found.compared, found.finished) == ([], 0, True)


def test_photos_of_no_use_are_counted_by_what_they_lack(three: Bench, landscape_jpeg: bytes) -> None:
    three.add("reg-4", landscape_jpeg)
    three.add("reg-5", None)
    three.add("reg-6", b"no photo at all")
    found = three.search()
    assert ids(found) == [("reg-2", "reg-3")]
    assert (found.compared, found.without_face, found.without_photo, found.failed) == (3, 1, 2, 0)
    assert found.finished


def test_a_replaced_photo_counts_and_the_earlier_one_does_not(three: Bench, astronaut_jpeg: bytes) -> None:
    three.search()
    three.photos.put("faces/reg-3.jpg", another(astronaut_jpeg))
    assert ids(three.search()) == [("reg-1", "reg-3")]


def test_whoever_is_not_given_is_in_no_pair(three: Bench) -> None:
    three.search()
    three.references = [each for each in three.references if each.registration_id != "reg-3"]
    found = three.search()
    assert (ids(found), found.compared) == ([], 2)


def test_people_of_another_event_are_in_no_pair(three: Bench) -> None:
    three.search()
    three.references = three.references[:1]
    assert ids(three.search(event_id="event-2")) == []


def test_a_search_that_is_stopped_before_it_begins_examines_nothing(three: Bench) -> None:
    three.stop.set()
    found = three.search()
    assert (ids(found), found.compared, found.finished) == ([], 0, False)


def test_the_progress_ends_when_all_is_done(three: Bench) -> None:
    three.search()
    assert three.progress[-1].done == three.progress[-1].total


def test_nothing_hinders_a_search_after_a_person_was_forgotten(three: Bench) -> None:
    three.search()
    three.faces.forget("user-of-reg-3")
    three.faces.forget("user-of-nobody")
    three.references = [each for each in three.references if each.registration_id != "reg-3"]
    assert ids(three.search()) == []


def test_an_event_can_be_dropped_and_searched_again(three: Bench) -> None:
    three.faces.drop(EVENT)
    three.search()
    three.faces.drop(EVENT)
    three.faces.drop(EVENT)
    assert ids(three.search()) == [("reg-2", "reg-3")]


def test_a_search_has_a_threshold_to_start_with(bench: Bench) -> None:
    assert 50 < bench.faces.default_threshold < 100


def test_the_rate_of_false_matches_falls_with_the_threshold_if_it_is_known(bench: Bench) -> None:
    low, high = (bench.faces.false_match_rate(threshold) for threshold in (70, 90))
    assert (low is None) == (high is None)
    if low and high:
        assert 0 <= high.estimate < low.estimate <= 1
