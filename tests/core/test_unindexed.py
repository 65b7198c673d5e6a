"""Records that the event index cannot see, whatever their form: noticed, and repaired by ``backfill-index``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from core.adapters.aws.records import DynamoRecords
from core.adapters.aws.table import EVENT_INDEX
from core.adapters.aws.table_pass import TablePass
from core.adapters.aws.unindexed import Unindexed
from core.flow.pace import Pace
from core.flow.retry import Retry
from tests.support.clock import NOON, FakeClock
from tests.support.dynamodb import Proxy, client_of, put_item, stored_item
from tests.support.records import a_foreign_item, an_outcome
from tests.support.stores import add_index, index_check, table_without_index, wait_for_checks

RETRY = Retry(deadline=10, call_timeout=1, base=0.001, cap=0.01)
SPOKEN = "2026-02-28T10:30:00.000Z"
SECONDS = 1_772_274_600  # the same

ABSENT = object()


def an_item(**changes: Any) -> dict[str, Any]:
    whole = a_foreign_item(**{"eventId": "event-1", **changes})
    return {name: value for name, value in whole.items() if value is not ABSENT}


@pytest.fixture(params=["moto_dynamodb", "dynamodb"])
def client(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


@pytest.fixture
def backfill(tmp_path: Path) -> Callable[..., TablePass]:
    def make(client: Any, table: str) -> TablePass:
        pace = Pace(1e6, 1)
        search = Unindexed(lambda: NOON)
        return TablePass(
            client, table, RETRY, search, writes=pace, reads=pace, segments=2, state=tmp_path / "state.json"
        )

    return make


def repaired(client: Any, backfill: Callable[..., TablePass], item: dict[str, Any]) -> dict[str, Any]:
    """The item after a pass over a table that had no index when it was written, nor now."""
    table = table_without_index(client)
    put_item(client, table, item)
    backfill(client, table).run()
    return stored_item(client, table)


def query(client: Any, table: str, event: str) -> list[str]:
    """The registrations that the index has of the event."""
    answer = client.query(
        TableName=table,
        IndexName=EVENT_INDEX,
        KeyConditionExpression="eventId = :event",
        ExpressionAttributeValues={":event": {"S": event}},
    )
    return [item["registrationId"]["S"] for item in answer["Items"]]


# The event


EVENTS: dict[str, tuple[dict[str, Any], str]] = {
    "number": ({"eventId": 7}, "7"),
    "number in metadata": ({"eventId": ABSENT, "metadata": {"eventId": 7}}, "7"),
    "truth value": ({"eventId": True}, "true"),
    "JSON text": ({"eventId": ABSENT, "metadata": json.dumps({"eventId": "event-2"})}, "event-2"),
    "number in JSON text": ({"eventId": None, "metadata": json.dumps({"eventId": 7})}, "7"),
    "empty": ({"eventId": "", "metadata": {"eventId": "event-2"}}, "event-2"),
    "blanks, an id like any other": ({"eventId": " \t", "metadata": {"eventId": "event-2"}}, " \t"),
    "list": ({"eventId": ["event-1"], "metadata": {"eventId": "event-2"}}, "event-2"),
    "map": ({"eventId": {"id": "event-1"}, "metadata": {"eventId": "event-2"}}, "event-2"),
    "set": ({"eventId": {"event-1"}, "metadata": {"eventId": "event-2"}}, "event-2"),
    "bytes": ({"eventId": b"event-1", "metadata": {"eventId": "event-2"}}, "event-2"),
    "a number beside another event": ({"eventId": 7, "metadata": {"eventId": "event-2"}}, "7"),
}


@pytest.mark.parametrize(("changes", "event"), EVENTS.values(), ids=EVENTS)
def test_an_event_in_any_readable_form_is_set_as_text(
    client: Any, backfill: Callable[..., TablePass], changes: dict[str, Any], event: str
) -> None:
    assert repaired(client, backfill, an_item(**changes))["eventId"] == {"S": event}


def test_an_event_of_another_type_is_kept_beside_the_text(client: Any, backfill: Callable[..., TablePass]) -> None:
    assert repaired(client, backfill, an_item(eventId=7))["originalEventId"] == {"N": "7"}


@pytest.mark.parametrize("event", [" event-1", "event-1"], ids=["beginning with a blank", "usual"])
def test_a_record_that_the_index_has_stays_as_it_is(
    client: Any, backfill: Callable[..., TablePass], event: str
) -> None:
    table = table_without_index(client)
    put_item(client, table, an_item(eventId=event))
    counts = backfill(client, table).run()
    assert (counts.scanned, counts.set, counts.left) == (1, 0, 0)


# The timestamp

TIMESTAMPS: dict[str, tuple[dict[str, Any], str, str | None]] = {
    "seconds": ({"timestamp": SECONDS}, SPOKEN, None),
    "milliseconds": ({"timestamp": SECONDS * 1000}, SPOKEN, None),
    "seconds with a fraction": ({"timestamp": Decimal("1772274600.25")}, "2026-02-28T10:30:00.250Z", None),
    "absent": ({"timestamp": ABSENT}, SPOKEN, "updatedAt"),
    "null": ({"timestamp": None}, SPOKEN, "updatedAt"),
    "empty": ({"timestamp": ""}, SPOKEN, "updatedAt"),
    "a list": ({"timestamp": [SECONDS]}, SPOKEN, "updatedAt"),
    "absent beside a number": ({"timestamp": ABSENT, "updatedAt": SECONDS}, SPOKEN, "updatedAt"),
    "absent beside no time": ({"timestamp": ABSENT, "updatedAt": "soon"}, "2026-03-01T12:00:00.000Z", "backfill"),
    "absent twice": ({"timestamp": ABSENT, "updatedAt": ABSENT}, "2026-03-01T12:00:00.000Z", "backfill"),
    "a number of no time": ({"timestamp": 10**30, "updatedAt": None}, "2026-03-01T12:00:00.000Z", "backfill"),
}


@pytest.mark.parametrize(("changes", "text", "source"), TIMESTAMPS.values(), ids=TIMESTAMPS)
def test_a_timestamp_that_is_no_text_becomes_the_best_known_and_says_where_it_is_from(
    client: Any, backfill: Callable[..., TablePass], changes: dict[str, Any], text: str, source: str | None
) -> None:
    item = repaired(client, backfill, an_item(**changes))
    assert (item["timestamp"], item.get("timestampSource")) == ({"S": text}, {"S": source} if source else None)


@pytest.mark.parametrize("timestamp", [SECONDS, [SECONDS]], ids=["number", "list"])
def test_the_original_timestamp_is_not_lost(client: Any, backfill: Callable[..., TablePass], timestamp: Any) -> None:
    before = an_item(timestamp=timestamp)
    table = table_without_index(client)
    put_item(client, table, before)
    odd = stored_item(client, table)["timestamp"]
    backfill(client, table).run()
    assert stored_item(client, table)["originalTimestamp"] == odd


@pytest.mark.parametrize("timestamp", [ABSENT, None, ""], ids=["absent", "null", "empty"])
def test_where_there_was_no_timestamp_no_original_is_kept(
    client: Any, backfill: Callable[..., TablePass], timestamp: Any
) -> None:
    assert "originalTimestamp" not in repaired(client, backfill, an_item(timestamp=timestamp))


# The whole


ODD: dict[str, dict[str, Any]] = {
    "event in metadata": {"eventId": ABSENT},
    "event null": {"eventId": None},
    "event empty": {"eventId": ""},
    "event a number": {"eventId": 7, "metadata": {}},
    "event in JSON text": {"eventId": ABSENT, "metadata": json.dumps({"eventId": "event-1"})},
    "event a list": {"eventId": ["event-1"]},
    "timestamp a number": {"timestamp": SECONDS},
    "timestamp absent": {"timestamp": ABSENT},
    "both": {"eventId": ABSENT, "timestamp": None, "updatedAt": ABSENT},
}


@pytest.fixture
def mixed(client: Any) -> str:
    """A table with odd records and good ones, which has got its index since they were written."""
    table = table_without_index(client)
    for number, changes in enumerate(ODD.values()):
        put_item(client, table, an_item(registrationId=f"odd-{number}", **changes))
        put_item(client, table, an_item(registrationId=f"good-{number}"))
    add_index(client, table)
    return table


def test_after_a_backfill_a_query_of_the_index_has_all_records(
    client: Any, mixed: str, backfill: Callable[..., TablePass]
) -> None:
    backfill(client, mixed).run()
    found = query(client, mixed, "event-1") + query(client, mixed, "7")
    assert sorted(found) == sorted(f"{kind}-{number}" for kind in ("odd", "good") for number in range(len(ODD)))


def test_a_second_backfill_finds_nothing(client: Any, mixed: str, backfill: Callable[..., TablePass]) -> None:
    backfill(client, mixed).run()
    counts = backfill(client, mixed).run()
    assert (counts.scanned, counts.set, counts.left, counts.kinds) == (2 * len(ODD), 0, 0, {})


def test_what_was_repaired_is_counted_by_kind(client: Any, mixed: str, backfill: Callable[..., TablePass]) -> None:
    assert backfill(client, mixed).run().kinds == {
        "eventId absent": 3,
        "eventId null": 1,
        "eventId empty": 1,
        "eventId number": 1,
        "eventId list": 1,
        "timestamp number": 1,
        "timestamp absent": 1,
        "timestamp null": 1,
        "timestamp taken from updatedAt": 1,
        "timestamp taken from backfill": 1,
    }


@pytest.fixture
def observed(dynamodb_proxy: Proxy) -> Iterator[Any]:
    client = client_of(dynamodb_proxy.url)
    yield client
    client.close()


RACES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "another event": ({"eventId": 7}, {"eventId": 8}),
    "another event in metadata": ({"eventId": ABSENT}, {"eventId": ABSENT, "metadata": {"eventId": "event-2"}}),
    "another time": ({"timestamp": SECONDS}, {"timestamp": SECONDS + 1}),
    "a time at last": ({"timestamp": ABSENT}, {"timestamp": SPOKEN}),
    "another update": ({"timestamp": ABSENT}, {"timestamp": ABSENT, "updatedAt": "2026-02-28T10:31:00Z"}),
}


@pytest.mark.parametrize(("before", "after"), RACES.values(), ids=RACES)
def test_a_record_that_another_service_writes_meanwhile_is_left(
    observed: Any,
    dynamodb: Any,
    backfill: Callable[..., TablePass],
    dynamodb_proxy: Proxy,
    before: dict[str, Any],
    after: dict[str, Any],
) -> None:
    table = table_without_index(dynamodb)
    put_item(dynamodb, table, an_item(**before))

    def meanwhile(operation: str) -> None:
        if operation == "UpdateItem":
            put_item(dynamodb, table, an_item(**after))

    dynamodb_proxy.fault = meanwhile
    assert backfill(observed, table).run().changed == 1
    put_item(dynamodb, table, theirs := an_item(**after))
    assert stored_item(dynamodb, table).keys() == theirs.keys()


def test_the_journal_of_erasures_is_no_part_of_it(client: Any, backfill: Callable[..., TablePass]) -> None:
    table = table_without_index(client)
    put_item(client, table, {"userId": "facedesk-erasures", "registrationId": "hash", "entry": "text"})
    assert backfill(client, table).run().left == 0


def test_an_attempt_after_a_backfill_keeps_the_original(client: Any, backfill: Callable[..., TablePass]) -> None:
    table = table_without_index(client)
    put_item(client, table, an_item(timestamp=SECONDS))
    backfill(client, table).run()
    DynamoRecords(client, table, RETRY, lambda: NOON).record_attempt(an_outcome(), timedelta(days=30))
    assert stored_item(client, table)["originalTimestamp"] == {"N": str(SECONDS)}


# The check


def checked_records(client: Any, table: str) -> DynamoRecords:
    clock = FakeClock()
    check = index_check(client, table, clock)
    return DynamoRecords(client, table, RETRY, clock, clock.elapsed, index_check=check)


NOT_IN_THE_INDEX = {name: changes for name, changes in ODD.items() if not name.startswith("event in metadata")}


@pytest.mark.parametrize("changes", NOT_IN_THE_INDEX.values(), ids=NOT_IN_THE_INDEX)
def test_an_index_without_such_a_record_is_not_used_and_the_notice_counts_it(
    dynamodb: Any, changes: dict[str, Any]
) -> None:
    table = table_without_index(dynamodb)
    put_item(dynamodb, table, an_item(**changes))
    add_index(dynamodb, table)
    records = checked_records(dynamodb, table)
    records.event_records("another event", 1)
    wait_for_checks()
    assert "(at least 1)" in str(records.event_notice())


def test_an_index_that_a_backfill_has_completed_is_used(
    client: Any, mixed: str, backfill: Callable[..., TablePass]
) -> None:
    backfill(client, mixed).run()
    records = checked_records(client, mixed)
    records.event_records("event-1", 1)
    wait_for_checks()
    assert records.event_notice() is None


HARMLESS: dict[str, dict[str, Any]] = {
    "no event": {"eventId": ABSENT, "metadata": {}},
    "text that is no JSON": {"eventId": ABSENT, "metadata": "of event-1"},
    "no event and no time": {"eventId": ABSENT, "metadata": {}, "timestamp": ABSENT},
    "an event that begins with a blank": {"eventId": " event-1"},
}


@pytest.mark.parametrize("changes", HARMLESS.values(), ids=HARMLESS)
def test_a_record_that_no_event_lacks_does_not_matter(dynamodb: Any, changes: dict[str, Any]) -> None:
    table = table_without_index(dynamodb)
    put_item(dynamodb, table, an_item(**changes))
    add_index(dynamodb, table)
    records = checked_records(dynamodb, table)
    records.event_records("another event", 1)
    wait_for_checks()
    assert records.event_notice() is None
