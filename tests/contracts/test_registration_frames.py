"""``Registrations.event_frame`` and ``events``, held by every adapter."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from bson import ObjectId
from pymongo.collection import Collection

from core.adapters.aws.registrations import MongoRegistrations
from core.domain.frames import registration_frame
from tests.support.registrations import Fill, Store, registration


def ids(store: Store, event_id: str = "event-1") -> list[str]:
    return list(store.event_frame(event_id)["registrationId"])


def test_an_event_without_registrations_is_the_empty_frame(filled: Fill) -> None:
    pd.testing.assert_frame_equal(filled().event_frame("event-1"), registration_frame({}))


def test_a_row_has_all_of_a_registration(filled: Fill) -> None:
    keys = {"reference_photo_key": "faces/1.jpg", "submitted_photo_key": "sent/1.jpg"}
    store = filled(registration("r1", name="Ana Sá", email="ana@example.com", **keys))
    assert store.event_frame("event-1").to_dict("records") == [
        {
            "registrationId": "r1",
            "userId": "user-1",
            "eventId": "event-1",
            "name": "Ana Sá",
            "email": "ana@example.com",
            "referencePhotoKey": "faces/1.jpg",
            "submittedPhotoKey": "sent/1.jpg",
            "unreadable": "",
        }
    ]


def test_an_absent_name_is_empty_and_an_absent_photo_missing(filled: Fill) -> None:
    (row,) = filled(registration("r1")).event_frame("event-1").to_dict("records")
    assert (row["name"], row["email"], pd.isna(row["referencePhotoKey"])) == ("", "", True)


def test_rows_are_the_events_own_by_registration_id(filled: Fill) -> None:
    store = filled(registration("b"), registration("c", event_id="event-2"), registration("a"), registration("B"))
    assert ids(store) == ["B", "a", "b"]


@pytest.mark.parametrize("odd", ["Event-1", "event-1 ", "event%", "'; --", "$ne", ".*", "é"])
def test_events_are_compared_exactly_whatever_characters_they_have(filled: Fill, odd: str) -> None:
    store = filled(registration("r1"), registration("r2", event_id=odd))
    assert ids(store, odd) == ["r2"]


@pytest.mark.parametrize("event_id", ["event-1", "event-9", None])
def test_where_everything_could_be_read_nothing_is_left_out(filled: Fill, event_id: str | None) -> None:
    store = filled(registration("r1"), registration("r2", name="Ana", email="ana@example.com"))
    pd.testing.assert_frame_equal(store.unreadable(event_id), registration_frame({}))


def test_nobody_registered_means_no_events(filled: Fill) -> None:
    assert filled().events() == []


def test_each_event_is_listed_once_in_order(filled: Fill) -> None:
    store = filled(*(registration(f"r{n}", event_id=event) for n, event in enumerate(["b", "é", "a", "b", "B"])))
    assert store.events() == ["B", "a", "b", "é"]


# MongoDB's own


def test_ids_may_be_object_ids(mongodb_collection: Collection[Any]) -> None:
    event, user, registered = ObjectId(), ObjectId(), ObjectId()
    mongodb_collection.insert_one({"_id": registered, "userId": user, "eventId": event})
    store = MongoRegistrations(mongodb_collection, {})
    (row,) = store.event_frame(str(event)).to_dict("records")
    assert (row["registrationId"], row["userId"], row["eventId"]) == (str(registered), str(user), str(event))


def test_an_event_written_in_both_ways_is_one_event(mongodb_collection: Collection[Any]) -> None:
    event = ObjectId()
    mongodb_collection.insert_many(
        [{"_id": "b", "userId": "u", "eventId": event}, {"_id": "a", "userId": "u", "eventId": str(event)}]
    )
    store = MongoRegistrations(mongodb_collection, {})
    assert (store.events(), ids(store, str(event))) == ([str(event)], ["a", "b"])


@pytest.mark.parametrize("lacking", [{"userId": None}, {"userId": ""}, {"userId": 4.5}, {"eventId": ["event-1"]}])
def test_an_incomplete_document_is_left_out_of_the_frame(
    mongodb_collection: Collection[Any], lacking: dict[str, Any]
) -> None:
    complete = {"_id": "r1", "userId": "u", "eventId": "event-1"}
    mongodb_collection.insert_many([complete, {**complete, "_id": "r2", **lacking}])
    assert ids(MongoRegistrations(mongodb_collection, {})) == ["r1"]


@pytest.mark.parametrize("event_id", [None, "", 5.5, True])
def test_what_cannot_be_an_id_is_no_event(secantusdb_collection: Collection[Any], event_id: object) -> None:
    secantusdb_collection.insert_many(
        [{"_id": "r1", "userId": "u", "eventId": "event-1"}, {"_id": "r2", "userId": "u", "eventId": event_id}]
    )
    assert MongoRegistrations(secantusdb_collection, {}).events() == ["event-1"]


def test_fields_may_lie_elsewhere(mongodb_collection: Collection[Any]) -> None:
    mongodb_collection.insert_one(
        {"_id": "d1", "who": {"id": "u", "mail": "a@b"}, "event": {"id": "e"}, "code": "r1"}
    )
    fields = {"registrationId": "code", "userId": "who.id", "eventId": "event.id", "email": "who.mail"}
    store = MongoRegistrations(mongodb_collection, fields)
    (row,) = store.event_frame("e").to_dict("records")
    assert (store.events(), row["registrationId"], row["userId"], row["email"]) == (["e"], "r1", "u", "a@b")
