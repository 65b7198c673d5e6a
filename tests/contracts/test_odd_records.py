"""Records as other services write them: any field of any kind, several at once, beside good ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import count
from typing import Any

import apsw
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.adapters.aws.records import DynamoRecords
from core.adapters.embedded.records import SqliteRecords
from core.domain.errors import InvalidInput
from core.domain.records import KEY_ATTRIBUTES
from core.ports import ValidationRecords
from tests.support.clock import NOON, FakeClock
from tests.support.dynamodb import put_item, stored_item
from tests.support.odd_records import EXAMPLES, ODD_RECORDS, OddRecord, item_of, unreadable_in
from tests.support.records import a_foreign_item, a_review, an_outcome
from tests.support.stores import PATIENT, table_without_index

TTL = timedelta(days=30)
EVENT = "odd-event"


@dataclass
class Table:
    records: ValidationRecords
    put: Callable[[Mapping[str, Any]], None]
    #: An item as the store has it, by its key.
    raw: Callable[[str, str], Mapping[str, Any]]
    drop: Callable[[str, str], None]


@pytest.fixture(scope="module")
def sqlite_table(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    path = tmp_path_factory.mktemp("odd") / "facedesk.db"
    store = SqliteRecords(path, FakeClock())
    beside = apsw.Connection(str(path))
    one = "faceVerifications WHERE userId = ? AND registrationId = ?"

    def put(item: Mapping[str, Any]) -> None:
        beside.execute("INSERT INTO faceVerifications (item) VALUES (?)", (orjson.dumps(item).decode(),))

    def raw(*key: str) -> Mapping[str, Any]:
        ((item,),) = beside.execute(f"SELECT item FROM {one}", key)
        read: Mapping[str, Any] = orjson.loads(str(item))
        return read

    yield Table(store, put, raw, lambda *key: list(beside.execute(f"DELETE FROM {one}", key)) and None)
    beside.close()
    store.close()


@pytest.fixture(scope="module")
def dynamodb_table(dynamodb: Any) -> Table:
    table = table_without_index(dynamodb)
    clock = FakeClock()
    return Table(
        DynamoRecords(dynamodb, table, PATIENT, clock, clock.elapsed),
        lambda item: put_item(dynamodb, table, item),
        lambda *key: stored_item(dynamodb, table, *key),
        lambda user, registration: dynamodb.delete_item(
            TableName=table, Key={"userId": {"S": user}, "registrationId": {"S": registration}}
        ),
    )


@pytest.fixture(params=["sqlite", "dynamodb"], scope="module")
def table(request: pytest.FixtureRequest) -> Table:
    found: Table = request.getfixturevalue(f"{request.param}_table")
    return found


_NUMBER = count()


@dataclass
class Written:
    """Records of which some are odd, and what of them cannot be read."""

    items: list[dict[str, Any]]
    unreadable: dict[str, set[str]]


@contextmanager
def written(table: Table, odd: list[OddRecord]) -> Iterator[Written]:
    """The odd records, and a good one."""
    user = f"user-{next(_NUMBER)}"
    items, unreadable = [], {}
    for number, each in enumerate([*odd, ([], 0)]):
        item = item_of(each, user=user, registration=f"reg-{number}", event=EVENT)
        table.put(item)
        items.append(item)
        unreadable[f"reg-{number}"] = unreadable_in(each)
    try:
        yield Written(items, unreadable)
    finally:
        for item in items:
            table.drop(item["userId"], item["registrationId"])


@contextmanager
def one_written(table: Table, odd: OddRecord) -> Iterator[tuple[tuple[str, str], Mapping[str, Any]]]:
    """The key of an odd record, and the record as the store has it."""
    with written(table, [odd]) as put:
        key = (put.items[0]["userId"], "reg-0")
        yield key, table.raw(*key)


@settings(max_examples=EXAMPLES, deadline=None)
@given(odd=st.lists(ODD_RECORDS, min_size=1, max_size=3))
def test_every_record_is_shown_once_and_what_is_unreadable_is_listed(table: Table, odd: list[OddRecord]) -> None:
    with written(table, odd) as put:
        user = put.items[0]["userId"]
        frame = table.records.event_frame(EVENT)
        assert Counter(frame["registrationId"]) == Counter(put.unreadable.keys())
        assert frame["status"].notna().all()
        named = dict(zip(frame["registrationId"], frame["unreadable"], strict=True))
        assert {registration: set(text.split()) for registration, text in named.items()} == put.unreadable
        listed = table.records.event_records(EVENT, 10)
        assert Counter(record.registration_id for record in listed) == Counter(put.unreadable.keys())
        history = table.records.history(user)
        assert {record.registration_id: set(map(str, record.unread)) for record in history} == put.unreadable


@settings(max_examples=EXAMPLES, deadline=None)
@given(odd=ODD_RECORDS)
def test_an_attempt_is_recorded_and_leaves_what_it_does_not_write(table: Table, odd: OddRecord) -> None:
    with one_written(table, odd) as (key, before):
        outcome = an_outcome(user_id=key[0], registration_id="reg-0", event_id=EVENT)
        record = table.records.record_attempt(outcome, TTL)
        assert record.validation_status == "success"
        after = table.raw(*key)
        assert after.get("device") == before.get("device")
        assert {name: after[name] for name in KEY_ATTRIBUTES} == {name: before[name] for name in KEY_ATTRIBUTES}


#: The attributes that a decision writes.
_DECIDED = {"validationStatus", "failureReasons", "review", "attempts", "updatedAt"}


@settings(max_examples=EXAMPLES, deadline=None)
@given(odd=ODD_RECORDS)
def test_a_decision_is_stored_and_leaves_what_it_does_not_write(table: Table, odd: OddRecord) -> None:
    with one_written(table, odd) as (key, before):
        seen = table.records.get(*key)
        assert seen is not None
        record = table.records.decide(*key, a_review(decided_at=NOON), seen.version)
        assert record.review is not None
        after = table.raw(*key)
        kept = before.keys() - _DECIDED
        assert {name: after.get(name) for name in kept} == {name: before[name] for name in kept}


def test_a_part_of_an_attempt_that_others_wrote_survives_a_decision(table: Table) -> None:
    attempts = [
        {"number": 1, "status": "failed", "confidence": "N/A", "device": "kiosk"},
        {"number": 2, "status": "pending", "device": "kiosk"},
    ]
    table.put(a_foreign_item(userId="kept", attempts=attempts))
    seen = table.records.get("kept", "reg-1")
    assert seen is not None
    before = table.raw("kept", "reg-1")["attempts"]
    table.records.decide("kept", "reg-1", a_review(), seen.version)
    after = table.raw("kept", "reg-1")["attempts"]
    first = (lambda value: value[0]) if isinstance(after, list) else (lambda value: value["L"][0])
    assert first(after) == first(before)
    table.drop("kept", "reg-1")


@pytest.mark.parametrize(
    "ask",
    [
        lambda records: records.get("facedesk-erasures", "reg-1"),
        lambda records: records.history("facedesk-erasures"),
        lambda records: records.record_attempt(an_outcome(user_id="facedesk-erasures"), TTL),
        lambda records: records.decide("facedesk-erasures", "reg-1", a_review(), "any"),
        lambda records: records.take_back("facedesk-erasures", "reg-1", "attempt-1"),
    ],
    ids=["get", "history", "record_attempt", "decide", "take_back"],
)
def test_the_journal_of_erasures_is_nobody(dynamodb_table: Table, ask: Callable[[ValidationRecords], object]) -> None:
    with pytest.raises(InvalidInput, match="reserved for the journal"):
        ask(dynamodb_table.records)
