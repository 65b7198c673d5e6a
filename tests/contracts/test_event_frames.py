"""The event reads of ``ValidationRecords``, held by every adapter; DynamoDB both by the index and by scans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.adapters.aws import event_reads as aws_events
from core.adapters.aws import table as definition
from core.adapters.aws.records import DynamoRecords
from core.adapters.embedded import records as embedded_records
from core.domain.attempts import newest_first
from core.domain.columns import RECORD_DTYPES
from core.domain.errors import Unavailable
from core.domain.frames import record_frame
from core.domain.records import EVENT_ATTRIBUTES, Decision, ValidationRecord
from core.flow.retry import Retry
from tests.support.clock import NOON, FakeClock
from tests.support.dynamodb import create_table, put_item
from tests.support.records import a_foreign_item, a_review, an_outcome
from tests.support.stores import (
    EVENT_WAYS,
    EVENT_WAYS_AND_SHARDS,
    PATIENT,
    Bench,
    UnheardClient,
    dynamodb_bench,
    event_bench,
    sqlite_bench,
    table_without_index,
)

TTL = timedelta(days=30)
SECOND = timedelta(seconds=1)


@pytest.fixture(params=EVENT_WAYS_AND_SHARDS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    yield from event_bench(request, tmp_path)


@pytest.fixture(params=[way for way in EVENT_WAYS if not way.endswith("index")])
def bench_without_index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A store that finds every record of an event at once. Of an index its check says first what is missing."""
    yield from event_bench(request, tmp_path)


def rows(bench: Bench, event_id: str = "event-1") -> list[dict[str, Any]]:
    """The frame's rows; what is absent is None."""
    frame = bench.records.event_frame(event_id).astype(object)
    return frame.where(frame.notna(), None).to_dict("records")


def ids(bench: Bench, event_id: str = "event-1") -> list[str]:
    return list(bench.records.event_frame(event_id)["registrationId"])


def test_an_event_without_records_is_the_empty_frame(bench: Bench) -> None:
    pd.testing.assert_frame_equal(bench.records.event_frame("event-1"), record_frame({}))


def test_a_frame_has_the_columns_and_dtypes_of_record_frame(bench: Bench) -> None:
    bench.records.record_attempt(an_outcome(), TTL)
    frame = bench.records.event_frame("event-1")
    assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == {
        name: str(pd.api.types.pandas_dtype(dtype)) for name, dtype in RECORD_DTYPES.items()
    }


def test_a_row_has_all_of_a_record(bench: Bench) -> None:
    outcome = an_outcome(
        status="failed",
        reasons=("TOO_DARK", "BLURRED"),
        quality="low",
        attributes={"age": "25-35", "gender": "female", "smile": False},
        stored_face_key="reference-faces/1.jpg",
        source="batch",
    )
    bench.records.record_attempt(an_outcome("attempt-0"), TTL)
    bench.records.record_attempt(outcome, TTL)
    assert rows(bench) == [
        {
            "userId": "user-1",
            "registrationId": "reg-1",
            "eventId": "event-1",
            "status": "failed",
            "confidence": 99.5,
            "quality": "low",
            "similarity": 92.25,
            "threshold": 80.0,
            "attempts": 2,
            "timestamp": pd.Timestamp(NOON),
            "updatedAt": pd.Timestamp(NOON + timedelta(milliseconds=1)),
            "expiresAt": pd.Timestamp(NOON + TTL),
            "source": "batch",
            "reasons": "TOO_DARK BLURRED",
            "decision": None,
            "reviewer": None,
            "decidedAt": None,
            "faceImageKey": "face-images/attempt-1.jpg",
            "storedFaceKey": "reference-faces/1.jpg",
            "age": "25-35",
            "gender": "female",
            "smile": False,
            "engine": "rekognition",
            "model": "api-2016-06-27",
            "rules": "r0a1b2c3d",
            "unreadable": "",
        }
    ]


def test_a_decision_is_in_the_row(bench: Bench) -> None:
    seen = bench.records.record_attempt(an_outcome(status="pending"), TTL)
    bench.records.decide("user-1", "reg-1", a_review(Decision.APPROVED), seen.version)
    (row,) = rows(bench)
    assert (row["status"], row["decision"], row["reviewer"]) == ("success", "approved", "Ada")
    assert row["decidedAt"] == pd.Timestamp(NOON)


