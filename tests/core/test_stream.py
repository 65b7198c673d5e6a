"""What follows the table's stream: each record as a pass would leave it, faults, and what cannot be repaired."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from core.adapters.aws.expiry import IgnoredExpiry
from core.adapters.aws.photo_owners import PhotoOwners
from core.adapters.aws.stream import StreamRepairs
from core.adapters.aws.table import ATTEMPTS_OF, JOURNAL
from core.adapters.aws.table_pass import TablePass
from core.adapters.aws.unindexed import Unindexed
from core.adapters.aws.unmapped import DynamoUnmapped
from core.adapters.aws.unnoted import AlsoUnnoted
from core.domain.clock import Clock, utc_now
from core.domain.roles import local
from core.domain.unmapped import Unmapped, Why
from core.flow.pace import Pace
from core.flow.retry import Retry
from tests.core import test_expiry, test_unindexed
from tests.support.clock import NOON, FakeClock
from tests.support.dynamodb import Proxy, client_of, create_state_table, create_table, put_item, stored_item
from tests.support.odd_records import EXAMPLES, FIELDS, ODD_RECORDS, OddRecord, item_of
from tests.support.photo_owners import noting_pass
from tests.support.production import Servers, Site, production
from tests.support.records import a_foreign_item, an_outcome
from tests.support.stores import table_without_index
from tests.support.streams import batch, change, stream_of, table_with_stream, writes

TTL = timedelta(days=30)
RETRY = Retry(deadline=10, call_timeout=1, base=0.001, cap=0.01)
IMPATIENT = Retry(deadline=10, call_timeout=1, base=0.001, cap=0.01, tries=2)
EVENT = "event-1"


def shapes() -> dict[str, dict[str, Any]]:
    """Records of other services, each odd in a way of its own, in every form in which a record names its event."""
    found: dict[str, dict[str, Any]] = {}
    for name, (changes, *_) in {**test_unindexed.EVENTS, **test_unindexed.TIMESTAMPS}.items():
        found[f"index: {name}"] = a_foreign_item(**changes)
    for name, changes in test_unindexed.ODD.items():
        found[f"both keys: {name}"] = a_foreign_item(**changes)
    for name, (changes, _) in test_expiry.REPAIRED.items():
        found[f"expiry: {name}"] = a_foreign_item(**changes)
    for field, kinds in FIELDS.items():
        for number, (value, unread) in enumerate(kinds):
            odd: OddRecord = ([(field, value, unread)], number % 6)
            found[f"{field}: {value!r}"[:60]] = item_of(odd, user="", registration="", event=EVENT)
    found |= {
        "no event at all": a_foreign_item(metadata=None),
        "an event that is a list": a_foreign_item(metadata={"eventId": [7]}),
        "photos of several attempts elsewhere": a_foreign_item(attempts=[{"faceImageKey": "face-images/a.jpg"}, 7]),
        "bytes and sets": a_foreign_item(device=b"\x00\xff", tags={"a", "b"}, numbers={1, 2}),
    }
    return {
        name: {
            **{
                field: value
                for field, value in item.items()
                if value not in (test_unindexed.ABSENT, test_expiry.ABSENT)
            },
            "userId": f"user-{number}",
            "registrationId": "reg-1",
        }
        for number, (name, item) in enumerate(found.items())
    }


SHAPES = shapes()


def pass_of_backfill(client: Any, table: str, state_table: str, folder: Path) -> None:
    noting_pass(client, table, PhotoOwners(client, state_table, RETRY, FakeClock()), folder / "backfill.json").run()


def pass_over_expiries(client: Any, table: str, folder: Path) -> None:
    pace = Pace(1e6, 1)
    search = IgnoredExpiry(lambda: NOON, TTL)
    TablePass(client, table, RETRY, search, writes=pace, reads=pace, segments=1, state=folder / "expiries.json").run()


def follower(
    client: Any, table: str, state_table: str, retry: Retry = RETRY, clock: Clock = lambda: NOON
) -> StreamRepairs:
    """What production makes of the settings; by default it is noon."""
    backfill = AlsoUnnoted(Unindexed(clock), PhotoOwners(client, state_table, retry, clock))
    searches = [(backfill, backfill), (IgnoredExpiry(clock, TTL), None)]
    kept = DynamoUnmapped(client, state_table, retry, clock)
    return StreamRepairs(client, table, retry, searches, kept, clock, TTL)


@pytest.fixture(scope="module")
def dynamodb(own_dynamodb: Any) -> Any:
    return own_dynamodb


@pytest.fixture(scope="module")
def state_table(dynamodb: Any) -> str:
    return create_state_table(dynamodb)


@pytest.fixture
def table(dynamodb: Any) -> str:
    return create_table(dynamodb)


@pytest.fixture
def stream(dynamodb: Any, table: str, state_table: str) -> StreamRepairs:
    return follower(dynamodb, table, state_table)


# As a pass would leave it


@pytest.fixture(scope="module")
def outcomes(
    dynamodb: Any, state_table: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Each shape as the passes leave it, and as the stream does."""
    by_passes, by_stream = table_without_index(dynamodb), table_without_index(dynamodb)
    for table in (by_passes, by_stream):
        for item in SHAPES.values():
            put_item(dynamodb, table, item)
    folder = tmp_path_factory.mktemp("passes")
    pass_of_backfill(dynamodb, by_passes, state_table, folder)
    pass_over_expiries(dynamodb, by_passes, folder)
    written = [stored_item(dynamodb, by_stream, item["userId"]) for item in SHAPES.values()]
    follower(dynamodb, by_stream, state_table).follow(writes(written))

    def stored(table: str) -> dict[str, Any]:
        return {name: stored_item(dynamodb, table, item["userId"]) for name, item in SHAPES.items()}

    return stored(by_passes), stored(by_stream)


