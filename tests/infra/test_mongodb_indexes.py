"""The list of MongoDB indexes covers what is asked of the registrations."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import pymongo
import pytest
from pymongo import monitoring

from core.adapters.aws.registrations import DEFAULT_FIELDS, MongoRegistrations
from core.settings import Settings
from tests.infra.terraform import INFRA

SCRIPT = (INFRA / "mongodb-indexes.js").read_text()


def indexes() -> list[dict[str, int]]:
    specs = re.findall(r"createIndex\(\{(.*?)\}\)", SCRIPT)
    return [{name: int(order) for name, order in re.findall(r"(\w+): (\d)", spec)} for spec in specs]


class Finds(monitoring.CommandListener):
    """Notes by which fields a collection is searched, sorted or listed."""

    def __init__(self) -> None:
        self.filtered: set[str] = set()
        #: The order of each list, and the field by which its documents are found.
        self.sorted: list[tuple[list[str], str]] = []

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        match event.command_name:
            case "find":
                self.filtered |= set(fields(event.command["filter"]))
                if order := event.command.get("sort"):
                    self.sorted.append((list(order), next(fields(event.command["filter"]))))
            case "distinct":
                self.filtered.add(event.command["key"])

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None:
        pass

    def failed(self, event: monitoring.CommandFailedEvent) -> None:
        pass


def fields(query: Mapping[str, Any]) -> Iterator[str]:
    """The field by which each alternative finds its documents; its other conditions are compared with those alone."""
    for name, condition in list(query.items())[:1]:
        if name in ("$or", "$and"):
            for alternative in condition if name == "$or" else condition[:1]:
                yield from fields(alternative)
        else:
            yield name


@pytest.fixture(scope="module")
def finds(mongodb_uri: str, secantusdb_uri: str) -> Finds:
    """What every read of the registrations asks for, on a server with change streams and on one without."""
    listener = Finds()
    with pymongo.MongoClient(secantusdb_uri, event_listeners=[listener]) as client:
        collection = client["facedesk_tests"]["registrations_indexes"]
        collection.replace_one({"_id": "r1"}, {"eventId": "event-1", "updatedAt": datetime(2026, 3, 1)}, upsert=True)
        pages = MongoRegistrations(collection, DEFAULT_FIELDS).pages
        pages.event_changes("event-1", pages.event_mark("event-1"))
        collection.drop()
    with pymongo.MongoClient(mongodb_uri, event_listeners=[listener]) as client:
        registrations = MongoRegistrations(client["facedesk_tests"]["registrations_indexes"], DEFAULT_FIELDS)
        registrations.get("reg-1")
        registrations.of_user("user-1")
        registrations.search("Ada")
        registrations.event_frame("event-1")
        registrations.events()
        registrations.is_empty()
        registrations.ping()
    return listener


def test_every_line_makes_an_index_on_the_default_collection() -> None:
    lines = [line for line in SCRIPT.splitlines() if line and not line.startswith("//")]
    collection = Settings.model_fields["mongodb_collection"].default
    assert [line for line in lines if not line.startswith(f"db.{collection}.createIndex({{")] == []


def test_an_index_begins_with_every_field_that_is_searched(finds: Finds) -> None:
    # The one on _id is MongoDB's own.
    assert {next(iter(index)) for index in indexes()} | {"_id"} == finds.filtered


def test_an_index_has_the_order_of_every_list(finds: Finds) -> None:
    assert finds.sorted
    there = [list(index) for index in indexes()]
    assert [each for each in finds.sorted if each[0] not in there and [each[1], *each[0]] not in there] == []


def test_a_server_takes_every_index(mongodb_collection: Any) -> None:
    for index in indexes():
        mongodb_collection.create_index(list(index.items()))
    assert len(mongodb_collection.index_information()) == len(indexes()) + 1
