"""Rekognition's collections: what is asked of the service, and which errors mean what."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from botocore.stub import Stubber

from core.adapters.aws import clients
from core.adapters.aws.face_collections import FaceCollections, Match, Tag
from core.domain.errors import Refused, ServiceError, SettingsError, Throttled, Unavailable
from core.flow.retry import Retry

TABLE = "face-verifications"
#: Tries again at once, and as often as a test needs.
EAGER = Retry(deadline=30, call_timeout=1, base=0.001, cap=0.001)
PHOTO = b"\xff\xd8\xff a photo"
TAG = Tag.of("user-1", "reg-1", "mark-1")
FACE = str(uuid4())
ODD_IDS = ["", "a" * 2048, "Grüße \U0001f600", "../../x", "lone surrogate \udcff", "a:b"]


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with Stubber(clients.client("rekognition", "eu-west-1")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def collections(stub: Stubber) -> FaceCollections:
    return FaceCollections(stub.client, TABLE, EAGER, 1000)


def fail(stub: Stubber, operation: str, code: str, status: int = 400) -> None:
    stub.add_client_error(operation, service_error_code=code, http_status_code=status)


def face(tag: Tag | None, face_id: str = FACE) -> dict[str, Any]:
    return {"FaceId": face_id, **({"ExternalImageId": str(tag)} if tag else {})}


# Names


@pytest.mark.parametrize("event_id", ODD_IDS)
def test_any_event_has_a_name_that_rekognition_takes(collections: FaceCollections, event_id: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_.\-]{1,255}", collections.name_of(event_id))


def test_events_and_installations_do_not_share_names(stub: Stubber) -> None:
    tables = ("faces", "faces-2")
    names = [
        FaceCollections(stub.client, table, EAGER, 1000).name_of(event)
        for table in tables
        for event in ("event-1", "event-2", "2-event-1")
    ]
    assert len(set(names)) == len(names)


def test_a_table_whose_name_leaves_no_room_is_a_bad_setting(stub: Stubber) -> None:
    with pytest.raises(SettingsError, match="DYNAMODB_FACE_VALIDATION_TABLE"):
        FaceCollections(stub.client, "t" * 230, EAGER, 1000)


@pytest.mark.parametrize("odd", ODD_IDS)
def test_any_person_and_photo_has_a_tag_that_rekognition_takes(odd: str) -> None:
    text = str(Tag.of(odd, odd, odd))
    assert re.fullmatch(r"[a-zA-Z0-9_.\-:]{1,255}", text)
    assert Tag.read(text) == Tag.of(odd, odd, odd)


@pytest.mark.parametrize("text", ["", "somebody", "a:b", "a:b:c:d"])
def test_a_text_of_somebody_else_is_no_tag(text: str) -> None:
    assert Tag.read(text) is None


def test_a_tag_says_no_id() -> None:
    assert "user-1" not in str(TAG)
    assert "reg-1" not in str(TAG)


def test_the_collections_of_the_installation_are_listed_over_all_pages(
    stub: Stubber, collections: FaceCollections
) -> None:
    ours = [collections.name_of(event_id) for event_id in ("event-1", "event-2")]
    others = ["somebody-elses", f"{TABLE}-2-{ours[0][-32:]}", f"{TABLE}-short"]
    stub.add_response("list_collections", {"CollectionIds": [*others, ours[0]], "NextToken": "next"}, {})
    stub.add_response("list_collections", {"CollectionIds": [ours[1]]}, {"NextToken": "next"})
    assert list(collections.names()) == ours


# Requests


def test_a_collection_is_created_and_may_exist(stub: Stubber, collections: FaceCollections) -> None:
    stub.add_response("create_collection", {"StatusCode": 200}, {"CollectionId": "c"})
    fail(stub, "create_collection", "ResourceAlreadyExistsException")
    collections.create("c")
    collections.create("c")


def test_the_largest_face_of_good_quality_is_added_with_its_tag(stub: Stubber, collections: FaceCollections) -> None:
    asked = {
        "CollectionId": "c",
        "Image": {"Bytes": PHOTO},
        "ExternalImageId": str(TAG),
        "MaxFaces": 1,
        "QualityFilter": "AUTO",
    }
    stub.add_response("index_faces", {"FaceRecords": [{"Face": face(TAG)}], "UnindexedFaces": []}, asked)
    assert collections.add("c", TAG, PHOTO) == FACE


def test_a_photo_without_a_clear_face_adds_nothing(stub: Stubber, collections: FaceCollections) -> None:
    left_out = [{"Reasons": ["LOW_FACE_QUALITY"], "FaceDetail": {"Confidence": 70.0}}]
    stub.add_response("index_faces", {"FaceRecords": [], "UnindexedFaces": left_out})
    assert collections.add("c", TAG, PHOTO) is None


def test_faces_are_listed_over_all_pages(stub: Stubber, collections: FaceCollections) -> None:
    other = str(uuid4())
    asked = {"CollectionId": "c", "MaxResults": 4096}
    stub.add_response("list_faces", {"Faces": [face(TAG)], "NextToken": "next"}, asked)
    stub.add_response("list_faces", {"Faces": [face(None, other)]}, {**asked, "NextToken": "next"})
    assert list(collections.faces("c")) == [(FACE, TAG), (other, None)]


def test_similar_faces_come_with_their_tags(stub: Stubber, collections: FaceCollections) -> None:
    asked = {"CollectionId": "c", "FaceId": FACE, "FaceMatchThreshold": 97.5, "MaxFaces": 3}
    matches = [
        {"Similarity": 99.5, "Face": face(TAG, str(uuid4()))},
        {"Similarity": 98.0, "Face": face(None, str(uuid4()))},
    ]
    stub.add_response("search_faces", {"SearchedFaceId": FACE, "FaceMatches": matches}, asked)
    assert collections.similar("c", FACE, 97.5, 3) == [Match(TAG, 99.5)]


def test_many_faces_are_deleted_in_requests_of_as_many_as_rekognition_takes(
    stub: Stubber, collections: FaceCollections
) -> None:
    faces = [str(uuid4()) for _ in range(5000)]
    for part in (faces[:4096], faces[4096:]):
        stub.add_response("delete_faces", {"DeletedFaces": part}, {"CollectionId": "c", "FaceIds": part})
    collections.delete("c", faces)


def test_no_faces_are_deleted_without_a_request(collections: FaceCollections) -> None:
    collections.delete("c", [])


def test_a_face_that_is_gone_is_as_good_as_deleted(stub: Stubber, collections: FaceCollections) -> None:
    gone = {"UnsuccessfulFaceDeletions": [{"FaceId": FACE, "Reasons": ["FACE_NOT_FOUND"]}]}
    stub.add_response("delete_faces", gone)
    collections.delete("c", [FACE])


def test_a_face_that_is_not_deleted_is_an_error(stub: Stubber, collections: FaceCollections) -> None:
    left = {"UnsuccessfulFaceDeletions": [{"FaceId": FACE, "Reasons": ["ASSOCIATED_TO_AN_EXISTING_USER"]}]}
    stub.add_response("delete_faces", left)
    with pytest.raises(Refused, match="did not delete"):
        collections.delete("c", [FACE])


def test_a_collection_is_deleted(stub: Stubber, collections: FaceCollections) -> None:
    stub.add_response("delete_collection", {"StatusCode": 200}, {"CollectionId": "c"})
    collections.drop("c")


# Errors

Use = Callable[[FaceCollections], object]
USES: dict[str, Use] = {
    "list_collections": lambda collections: list(collections.names()),
    "create_collection": lambda collections: collections.create("c"),
    "index_faces": lambda collections: collections.add("c", TAG, PHOTO),
    "list_faces": lambda collections: list(collections.faces("c")),
    "search_faces": lambda collections: collections.similar("c", FACE, 90, 10),
    "delete_faces": lambda collections: collections.delete("c", [FACE]),
    "delete_collection": lambda collections: collections.drop("c"),
}
each_use = pytest.mark.parametrize(("operation", "use"), USES.items(), ids=list(USES))


@each_use
def test_a_missing_permission_says_what_to_do(
    stub: Stubber, collections: FaceCollections, operation: str, use: Use
) -> None:
    fail(stub, operation, "AccessDeniedException")
    with pytest.raises(Refused, match="find_duplicates=true") as caught:
        use(collections)
    assert (caught.value.service, caught.value.code) == ("duplicates", "AccessDeniedException")


@each_use
@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("ProvisionedThroughputExceededException", 400, Throttled),
        ("ThrottlingException", 400, Throttled),
        ("TooManyRequestsException", 429, Throttled),
        ("InternalServerError", 500, Unavailable),
    ],
)
def test_what_passes_is_tried_again_until_there_is_no_time(
    stub: Stubber, operation: str, use: Use, code: str, status: int, error: type[ServiceError]
) -> None:
    for _ in range(3):
        fail(stub, operation, code, status)
    twice = Retry(deadline=30, call_timeout=1, base=0.001, cap=0.001, tries=3)
    with pytest.raises(error, match=code):
        use(FaceCollections(stub.client, TABLE, twice, 1000))


@pytest.mark.parametrize("operation", ["list_faces", "delete_faces", "delete_collection"])
def test_where_there_is_no_collection_there_is_nothing(
    stub: Stubber, collections: FaceCollections, operation: str
) -> None:
    fail(stub, operation, "ResourceNotFoundException")
    assert not USES[operation](collections)


@pytest.mark.parametrize("operation", ["index_faces", "search_faces"])
def test_a_collection_that_is_deleted_during_a_search_is_not_made_again(
    stub: Stubber, collections: FaceCollections, operation: str
) -> None:
    fail(stub, operation, "ResourceNotFoundException")
    with pytest.raises(Refused, match="deleted during the search"):
        USES[operation](collections)


def test_a_face_that_is_deleted_during_a_search_has_no_similar_ones(
    stub: Stubber, collections: FaceCollections
) -> None:
    fail(stub, "search_faces", "InvalidParameterException")
    assert collections.similar("c", FACE, 90, 10) is None


@each_use
def test_a_full_collection_is_refused_with_amazons_code(
    stub: Stubber, collections: FaceCollections, operation: str, use: Use
) -> None:
    fail(stub, operation, "ServiceQuotaExceededException")
    with pytest.raises(Refused, match="ServiceQuotaExceeded"):
        use(collections)
