"""What the filters of records let through, at their edges and for what is absent."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pandas as pd
import pytest

from core.domain.filters import filtered, span_of, span_text
from core.domain.people import NEVER_TRIED, fitting, people, validated
from core.domain.statistics import (
    NOT_REPORTED,
    attempts_until_success,
    by_group,
    histogram,
    with_age_groups,
)
from tests.support.frames import record_rows, registration_rows

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
EDGES: list[object] = [0, 3.99, 4, 59.9, 60, 60.5, 61, 95.9, 96, 99, 99.9, 100, 100, None]


def rows(**columns: list[object]) -> pd.DataFrame:
    count = len(next(iter(columns.values())))
    return record_rows(
        [
            {
                "registrationId": f"r{number}",
                "userId": f"u{number}",
                "status": "success",
                "timestamp": NOW,
                **{name: values[number] for name, values in columns.items()},
            }
            for number in range(count)
        ]
    )


@pytest.mark.parametrize("measure", ["similarity", "confidence"])
@pytest.mark.parametrize(("low", "width"), [(0, 4), (0, 0.5), (60, 1)])
def test_a_span_lets_through_as_many_as_its_bar_counts(measure: str, low: float, width: float) -> None:
    records = rows(**{measure: EDGES})
    records = records[~(records[measure] < low)]
    bars = histogram(records[measure], records["status"], low, 100, width)
    spans = [span_of(span_text(span)) for span in zip(bars["left"], bars["right"], strict=True)]
    given: list[dict[str, Any]] = [{measure: span} for span in spans]
    found = [len(filtered(records, **each)) for each in given]
    assert found == bars["success"].tolist()
    assert sum(found) == records[measure].notna().sum()


@pytest.mark.parametrize("text", ["", "60", "60-", "-5-10", "60-101", "nan-5", "a-b", "1-2-3"])
def test_what_is_no_span_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - its words are nobody's
        span_of(text)


@pytest.mark.parametrize("text", ["65-60", "60-60", "100-0"])
def test_a_span_that_ends_before_it_begins_lets_nothing_through(text: str) -> None:
    assert filtered(rows(similarity=EDGES), similarity=span_of(text)).empty


def test_attempts_are_filtered_as_they_are_counted() -> None:
    records = rows(attempts=[1, 1, 2, 4, 5, 6, 50])
    counted = attempts_until_success(records)
    found = [len(filtered(records, attempts=name)) for name in counted["attempts"]]
    assert found == counted["count"].tolist()


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("age", ["25-35", "26-34", "18-20", "70-80", "old", None]),
        ("gender", ["female", "male", "male", None]),
        ("smile", [True, False, None, True]),
    ],
)
def test_groups_are_filtered_as_they_are_counted(column: str, values: list[object]) -> None:
    records = rows(**{column: values})
    counted = by_group(with_age_groups(records), column)
    assert NOT_REPORTED in set(counted["group"])
    for frame in (records, with_age_groups(records)):
        given: list[dict[str, Any]] = [{column: name} for name in counted["group"]]
        found = [len(filtered(frame, **each)) for each in given]
        assert found == counted["total"].tolist()


def test_whoever_never_tried_fits_no_filter_of_records() -> None:
    registered = registration_rows([{"registrationId": f"r{number}", "userId": f"u{number}"} for number in range(3)])
    everybody = people(registered, rows(attempts=[1, 2]))
    assert len(fitting(everybody)) == 3
    assert fitting(everybody, attempts="1")["registrationId"].tolist() == ["r0"]
    assert NEVER_TRIED not in set(fitting(everybody, since=datetime(2020, 1, 1, tzinfo=UTC))["status"])


def test_the_validated_are_those_with_a_record_whether_they_are_registered_or_not() -> None:
    registered = registration_rows(
        [{"registrationId": "r1", "userId": "u1", "name": "Ada", "email": "a@example.com"}]
    )
    found = validated(registered, rows(attempts=[1, 2]))
    assert found["registrationId"].tolist() == ["r0", "r1"]
    assert found["name"].tolist() == ["", "Ada"]