def test_a_record_of_the_least_attributes_is_in_the_frame(bench: Bench) -> None:
    bench.put(
        {
            "userId": "user-1",
            "registrationId": "reg-1",
            "eventId": "event-1",
            "validationStatus": "pending",
            "timestamp": "2026-02-28T10:30:00Z",
        }
    )
    (row,) = rows(bench)
    present = {"userId", "registrationId", "eventId", "status", "timestamp", "attempts", "reasons"} | {"unreadable"}
    assert {name for name, value in row.items() if value is not None} == present
    assert (row["attempts"], row["reasons"]) == (1, "")


def test_another_services_record_is_read(bench: Bench) -> None:
    bench.foreign()
    (row,) = rows(bench)
    assert (row["eventId"], row["status"], row["similarity"], row["attempts"]) == ("event-1", "success", 92.5, 2)
    assert (row["source"], row["gender"], row["smile"]) == ("api", "male", True)


def test_a_record_with_the_event_in_metadata_alone_is_found(bench_without_index: Bench) -> None:
    bench_without_index.put(a_foreign_item())
    assert ids(bench_without_index) == ["reg-1"]


def test_the_top_level_event_counts_where_metadata_names_another(bench: Bench) -> None:
    bench.put(a_foreign_item(eventId="event-2"))
    assert (ids(bench, "event-1"), ids(bench, "event-2")) == ([], ["reg-1"])


def test_other_events_are_left_out(bench: Bench) -> None:
    bench.records.record_attempt(an_outcome(event_id="event-2"), TTL)
    assert ids(bench) == []


@pytest.mark.parametrize("odd", ["Event-1", "event-1 ", "'; --", ":v0"])
def test_events_are_compared_exactly_whatever_characters_they_have(bench: Bench, odd: str) -> None:
    bench.records.record_attempt(an_outcome(registration_id="reg-1"), TTL)
    bench.records.record_attempt(an_outcome(registration_id="reg-2", event_id=odd), TTL)
    assert ids(bench, odd) == ["reg-2"]


def test_an_expired_record_is_left_out(bench: Bench) -> None:
    bench.records.record_attempt(an_outcome(registration_id="reg-1"), TTL)
    bench.records.record_attempt(an_outcome(registration_id="reg-2"), TTL + SECOND)
    bench.clock.advance(TTL)
    assert ids(bench) == ["reg-2"]


def test_rows_are_in_order_of_time_then_registration_then_user(bench: Bench) -> None:
    for user, registration, seconds in (
        ("user-1", "reg-a", 2),
        ("user-2", "reg-c", 1),
        ("user-2", "reg-b", 1),
        ("user-1", "reg-b", 1),
        ("user-1", "reg-z", 0),
    ):
        changes = {"user_id": user, "registration_id": registration, "timestamp": NOON + seconds * SECOND}
        bench.records.record_attempt(an_outcome(**changes), TTL)
    frame = bench.records.event_frame("event-1")
    assert list(zip(frame["registrationId"], frame["userId"], strict=True)) == [
        ("reg-z", "user-1"),
        ("reg-b", "user-1"),
        ("reg-b", "user-2"),
        ("reg-c", "user-2"),
        ("reg-a", "user-1"),
    ]


def test_order_is_by_time_and_not_by_a_timestamps_text(bench: Bench) -> None:
    times = {
        "reg-1": "2026-02-28T10:00:00Z",
        "reg-2": "2026-02-28T10:00:00.500Z",
        "reg-3": "2026-02-28T15:29:59+05:30",
    }
    for registration, timestamp in times.items():
        bench.foreign(registrationId=registration, timestamp=timestamp)
    assert ids(bench) == ["reg-3", "reg-1", "reg-2"]


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        ({"age": 30, "gender": ["male"], "smile": "yes"}, (None, None, None)),
        ({"age": {"Low": 25}, "gender": True, "smile": 1}, (None, None, None)),
        ({"age": "", "gender": None, "smile": None}, (None, None, None)),
        ({}, (None, None, None)),
        ({"age": "25-35", "gender": "x", "smile": False}, ("25-35", "x", False)),
    ],
)
def test_an_attribute_of_another_kind_is_absent(
    bench: Bench, attributes: dict[str, Any], expected: tuple[object, ...]
) -> None:
    bench.foreign(attributes=attributes)
    (row,) = rows(bench)
    assert (row["age"], row["gender"], row["smile"]) == expected


_ENGINE = "metadata.provenance.engine"


