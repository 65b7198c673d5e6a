"""An event of 10,000 records, 500 of them odd: the same people by the index, by a scan and after the backfill."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core.adapters.aws.records import DynamoRecords
from core.adapters.aws.table_pass import TablePass
from core.adapters.aws.unindexed import Unindexed
from core.flow.pace import Pace
from tests.support.clock import NOON, FakeClock
from tests.support.dynamodb import create_table, put_items
from tests.support.records import a_foreign_item
from tests.support.stores import PATIENT, index_check, wait_for_checks

RECORDS, EACH = 10_000, 20
#: Six ways to be odd; the index lacks the third and the fourth.
ODD: list[Mapping[str, Any]] = [
    {"confidence": "N/A"},
    {"validationStatus": "PASSED!"},
    {"eventId": None, "metadata": json.dumps({"eventId": "event-1"})},
    {"eventId": None},
    {"expiresAt": (NOON + timedelta(days=300)).isoformat()},
    {"timestamp": "Sat, 28 Feb 2026 10:30:00 GMT"},
]


@pytest.fixture(scope="module")
def table(dynamodb: Any) -> str:
    name = create_table(dynamodb)
    put_items(dynamodb, name, map(_item, range(RECORDS)))
    return name


def _item(number: int) -> dict[str, Any]:
    odd = ODD[number // EACH % len(ODD)] if number % EACH == 0 else {}
    given = {"userId": f"user-{number}", "registrationId": f"reg-{number}", "eventId": "event-1", **odd}
    return {name: value for name, value in a_foreign_item(**given).items() if value is not None}


@pytest.fixture
def records(dynamodb: Any, table: str) -> Iterator[DynamoRecords]:
    clock = FakeClock()
    check = index_check(dynamodb, table, clock)
    yield DynamoRecords(dynamodb, table, PATIENT, clock, clock.elapsed, index_check=check)
    wait_for_checks()


@pytest.fixture
def by_index_alone(dynamodb: Any, table: str) -> DynamoRecords:
    """Trusts the index without looking for what it lacks."""
    clock = FakeClock()
    return DynamoRecords(dynamodb, table, PATIENT, clock, clock.elapsed)


def people(frame: pd.DataFrame) -> Counter[str]:
    return Counter(frame["userId"])


EVERYBODY = Counter(f"user-{number}" for number in range(RECORDS))


def test_everybody_is_shown_with_or_without_the_backfill(
    dynamodb: Any, table: str, records: DynamoRecords, by_index_alone: DynamoRecords, tmp_path: Path
) -> None:
    records.event_frame("event-1")
    wait_for_checks()
    before = records.event_frame("event-1")
    assert people(before) == EVERYBODY
    assert records.event_notice()
    pace = Pace(1e6, 1)
    TablePass(
        dynamodb,
        table,
        PATIENT,
        Unindexed(lambda: NOON),
        writes=pace,
        reads=pace,
        segments=2,
        state=tmp_path / "state.json",
    ).run()
    after = by_index_alone.event_frame("event-1")
    assert people(after) == EVERYBODY
    assert Counter(after["unreadable"]) == Counter(before["unreadable"])
