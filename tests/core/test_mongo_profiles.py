"""Profiles of events that another system keeps in MongoDB: how they are read, and what cannot be."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from bson import ObjectId
from pymongo.collection import Collection

from core.adapters.aws.mongo_profiles import MongoProfiles
from core.domain.errors import SettingsError, Unavailable
from core.domain.profiles import EventProfile, EventRules

START, END = datetime(2027, 1, 2, 13, tzinfo=UTC), datetime(2027, 1, 3, 18, tzinfo=UTC)


@pytest.fixture(params=["mongodb_collection", "secantusdb_collection"])
def collection(request: pytest.FixtureRequest) -> Collection[Any]:
    found: Collection[Any] = request.getfixturevalue(request.param)
    return found


def read(collection: Collection[Any], **document: Any) -> EventProfile:
    collection.insert_one({"_id": "expo", **document})
    profile = MongoProfiles(collection, {}).get("expo")
    assert profile
    return profile


def test_all_fields_are_read(collection: Collection[Any]) -> None:
    profile = read(
        collection,
        name="Expo",
        timeZone="Asia/Kolkata",
        startsAt=START,
        endsAt=END,
        photoDeadline=START,
        keepDays=14,
        similarityThreshold=85,
        reviewThreshold=75,
        theirs={"owner": 7},
    )
    assert profile == EventProfile(
        event_id="expo",
        name="Expo",
        time_zone="Asia/Kolkata",
        starts_at=START,
        ends_at=END,
        photo_deadline=START,
        keep_days=14,
        rules=EventRules(similarity_threshold=85, review_threshold=75),
        version=1,
    )


def test_an_event_that_nobody_described_has_no_profile(collection: Collection[Any]) -> None:
    assert MongoProfiles(collection, {}).get("expo") is None
    assert MongoProfiles(collection, {}).all() == []


def test_all_events_are_listed_by_their_ids_as_text(secantusdb_collection: Collection[Any]) -> None:
    ids = [ObjectId("65f0000000000000000000a1"), "expo", 26, {"odd": True}]
    secantusdb_collection.insert_many([{"_id": each} for each in ids])
    profiles = MongoProfiles(secantusdb_collection, {})
    assert [profile.event_id for profile in profiles.all()] == ["26", "65f0000000000000000000a1", "expo"]
    for event_id in ("26", "65f0000000000000000000a1", "expo"):
        profile = profiles.get(event_id)
        assert profile
        assert profile.event_id == event_id


def test_fields_may_be_called_otherwise_and_lie_deeper(collection: Collection[Any]) -> None:
    collection.insert_one({"_id": 1, "code": "expo", "schedule": {"begin": START}})
    profile = MongoProfiles(collection, {"eventId": "code", "startsAt": "schedule.begin"}).get("expo")
    assert profile
    assert profile.starts_at == START


@pytest.mark.parametrize(
    "written",
    ["2027-01-02T13:00:00Z", "2027-01-02 18:30", "Sat, 02 Jan 2027 13:00:00 GMT", 1798894800, "1798894800000"],
)
def test_a_time_may_be_written_in_many_ways(collection: Collection[Any], written: Any) -> None:
    assert read(collection, timeZone="Asia/Kolkata", startsAt=written).starts_at == START


@pytest.mark.parametrize(
    ("document", "unreadable"),
    [
        ({"startsAt": "soon"}, "startsAt"),
        ({"timeZone": "Mars/Olympus"}, "timeZone"),
        ({"keepDays": -1}, "keepDays"),
        ({"keepDays": "a week"}, "keepDays"),
        ({"startsAt": END, "endsAt": START}, "endsAt"),
        ({"similarityThreshold": 85}, "similarityThreshold"),
        ({"reviewThreshold": 150, "similarityThreshold": 160}, "similarityThreshold"),
        ({"name": {"en": "Expo"}}, "name"),
    ],
)
def test_what_cannot_be_used_is_absent_and_named(
    collection: Collection[Any], document: dict[str, Any], unreadable: str
) -> None:
    profile = read(collection, **document)
    assert profile.unreadable == unreadable
    assert profile.model_copy(update={"unreadable": ""}).rules == EventRules()


def test_one_bad_value_leaves_the_others(collection: Collection[Any]) -> None:
    profile = read(collection, name="Expo", startsAt=START, keepDays="many", similarityThreshold="85%")
    assert (profile.name, profile.starts_at) == ("Expo", START)
    assert profile.unreadable == "keepDays similarityThreshold"


@pytest.mark.parametrize("fields", [{"start": "a"}, {"startsAt": ""}, {"startsAt": "$where"}])
def test_a_bad_mapping_is_a_bad_setting(collection: Collection[Any], fields: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="MONGODB_EVENT_FIELDS"):
        MongoProfiles(collection, fields)


def test_a_database_that_is_down_is_out_of_reach() -> None:
    from pydantic import SecretStr

    from core.adapters.aws.mongodb import connect

    collection = connect(SecretStr("mongodb://127.0.0.1:1"), 0.5)["events"]["events"]
    with pytest.raises(Unavailable, match="event profiles"):
        MongoProfiles(collection, {}, 0.5).get("expo")
