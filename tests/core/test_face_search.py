"""Searches for similar faces by Rekognition's collections, over the wire to a server that can misbehave."""

from __future__ import annotations

import base64
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.validate import ParamValidator

from core.adapters.aws import clients
from core.adapters.aws.face_collections import FaceCollections
from core.adapters.aws.face_search import RekognitionFaceSearch
from core.domain.duplicates import MAX_PAIRS, Found, Reference
from core.domain.errors import PhotoNotFound, PhotoUnsupported, Refused, ServiceError, Unavailable
from core.flow.crew import Progress
from core.flow.retry import Retry
from tests.support.face_collections import FacesByName, photo_of
from tests.support.rekognition import Faults, RekognitionServer, SameFace

EVENT = "event-1"
#: Tries again at once, and as often as a test needs.
EAGER = Retry(deadline=30, call_timeout=1, base=0.001, cap=0.01, tries=100)
#: What is asked again in each search.
SEARCHED = frozenset({"CreateCollection", "ListFaces", "SearchFaces"})


@dataclass
class Event:
    """An event's people and their photos, and searches of it."""

    server: RekognitionServer
    photos: dict[str, bytes] = field(default_factory=dict)
    references: list[Reference] = field(default_factory=list)
    reads: Counter[str] = field(default_factory=Counter)
    stop: threading.Event = field(default_factory=threading.Event)
    progress: list[Progress] = field(default_factory=list)
    #: What a photo cannot be read for, by key.
    unreadable: dict[str, Exception] = field(default_factory=dict)
    table: str = "face-verifications"

    def add(self, registration_id: str, photo: bytes | None = None, user_id: str = "") -> Reference:
        """A registration of a person of its own whose photo shows the face of that name, if it is not given."""
        reference = Reference(
            registration_id, user_id or f"user-of-{registration_id}", f"faces/{registration_id}.jpg"
        )
        self.references.append(reference)
        self.photos[reference.key] = photo_of(registration_id) if photo is None else photo
        return reference

    def remove(self, reference: Reference) -> None:
        self.references.remove(reference)

    @property
    def searcher(self) -> RekognitionFaceSearch:
        """Another one each time: nothing is remembered in a process."""
        client = clients.client("rekognition", "eu-west-1")
        collections = FaceCollections(client, self.table, EAGER, 10_000)
        return RekognitionFaceSearch(collections, self.mark, workers=4, patience=0)

    def search(self, threshold: float = 90.0, event_id: str = EVENT) -> Found:
        return self.searcher.search(event_id, self.references, self.read, threshold, self.stop, self.progress.append)

    def read(self, key: str) -> bytes:
        self.reads[key] += 1
        if key in self.unreadable:
            raise self.unreadable[key]
        return self.photos[key]

    def mark(self, key: str) -> str | None:
        return str(hash(self.photos[key])) if key in self.photos else None

    @property
    def kept(self) -> list[bytes]:
        """The photos whose faces are in any collection."""
        return sorted(face.photo for faces in self.server.collections.kept.values() for face in faces.values())


@pytest.fixture
def server(rekognition_server: RekognitionServer) -> RekognitionServer:
    rekognition_server.engine = FacesByName()
    return rekognition_server


@pytest.fixture
def event(server: RekognitionServer) -> Event:
    return Event(server)


@pytest.fixture
def people(event: Event) -> Event:
    """Twelve people, of whom the first is registered a second time, with another photo."""
    for number in range(12):
        event.add(f"reg-{number:02}")
    event.add("reg-99", photo_of("reg-00", 2))
    return event


def ids(found: Found) -> list[tuple[str, str]]:
    return [(pair.first, pair.second) for pair in found.pairs]


def calls_of(server: RekognitionServer, work: Callable[[], object]) -> Mapping[str, int]:
    before = server.calls.copy()
    work()
    return server.calls - before


def at_the_first(server: RekognitionServer, action: str, do: Callable[[], object]) -> None:
    """Does it before the first call of the action is answered, and before any other one is."""
    lock, done = threading.Lock(), threading.Event()

    def first(called: str) -> None:
        if called == action:
            with lock:
                if not done.is_set():
                    do()
                    done.set()

    server.on_call = first


# What is found


def test_a_person_who_registered_twice_is_found_once(people: Event) -> None:
    found = people.search()
    assert ids(found) == [("reg-00", "reg-99")]
    assert [pair.similarity for pair in found.pairs] == [99.0]
    assert (found.compared, found.failed, found.finished, found.capped) == (13, 0, True, False)


