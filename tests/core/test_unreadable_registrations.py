"""What other systems wrote into MongoDB and could not be read: every document is shown, or listed with why."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd
import pytest
from bson import Binary, DBRef, Decimal128, MaxKey, ObjectId, Regex, Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pymongo.collection import Collection

from core.adapters.aws.registrations import MongoRegistrations
from core.domain.records import Registration
from core.domain.statistics import UNREADABLE_COLUMNS, unreadable
from tests.core.test_registration_ids import COMPLETE, IDS, OTHERS
from tests.support.frames import registration_rows

BUCKET = "faces"
#: A value of a field that is no id -> what a person sees of it, and how it is listed where it could not be read.
VALUES: dict[str, tuple[Any, str | None, str]] = {
    "text": ("Ana", "Ana", ""),
    "nothing": (None, None, ""),
    "empty text": ("", None, ""),
    "empty list": ([], None, ""),
    "int": (7, "7", ""),
    "double": (7.0, "7", ""),
    "fraction": (7.5, "7.5", ""),
    "Decimal128": (Decimal128("7.50"), "7.50", ""),
    "ObjectId": (ObjectId("65f0000000000000000000a1"), "65f0000000000000000000a1", ""),
    "truth value": (True, "true", ""),
    "no number": (float("nan"), None, "number"),
    "too many digits": (Decimal128("1E+6000"), None, "number"),
    "time": (datetime(2026, 3, 1), None, "time"),
    "timestamp": (Timestamp(1, 1), None, "time"),
    "bytes": (b"Ana", None, "binary"),
    "binary": (Binary(b"Ana", 5), None, "binary"),
    "list": (["Ana"], None, "list"),
    "map": ({"first": "Ana", "last": "Sá"}, None, "map"),
    "empty map": ({}, None, "map"),
    "reference": (DBRef("people", 7), None, "map"),
    "pattern": (Regex("A"), None, "other"),
    "greatest": (MaxKey(), None, "other"),
}
FIELDS = {"name": "name", "email": "email", "storedFaceKey": "referencePhotoKey", "faceImageKey": "submittedPhotoKey"}


@pytest.fixture
def store(secantusdb_collection: Collection[Any]) -> MongoRegistrations:
    return MongoRegistrations(secantusdb_collection, {}, bucket=BUCKET)


def found(store: MongoRegistrations) -> Registration:
    registration = store.get("r-1")
    assert registration is not None
    return registration


def listed(store: MongoRegistrations, event_id: str | None) -> dict[str, str]:
    frame = store.unreadable(event_id)
    return dict(zip(frame["registrationId"], frame["unreadable"], strict=True))


@pytest.mark.parametrize(("value", "text", "kind"), VALUES.values(), ids=VALUES)
@pytest.mark.parametrize(("path", "name"), FIELDS.items())
def test_a_field_is_text_or_is_absent_and_listed(
    secantusdb_collection: Collection[Any],
    store: MongoRegistrations,
    path: str,
    name: str,
    value: Any,
    text: str | None,
    kind: str,
) -> None:
    secantusdb_collection.insert_one({**COMPLETE, path: value})
    registration = found(store)
    assert registration.to_dict().get(name) == text
    assert registration.unreadable == (f"{name}:{kind}" if kind else "")


def test_everything_that_could_not_be_read_is_in_the_frame(
    secantusdb_collection: Collection[Any], store: MongoRegistrations
) -> None:
    secantusdb_collection.insert_many([{**COMPLETE, "name": {}, "email": [1]}, {**COMPLETE, "_id": "r-2"}])
    assert list(store.event_frame("e-1")["unreadable"]) == ["name:map email:list", ""]


@pytest.mark.parametrize(
    ("written", "key", "problem"),
    [
        ("s3://faces/reference-faces/a.jpg", "reference-faces/a.jpg", ""),
        ("https://faces.s3.ap-south-1.amazonaws.com/reference-faces/a%20b.jpg?X=1", "reference-faces/a b.jpg", ""),
        ("s3://other/a.jpg", None, "referencePhotoKey:other-bucket"),
        ("https://photos.example.com/a.jpg", None, "referencePhotoKey:other-bucket"),
    ],
)
def test_a_photo_is_in_our_bucket_or_is_listed(
    secantusdb_collection: Collection[Any], store: MongoRegistrations, written: str, key: str | None, problem: str
) -> None:
    secantusdb_collection.insert_one({**COMPLETE, "storedFaceKey": written})
    assert (found(store).reference_photo_key, found(store).unreadable) == (key, problem)


@pytest.mark.parametrize(
    ("document", "problems"),
    [
        ({"userId": None}, "userId:missing"),
        ({"userId": 7.5}, "userId:number"),
        ({"userId": True}, "userId:truth-value"),
        ({"userId": {"key": 1}}, "userId:map"),
        ({"userId": ["u-1"]}, "userId:list"),
        ({"eventId": ["e-1", "e-2"]}, "eventId:list"),
        ({"_id": True, "name": []}, "registrationId:truth-value"),
        ({"userId": b"", "email": {"work": "a@b"}}, "userId:binary email:map"),
    ],
)
def test_what_has_no_id_is_listed_with_its_event_by_its_own_id(
    secantusdb_collection: Collection[Any], store: MongoRegistrations, document: dict[str, Any], problems: str
) -> None:
    secantusdb_collection.insert_many([COMPLETE | document, {**COMPLETE, "_id": "r-2"}])
    assert listed(store, "e-1") == {str(document.get("_id", "r-1")): problems}
    assert listed(store, None) == {}


def test_a_list_of_events_is_listed_with_each_of_them(
    secantusdb_collection: Collection[Any], store: MongoRegistrations
) -> None:
    secantusdb_collection.insert_one({**COMPLETE, "eventId": ["e-1", 26, {"_id": "e-3"}, None]})
    assert [list(listed(store, event)) for event in (*store.events(), None)] == [["r-1"]] * 3 + [[]]


@pytest.mark.parametrize("event", [None, "", True, 7.5, [], [None], [True], {"key": 1}, datetime(2026, 3, 1)])
def test_what_has_no_event_is_listed_without_one(
    secantusdb_collection: Collection[Any], store: MongoRegistrations, event: Any
) -> None:
    secantusdb_collection.insert_many([{**COMPLETE, "eventId": event}, {**COMPLETE, "_id": "r-2"}])
    assert list(listed(store, None)) == ["r-1"]


def test_fields_below_lists_are_lists(secantusdb_collection: Collection[Any]) -> None:
    secantusdb_collection.insert_one({"_id": "r-1", "person": [{"id": "u-1"}, {"id": "u-2"}], "event": [{"id": "e"}]})
    store = MongoRegistrations(secantusdb_collection, {"userId": "person.id", "eventId": "event.id"})
    assert listed(store, "e") == {"r-1": "userId:list eventId:list"}


def test_a_documents_own_id_tells_it_where_the_registration_id_is_another_field(
    secantusdb_collection: Collection[Any],
) -> None:
    secantusdb_collection.insert_one({**COMPLETE, "_id": ObjectId("65f0000000000000000000a1")})
    store = MongoRegistrations(secantusdb_collection, {"registrationId": "code"})
    assert listed(store, "e-1") == {"65f0000000000000000000a1": "registrationId:missing"}


def test_problems_have_a_row_each() -> None:
    rows = [
        {"registrationId": "r-1", "userId": "u", "eventId": "e", "unreadable": "name:map email:list"},
        {"registrationId": "r-2", "userId": "u", "eventId": "e", "unreadable": ""},
    ]
    left_out = [{"registrationId": "r-3", "userId": "", "eventId": "", "unreadable": "userId:missing"}]
    assert unreadable(registration_rows(rows), registration_rows(left_out)).to_numpy().tolist() == [
        ["r-1", "email", "list"],
        ["r-1", "name", "map"],
        ["r-3", "userId", "missing"],
    ]


def test_without_problems_there_are_no_rows() -> None:
    expected = pd.DataFrame([], columns=list(UNREADABLE_COLUMNS), dtype="str")
    pd.testing.assert_frame_equal(unreadable(registration_rows([])), expected)


ID_VALUES = st.sampled_from([*(value for value, _ in IDS.values()), *OTHERS.values()])
FIELD_VALUES = st.sampled_from([value for value, *_ in VALUES.values()])
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "code": ID_VALUES,
        "userId": ID_VALUES,
        "eventId": ID_VALUES | st.lists(ID_VALUES, max_size=2),
        **dict.fromkeys(FIELDS, FIELD_VALUES),
    },
)


@given(documents=st.lists(DOCUMENTS, min_size=1, max_size=8))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_document_is_shown_or_listed_and_no_read_fails(
    secantusdb_collection: Collection[Any], documents: list[dict[str, Any]]
) -> None:
    secantusdb_collection.delete_many({})
    # What is listed goes by the document's own id.
    secantusdb_collection.insert_many([{**document, "_id": f"d-{n}"} for n, document in enumerate(documents)])
    store = MongoRegistrations(secantusdb_collection, {"registrationId": "code"}, bucket=BUCKET)
    frames = [store.event_frame(event) for event in store.events()]
    shown = sum(map(len, frames))
    left_out = {document for event in (*store.events(), None) for document in listed(store, event)}
    assert shown + len(left_out) == len(documents)
    for frame in frames:
        for row in frame.to_dict("records"):
            assert store.get(row["registrationId"]) is not None
            assert row["registrationId"] in {each.registration_id for each in store.of_user(row["userId"])}
            assert row["registrationId"] in {
                each.registration_id for each in store.search(row["userId"]).registrations
            }