@pytest.mark.parametrize(
    ("attribute", "value", "column", "read", "unreadable"),
    [
        ("validationStatus", "verified", "status", "unknown", "validationStatus:text"),
        ("validationStatus", "SUCCESS", "status", "success", ""),
        ("confidence", 101, "confidence", None, "confidence:number"),
        ("confidence", "99.5 %", "confidence", 99.5, ""),
        ("comparisonResult", {"similarity": -1}, "similarity", None, "comparisonResult.similarity:number"),
        ("comparisonResult", False, "similarity", None, "comparisonResult:truth-value"),
        ("comparisonResult", '{"similarity": 92}', "similarity", 92, ""),
        ("failureReasons", [{"code": 1}], "reasons", "", "failureReasons:list"),
        ("failureReasons", "NO_FACE", "reasons", "NO_FACE", ""),
        ("metadata", '{"eventId": "event-1", "source": "kiosk"}', "source", "kiosk", ""),
        ("metadata", {"eventId": "event-1", "provenance": {"engine": "e"}}, "engine", "e", ""),
        ("metadata", {"eventId": "event-1", "provenance": {"engine": ["e"]}}, "engine", None, _ENGINE + ":list"),
        ("metadata", {"eventId": "event-1", "provenance": {"engine": 5, "model": ""}}, "engine", "5", ""),
        ("metadata", {"eventId": "event-1", "provenance": "e"}, "engine", None, "metadata.provenance:text"),
        ("metadata", '{"eventId": "event-1", "provenance": {"engine": "e"}}', "engine", "e", ""),
        ("attributes", '{"age": "20-30"}', "age", "20-30", ""),
        ("attributes", 5, "age", None, "attributes:number"),
        ("review", {"reviewer": "ann"}, "reviewer", None, "review:map"),
        ("expiresAt", "2026-12-25T10:00:00Z", "expiresAt", pd.Timestamp("2026-12-25T10:00:00Z"), ""),
    ],
)
def test_an_odd_value_is_read_or_named_and_the_record_never_left_out(
    bench: Bench, attribute: str, value: object, column: str, read: object, unreadable: str
) -> None:
    bench.foreign(registrationId="reg-1")
    bench.foreign(registrationId="reg-2", **{attribute: value})
    frame = bench.records.event_frame("event-1").set_index("registrationId")
    found = frame.loc["reg-2", column]
    assert ((None if pd.isna(found) else found), frame.loc["reg-2", "unreadable"]) == (read, unreadable)
    assert frame.loc["reg-1", "unreadable"] == ""


def test_reasons_of_any_text_are_joined_by_one_space(bench: Bench) -> None:
    bench.foreign(failureReasons=['a","b', "c\\d", "é"])
    (row,) = rows(bench)
    assert row["reasons"] == 'a","b c\\d é'


_PERCENT = st.none() | st.integers(0, 10_000).map(lambda n: n / 100)
_ITEMS = st.fixed_dictionaries(
    {
        "validationStatus": st.sampled_from(["success", "pending", "failed"]),
        "timestamp": st.datetimes(NOON.replace(tzinfo=None), (NOON + TTL).replace(tzinfo=None)).map(
            lambda moment: moment.isoformat() + "Z"
        ),
        "metadata": st.sampled_from(
            [
                {"eventId": "event-1"},
                {"eventId": "event-1", "source": "api"},
                {"eventId": "event-1", "provenance": {"engine": "rekognition", "rules": "r1"}},
            ]
        ),
        "eventId": st.just("event-1"),
    },
    optional={
        "confidence": _PERCENT,
        "quality": st.sampled_from(["high", "medium", "low", None]),
        "comparisonResult": st.none() | st.fixed_dictionaries({}, optional={"similarity": _PERCENT}),
        "verificationAttempt": st.integers(1, 60),
        "expiresAt": st.integers(-1000, 1000).map(lambda seconds: int(NOON.timestamp()) + seconds),
        "failureReasons": st.lists(st.sampled_from(["NO_FACE", "TOO_DARK", "BLURRED"]), max_size=3),
        "attributes": st.fixed_dictionaries({}, optional={"smile": st.booleans(), "age": st.just("25-35")}),
    },
)


