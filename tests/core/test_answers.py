"""DynamoDB's answers decoded by column equal those decoded by item, and damaged ones are refused."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from types import SimpleNamespace
from typing import Any
from zlib import crc32

import orjson
import pyarrow as pa
import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.parsers import ResponseParserError
from hypothesis import given, settings
from hypothesis import strategies as st

from core.adapters.aws import answers, event_reads
from core.adapters.aws.records import DynamoRecords
from core.domain.errors import Unavailable
from core.domain.frames import record_frame
from core.domain.records import KEY_ATTRIBUTES, isoformat
from core.flow.retry import Retry
from core.flow.tally import Tally, counted
from tests.support.clock import NOON, FakeClock
from tests.support.dynamodb import Proxy, client_of, create_table, put_item
from tests.support.records import a_foreign_item, an_outcome
from tests.support.stores import PATIENT

TTL = timedelta(days=30)

#: Any value of the API, of every kind, null and nested ones too.
_TEXT = st.text(max_size=5)
_NUMBERS = st.one_of(
    st.integers(-(10**20), 10**20).map(str),
    st.floats(0, 100).map(repr),
    st.sampled_from(["1E+2", "0.10", "1e-7", "100", "101", "-1", "9" * 38]),
)
_ANY = st.recursive(
    st.one_of(
        st.builds(lambda text: {"S": text}, _TEXT),
        st.builds(lambda number: {"N": number}, _NUMBERS),
        st.builds(lambda truth: {"BOOL": truth}, st.booleans()),
        st.just({"NULL": True}),
        st.just({"B": "AAE="}),
        st.builds(lambda texts: {"SS": texts}, st.lists(_TEXT, min_size=1, max_size=2, unique=True)),
    ),
    lambda inner: st.one_of(
        st.builds(lambda listed: {"L": listed}, st.lists(inner, max_size=3)),
        st.builds(
            lambda named: {"M": named}, st.dictionaries(st.sampled_from(["similarity", "source", "age"]), inner)
        ),
    ),
    max_leaves=4,
)
_USUAL = {
    "userId": st.builds(lambda text: {"S": text}, _TEXT),
    "registrationId": st.builds(lambda text: {"S": text}, _TEXT),
    "validationStatus": st.sampled_from([{"S": "success"}, {"S": "failed"}]),
    "timestamp": st.sampled_from([{"S": "2026-03-01T12:00:00.123Z"}, {"S": "2026-03-01T12:00:00Z"}]),
    "confidence": st.builds(lambda number: {"N": repr(number)}, st.floats(0, 100)),
    "comparisonResult": st.builds(
        lambda number: {"M": {"similarity": {"N": repr(number)}, "isMatch": {"BOOL": True}}}, st.floats(0, 100)
    ),
    "failureReasons": st.builds(
        lambda codes: {"L": [{"S": code} for code in codes]}, st.lists(st.sampled_from(["A", "B"]), max_size=2)
    ),
    "attributes": st.builds(
        lambda smile: {"M": {"smile": {"BOOL": smile}, "age": {"S": "25-35"}, "yaw": {"N": "3.5"}}}, st.booleans()
    ),
    "expiresAt": st.builds(lambda number: {"N": str(number)}, st.integers(0, 2**40)),
    "verificationAttempt": st.builds(lambda number: {"N": str(number)}, st.integers(1, 60)),
    "metadata": st.builds(
        lambda made_by: {"M": {"source": {"S": "api"}, "eventId": {"S": "event-1"}, "provenance": {"M": made_by}}},
        st.fixed_dictionaries({}, optional={"engine": st.just({"S": "e"}), "rules": _ANY}),
    ),
}
_ODD = {
    **dict.fromkeys(("quality", "review", "updatedAt", "storedFaceKey", "device"), _ANY),
    **{name: st.one_of(usual, _ANY) for name, usual in _USUAL.items() if name not in KEY_ATTRIBUTES},
}
_KEYS = {name: _USUAL[name] for name in KEY_ATTRIBUTES}
_ITEMS = st.lists(st.one_of(st.fixed_dictionaries(_USUAL), st.fixed_dictionaries(_KEYS, optional=_ODD)), max_size=4)


def answered(items: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    """The part of an answer that botocore gets, and the part that is decoded separately."""
    given_to_botocore = {"status_code": 200, "headers": {}, "body": orjson.dumps({"Items": items, **more})}
    beside: dict[str, Any] = {}
    answers._take_items(given_to_botocore, beside)
    return {**orjson.loads(given_to_botocore["body"]), **beside}


def in_columns(items: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    answer: dict[str, Any] = answers.in_columns(lambda: answered(items, **more))()
    return answer


def rows(page: pa.Table) -> list[str]:
    """The records of the page as text, in an order of their own."""
    frame = record_frame(answers.joined([page])).astype(object)
    return sorted(map(repr, frame.to_dict("records")))


@settings(deadline=None, max_examples=200)
@given(items=_ITEMS)
def test_by_column_an_answer_says_what_it_says_item_by_item(items: list[dict[str, Any]]) -> None:
    assert rows(answers.page_of(in_columns(items))) == rows(answers._read_one_by_one(items))


def test_usual_records_are_read_by_arrow(monkeypatch: pytest.MonkeyPatch) -> None:
    judged_with = {"engine": "rekognition", "model": "api-1", "rules": "r1"}
    foreign = a_foreign_item(
        confidence=95,
        comparisonResult={"similarity": 92, "threshold": 80, "isMatch": True},
        metadata={"eventId": "event-1", "source": "api", "provenance": judged_with},
    )
    item = {name: TypeSerializer().serialize(value) for name, value in foreign.items()}
    monkeypatch.setattr(answers, "_read_one_by_one", None)
    page = answers.page_of(in_columns([item]))
    assert [page[name].to_pylist() for name in judged_with] == [["rekognition"], ["api-1"], ["r1"]]


def test_botocore_gets_all_but_the_items() -> None:
    key = {"userId": {"S": "u"}, "registrationId": {"S": "r"}}
    more = {"Count": 1, "ScannedCount": 3, "LastEvaluatedKey": key, "ConsumedCapacity": {"CapacityUnits": 0.5}}
    for answer in (answered([key], **more), in_columns([key], **more)):
        assert {name: answer[name] for name in more} == more


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"nothing", b'{"Items": 5', b'{"Items": [{"userId": {"S": "\\ud800"}}]}']
)
def test_what_cannot_be_decoded_is_left_to_botocore(body: bytes) -> None:
    given_to_botocore, beside = {"status_code": 200, "headers": {}, "body": body}, {}
    answers.in_columns(lambda: answers._take_items(given_to_botocore, beside))()
    assert (given_to_botocore["body"], beside) == (body, {})


def test_an_error_is_left_to_botocore() -> None:
    given_to_botocore, beside = {"status_code": 400, "headers": {}, "body": b'{"Items": []}'}, {}
    answers._take_items(given_to_botocore, beside)
    assert (given_to_botocore["body"], beside) == (b'{"Items": []}', {})


def test_an_answer_that_was_damaged_on_its_way_is_not_taken() -> None:
    body = b'{"Items": []}'
    headers = {"x-amz-crc32": str(crc32(body))}
    answers._take_items({"status_code": 200, "headers": headers, "body": body}, {})
    with pytest.raises(ResponseParserError):
        answers._take_items({"status_code": 200, "headers": headers, "body": body + b" "}, {})


def test_a_client_decodes_once_however_often_it_is_told_to() -> None:
    told: dict[str, Any] = {}
    events = SimpleNamespace(register=lambda name, handler, unique_id: told.setdefault(unique_id, name))
    for _ in range(2):
        answers.decode(SimpleNamespace(meta=SimpleNamespace(events=events)))
    assert sorted(told.values()) == ["before-parse.dynamodb.Query", "before-parse.dynamodb.Scan"]


# On the server


def test_calls_at_once_on_one_client_get_their_own_records(dynamodb: Any) -> None:
    table, events = create_table(dynamodb), [f"event-{number}" for number in range(6)]
    records = DynamoRecords(dynamodb, table, PATIENT, FakeClock())
    for number in range(60):
        event = {"registration_id": f"reg-{number}", "event_id": events[number % 6], "user_id": f"user-{number % 6}"}
        records.record_attempt(an_outcome(**event), TTL)

    def read(number: int) -> bool:
        event, user = events[number % 6], f"user-{number % 6}"
        expected = {f"reg-{each}" for each in range(number % 6, 60, 6)}
        match number % 3:
            case 0:
                return set(records.event_frame(event)["registrationId"]) == expected
            case 1:
                return {r.registration_id for r in records.history(user)} == expected
            case _:
                return {r.registration_id for r in records.event_records(event, 100)} == expected

    with ThreadPoolExecutor(8) as sessions:
        assert all(sessions.map(read, range(120)))


def fill(client: Any, table: str, records: int) -> None:
    """An event with this many records over some days, large enough for many pages."""
    ballast = {"age": "25-35", "ballast": "x" * 20_000}
    with ThreadPoolExecutor(8) as threads:
        for number in range(records):
            moment = f"{NOON - timedelta(days=3) + timedelta(minutes=number * 4):%Y-%m-%dT%H:%M:%S.000Z}"
            item = a_foreign_item(
                **{"registrationId": f"reg-{number:04}", "eventId": "event-1", "timestamp": moment},
                **{"updatedAt": moment, "attributes": ballast},
            )
            threads.submit(put_item, client, table, item)


def test_a_large_event_is_read_in_parts_and_each_record_is_there_once(dynamodb: Any, dynamodb_proxy: Proxy) -> None:
    table = create_table(dynamodb)
    fill(dynamodb, table, 200)
    client = client_of(dynamodb_proxy.url)
    frame = DynamoRecords(client, table, PATIENT, FakeClock()).event_frame("event-1")
    client.close()
    assert list(frame["registrationId"]) == [f"reg-{number:04}" for number in range(200)]
    assert dynamodb_proxy.seen.count("Query") > event_reads.SLICES


def test_a_record_that_moves_on_while_the_parts_are_read_is_neither_missed_nor_there_twice(dynamodb: Any) -> None:
    table, clock = create_table(dynamodb), FakeClock()
    fill(dynamodb, table, 200)
    reader, writer = (DynamoRecords(dynamodb, table, PATIENT, clock) for _ in range(2))
    stop = threading.Event()

    def write() -> None:
        """In turn, one record after another moves to the end, and new ones are added."""
        for turn in count():
            if stop.is_set():
                return
            clock.advance(timedelta(seconds=1))
            moved = {"registration_id": f"reg-{turn * 37 % 200:04}", "timestamp": clock()}
            writer.record_attempt(an_outcome(f"attempt-{turn}", **moved), TTL)
            writer.record_attempt(an_outcome(registration_id=f"new-{turn}", timestamp=clock()), TTL)

    with ThreadPoolExecutor(1) as other:
        writing = other.submit(write)
        try:
            frames = [reader.event_frame("event-1") for _ in range(8)]
        finally:
            stop.set()
        writing.result()
    old = {f"reg-{number:04}" for number in range(200)}
    for frame in frames:
        listed = list(frame["registrationId"])
        assert len(listed) == len(set(listed))
        assert old <= set(listed)


def test_a_part_that_cannot_be_read_fails_the_whole(dynamodb: Any, dynamodb_proxy: Proxy) -> None:
    table = create_table(dynamodb)
    fill(dynamodb, table, 200)
    client = client_of(dynamodb_proxy.url)
    records = DynamoRecords(client, table, Retry(2, 1, base=0.01), FakeClock())
    records.event_frame("no event")
    asked = count()
    dynamodb_proxy.fault = lambda call: ("InternalServerError", 500) if next(asked) > 6 else None
    with pytest.raises(Unavailable):
        records.event_frame("event-1")
    client.close()


def test_what_a_read_consumed_is_counted(dynamodb: Any) -> None:
    table = create_table(dynamodb)
    fill(dynamodb, table, 200)
    records = DynamoRecords(dynamodb, table, PATIENT, FakeClock())
    with counted(tally := Tally()):
        records.event_frame("event-1")
    assert tally.calls > event_reads.SLICES
    assert tally.read_units > 200  # items of 20 KB, half a unit for each 4 KB


BOUND = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("reached", "newest"),
    [
        ("2026-03-01T11:59:00.000Z", "2026-03-01T12:00:00.000Z"),  # all within the lag
        ("yesterday", "2026-03-01T12:00:00.000Z"),
        ("2026-02-01T12:00:00.000Z", ""),
        ("2026-02-01 12:00:00", "later"),
    ],
)
def test_what_cannot_be_parted_by_time_is_read_one_page_after_the_other(reached: str, newest: str) -> None:
    assert event_reads._bounds(reached, newest, BOUND) == [reached[:19]]


@given(days=st.integers(1, 400), ahead=st.integers(-400, 400))
def test_parts_go_from_what_is_reached_to_before_all_that_can_still_move(days: int, ahead: int) -> None:
    newest = BOUND + timedelta(days=ahead)
    first, *bounds = event_reads._bounds(isoformat(newest - timedelta(days=days)), isoformat(newest), BOUND)
    assert [first, *bounds] == sorted({first, *bounds})
    assert first == isoformat(newest - timedelta(days=days))[:19]
    if bounds:
        assert bounds[-1] == isoformat(min(newest, BOUND) - event_reads.LAG)[:19]
