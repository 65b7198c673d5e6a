"""Frames: the same dtypes whatever is in them, and values checked by the record's own rules."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain.columns import RECORD_DTYPES, REGISTRATION_DTYPES, STORED_COLUMNS
from core.domain.frames import alive_in_order, record_frame, registration_frame
from core.domain.records import EVENT_ATTRIBUTES, ValidationRecord

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def frame(**columns: list[Any]) -> pd.DataFrame:
    """As many records as the columns have values; the ids and the status are filled in."""
    count = len(next(iter(columns.values())))
    filled = {
        "userId": ["user-1"] * count,
        "registrationId": [f"reg-{n}" for n in range(count)],
        "status": ["success"] * count,
        "timestamp": ["2026-03-01T12:00:00.000Z"] * count,
    }
    return record_frame({**filled, **columns})


def names(dtypes: dict[str, Any]) -> dict[str, str]:
    return {column: str(pd.api.types.pandas_dtype(dtype)) for column, dtype in dtypes.items()}


@pytest.mark.parametrize("records", [record_frame({}), frame(confidence=[None]), frame(source=["api", None])])
def test_columns_and_dtypes_do_not_depend_on_the_values(records: pd.DataFrame) -> None:
    assert names(records.dtypes.to_dict()) == names(dict(RECORD_DTYPES))


@pytest.mark.parametrize("rows", [{}, {"registrationId": ["r1"], "name": [None]}])
def test_registrations_have_their_dtypes_whatever_the_values(rows: dict[str, Any]) -> None:
    assert names(registration_frame(rows).dtypes.to_dict()) == names(dict(REGISTRATION_DTYPES))


def test_the_statuses_are_in_their_order_even_where_none_occurs() -> None:
    assert list(frame(status=["failed"])["status"].cat.categories) == ["success", "pending", "failed", "unknown"]


def test_an_absent_number_of_attempts_is_one() -> None:
    assert list(frame(attempts=[None, 3])["attempts"]) == [1, 3]


def test_a_reviewer_without_a_decision_is_absent() -> None:
    assert list(frame(decision=[None, "approved"], reviewer=["x", "x"])["reviewer"].isna()) == [True, False]


@pytest.mark.parametrize("column", ["source", "storedFaceKey", "age", "gender", "engine", "rules"])
def test_an_empty_text_is_absent(column: str) -> None:
    assert list(frame(**{column: ["", None, "x"]})[column].isna()) == [True, True, False]


def test_no_reasons_are_an_empty_text() -> None:
    assert list(frame(reasons=[None, "", "NO_FACE"])["reasons"]) == ["", "", "NO_FACE"]


def test_an_expiry_is_a_time() -> None:
    assert frame(expiresAt=[1_772_366_400])["expiresAt"][0] == pd.Timestamp(NOON)


def test_an_expiry_in_milliseconds_is_a_time() -> None:
    assert frame(expiresAt=[1_772_366_400_000])["expiresAt"][0] == pd.Timestamp(NOON)


def test_an_expiry_beyond_all_times_is_named() -> None:
    records = frame(expiresAt=[10**30])
    assert (records["expiresAt"].isna()[0], records["unreadable"][0]) == (True, "expiresAt:number")


def test_the_years_of_a_record_fit() -> None:
    times = ["0001-01-01T00:00:00.000Z", "9999-12-31T23:59:59.999Z"]
    assert [str(moment) for moment in frame(timestamp=times)["timestamp"]] == [
        "0001-01-01 00:00:00+00:00",
        "9999-12-31 23:59:59.999000+00:00",
    ]


_FORMS = st.sampled_from(
    [
        "%Y-%m-%dT%H:%M:%SZ",
        "%Y-%m-%dT%H:%M:%S.%fZ",
        "%Y-%m-%dT%H:%M:%S.%f",
        "%Y-%m-%d %H:%M:%S+05:30",
        "%Y-%m-%dT%H:%M:%S-0800",
        "%Y-%m-%dT%H:%MZ",
        "%Y-%m-%d",
        "%s",
    ]
)
_TIMES = st.builds(
    lambda moment, form: moment.strftime(form), st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)), _FORMS
)


@settings(deadline=None, max_examples=60)
@given(st.lists(_TIMES, min_size=1, max_size=4))
def test_times_of_any_form_are_read_as_the_record_reads_them(times: list[str]) -> None:
    least = {"userId": "u", "registrationId": "r", "validationStatus": "success"}
    expected = [ValidationRecord.from_item({**least, "timestamp": text}).timestamp for text in times]
    assert list(frame(timestamp=times)["timestamp"]) == [pd.Timestamp(moment) for moment in expected]


@pytest.mark.parametrize(
    ("column", "value", "unreadable"),
    [
        ("status", "verified", "validationStatus:text"),
        ("confidence", 100.5, "confidence:number"),
        ("similarity", "high", "comparisonResult.similarity:text"),
        ("quality", "superb", "quality:text"),
        ("attempts", 2**31, "verificationAttempt:number"),
        ("timestamp", "yesterday", "timestamp:text"),
        ("timestamp", "2026-02-30T00:00:00.000Z", "timestamp:text"),
        ("decidedAt", "later", "review.decidedAt:text"),
        ("expiresAt", "soon", "expiresAt:text"),
        ("source", {"name": "x"}, "metadata.source:map"),
        ("rules", ["x"], "metadata.provenance.rules:list"),
    ],
)
def test_a_value_that_cannot_be_read_is_named_with_its_kind(column: str, value: object, unreadable: str) -> None:
    good = {"status": "success", "timestamp": "2026-03-01T12:00:00Z"}
    assert list(frame(**{column: [good.get(column), value]})["unreadable"]) == ["", unreadable]


def test_a_record_without_a_time_comes_last() -> None:
    records = frame(timestamp=[None, "2026-03-01T12:00:00Z"])
    assert list(alive_in_order(records, NOON)["registrationId"]) == ["reg-1", "reg-0"]


def test_records_that_expire_now_have_expired() -> None:
    now = int(NOON.timestamp())
    records = frame(expiresAt=[now - 1, now, now + 1, None])
    assert list(alive_in_order(records, NOON)["registrationId"]) == ["reg-2", "reg-3"]


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(*[st.integers(0, 2)] * 3), unique=True))
def test_order_is_by_time_then_registration_then_user(keys: list[tuple[int, int, int]]) -> None:
    records = record_frame(
        {
            "userId": [f"user-{user}" for _, _, user in keys],
            "registrationId": [f"reg-{registration}" for _, registration, _ in keys],
            "status": ["success"] * len(keys),
            "timestamp": [(NOON + timedelta(seconds=time)).isoformat() for time, _, _ in keys],
        }
    )
    ordered = alive_in_order(records, NOON)
    found = zip(ordered["timestamp"], ordered["registrationId"], ordered["userId"], strict=True)
    assert list(found) == [
        (pd.Timestamp(NOON + timedelta(seconds=time)), f"reg-{registration}", f"user-{user}")
        for time, registration, user in sorted(keys)
    ]


def test_the_event_index_carries_every_column_of_a_frame() -> None:
    assert {column.path[0] for column in STORED_COLUMNS} <= set(EVENT_ATTRIBUTES)