@pytest.mark.parametrize("store", ["sqlite", "dynamodb"])
@given(items=st.lists(_ITEMS, max_size=6))
@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_a_frame_says_what_the_records_say(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    store: str,
    items: list[dict[str, Any]],
) -> None:
    if store == "sqlite":
        bench = sqlite_bench(tmp_path_factory.mktemp("event"))
    else:
        bench = dynamodb_bench(request.getfixturevalue("dynamodb"), event_index=False)
    numbered = [{"userId": "user-1", "registrationId": f"reg-{n}", **item} for n, item in enumerate(items)]
    for item in numbered:
        bench.put(item)
    alive = newest_first(map(ValidationRecord.from_item, numbered), NOON, None)
    expected = sorted(alive, key=lambda record: (record.timestamp, record.registration_id))
    compared = ("registrationId", "status", "confidence", "quality", "similarity", "attempts", "timestamp", "reasons")
    compared += ("smile", "age", "source", "rules")
    assert [tuple(row[column] for column in compared) for row in rows(bench)] == [
        (
            *(r.registration_id, r.validation_status, r.confidence, r.quality, r.similarity, r.verification_attempt),
            *(r.timestamp, " ".join(r.failure_reasons)),
            *(r.attributes.get("smile"), r.attributes.get("age"), r.metadata.source),
            r.provenance.rules if r.provenance else None,
        )
        for r in expected
    ]
    if store == "sqlite":
        bench.records.close()


# Batches


def batches(bench: Bench, event_id: str = "event-1") -> pd.DataFrame:
    """All batches as one frame."""
    return pd.concat([record_frame({}), *bench.records.event_batches(event_id)], ignore_index=True)


def test_an_event_without_records_has_no_batches(bench: Bench) -> None:
    assert list(bench.records.event_batches("event-1")) == []


def test_batches_are_frames_of_record_frame(bench: Bench) -> None:
    bench.records.record_attempt(an_outcome(), TTL)
    (batch,) = bench.records.event_batches("event-1")
    pd.testing.assert_frame_equal(batch, bench.records.event_frame("event-1"))


