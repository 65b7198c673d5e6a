"""CSVs: what spreadsheets must not run, and what pandas must read back."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pandas as pd
import pytest

from core.export import OUTCOME_COLUMNS, neutral, outcomes_csv
from core.records import Attempt, Status, ValidationRecord

NOW = datetime(2026, 11, 20, 12, 0, 0, 123000, tzinfo=UTC)


def record(**more: object) -> ValidationRecord:
    fields = {"user_id": "u", "registration_id": "r", "validation_status": Status.SUCCESS, "timestamp": NOW}
    return ValidationRecord(**(fields | more))  # type: ignore[arg-type]


def read(records: list[ValidationRecord]) -> pd.DataFrame:
    return pd.read_csv(io.BytesIO(b"".join(outcomes_csv(records))))


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\0", "＝", "＋", "－", "＠"])
def test_a_cell_that_begins_like_a_formula_is_neutralised(start: str) -> None:
    assert neutral(f"{start}HYPERLINK(1)") == f"'{start}HYPERLINK(1)"


def test_other_text_stays_as_it_is() -> None:
    assert neutral("user-1") == "user-1"


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
    assert b"".join(outcomes_csv([])).decode("utf-8-sig").strip().split(",") == list(OUTCOME_COLUMNS)


def test_quotes_commas_and_line_ends_survive() -> None:
    odd = 'a,"b"\nc'
    assert read([record(user_id=odd)])["userId"][0] == odd