@pytest.mark.parametrize("shape", SHAPES)
def test_a_record_becomes_what_the_passes_make_of_it(
    outcomes: tuple[Mapping[str, Any], Mapping[str, Any]], shape: str
) -> None:
    by_passes, by_stream = outcomes
    assert by_stream[shape] == by_passes[shape]


def test_most_shapes_are_changed_at_all(outcomes: tuple[Mapping[str, Any], Mapping[str, Any]]) -> None:
    _, by_stream = outcomes
    assert sum("photosNoted" in item or "eventId" in item for item in by_stream.values()) >= 59


_NUMBER = count()


@settings(max_examples=EXAMPLES, deadline=None)
@given(odd=ODD_RECORDS)
def test_a_record_of_several_odd_fields_becomes_what_the_passes_make_of_it(
    dynamodb: Any, tables: tuple[str, str], state_table: str, folder: Path, odd: OddRecord
) -> None:
    by_passes, by_stream = tables
    user = f"odd-{next(_NUMBER)}"
    item = item_of(odd, user=user, registration="reg-1", event=EVENT)
    for table in tables:
        put_item(dynamodb, table, item)
    pass_of_backfill(dynamodb, by_passes, state_table, folder)
    pass_over_expiries(dynamodb, by_passes, folder)
    follower(dynamodb, by_stream, state_table).follow(writes([stored_item(dynamodb, by_stream, user)]))
    assert stored_item(dynamodb, by_stream, user) == stored_item(dynamodb, by_passes, user)
    for table in tables:
        dynamodb.delete_item(TableName=table, Key={"userId": {"S": user}, "registrationId": {"S": "reg-1"}})


@pytest.fixture(scope="module")
def tables(dynamodb: Any) -> tuple[str, str]:
    return table_without_index(dynamodb), table_without_index(dynamodb)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("passes")


# A server's own stream


def test_a_servers_own_stream_brings_records_into_the_index_and_comes_to_rest(
    dynamodb: Any, state_table: str
) -> None:
    table = table_with_stream(dynamodb)
    follows = follower(dynamodb, table, state_table)
    users = [f"user-{number}" for number in range(5)]
    for user in users:
        put_item(dynamodb, table, a_foreign_item(userId=user, expiresAt="2100-01-01T00:00:00Z"))
    stream, seen = stream_of(dynamodb, table), 0
    # Each is written, brought into the index, and made to expire; then its photo is noted until that moment.
    while seen < 4 * len(users):
        records = next(stream)
        seen += len(records)
        assert follows.follow(batch(*records)) == {"batchItemFailures": []}
    assert (next(stream), seen) == ([], 4 * len(users))
    for user in users:
        item = stored_item(dynamodb, table, user)
        assert (item["eventId"], item["expiresAt"]) == ({"S": EVENT}, {"N": "4102444800"})


# What changes meanwhile, and what fails


@pytest.fixture
def observed(dynamodb_proxy: Proxy) -> Iterator[Any]:
    """A client of the real server whose calls ``dynamodb_proxy`` sees."""
    client = client_of(dynamodb_proxy.url)
    yield client
    client.close()


@pytest.fixture
def watched(observed: Any, table: str, state_table: str, dynamodb_proxy: Proxy) -> StreamRepairs:
    follows = follower(observed, table, state_table, IMPATIENT)
    follows.follow(batch(change({**KEY, "userId": {"S": JOURNAL}}), change(GOOD)))
    dynamodb_proxy.seen.clear()
    return follows


def written(client: Any, table: str, item: Mapping[str, Any]) -> dict[str, Any]:
    """The image of ``item`` once another service wrote it."""
    put_item(client, table, item)
    return stored_item(client, table, item["userId"], item["registrationId"])