def test_batches_have_what_the_frame_has(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for store in (embedded_records, aws_events):
        monkeypatch.setattr(store, "BATCH_ROWS", 4)
    # Equal times in more records than a batch has.
    for number in range(15):
        bench.foreign(registrationId=f"reg-{number}", timestamp=f"2026-02-28T10:3{number // 7}:00Z")
    found = list(bench.records.event_batches("event-1"))
    assert sorted(id for batch in found for id in batch["registrationId"]) == sorted(ids(bench))
    assert max(map(len, found)) == 4


def test_a_record_with_the_event_in_metadata_alone_is_in_a_batch(bench_without_index: Bench) -> None:
    bench_without_index.put(a_foreign_item())
    assert list(batches(bench_without_index)["registrationId"]) == ["reg-1"]


def test_expired_records_and_other_events_are_in_no_batch(bench: Bench) -> None:
    bench.records.record_attempt(an_outcome(registration_id="reg-1"), TTL)
    bench.records.record_attempt(an_outcome(registration_id="reg-2"), TTL + SECOND)
    bench.records.record_attempt(an_outcome(registration_id="reg-3", event_id="event-2"), TTL + SECOND)
    bench.clock.advance(TTL)
    assert list(batches(bench)["registrationId"]) == ["reg-2"]


def test_odd_records_are_in_the_batches(bench: Bench) -> None:
    bench.foreign(registrationId="reg-1")
    bench.foreign(registrationId="reg-2", validationStatus="verified")
    bench.foreign(registrationId="reg-3", confidence={"value": 1})
    assert sorted(batches(bench)["registrationId"]) == ["reg-1", "reg-2", "reg-3"]


def test_nothing_is_read_before_the_first_batch_is_asked_for(bench: Bench) -> None:
    asked = bench.records.event_batches("event-1")
    bench.records.record_attempt(an_outcome(), TTL)
    assert len(next(asked)) == 1


def test_a_reader_of_batches_may_stop(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for store in (embedded_records, aws_events):
        monkeypatch.setattr(store, "BATCH_ROWS", 1)
    for number in (1, 2, 3):
        bench.records.record_attempt(an_outcome(registration_id=f"reg-{number}"), TTL)
    first = next(bench.records.event_batches("event-1"))
    assert len(first) == 1


def test_a_record_that_changes_between_two_batches_is_not_missed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    for store in (embedded_records, aws_events):
        monkeypatch.setattr(store, "BATCH_ROWS", 1)
    for number in (1, 2, 3):
        outcome = an_outcome(registration_id=f"reg-{number}", timestamp=NOON + number * SECOND)
        bench.records.record_attempt(outcome, TTL)
    asked = bench.records.event_batches("event-1")
    met = set(next(asked)["registrationId"])
    bench.records.record_attempt(an_outcome("again", registration_id="reg-2", timestamp=NOON + 9 * SECOND), TTL)
    seen = bench.records.get("user-1", "reg-3")
    assert seen is not None
    bench.records.decide("user-1", "reg-3", a_review(), seen.version)
    for batch in asked:
        met |= set(batch["registrationId"])
    assert met == {"reg-1", "reg-2", "reg-3"}


# The newest records


def listed(bench: Bench, limit: int = 100, event_id: str = "event-1") -> list[tuple[str, str]]:
    return [(r.registration_id, r.user_id) for r in bench.records.event_records(event_id, limit)]


def test_an_event_without_records_lists_none(bench: Bench) -> None:
    assert bench.records.event_records("event-1", 100) == []


def test_a_listed_record_is_the_record_without_its_attempts_and_boxes(bench: Bench) -> None:
    box = {"left": 0.25, "top": 0.1, "width": 0.5, "height": 0.5}
    bench.records.record_attempt(an_outcome(face_box=box, other_face_boxes=(box,), stored_face_box=box), TTL)
    seen = bench.records.record_attempt(an_outcome("attempt-2", status="failed", reasons=("TOO_DARK",)), TTL)
    whole = bench.records.decide("user-1", "reg-1", a_review(Decision.REJECTED), seen.version)
    bare = whole.model_copy(update={"attempts": (), "face_box": None, "stored_face_box": None})
    assert bench.records.event_records("event-1", 1) == [bare]


def test_a_listed_record_of_another_service_has_the_documented_attributes_alone(bench: Bench) -> None:
    bench.foreign(device="kiosk-7")
    (record,) = bench.records.event_records("event-1", 1)
    assert record == ValidationRecord.from_item(a_foreign_item(**bench.indexed))


def test_a_record_with_the_event_in_metadata_alone_is_listed(bench_without_index: Bench) -> None:
    bench_without_index.put(a_foreign_item())
    assert listed(bench_without_index) == [("reg-1", "user-1")]


def test_records_are_listed_newest_first_then_by_registration_then_user(bench: Bench) -> None:
    for user, registration, seconds in (
        ("user-1", "reg-z", 0),
        ("user-2", "reg-c", 1),
        ("user-2", "reg-b", 1),
        ("user-1", "reg-b", 1),
        ("user-1", "reg-a", 2),
    ):
        changes = {"user_id": user, "registration_id": registration, "timestamp": NOON + seconds * SECOND}
        bench.records.record_attempt(an_outcome(**changes), TTL)
    newest_first = [
        *(("reg-a", "user-1"), ("reg-b", "user-1"), ("reg-b", "user-2"), ("reg-c", "user-2"), ("reg-z", "user-1")),
    ]
    assert [listed(bench, limit) for limit in range(1, 7)] == [newest_first[:limit] for limit in range(1, 7)]


def test_the_newest_are_chosen_by_time_and_not_by_a_timestamps_text(bench: Bench) -> None:
    times = {
        "reg-1": "2026-02-28T10:00:00Z",
        "reg-2": "2026-02-28T10:00:00.500Z",
        "reg-3": "2026-02-28T10:00:00.250Z",
        "reg-4": "2026-02-28T09:59:59Z",
    }
    for registration, timestamp in times.items():
        bench.foreign(registrationId=registration, timestamp=timestamp)
    assert listed(bench, 2) == [("reg-2", "user-1"), ("reg-3", "user-1")]


def test_expired_records_take_no_place_in_the_list(bench: Bench) -> None:
    for number in range(5):
        outcome = an_outcome(registration_id=f"reg-{number}", timestamp=NOON + number * SECOND)
        bench.records.record_attempt(outcome, timedelta(hours=1) if number > 1 else TTL)
    bench.clock.advance(timedelta(days=1))
    assert listed(bench, 2) == [("reg-1", "user-1"), ("reg-0", "user-1")]


def test_other_events_are_not_listed(bench: Bench) -> None:
    bench.records.record_attempt(an_outcome(event_id="event-2"), TTL)
    assert listed(bench) == []


def test_an_odd_record_is_listed(bench: Bench) -> None:
    bench.foreign(registrationId="reg-2", validationStatus="verified")
    assert listed(bench) == [("reg-2", "user-1")]


@pytest.mark.parametrize("odd", ["Wed, 25 Nov 2020 10:00:00 GMT", "1606298400"], ids=["day", "seconds"])
def test_times_in_other_forms_take_no_place_of_newer_records(bench: Bench, odd: str) -> None:
    for number in range(3):
        bench.foreign(registrationId=f"odd-{number}", timestamp=odd)
    bench.foreign(registrationId="new", timestamp="2026-03-01T12:00:00Z")
    assert [registration for registration, _ in listed(bench, 2)] == ["new", "odd-0"]


# The notice


def test_nothing_is_to_say_where_an_event_is_found_by_an_index(bench: Bench, request: pytest.FixtureRequest) -> None:
    bench.foreign()
    bench.records.event_frame("event-1")
    scans = "scan" in request.node.name
    assert (bench.records.event_notice() is not None) == scans


# DynamoDB's own


@pytest.mark.parametrize("make_table", [table_without_index, create_table], ids=["scan", "index"])
def test_every_page_is_read(dynamodb: Any, make_table: Callable[[Any], str]) -> None:
    # 20 items of 300 KB: a page of a table ends at 1 MB; an index has only what is projected, so `attributes`.
    table = make_table(dynamodb)
    ballast = {"smile": True, "ballast": "x" * 300_000}
    numbered = [f"reg-{number:02}" for number in range(20)]
    for number, registration in enumerate(numbered):
        item = a_foreign_item(
            registrationId=registration,
            eventId="event-1",
            attributes=ballast,
            timestamp=f"2026-02-28T10:30:{number:02}Z",
        )
        put_item(dynamodb, table, item)
    store = DynamoRecords(dynamodb, table, PATIENT, FakeClock())
    assert list(store.event_frame("event-1")["registrationId"]) == numbered
    assert sorted(id for batch in store.event_batches("event-1") for id in batch["registrationId"]) == numbered
    assert [record.registration_id for record in store.event_records("event-1", 15)] == numbered[:4:-1]


class _Client(UnheardClient):
    """A client whose table has the index."""

    def describe_table(self, **_: Any) -> dict[str, Any]:
        return {"Table": {"GlobalSecondaryIndexes": [{**definition.event_index(), "IndexStatus": "ACTIVE"}]}}


KEY = {"userId": {"S": "user-1"}, "registrationId": {"S": "reg-1"}, "eventId": {"S": "event-1"}}


class _Pages(_Client):
    """Its index is read in two pages; in between, the first record moves on to the end."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []

    def query(self, **request: Any) -> dict[str, Any]:
        self.asked.append(request)
        first = {
            "userId": {"S": "user-1"},
            "registrationId": {"S": "reg-1"},
            "validationStatus": {"S": "pending"},
            "timestamp": {"S": "2026-03-01T10:00:00.000Z"},
        }
        if "ExclusiveStartKey" not in request and len(request["ExpressionAttributeValues"]) == 1:
            return {"Items": [first], "LastEvaluatedKey": {**KEY, "timestamp": first["timestamp"]}}
        return {
            "Items": [first | {"validationStatus": {"S": "success"}, "timestamp": {"S": "2026-03-01T11:00:00.000Z"}}]
        }


def test_a_record_that_changes_between_two_pages_counts_once_as_it_became() -> None:
    store = DynamoRecords(_Pages(), "table", PATIENT, FakeClock())
    assert list(store.event_frame("event-1")["status"]) == ["success"]


@pytest.mark.parametrize("read", ["event_frame", "event_records"])
def test_the_index_is_asked_for_no_more_than_it_carries(read: str) -> None:
    client = _Pages()
    store = DynamoRecords(client, "table", PATIENT, FakeClock())
    store.event_frame("event-1") if read == "event_frame" else store.event_records("event-1", 10)
    for request in client.asked:
        paths = request["ProjectionExpression"].split(", ")
        names = {request["ExpressionAttributeNames"][path.partition(".")[0]] for path in paths}
        assert names <= set(EVENT_ATTRIBUTES)


class _OneBadSegment(_Client):
    """A client without the index, that refuses the second part of the table."""

    def describe_table(self, **_: Any) -> dict[str, Any]:
        return {"Table": {}}

    def scan(self, *, Segment: int, **_: Any) -> dict[str, Any]:
        if Segment == 1:
            raise ValueError("no JSON")
        return {"Items": []}


def test_a_part_of_the_table_that_cannot_be_read_fails_the_whole() -> None:
    store = DynamoRecords(_OneBadSegment(), "table", Retry(0.5, 0.4, base=0.01), FakeClock())
    with pytest.raises(Unavailable, match="UnreadableAnswer"):
        store.event_frame("event-1")
