"""CSVs: what spreadsheets must not run, and what pandas must read back."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow.parquet import ParquetFile

from core.domain.formulas import neutral
from core.domain.frames import record_frame, registration_frame
from core.domain.records import Attempt, Status, ValidationRecord
from core.services import export
from core.services.export import (
    BOM,
    READ_CSV,
    READ_REGISTRATIONS_CSV,
    as_csv,
    as_parquet,
    as_stored,
)
from core.services.tables import OUTCOME_COLUMNS, RECORD_EXPORT, REGISTRATION_EXPORT, Table, of_frame, outcomes

NOW = datetime(2026, 11, 20, 12, 0, 0, 123000, tzinfo=UTC)


def record(**more: object) -> ValidationRecord:
    fields = {"user_id": "u", "registration_id": "r", "validation_status": Status.SUCCESS, "timestamp": NOW}
    return ValidationRecord(**(fields | more))  # type: ignore[arg-type]


def read(records: list[ValidationRecord]) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(b"".join(as_csv(outcomes(records)))))


def test_a_user_id_that_is_a_formula_does_not_run() -> None:
    assert read([record(user_id='=HYPERLINK("http://x")')])["userId"][0] == '\'=HYPERLINK("http://x")'


def test_numbers_read_back_as_numbers() -> None:
    found = read([record(confidence=99.5)])
    assert found["confidence"].dtype == "float64"
    assert found["confidence"][0] == 99.5


def test_times_read_back_exactly() -> None:
    assert pd.Timestamp(read([record()])["timestamp"][0]) == pd.Timestamp(NOW)


def test_each_attempt_is_a_row_newest_first() -> None:
    listed = tuple(Attempt(number=n, timestamp=NOW, status=Status.FAILED) for n in (1, 2))
    assert list(read([record(attempts=listed)])["attempt"]) == [2, 1]


def test_nothing_gives_the_header_alone() -> None:
    assert b"".join(as_csv(outcomes([]))).decode("utf-8-sig").strip().split(",") == list(OUTCOME_COLUMNS)


@pytest.mark.parametrize("odd", ['a,"b"\nc', "a;b", "a\tb", "a|b", "a\rb", '"', " a "])
def test_separators_quotes_and_line_ends_survive(odd: str) -> None:
    assert read([record(user_id=odd)])["userId"][0] == odd


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", '"', "\r", "\n"])
def test_a_cell_stands_in_quotes_if_a_spreadsheet_might_split_it(separator: str) -> None:
    text = f"a{separator}b"
    line = b"".join(as_csv(outcomes([record(user_id=text)]))).decode().split("\r\n", 1)[1]
    quoted = '"' + text.replace('"', '""') + '"'
    assert line.startswith(f"{quoted},r,")
    registrations = registration_frame({"registrationId": [text]})
    assert f"\r\n{quoted},".encode() in b"".join(as_csv(of_frame(registrations, REGISTRATION_EXPORT)))


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_columns_name_is_written_like_any_text(separator: str) -> None:
    assert b"".join(as_csv(Table([f"a{separator}=1+1"], []))) == BOM + f'"a{separator}\'=1+1"\r\n'.encode()


def test_a_negative_number_stays_a_number() -> None:
    written = b"".join(as_csv(of_frame(records_of([{**_A_ROW, "threshold": -5.0}]))))
    assert b",-5.0," in written


# Frames

#: Text of any characters that UTF-8 can carry, and often of those that mean something to a CSV or a spreadsheet.
_TEXT = st.one_of(
    st.text(st.characters(codec="utf-8"), min_size=1),
    st.text("=+-@\t\r\n\v\0\",;|' aNA\u00e9\uff1d\ufeff", min_size=1, max_size=6),
    st.sampled_from(["NA", "nan", "null", "None", "True", "1", "1e5", "2026-03-01", '=HYPERLINK("http://x")']),
    st.just("![](http://x/y.png)"),
)
#: Columns of whatever values occur.
CATEGORIES = ["source", "age", "gender", "engine", "model", "rules"]
_PERCENT = st.floats(0, 100)
_TIME = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.isoformat())
_ROWS = st.fixed_dictionaries(
    {
        "userId": _TEXT,
        "registrationId": _TEXT,
        "eventId": st.just("event-1"),
        "status": st.sampled_from(["success", "pending", "failed"]),
        "timestamp": _TIME,
        "attempts": st.integers(1, 2**31 - 1),
        "confidence": st.none() | _PERCENT,
        "similarity": st.none() | _PERCENT,
        "threshold": st.none() | st.floats(allow_nan=False, allow_infinity=False),
        "quality": st.sampled_from(["high", "medium", "low", None]),
        "updatedAt": st.none() | _TIME,
        "decidedAt": st.none() | _TIME,
        "expiresAt": st.none() | st.integers(0, 253_402_300_799),
        "reasons": st.none() | _TEXT,
        "decision": st.sampled_from(["approved", "rejected", None]),
        "smile": st.sampled_from([True, False, None]),
    }
    | dict.fromkeys(["reviewer", "faceImageKey", "storedFaceKey"], st.none() | _TEXT)
    # Never all numbers: pandas would read those as such.
    | dict.fromkeys(CATEGORIES, st.none() | _TEXT.map(lambda text: f"{text}_"))
)


_A_ROW = {
    "userId": "u",
    "registrationId": "r",
    "eventId": "e",
    "status": "success",
    "timestamp": "2026-03-01T12:00:00.000Z",
}


def records_of(rows: list[dict[str, Any]]) -> pd.DataFrame:
    frame = record_frame({column: [row[column] for row in rows] for column in (rows[0] if rows else ())})
    return frame.drop(columns="unreadable")  # which no export has


def neutralised(frame: pd.DataFrame) -> pd.DataFrame:
    """What a CSV has of a frame: its text neutralised, one cell at a time."""
    changed = frame.copy()
    for name, dtype in frame.dtypes.items():
        if dtype == "str" or name in CATEGORIES:
            texts = [neutral(text) if isinstance(text, str) else None for text in frame[name]]
            changed[name] = pd.Series(texts, dtype="str").astype("str" if dtype == "str" else "category")
    return changed


def read_back(frame: pd.DataFrame, chunk_rows: int = 5000) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(b"".join(as_csv(of_frame(frame, chunk_rows=chunk_rows)))), **READ_CSV)


def assert_equal(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    """Equal values and dtypes, but for what a text without a single value cannot tell: a time's zone, and of what
    kind no categories are.
    """
    empty = [name for name in expected if expected[name].isna().all()]
    assert found[empty].isna().all(axis=None)
    pd.testing.assert_frame_equal(found.drop(columns=empty), expected.drop(columns=empty), check_exact=True)


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(_ROWS, max_size=5), chunk_rows=st.integers(1, 3))
def test_any_frame_reads_back_as_it_was_with_its_text_neutralised(
    rows: list[dict[str, Any]], chunk_rows: int
) -> None:
    records = records_of(rows)
    found = read_back(records, chunk_rows)
    assert_equal(found, neutralised(records))
    assert_equal(as_text(as_stored(found)), as_text(records))


def test_a_hundred_thousand_rows_read_back_equal() -> None:
    count = 100_000
    random = np.random.default_rng(1)
    moments = (1_772_366_400_000 + random.integers(0, 30 * 86_400_000, count)).astype("datetime64[ms]")
    times = [f"{moment}Z" for moment in np.datetime_as_string(moments)]
    similarity = random.uniform(0, 100, count)
    records = record_frame(
        {
            "userId": [f"user-{n}" for n in random.integers(0, count, count)],
            "registrationId": [f"reg-{n}" for n in range(count)],
            "eventId": ["event-1"] * count,
            "status": random.choice(["success", "pending", "failed"], count).tolist(),
            "confidence": random.uniform(0, 100, count).tolist(),
            "quality": random.choice(["high", "medium", "low", None], count).tolist(),
            "similarity": [None if n % 9 == 0 else value for n, value in enumerate(similarity.tolist())],
            "threshold": [80.0] * count,
            "attempts": random.integers(1, 9, count).tolist(),
            "timestamp": times,
            "updatedAt": times,
            "expiresAt": random.integers(1_772_366_400, 1_780_000_000, count).tolist(),
            "source": random.choice(["api", "batch", None], count).tolist(),
            "reasons": random.choice(["", "NO_FACE", "TOO_DARK BLURRED"], count).tolist(),
            "decision": random.choice(["approved", None], count).tolist(),
            "reviewer": random.choice(["Ada", "NA", None], count).tolist(),
            "decidedAt": [time if n % 3 else None for n, time in enumerate(times)],
            "faceImageKey": [f"face-images/{n}.jpg" for n in range(count)],
            "storedFaceKey": random.choice(["reference-faces/1.jpg", None], count).tolist(),
            "age": random.choice(["25-35", "36-46", None], count).tolist(),
            "gender": random.choice(["female", "male"], count).tolist(),
            "smile": random.choice([True, False, None], count).tolist(),
            "engine": ["rekognition"] * count,
            "model": ["api-2016-06-27"] * count,
            "rules": random.choice(["r0a1b2c3d", "r12345678", None], count).tolist(),
        }
    )
    pd.testing.assert_frame_equal(read_back(records), records.drop(columns="unreadable"), check_exact=True)


def test_a_frames_columns_are_the_documented_ones() -> None:
    assert b"".join(as_csv(of_frame(record_frame({})))) == BOM + ",".join(RECORD_EXPORT).encode() + b"\r\n"


def test_a_row_is_written_as_documented() -> None:
    row = {
        "userId": "=u",
        "registrationId": "r",
        "eventId": "e",
        "status": "pending",
        "timestamp": "2026-03-01T12:00:00.123Z",
        "similarity": 75.25,
        "reasons": "A B",
        "smile": True,
        "engine": "rekognition",
        "rules": "r12345678",
    }
    written = b"".join(as_csv(of_frame(record_frame({name: [value] for name, value in row.items()})))).decode()
    first, last = "'=u,r,e,pending,,,75.25,,1,2026-03-01T12:00:00.123Z,,,,A B,,,,,,,,", "True,rekognition,,r12345678"
    assert written.splitlines()[1] == first + last


def test_columns_beyond_a_records_own_are_written_too() -> None:
    records = records_of([]).assign(becomes="")
    assert b"".join(as_csv(of_frame(records))).endswith(b",rules,becomes\r\n")


def test_a_large_frame_is_written_in_parts() -> None:
    records = record_frame(
        {
            "userId": ["u"] * 7,
            "registrationId": [str(n) for n in range(7)],
            "status": ["failed"] * 7,
            "timestamp": ["2026-03-01T12:00:00Z"] * 7,
        }
    )
    assert [part.count(b"\r\n") for part in as_csv(of_frame(records, chunk_rows=3))] == [4, 3, 1]


# Parquet


def parquet_of(*frames: pd.DataFrame) -> pd.DataFrame:
    return pd.read_parquet(io.BytesIO(b"".join(as_parquet(Table(RECORD_EXPORT, frames)))))


def as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """A file has the categories that occur, in no promised order: they are compared as text."""
    return frame.astype(dict.fromkeys(frame.select_dtypes("category"), "str"))


@settings(deadline=None, max_examples=60)
@given(rows=st.lists(_ROWS, max_size=5), more=st.lists(_ROWS, max_size=3), group_rows=st.integers(1, 4))
def test_parquet_reads_back_as_it_was_values_and_dtypes(
    rows: list[dict[str, Any]], more: list[dict[str, Any]], group_rows: int
) -> None:
    frames = records_of(rows), records_of(more)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(export, "GROUP_ROWS", group_rows)
        found = parquet_of(*frames)
    whole = records_of(rows + more)
    assert found.dtypes.astype(str).to_dict() == whole.dtypes.astype(str).to_dict()
    pd.testing.assert_frame_equal(as_text(found), as_text(whole), check_exact=True)


def test_no_records_are_a_parquet_file_without_rows() -> None:
    expected = record_frame({}).drop(columns="unreadable")
    pd.testing.assert_frame_equal(as_text(parquet_of()), as_text(expected))


def test_parquet_is_written_in_parts_and_each_frame_is_a_place_to_stop_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export, "GROUP_ROWS", 4)
    frames = [records_of([{**_A_ROW, "registrationId": str(n)}]) for n in range(9)]
    parts = list(as_parquet(Table(RECORD_EXPORT, frames)))
    assert [bool(part) for part in parts] == [True, False, False, True, False, False, False, True, False, True]
    assert ParquetFile(io.BytesIO(b"".join(parts))).num_row_groups == 3


def test_many_categories_fit_in_a_file() -> None:
    rows = [{**_A_ROW, "registrationId": str(n), "source": f"source-{n:03}"} for n in range(400)]
    assert parquet_of(records_of(rows))["source"].nunique() == 400


def test_a_formula_is_left_as_it_is_in_parquet() -> None:
    (found,) = parquet_of(records_of([{**_A_ROW, "userId": "=1+1"}]))["userId"]
    assert found == "=1+1"


# Many frames


def frames_of(*counts: int) -> list[pd.DataFrame]:
    registrations = ({"registrationId": [str(number) for number in range(count)]} for count in counts)
    return [registration_frame(columns).drop(columns="unreadable") for columns in registrations]


def test_many_frames_have_one_header() -> None:
    frames = frames_of(2, 0, 1)
    assert b"".join(as_csv(Table(frames[0].columns, frames))) == b"".join(as_csv(of_frame(pd.concat(frames))))


def test_each_frame_is_a_part_so_that_a_reader_can_stop_between_two() -> None:
    frames = frames_of(2, 0, 1)
    assert [part.count(b"\r\n") for part in as_csv(Table(frames[0].columns, frames))] == [3, 0, 1]


def test_no_frames_give_the_header_alone() -> None:
    assert b"".join(as_csv(Table(["a", "b"], []))) == BOM + b"a,b\r\n"


def test_a_frame_that_cannot_be_read_fails_before_the_first_byte() -> None:
    def frames() -> Iterator[pd.DataFrame]:
        raise ConnectionError
        yield

    with pytest.raises(ConnectionError):
        next(as_csv(Table(["a"], frames())))


@settings(deadline=None, max_examples=60)
@given(st.lists(st.fixed_dictionaries(dict.fromkeys(REGISTRATION_EXPORT, _TEXT)), max_size=4))
def test_registrations_read_back_as_they_were_with_their_text_neutralised(rows: list[dict[str, str]]) -> None:
    whole = registration_frame({name: [row[name] for row in rows] for name in REGISTRATION_EXPORT})
    registrations = whole[list(REGISTRATION_EXPORT)]
    written = b"".join(as_csv(of_frame(registrations)))
    found = pd.read_csv(io.BytesIO(written), **READ_REGISTRATIONS_CSV)
    pd.testing.assert_frame_equal(found, neutralised(registrations))
    pd.testing.assert_frame_equal(as_stored(found), registrations)


def test_no_cell_of_a_hostile_frame_begins_like_a_formula() -> None:
    hostile = ['=HYPERLINK("http://x")', "+1", "-1", "@a", "\t=1", "\r=1", "\0=1", "\uff1d1"]
    names = list(REGISTRATION_EXPORT)
    written = b"".join(as_csv(of_frame(registration_frame(dict.fromkeys(names, hostile))))).decode("utf-8-sig")
    cells = [cell for row in list(csv.reader(io.StringIO(written, newline="")))[1:] for cell in row]
    assert cells == [neutral(text) for text in hostile for _ in names]
    assert all(cell.startswith("'") for cell in cells)


def test_the_public_order_of_columns_does_not_follow_the_frames() -> None:
    stored = {"userId": "x", "registrationId": "x", "status": "success", "timestamp": "2026-03-01T12:00:00.000Z"}
    records = record_frame({name: [value] for name, value in stored.items()})
    records.insert(0, "new", "column")
    lines = b"".join(as_csv(Table(RECORD_EXPORT, [records]))).decode().splitlines()
    assert lines[0].removeprefix("\ufeff") == ",".join(RECORD_EXPORT)
    assert "column" not in lines[1]


def test_every_exported_column_is_one_of_a_frame() -> None:
    assert set(RECORD_EXPORT) <= set(record_frame({}))
    assert set(REGISTRATION_EXPORT) <= set(registration_frame({}))