KEY = {"userId": {"S": "user-1"}, "registrationId": {"S": "reg-1"}}
GOOD = {**KEY, "eventId": {"S": EVENT}, "timestamp": {"S": "2026-02-28"}, "expiresAt": {"N": "4102444800"}}


def test_a_record_that_lacks_nothing_costs_no_call(watched: StreamRepairs, dynamodb_proxy: Proxy) -> None:
    watched.follow(batch(change(GOOD), change(GOOD, GOOD), change(None, GOOD)))
    assert dynamodb_proxy.seen == []


def test_the_journal_of_erasures_stays_as_it_is(watched: StreamRepairs, dynamodb_proxy: Proxy) -> None:
    entry = {"userId": {"S": JOURNAL}, "registrationId": {"S": "a hash"}, "entry": {"S": "{}"}}
    watched.follow(batch(change(entry), change(None, entry)))
    assert dynamodb_proxy.seen == []


def test_a_batch_that_is_given_again_changes_nothing(dynamodb: Any, table: str, stream: StreamRepairs) -> None:
    given = writes([written(dynamodb, table, a_foreign_item(expiresAt=None))])
    stream.follow(given)
    before = stored_item(dynamodb, table)
    assert stream.follow(given) == {"batchItemFailures": []}
    assert stored_item(dynamodb, table) == before


def test_a_record_that_changed_since_is_left_to_its_own_place_in_the_stream(
    dynamodb: Any, table: str, stream: StreamRepairs
) -> None:
    old = written(dynamodb, table, a_foreign_item())
    new = written(dynamodb, table, a_foreign_item(metadata={"eventId": "event-2"}))
    stream.follow(batch(change(old)))
    assert stored_item(dynamodb, table) == new
    stream.follow(batch(change(new, old)))
    assert stored_item(dynamodb, table)["eventId"] == {"S": "event-2"}


def test_a_record_that_was_deleted_since_does_not_come_back(
    dynamodb: Any, table: str, stream: StreamRepairs, state_table: str
) -> None:
    image = written(dynamodb, table, a_foreign_item(userId="user-gone"))
    dynamodb.delete_item(TableName=table, Key={name: image[name] for name in KEY})
    stream.follow(batch(change(image)))
    assert "Item" not in dynamodb.get_item(TableName=table, Key={name: image[name] for name in KEY})
    # Nor is anything kept of the person, who may have been erased.
    owners = PhotoOwners(dynamodb, state_table, RETRY, FakeClock())
    assert [owner for owner in owners.of("face-images/verify.jpg") if owner.user_id == "user-gone"] == []


@pytest.mark.parametrize(
    "fault",
    [("ThrottlingException", 400), ("InternalServerError", 500), ("AccessDeniedException", 400), Proxy.LOSE],
    ids=["throttled", "failing", "refused", "lost"],
)
def test_where_a_service_fails_the_batch_is_wanted_again_from_there(
    dynamodb: Any, table: str, watched: StreamRepairs, dynamodb_proxy: Proxy, fault: tuple[str, int]
) -> None:
    items = [written(dynamodb, table, a_foreign_item(userId=f"user-{number}")) for number in range(3)]
    failing = iter([None, *[fault] * 9])
    dynamodb_proxy.fault = lambda operation: next(failing) if operation == "UpdateItem" else None
    answer = watched.follow(writes(items))
    assert answer == {"batchItemFailures": [{"itemIdentifier": "1"}]}
    assert [("eventId" in stored_item(dynamodb, table, f"user-{number}")) for number in (0, 2)] == [True, False]
    dynamodb_proxy.fault = lambda operation: None
    given_again = batch(*(change(item, number=number) for number, item in list(enumerate(items))[1:]))
    assert watched.follow(given_again) == {"batchItemFailures": []}
    assert all("eventId" in stored_item(dynamodb, table, f"user-{number}") for number in range(3))


# What cannot be repaired


@pytest.fixture
def kept(dynamodb: Any, state_table: str) -> Iterator[DynamoUnmapped]:
    """The list, which begins empty."""
    entries = DynamoUnmapped(dynamodb, state_table, RETRY, FakeClock())
    for entry in entries.some(1000):
        entries.erase(entry.user_id)
    return entries


NAMELESS = {name: value for name, value in GOOD.items() if name != "eventId"}


def test_a_record_without_any_event_is_kept_in_the_list(kept: DynamoUnmapped, stream: StreamRepairs) -> None:
    stream.follow(batch(change(NAMELESS)))
    assert kept.some(10) == [Unmapped("user-1", "reg-1", Why.NO_EVENT, NOON)]


def test_a_record_that_names_no_event_expires_nevertheless(
    dynamodb: Any, table: str, kept: DynamoUnmapped, stream: StreamRepairs
) -> None:
    image = written(dynamodb, table, a_foreign_item(metadata=None, expiresAt="2100-01-01"))
    stream.follow(batch(change(image)))
    assert stored_item(dynamodb, table)["expiresAt"] == {"N": "4102444800"}
    assert [entry.why for entry in kept.some(10)] == [Why.NO_EVENT]


