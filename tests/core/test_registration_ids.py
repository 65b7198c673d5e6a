"""Ids of every kind that other systems write into MongoDB: they become text, and are found again by that text."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from bson import Binary, Code, Decimal128, Int64, ObjectId, Regex
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions
from pymongo.collection import Collection

from core.adapters.aws.registrations import MongoRegistrations

OID = "65f0000000000000000000a1"
UID = UUID("00112233-4455-6677-8899-aabbccddeeff")
BIG = "100000000000000000000"
#: What a document has -> the id that it is.
PLAIN: dict[str, tuple[Any, str]] = {
    "text": ("u-1", "u-1"),
    "ObjectId": (ObjectId(OID), OID),
    "int": (7, "7"),
    "negative": (-7, "-7"),
    "zero": (0, "0"),
    "long": (Int64(2**40), str(2**40)),
    "double": (7.0, "7"),
    "large double": (1e20, BIG),
    "Decimal128": (Decimal128("7"), "7"),
    "Decimal128 with zeros": (Decimal128("7.00"), "7"),
    "large Decimal128": (Decimal128(BIG), BIG),
    "UUID": (Binary.from_uuid(UID), str(UID)),
    "UUID of the old subtype": (Binary.from_uuid(UID, UuidRepresentation.PYTHON_LEGACY), str(UID)),
}
WRITTEN_OUT: dict[str, tuple[Any, str]] = {"$oid": ({"$oid": OID}, OID), "oid": ({"oid": OID}, OID)}
IDS = {
    **PLAIN,
    **WRITTEN_OUT,
    **{
        f"populated {kind}": ({"_id": value, "title": "x"}, text)
        for kind, (value, text) in {**PLAIN, **WRITTEN_OUT}.items()
    },
}
#: What is no id.
OTHERS: dict[str, Any] = {
    "nothing": None,
    "empty text": "",
    "true": True,
    "false": False,
    "fraction": 7.5,
    "fraction of a Decimal128": Decimal128("7.5"),
    "too many digits": 1e300,
    "far too many digits": Decimal128("1E+6000"),
    "no number": float("nan"),
    "no Decimal128": Decimal128("NaN"),
    "infinite": float("-inf"),
    "time": datetime(2026, 3, 1),
    "bytes": b"0123456789abcdef",
    "short UUID": Binary(b"0123", 4),
    "map": {"key": "u-1"},
    "empty map": {},
    "oid and more": {"oid": OID, "more": 1},
    "oid of a number": {"oid": 7},
    "populated twice": {"_id": {"_id": 7}},
    "populated nothing": {"_id": None},
    "empty list": [],
    "list": ["u-1", "u-2"],
    "list of one": ["u-1"],
    "list of truth values": [True],
    "list of maps": [{"_id": 7}],
    "pattern": Regex("^u"),
    "code": Code("u-1"),
}
FIELDS = ("_id", "userId", "eventId")
COMPLETE: dict[str, Any] = {"_id": "r-1", "userId": "u-1", "eventId": "e-1"}

each_id = pytest.mark.parametrize(("value", "text"), IDS.values(), ids=IDS)
each_other = pytest.mark.parametrize("value", OTHERS.values(), ids=OTHERS)


def stored(collection: Collection[Any], *documents: dict[str, Any]) -> MongoRegistrations:
    collection.insert_many([COMPLETE | document for document in documents])
    return MongoRegistrations(collection, {})


@each_id
def test_a_registration_id_of_any_kind_is_found_by_its_text(
    secantusdb_collection: Collection[Any], value: Any, text: str
) -> None:
    secantusdb_collection.insert_one({**COMPLETE, "_id": "d-1", "code": value})
    found = MongoRegistrations(secantusdb_collection, {"registrationId": "code"}).get(text)
    assert found is not None
    assert found.registration_id == text


@pytest.mark.parametrize(
    ("value", "text"), [pair for kind, pair in IDS.items() if "$oid" not in kind], ids=lambda each: str(each)
)
def test_a_documents_own_id_of_any_kind_is_found_by_its_text(
    secantusdb_collection: Collection[Any], value: Any, text: str
) -> None:
    found = stored(secantusdb_collection, {"_id": value}).get(text)
    assert found is not None
    assert found.registration_id == text


@each_id
def test_a_user_id_of_any_kind_is_found_by_its_text(
    secantusdb_collection: Collection[Any], value: Any, text: str
) -> None:
    found = stored(secantusdb_collection, {"userId": value}).of_user(text)
    assert [each.user_id for each in found] == [text]


@each_id
def test_a_search_finds_a_user_id_of_any_kind(secantusdb_collection: Collection[Any], value: Any, text: str) -> None:
    assert [each.user_id for each in stored(secantusdb_collection, {"userId": value}).search(text).registrations] == [
        text
    ]


@each_id
def test_an_event_id_of_any_kind_is_listed_and_found_by_its_text(
    secantusdb_collection: Collection[Any], value: Any, text: str
) -> None:
    store = stored(secantusdb_collection, {"eventId": value})
    assert (store.events(), list(store.event_frame(text)["eventId"])) == ([text], [text])


@each_other
@pytest.mark.parametrize("field", FIELDS[1:])
def test_nothing_else_is_an_id(secantusdb_collection: Collection[Any], field: str, value: Any) -> None:
    store = stored(secantusdb_collection, {"_id": "r-2", field: value})
    found = [*store.event_frame("e-1")["registrationId"], *(each.registration_id for each in store.of_user("u-1"))]
    assert found == []


def test_one_event_in_several_kinds_is_one_event(secantusdb_collection: Collection[Any]) -> None:
    kinds = [value for value, text in IDS.values() if text == "7"]
    store = stored(secantusdb_collection, *({"_id": n, "eventId": value} for n, value in enumerate([*kinds, "7"])))
    assert (store.events(), len(store.event_frame("7"))) == (["7"], len(kinds) + 1)


@pytest.mark.parametrize("text", ["007", "+7", "7.0", "7.00", " 7", "7 ", "7e0", "-0", "٧", "0x7", "true", "1", "-"])
def test_a_number_is_found_by_its_own_text_alone(secantusdb_collection: Collection[Any], text: str) -> None:
    store = stored(secantusdb_collection, {"userId": 7}, {"_id": "r-2", "userId": True}, {"_id": "r-3", "userId": 0})
    assert store.of_user(text) == []


@pytest.mark.parametrize("text", [str(UID).upper(), UID.hex, f"{{{UID}}}", f"urn:uuid:{UID}", OID.upper()])
def test_an_id_is_found_by_its_usual_form_alone(secantusdb_collection: Collection[Any], text: str) -> None:
    store = stored(secantusdb_collection, {"userId": Binary.from_uuid(UID)}, {"_id": "r-2", "userId": ObjectId(OID)})
    assert store.of_user(text) == []


@pytest.mark.parametrize("order", [UuidRepresentation.JAVA_LEGACY, UuidRepresentation.CSHARP_LEGACY])
def test_old_uuids_are_read_in_the_order_of_bytes_that_the_connection_string_names(
    secantusdb_collection: Collection[Any], order: int
) -> None:
    secantusdb_collection.insert_one({**COMPLETE, "userId": Binary.from_uuid(UID, order)})
    theirs = secantusdb_collection.with_options(CodecOptions(uuid_representation=order))
    found = MongoRegistrations(theirs, {}).of_user(str(UID))
    assert [each.user_id for each in found] == [str(UID)]


def test_of_two_registrations_with_the_same_id_the_text_comes_first(secantusdb_collection: Collection[Any]) -> None:
    store = stored(secantusdb_collection, {"_id": 7, "name": "number"}, {"_id": "7", "name": "text"})
    found = store.get("7")
    assert found is not None
    assert found.name == "text"


def test_a_registration_for_a_list_of_events_is_in_none_of_them(secantusdb_collection: Collection[Any]) -> None:
    store = stored(secantusdb_collection, {"eventId": ["e-1", "e-2"]}, {"_id": "r-2"})
    assert [list(store.event_frame(event)["registrationId"]) for event in ("e-1", "e-2")] == [["r-2"], []]
