"""The contract of ``core.ports.SummaryStore``, held by every adapter."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.adapters.aws.summaries import DynamoSummaries
from core.adapters.embedded.summaries import SqliteSummaries
from core.domain.errors import NotConfigured
from core.domain.event_summaries import TREND_DAYS, Basis, EventSummary, Failures, KeptSummary
from core.domain.statistics import Readiness
from core.ports import SummaryStore
from tests.support import damage
from tests.support.benches import bench_fixtures
from tests.support.clock import NOON, FakeClock
from tests.support.dynamodb import create_state_table
from tests.support.stores import PATIENT

DAY = timedelta(days=1)
TOMORROW = int((NOON + DAY).timestamp())
ODD_IDS = ["Ä ⚽ \U0001f600", "x" * 2000, "a/b#c", " ", "'; DROP TABLE event_summaries; --"]


@dataclass
class Bench:
    summaries: SummaryStore
    clock: FakeClock
    #: Stores this text as every summary, as another version might.
    replace: Callable[[str], None]


def _bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    clock = FakeClock()
    if request.param == "sqlite":
        path = tmp_path / "facedesk.sqlite3"
        store = SqliteSummaries(path, clock)
        yield Bench(store, clock, lambda text: damage.run(path, f"UPDATE event_summaries SET summary = '{text}'"))
        store.close()
    else:
        client: Any = request.getfixturevalue(request.param)
        table = create_state_table(client)

        def replace(text: str) -> None:
            for item in client.scan(TableName=table)["Items"]:
                client.put_item(TableName=table, Item={**item, "summary": {"S": text}})

        yield Bench(DynamoSummaries(client, table, PATIENT, clock), clock, replace)


bench, _ = bench_fixtures(_bench)


@pytest.fixture
def summaries(bench: Bench) -> SummaryStore:
    return bench.summaries


def kept(passed: int = 1, starts_at: datetime | None = NOON + 9 * DAY) -> KeptSummary:
    readiness = Readiness(9, 8, 7, passed, 3, 2, 1, 2, 5)
    summary = EventSummary(
        readiness, 4, NOON - DAY, tuple(range(TREND_DAYS)), Failures(490_000, (0, 3, 0), (1, 0, 0))
    )
    return KeptSummary(summary, Basis(starts_at, "Asia/Kolkata", date(2026, 3, 1)), NOON + timedelta(microseconds=1))


def test_at_first_there_is_none(summaries: SummaryStore) -> None:
    assert summaries.all() == {}


@pytest.mark.parametrize("event_id", ["expo", *ODD_IDS])
def test_a_summary_is_read_back_as_it_was_kept(summaries: SummaryStore, event_id: str) -> None:
    summaries.keep(event_id, kept(), TOMORROW)
    assert summaries.all() == {event_id: kept()}


def test_an_event_without_a_date_or_anybody_is_read_back(summaries: SummaryStore) -> None:
    nobody = EventSummary(Readiness(*9 * (0,)), 0, None, ())
    stored = KeptSummary(nobody, Basis(None, "UTC", NOON.astimezone(UTC).date()), NOON)
    summaries.keep("expo", stored, TOMORROW)
    assert summaries.all() == {"expo": stored}


def test_each_event_has_its_latest_one(summaries: SummaryStore) -> None:
    for passed, event_id in enumerate(("expo", "gala", "expo")):
        summaries.keep(event_id, kept(passed), TOMORROW)
    assert summaries.all() == {"expo": kept(2), "gala": kept(1)}


def test_one_that_has_expired_counts_as_absent(bench: Bench) -> None:
    bench.summaries.keep("expo", kept(), TOMORROW)
    bench.clock.advance(DAY)
    bench.summaries.keep("gala", kept(), TOMORROW + 60)
    assert set(bench.summaries.all()) == {"gala"}


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"summary": {"readiness": {}}, "basis": {}, "as_of": "soon"}'])
def test_one_that_another_version_wrote_counts_as_absent(bench: Bench, text: str) -> None:
    bench.summaries.keep("expo", kept(), TOMORROW)
    bench.replace(text)
    assert bench.summaries.all() == {}
    bench.summaries.keep("expo", kept(), TOMORROW)
    assert bench.summaries.all() == {"expo": kept()}


def test_without_its_table_the_store_is_not_configured(dynamodb: Any) -> None:
    summaries = DynamoSummaries(dynamodb, "facedesk-absent", PATIENT, FakeClock())
    for call in (summaries.all, lambda: summaries.keep("expo", kept(), TOMORROW)):
        with pytest.raises(NotConfigured):
            call()
