"""``RegistrationPages`` on every server of MongoDB's protocol, with change streams and without."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import wait
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pandas as pd
import pytest
from bson import Binary, Decimal128, Int64, ObjectId, Timestamp
from pymongo.collection import Collection

from core.adapters.aws.registration_pages import LAG
from core.adapters.aws.registrations import MongoRegistrations
from core.domain.registration_documents import document_frame, registrations_of, with_document_changes
from core.ports import RegistrationPages
from core.services import live_registrations
from core.services.live_registrations import FRESH, LiveRegistrations
from tests.support.clock import FakeClock

EVENT = "event-1"
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
#: One of each kind of ``_id``, in MongoDB's order; a page may end behind any of them.
MIXED: list[Any] = [
    float("nan"),
    -7,
    7.5,
    Decimal128("8"),
    Int64(2**40),
    "",
    "a",
    "é",
    {"event": 1, "person": 2},
    Binary.from_uuid(UUID("00112233-4455-6677-8899-aabbccddeeff")),
    ObjectId("65f0000000000000000000a1"),
    ObjectId("65f0000000000000000000a2"),
    False,
    datetime(2026, 3, 1),
    Timestamp(1, 1),
]


@dataclass(frozen=True)
class Bench:
    collection: Collection[Any]
    pages: RegistrationPages

    def add(self, *documents: dict[str, Any], at: datetime = NOW) -> None:
        self.collection.insert_many(
            [{"userId": "u", "eventId": EVENT, "code": "c", "updatedAt": at, **each} for each in documents]
        )

    def change(self, own_id: Any, at: datetime, **values: Any) -> None:
        self.collection.update_one({"_id": own_id}, {"$set": {**values, "updatedAt": at}})

    def read(self, limit: int = 5000) -> pd.DataFrame:
        page = self.pages.event_page(EVENT, None, limit)
        read = [page.documents]
        while page.next:
            page = self.pages.event_page(EVENT, page.next, limit)
            read.append(page.documents)
        return document_frame(read)

    def refreshed(self, documents: pd.DataFrame, mark: Any) -> pd.DataFrame:
        changes = self.pages.event_changes(EVENT, mark)
        return with_document_changes(documents, changes.documents, changes.gone)


def bench_of(collection: Collection[Any], fields: dict[str, str] | None = None) -> Bench:
    return Bench(
        collection, MongoRegistrations(collection, fields or {}, clock=lambda: NOW + timedelta(days=1)).pages
    )


@pytest.fixture(params=["mongodb", "secantusdb", "replica_set"])
def bench(request: pytest.FixtureRequest) -> Bench:
    return bench_of(request.getfixturevalue(f"{request.param}_collection"))


@pytest.fixture(params=["mongodb", "replica_set"])
def streaming(request: pytest.FixtureRequest) -> Bench:
    """A server with change streams."""
    return bench_of(request.getfixturevalue(f"{request.param}_collection"))


@pytest.fixture
def timed(secantusdb_collection: Collection[Any]) -> Bench:
    """A server without."""
    return bench_of(secantusdb_collection)


def numbered(count: int) -> list[dict[str, Any]]:
    return [{"_id": f"r{number:03}", "name": f"Ada {number}"} for number in range(count)]


@pytest.mark.parametrize("limit", [1, 3, 6, 7, 100])
def test_pages_of_any_size_have_every_document_once(bench: Bench, limit: int) -> None:
    bench.add(*numbered(6), {"_id": "other", "eventId": "event-2"})
    page = bench.pages.event_page(EVENT, None, limit)
    found = list(page.documents["document"])
    while page.next:
        page = bench.pages.event_page(EVENT, page.next, limit)
        found += page.documents["document"].tolist()
        assert len(page.documents) <= limit
    assert found == [each["_id"] for each in numbered(6)]


@pytest.mark.parametrize("limit", range(1, len(MIXED) + 1))
def test_ids_of_all_kinds_are_paged_through(secantusdb_collection: Collection[Any], limit: int) -> None:
    bench = bench_of(secantusdb_collection, {"registrationId": "code"})
    bench.add(*({"_id": own_id, "code": f"c{number}"} for number, own_id in enumerate(MIXED)))
    assert sorted(bench.read(limit)["registrationId"]) == sorted(f"c{number}" for number in range(len(MIXED)))


def test_an_event_that_is_written_as_text_and_in_maps_is_paged_through(timed: Bench) -> None:
    timed.add(*({"_id": n, "eventId": EVENT if n % 2 else {"_id": EVENT}} for n in range(7)))
    assert len(timed.read(limit=2)) == 7


def test_a_page_has_what_is_left_out_and_why(bench: Bench) -> None:
    bench.add({"_id": "r1"}, {"_id": "r2", "userId": None}, {"_id": "r3", "eventId": [EVENT, "event-2"]})
    documents = bench.read()
    assert list(registrations_of(documents)["registrationId"]) == ["r1"]
    left_out = documents[documents["userId"] == ""]
    assert list(zip(left_out["registrationId"], left_out["unreadable"], strict=True)) == [
        ("r2", "userId:missing"),
        ("r3", "eventId:list"),
    ]


def test_two_documents_whose_ids_read_alike_are_two(timed: Bench) -> None:
    timed.add({"_id": 7}, {"_id": "7"})
    assert list(timed.read()["registrationId"]) == ["7", "7"]


def test_the_count_is_that_of_the_events_documents(bench: Bench) -> None:
    bench.add(*numbered(4), {"_id": "other", "eventId": "event-2"})
    assert bench.pages.event_count(EVENT) == 4


def changed_meanwhile(bench: Bench) -> pd.DataFrame:
    """What was read, and refreshed with what happened after its mark was taken."""
    bench.add(*numbered(4))
    mark = bench.pages.event_mark(EVENT)
    documents = bench.read()
    bench.add({"_id": "new", "name": "New"}, at=NOW + timedelta(seconds=1))
    bench.change("r001", NOW + timedelta(seconds=2), name="Changed")
    return bench.refreshed(documents, mark)


def test_what_was_added_and_changed_is_told(bench: Bench) -> None:
    frame = changed_meanwhile(bench).set_index("registrationId")["name"]
    assert (frame["new"], frame["r001"], len(frame)) == ("New", "Changed", 5)


def test_what_is_refreshed_equals_what_is_read_again(bench: Bench) -> None:
    pd.testing.assert_frame_equal(changed_meanwhile(bench), bench.read())


def test_a_refresh_without_news_changes_nothing(bench: Bench) -> None:
    bench.add(*numbered(4))
    mark, documents = bench.pages.event_mark(EVENT), bench.read()
    assert bench.refreshed(documents, mark) is documents


def test_the_next_mark_leads_on(bench: Bench) -> None:
    bench.add({"_id": "a"})
    first = bench.pages.event_changes(EVENT, bench.pages.event_mark(EVENT))
    bench.add({"_id": "b"}, at=NOW + 2 * LAG)
    second = bench.pages.event_changes(EVENT, first.mark)
    third = bench.pages.event_changes(EVENT, second.mark)
    assert "b" in set(second.documents["document"])
    assert "a" not in set(third.documents["document"])


def test_a_stream_tells_what_was_deleted_moved_and_spoilt(streaming: Bench) -> None:
    streaming.add(*numbered(4))
    mark, documents = streaming.pages.event_mark(EVENT), streaming.read()
    streaming.collection.delete_one({"_id": "r000"})
    streaming.change("r001", NOW, eventId="event-2")
    streaming.change("r002", NOW, userId=None)
    after = streaming.refreshed(documents, mark)
    assert list(registrations_of(after)["registrationId"]) == ["r003"]
    assert list(after["registrationId"]) == ["r002", "r003"]


def test_a_document_that_was_deleted_and_added_again_is_there(streaming: Bench) -> None:
    streaming.add(*numbered(1))
    mark, documents = streaming.pages.event_mark(EVENT), streaming.read()
    streaming.collection.delete_one({"_id": "r000"})
    streaming.add({"_id": "r000", "name": "Again"})
    assert list(streaming.refreshed(documents, mark)["name"]) == ["Again"]


def test_a_stream_of_many_changes_is_told_in_parts(streaming: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.adapters.aws.registration_pages.MAX_CHANGES", 2)
    mark = streaming.pages.event_mark(EVENT)
    streaming.add(*numbered(5))
    found: set[str] = set()
    more = True
    while more:
        changes = streaming.pages.event_changes(EVENT, mark)
        found |= {*changes.documents["document"]}
        mark, more = changes.mark, changes.more
    assert len(found) == 5


def test_a_mark_that_the_stream_no_longer_has_means_reading_all_again(
    replica_set_collection: Collection[Any],
) -> None:
    bench = bench_of(replica_set_collection)
    bench.add(*numbered(1))
    mark = bench.pages.event_mark(EVENT)
    replica_set_collection.drop()
    bench.add(*numbered(2))
    assert bench.pages.event_changes(EVENT, mark).mark is None


def test_without_a_stream_the_count_betrays_what_was_deleted(timed: Bench) -> None:
    timed.add(*numbered(3))
    mark = timed.pages.event_mark(EVENT)
    timed.collection.delete_one({"_id": "r000"})
    assert timed.pages.event_changes(EVENT, mark).count == 2


def test_without_a_stream_only_what_is_about_as_new_as_the_newest_is_read(timed: Bench) -> None:
    timed.add({"_id": "old"}, at=NOW - LAG)
    timed.add({"_id": "late"}, at=NOW - LAG / 2)
    timed.add({"_id": "newest"})
    changes = timed.pages.event_changes(EVENT, timed.pages.event_mark(EVENT))
    assert set(changes.documents["document"]) == {"late", "newest"}


def test_a_time_in_the_future_hides_no_changes(timed: Bench) -> None:
    timed.add({"_id": "wrong"}, at=NOW + timedelta(days=4000))
    mark = timed.pages.event_mark(EVENT)
    timed.add({"_id": "new"}, at=NOW + timedelta(days=1))
    assert "new" in set(timed.pages.event_changes(EVENT, mark).documents["document"])


@pytest.mark.parametrize("odd", [None, "2026-03-01T12:00:00Z", 5])
def test_without_a_stream_and_times_there_is_no_mark(timed: Bench, odd: object) -> None:
    timed.add({"_id": "r1", "updatedAt": odd})
    assert timed.pages.event_mark(EVENT) is None


def test_the_field_of_the_time_may_be_named(secantusdb_collection: Collection[Any]) -> None:
    bench = bench_of(secantusdb_collection, {"updatedAt": "meta.changed"})
    bench.add({"_id": "r1", "updatedAt": None, "meta": {"changed": NOW}})
    assert set(bench.pages.event_changes(EVENT, bench.pages.event_mark(EVENT)).documents["document"]) == {"r1"}


# Kept in memory, over a real server


@dataclass(frozen=True)
class Kept:
    bench: Bench
    live: LiveRegistrations
    clock: FakeClock

    def names(self, looks: int = 1) -> list[str]:
        """The names after so many looks, each of which finds what is new."""
        for _ in range(looks):
            self.clock.advance(FRESH)
            self.live.event_frame(EVENT)
            wait([reading for each in self.live._all() if (reading := each.reading)])
        return list(self.live.event_frame(EVENT)["name"])


@pytest.fixture(params=["mongodb", "secantusdb", "replica_set"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kept]:
    """Pages of two documents, so that there are several."""
    monkeypatch.setattr(live_registrations, "PAGE", 2)
    clock = FakeClock()
    collection = request.getfixturevalue(f"{request.param}_collection")
    registrations = MongoRegistrations(collection, {}, clock=lambda: NOW + timedelta(days=1))
    live = LiveRegistrations(registrations, registrations.pages, clock.elapsed)
    yield Kept(Bench(collection, registrations.pages), live, clock)
    live._threads.shutdown()  # the fixture of the collection closes the client


def test_what_is_kept_follows_what_is_added_changed_and_deleted(kept: Kept) -> None:
    kept.bench.add(*numbered(5))
    assert kept.names() == [f"Ada {number}" for number in range(5)]
    kept.bench.add({"_id": "s", "name": "New"}, at=NOW + timedelta(seconds=1))
    kept.bench.change("r001", NOW + timedelta(seconds=1), name="Changed")
    kept.bench.collection.delete_one({"_id": "r003"})
    # Without a change stream a deletion shows by the count of two looks, and by reading all again at the next.
    assert kept.names(looks=3) == ["Ada 0", "Changed", "Ada 2", "Ada 4", "New"]


def test_what_is_kept_is_what_the_store_itself_reads(kept: Kept) -> None:
    kept.bench.add(*numbered(5), {"_id": "bad", "userId": None})
    store = MongoRegistrations(kept.bench.collection, {})
    pd.testing.assert_frame_equal(kept.live.event_frame(EVENT), store.event_frame(EVENT))
    pd.testing.assert_frame_equal(kept.live.unreadable(EVENT), store.unreadable(EVENT))
