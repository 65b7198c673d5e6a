"""Results for users who may not see identities are ordered only by what they may see, with every backend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Any

import pandas as pd
import pytest
from pymongo.collection import Collection

from core.adapters.aws.registrations import MongoRegistrations
from core.domain.attempts import with_attempt
from core.domain.frames import frame_of
from core.domain.records import Outcome
from core.domain.roles import ALLOWED, Role
from core.runtime.facades.guard import Guard
from core.runtime.services import Services
from tests.core.test_guard import CALLS, a
from tests.support.clock import NOON
from tests.support.records import an_outcome
from tests.support.registrations import Fill, registration
from tests.support.stores import EVENT_WAYS, Bench, event_bench

PEOPLE = 40
#: Methods that an analyst may call and that give no rows.
NO_ROWS = {
    "unmapped.of_event",
    *("records.event_notice", "registrations.is_empty", "registrations.being_read", "claims.standing"),
    *("second_looks.error_rates", "second_looks.false_accepts_at"),
    *("profiles.get", "profiles.all", "event_summaries.all", "event_summaries.meanwhile"),
}
#: Lists of event ids: nobody's.
OF_EVENTS = {"registrations.events"}
ROWS = {"records.event_frame", "records.event_batches", "registrations.event_frame", "registrations.unreadable"}


@pytest.fixture(params=EVENT_WAYS)
def bench(request: pytest.FixtureRequest, tmp_path: Any) -> Iterator[Bench]:
    yield from event_bench(request, tmp_path)


def outcomes(order: int) -> list[Outcome]:
    """The same people, several of each moment, in an order of their own."""
    made = [
        an_outcome(
            f"attempt-{n}",
            user_id=f"user-{n:02}",
            registration_id=f"reg-{n:02}",
            timestamp=NOON - timedelta(minutes=n * 7 % 90, milliseconds=n),
        )
        for n in range(PEOPLE)
    ]
    return sorted(made, key=lambda each: each.user_id) if order == 0 else Random(order).sample(made, PEOPLE)


def shown(services: Services, method: str) -> pd.DataFrame:
    part, _, name = method.partition(".")
    found = getattr(getattr(Guard(services).acting_as(a(Role.ANALYST)), part), name)("event-1")
    return pd.concat(found, ignore_index=True) if isinstance(found, Iterator) else found


def is_in_shown_order(rows: pd.DataFrame) -> bool:
    """Whether the rows' order follows from their times and pseudonyms."""
    keys = [name for name in ("timestamp", "registrationId", "userId") if name in rows]
    expected = rows.sort_values(keys, ignore_index=True, kind="stable")
    return rows[keys].reset_index(drop=True).equals(expected[keys])


def test_every_method_that_an_analyst_may_call_is_covered_here() -> None:
    allowed = {name for name, (actions, _) in CALLS.items() if any(Role.ANALYST in ALLOWED[each] for each in actions)}
    assert allowed == NO_ROWS | OF_EVENTS | ROWS


@pytest.mark.parametrize("order", range(3))
@pytest.mark.parametrize("method", sorted(each for each in ROWS if each.startswith("records.")))
def test_no_order_of_records_follows_an_id_or_their_writing(
    services: Services, bench: Bench, method: str, order: int
) -> None:
    for outcome in outcomes(order):
        bench.records.record_attempt(outcome, timedelta(days=30))
    rows = shown(replace(services, records=bench.records), method)
    assert len(rows) == PEOPLE
    assert is_in_shown_order(rows)
    assert rows.index.equals(pd.RangeIndex(PEOPLE))


@pytest.mark.parametrize("page_rows", [1, 7])
def test_no_batch_tells_when_its_rows_were_written(services: Services, page_rows: int) -> None:
    """Real ids ascend over the batches, as where they were imported in their order."""
    frame = frame_of([with_attempt(None, outcome, timedelta(days=30)) for outcome in outcomes(0)])
    pages = [frame.iloc[start : start + page_rows] for start in range(0, PEOPLE, page_rows)]
    records = _Pages(pages)
    rows = shown(replace(services, records=records), "records.event_batches")  # type: ignore[arg-type]
    assert len(rows) == PEOPLE
    assert is_in_shown_order(rows)


class _Pages:
    def __init__(self, pages: list[pd.DataFrame]) -> None:
        self._pages = pages

    def event_batches(self, event_id: str) -> Iterator[pd.DataFrame]:
        return iter(self._pages)


@pytest.mark.parametrize("order", range(3))
def test_no_order_of_registrations_follows_an_id(services: Services, filled: Fill, order: int) -> None:
    people = [registration(f"reg-{n:02}", user_id=f"user-{n:02}") for n in range(PEOPLE)]
    store = filled(*Random(order).sample(people, PEOPLE))
    rows = shown(replace(services, registrations=store), "registrations.event_frame")
    assert len(rows) >= PEOPLE
    assert is_in_shown_order(rows)


@pytest.mark.parametrize("order", range(3))
def test_no_order_of_what_could_not_be_read_follows_an_id(
    services: Services, secantusdb_collection: Collection[Any], order: int
) -> None:
    people = [{"_id": f"reg-{n:02}", "eventId": "event-1"} for n in range(PEOPLE)]
    secantusdb_collection.insert_many(Random(order).sample(people, PEOPLE))
    store = MongoRegistrations(secantusdb_collection, {})
    rows = shown(replace(services, registrations=store), "registrations.unreadable")
    assert len(rows) == PEOPLE
    assert is_in_shown_order(rows)
    assert set(rows["registrationId"]).isdisjoint(each["_id"] for each in people)