def test_a_record_whose_event_is_too_long_for_the_index_is_kept_in_the_list(
    observed: Any, dynamodb: Any, table: str, kept: DynamoUnmapped, watched: StreamRepairs, dynamodb_proxy: Proxy
) -> None:
    image = written(dynamodb, table, a_foreign_item())
    # As AWS does; the local server would take it.
    dynamodb_proxy.fault = lambda operation: ("ValidationException", 400) if operation == "UpdateItem" else None
    assert watched.follow(batch(change(image))) == {"batchItemFailures": []}
    assert [entry.why for entry in kept.some(10)] == [Why.REFUSED]


def test_a_record_that_nobody_foresaw_stops_no_other(
    dynamodb: Any, table: str, kept: DynamoUnmapped, stream: StreamRepairs, monkeypatch: pytest.MonkeyPatch
) -> None:
    finding = Unindexed.finding

    def failing(search: Unindexed, item: Mapping[str, Any]) -> Any:
        return 1 / 0 if item["userId"] == {"S": "user-0"} else finding(search, item)

    monkeypatch.setattr(Unindexed, "finding", failing)
    items = [written(dynamodb, table, a_foreign_item(userId=f"user-{number}")) for number in range(2)]
    assert stream.follow(writes(items)) == {"batchItemFailures": []}
    assert [(entry.user_id, entry.why) for entry in kept.some(10)] == [("user-0", Why.FAILED)]
    assert "eventId" in stored_item(dynamodb, table, "user-1")


@pytest.mark.parametrize("new", [GOOD, None], ids=["mended", "deleted"])
def test_an_entry_goes_with_what_was_wrong(
    kept: DynamoUnmapped, stream: StreamRepairs, new: Mapping[str, Any] | None
) -> None:
    stream.follow(batch(change(NAMELESS), change(new, NAMELESS)))
    assert kept.some(10) == []


def test_an_entry_stays_while_the_record_is_as_bad(kept: DynamoUnmapped, stream: StreamRepairs) -> None:
    stream.follow(batch(change(NAMELESS), change({**NAMELESS, "quality": {"S": "low"}}, NAMELESS)))
    assert len(kept.some(10)) == 1


def test_the_entries_of_a_person_are_erased_and_no_others(kept: DynamoUnmapped, stream: StreamRepairs) -> None:
    other = {**NAMELESS, "userId": {"S": "user-2"}}
    again = {**NAMELESS, "registrationId": {"S": "reg-2"}}
    stream.follow(batch(change(NAMELESS), change(other), change(again)))
    assert (kept.erase("user-1"), [entry.user_id for entry in kept.some(10)]) == (2, ["user-2"])


def test_earlier_attempts_of_a_record_need_no_event(kept: DynamoUnmapped, stream: StreamRepairs) -> None:
    part = {**NAMELESS, "registrationId": {"S": "reg-1#attempts#1"}, ATTEMPTS_OF: {"S": "reg-1"}}
    stream.follow(batch(change(part)))
    assert kept.some(10) == []


def test_a_list_of_many_is_read_in_part(kept: DynamoUnmapped, stream: StreamRepairs) -> None:
    stream.follow(batch(*(change({**NAMELESS, "userId": {"S": f"user-{number}"}}) for number in range(5))))
    assert len(kept.some(3)) == 3


def test_an_entry_expires(kept: DynamoUnmapped, stream: StreamRepairs, dynamodb: Any, state_table: str) -> None:
    stream.follow(batch(change(NAMELESS)))
    clock = FakeClock()
    clock.advance(TTL)
    assert DynamoUnmapped(dynamodb, state_table, RETRY, clock).some(10) == []


@pytest.fixture
def site(dynamodb_url: str, s3_server: str, mongodb_uri: str) -> Iterator[Site]:
    with production(Servers(dynamodb_url, s3_server, mongodb_uri, rekognition="http://127.0.0.1:9")) as site:
        yield site


def test_an_erasure_reaches_the_entries_of_the_person(dynamodb: Any, site: Site) -> None:
    entries = DynamoUnmapped(dynamodb, site.environment["DYNAMODB_STATE_TABLE"], RETRY, utc_now)
    for user in ("user-1", "user-2"):
        entries.put(Unmapped(user, "reg-1", Why.NO_EVENT, utc_now()), utc_now() + TTL)
    site.services.records.record_attempt(an_outcome(timestamp=utc_now()), TTL)
    site.services.erasures.erase("user-1", "user-1", local("an admin"))
    assert [entry.user_id for entry in entries.some(10)] == ["user-2"]