def test_two_registrations_of_one_user_are_a_pair(event: Event) -> None:
    event.add("reg-1", photo_of("ada"), "user-1")
    event.add("reg-2", photo_of("ada", 2), "user-1")
    assert ids(event.search()) == [("reg-1", "reg-2")]


def test_the_same_photo_twice_is_a_pair(event: Event) -> None:
    event.add("reg-1", photo_of("ada"))
    event.add("reg-2", photo_of("ada"))
    assert ids(event.search()) == [("reg-1", "reg-2")]


def test_pairs_below_the_threshold_are_left_out(people: Event) -> None:
    assert ids(people.search(99.5)) == []


def test_the_most_similar_come_first_and_as_many_as_anybody_looks_at(
    event: Event, server: RekognitionServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.engine = SameFace()
    monkeypatch.setattr("core.adapters.aws.face_search.MAX_PAIRS", 5)
    for number in range(12):
        event.add(f"reg-{number:02}")
    found = event.search()
    assert found.capped
    assert ids(found) == [("reg-00", f"reg-{number:02}") for number in range(1, 6)]


def test_an_event_of_strangers_has_no_pairs(event: Event) -> None:
    for number in range(5):
        event.add(f"reg-{number}")
    found = event.search()
    assert (ids(found), found.compared, found.finished) == ([], 5, True)


def test_an_event_without_photos_has_no_pairs(event: Event) -> None:
    found = event.search()
    assert (ids(found), found.compared, found.finished) == ([], 0, True)


def test_events_are_searched_apart(people: Event) -> None:
    people.search()
    people.references = [people.add("reg-50", photo_of("reg-00"))]
    assert ids(people.search(event_id="event-2")) == []


def test_photos_without_a_clear_face_are_counted(event: Event) -> None:
    event.add("reg-1")
    event.add("reg-2", photo_of(""))
    event.add("reg-3", photo_of("ada", blurred=True))
    found = event.search()
    assert (found.compared, found.without_face, found.finished) == (1, 2, True)


@pytest.mark.parametrize("error", [PhotoNotFound("gone"), PhotoUnsupported("not a photo")])
def test_photos_that_cannot_be_read_are_counted(event: Event, error: Exception) -> None:
    event.add("reg-1")
    event.unreadable[event.add("reg-2").key] = error
    found = event.search()
    assert (found.compared, found.without_photo, found.failed) == (1, 1, 0)


def test_a_photo_that_rekognition_refuses_fails_alone(event: Event) -> None:
    event.add("reg-1")
    event.add("reg-2", b"no picture|ada|sharp|1")
    found = event.search()
    assert (found.compared, found.failed, found.finished) == (1, 1, True)


def test_nobody_has_measured_how_often_rekognition_takes_two_people_for_one(event: Event) -> None:
    assert event.searcher.false_match_rate(99) is None
    assert event.searcher.default_threshold == 99


# What is kept


def test_a_second_search_adds_no_face_and_reads_no_photo(people: Event) -> None:
    first = people.search()
    people.reads.clear()
    assert calls_of(people.server, lambda: people.search()).keys() == SEARCHED
    assert not people.reads
    assert people.search() == first


def test_only_new_faces_are_added(people: Event) -> None:
    people.search()
    people.add("reg-50", photo_of("reg-01", 2))
    assert calls_of(people.server, people.search)["IndexFaces"] == 1
    assert ids(people.search()) == [("reg-00", "reg-99"), ("reg-01", "reg-50")]


def test_a_replaced_photo_takes_the_place_of_the_earlier_one(people: Event) -> None:
    people.search()
    people.photos["faces/reg-99.jpg"] = photo_of("somebody else")
    found = people.search()
    assert (ids(found), found.compared) == ([], 13)
    assert people.kept == sorted(people.photos.values())


@pytest.mark.parametrize("photo", [photo_of(""), b"no picture||sharp|1"])
def test_of_a_photo_that_was_replaced_by_a_useless_one_nothing_is_kept(people: Event, photo: bytes) -> None:
    people.search()
    people.photos["faces/reg-99.jpg"] = photo
    assert ids(people.search()) == []
    assert len(people.kept) == 12


def test_the_face_of_somebody_who_is_registered_no_more_is_deleted(people: Event) -> None:
    people.search()
    people.remove(people.references[-1])
    assert ids(people.search()) == []
    assert len(people.kept) == 12


def test_a_face_of_unknown_origin_is_deleted_and_in_no_pair(people: Event) -> None:
    people.search()
    (collection,) = people.server.collections.kept
    somebody = {"CollectionId": collection, "ExternalImageId": "somebody"}
    people.server.collections.index(somebody, photo_of("reg-00", 3))
    assert ids(people.search()) == [("reg-00", "reg-99")]
    assert len(people.kept) == 13


def test_a_photo_under_another_spelling_of_its_key_is_known_by_its_content(people: Event) -> None:
    """The store knows no photo under the key as it is written; whoever reads it does."""
    searcher = partial(
        RekognitionFaceSearch,
        FaceCollections(clients.client("rekognition", "eu-west-1"), people.table, EAGER, 10_000),
        lambda key: None,
        workers=4,
    )
    for _ in range(2):
        found = searcher().search(EVENT, people.references, people.read, 90, people.stop, people.progress.append)
        assert ids(found) == [("reg-00", "reg-99")]
    assert people.server.calls["IndexFaces"] == 13


def test_many_faces_are_listed_page_by_page(people: Event) -> None:
    people.server.collections.page_size = 5
    people.search()
    assert calls_of(people.server, people.search) == {"CreateCollection": 1, "ListFaces": 3, "SearchFaces": 13}


def test_what_is_kept_names_nobody(people: Event) -> None:
    people.search()
    kept = people.server.collections.kept
    texts = [*kept, *(face.image_id for faces in kept.values() for face in faces.values())]
    assert not [text for text in texts if "reg-" in text or "user-" in text or EVENT in text]


# Deleting


def test_a_person_is_forgotten_in_all_events(people: Event) -> None:
    people.search()
    people.references = [people.references[0], people.add("reg-60")]
    people.search(event_id="event-2")
    assert people.searcher.forget("user-of-reg-00") == 2
    assert people.searcher.forget("user-of-reg-00") == 0
    assert photo_of("reg-00") not in people.kept
    assert len(people.kept) == 13


def test_a_person_is_forgotten_over_all_pages(people: Event) -> None:
    people.search()
    people.server.collections.page_size = 2
    for reference in people.references:
        assert people.searcher.forget(reference.user_id) == 1
    assert people.kept == []


def test_another_installation_in_the_account_is_left_alone(people: Event) -> None:
    people.search()
    people.table = "face-verifications-2"
    people.search()
    assert people.searcher.forget("user-of-reg-00") == 1
    people.searcher.drop(EVENT)
    assert len(people.kept) == 13


def test_dropping_an_event_deletes_all_that_is_kept_of_it_and_can_be_repeated(people: Event) -> None:
    people.search()
    for _ in range(2):
        people.searcher.drop(EVENT)
    assert people.server.collections.kept == {}
    assert ids(people.search()) == [("reg-00", "reg-99")]


# Progress and stopping


def test_progress_counts_each_reference_when_it_is_added_and_when_it_is_compared(people: Event) -> None:
    people.search()
    assert {each.total for each in people.progress} == {26}
    assert [each.done for each in people.progress] == list(range(1, 27))


def test_a_search_that_is_stopped_says_so_and_the_next_one_continues(people: Event) -> None:
    def stop_after_five(action: str) -> None:
        if people.server.calls["IndexFaces"] == 5:
            people.stop.set()

    people.server.on_call = stop_after_five
    found = people.search()
    added = people.server.calls["IndexFaces"]
    assert (ids(found), found.compared, found.finished) == ([], 0, False)
    assert 5 <= added < 13
    people.stop.clear()
    people.server.on_call = lambda action: None
    assert calls_of(people.server, people.search)["IndexFaces"] == 13 - added
    assert ids(people.search()) == [("reg-00", "reg-99")]


def test_a_search_that_is_stopped_late_has_the_pairs_of_the_faces_compared_by_then(people: Event) -> None:
    at_the_first(people.server, "SearchFaces", people.stop.set)
    found = people.search()
    assert 0 < found.compared < 13
    assert not found.finished


# Faults


@pytest.mark.parametrize(
    "faults",
    [
        Faults(throttle=0.4),
        Faults(overload=0.4),
        Faults(too_many=0.4),
        Faults(error=0.4),
        Faults(bad_gateway=0.4),
        Faults(hang_up=0.4),
        Faults(garbage=0.4),
        Faults(garbage=0.4, garbage_body=b"{}"),
    ],
    ids=["throttle", "overload", "429", "500", "502", "hang up", "garbage", "empty"],
)
def test_a_search_ends_well_though_many_calls_fail(people: Event, faults: Faults) -> None:
    people.server.misbehave(faults)
    found = people.search()
    assert (ids(found), found.compared, found.failed, found.finished) == ([("reg-00", "reg-99")], 13, 0, True)
    assert len(people.kept) == 13


def test_a_search_that_is_not_allowed_says_what_to_do(people: Event) -> None:
    people.server.misbehave(Faults(deny=1))
    with pytest.raises(Refused, match="find_duplicates=true"):
        people.search()


def test_a_permission_that_is_missing_for_adding_faces_ends_the_search(people: Event) -> None:
    at_the_first(people.server, "IndexFaces", lambda: people.server.misbehave(Faults(deny=1)))
    with pytest.raises(Refused, match="find_duplicates=true"):
        people.search()


def test_a_permission_that_is_taken_away_while_faces_are_compared_ends_the_search(people: Event) -> None:
    at_the_first(people.server, "SearchFaces", lambda: people.server.misbehave(Faults(deny=1)))
    found = people.search()
    assert found.failed
    assert not found.finished


def test_an_engine_that_is_gone_is_out_of_reach(people: Event) -> None:
    people.server.stop()
    quick = Retry(deadline=1, call_timeout=0.5)
    collections = FaceCollections(clients.client("rekognition", "eu-west-1"), people.table, quick, 1000)
    searcher = RekognitionFaceSearch(collections, people.mark, workers=2, patience=0)
    with pytest.raises(Unavailable):
        searcher.search(EVENT, people.references, people.read, 90, people.stop, people.progress.append)


def test_photos_that_cannot_be_reached_now_are_counted_as_failed(people: Event) -> None:
    people.unreadable["faces/reg-05.jpg"] = Unavailable("photos", "SlowDown")
    found = people.search()
    assert (ids(found), found.compared, found.failed, found.finished) == ([("reg-00", "reg-99")], 12, 1, True)


def test_a_search_in_which_no_photo_can_be_reached_fails(people: Event) -> None:
    for key in people.photos:
        people.unreadable[key] = Unavailable("photos", "SlowDown")
    with pytest.raises(Unavailable, match="SlowDown"):
        people.search()


def test_somebody_who_is_erased_during_a_search_is_in_no_pair(people: Event) -> None:
    at_the_first(people.server, "SearchFaces", lambda: people.searcher.forget("user-of-reg-99"))
    found = people.search()
    assert (ids(found), found.compared, found.failed) == ([], 12, 1)
    assert len(people.kept) == 12


@pytest.mark.parametrize("action", ["IndexFaces", "SearchFaces"])
def test_a_collection_that_is_deleted_during_a_search_stays_deleted(people: Event, action: str) -> None:
    at_the_first(people.server, action, lambda: people.searcher.drop(EVENT))
    with pytest.raises(ServiceError, match="deleted during the search"):
        people.search()
    assert people.server.collections.kept == {}


def test_two_searches_at_once_find_the_same(people: Event) -> None:
    found: list[Found] = []
    threads = [threading.Thread(target=lambda: found.append(people.search())) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [ids(each) for each in found] == [[("reg-00", "reg-99")]] * 2
    assert len(people.kept) == 13


def test_as_many_pairs_are_asked_for_as_tell_whether_there_are_more() -> None:
    assert MAX_PAIRS + 1 <= 4096


def test_the_server_answers_in_the_shapes_of_the_service_model(people: Event) -> None:
    """What boto3's parser would pass over in silence."""
    client = boto3.client("rekognition", region_name="eu-west-1")
    people.search()
    (name,) = people.server.collections.kept
    (face, *_) = people.server.collections.kept[name].values()
    requests: dict[str, dict[str, Any]] = {
        "ListCollections": {},
        "ListFaces": {"CollectionId": name},
        "SearchFaces": {"CollectionId": name, "FaceId": face.face_id},
        "IndexFaces": {
            "CollectionId": name,
            "ExternalImageId": "a:b:c",
            "Image": {"Bytes": base64.b64encode(photo_of("ada")).decode()},
        },
        "DeleteFaces": {"CollectionId": name, "FaceIds": [face.face_id, str(uuid4())]},
        "DeleteCollection": {"CollectionId": name},
        "CreateCollection": {"CollectionId": name},
    }
    for operation, request in requests.items():
        shape = client.meta.service_model.operation_model(operation).output_shape
        report = ParamValidator().validate(people.server.answer(operation, request), shape)
        assert not report.has_errors(), report.generate_report()
