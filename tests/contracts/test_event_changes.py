"""``ValidationRecords.event_changes``, held by every adapter: a frame kept and refreshed is the frame read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from core.domain.frames import KEPT_BY, with_changes
from core.ports import EventChanges
from tests.support.clock import NOON
from tests.support.records import a_review, an_outcome
from tests.support.stores import EVENT_WAYS_AND_SHARDS, Bench, event_bench

TTL = timedelta(days=30)
SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


@pytest.fixture(params=EVENT_WAYS_AND_SHARDS)
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    yield from event_bench(request, tmp_path)


def record(bench: Bench, number: int, attempt: str = "first", **changes: Any) -> Any:
    """An attempt of registration ``number``, now."""
    given = {"registration_id": f"reg-{number}", "timestamp": bench.clock(), **changes}
    return bench.records.record_attempt(an_outcome(f"{attempt}-{number}", **given), TTL)


def changes(bench: Bench, since: Any = None) -> EventChanges:
    return bench.records.event_changes("event-1", since)


def ids(found: EventChanges) -> set[str]:
    return set(found.records["registrationId"])


def kept(known: EventChanges, found: EventChanges) -> EventChanges:
    records = found.records if found.complete else with_changes(known.records, found.records)
    return EventChanges(records, found.mark, complete=True)


def test_without_a_mark_it_is_all_that_the_frame_has(bench: Bench) -> None:
    for number in range(3):
        record(bench, number)
    found = changes(bench)
    assert found.complete
    pd.testing.assert_frame_equal(found.records, bench.records.event_frame("event-1"))


def test_it_has_only_the_columns_that_are_wanted(bench: Bench) -> None:
    for number in range(3):
        record(bench, number)
    columns = [*KEPT_BY, "status"]
    found = bench.records.event_changes("event-1", None, columns)
    pd.testing.assert_frame_equal(found.records, bench.records.event_frame("event-1")[columns])


def test_a_record_that_was_added_since_is_among_them(bench: Bench) -> None:
    record(bench, 1)
    mark = changes(bench).mark
    bench.clock.advance(HOUR)
    record(bench, 2)
    assert "reg-2" in ids(changes(bench, mark))


def test_of_an_event_that_was_empty_too(bench: Bench) -> None:
    mark = changes(bench).mark
    record(bench, 1)
    assert ids(changes(bench, mark)) == {"reg-1"}


def test_a_record_with_another_attempt_is_among_them_as_it_became(bench: Bench) -> None:
    record(bench, 1)
    mark = changes(bench).mark
    bench.clock.advance(HOUR)
    record(bench, 1, "second", status="failed")
    (status,) = changes(bench, mark).records["status"]
    assert status == "failed"


def test_what_did_not_change_for_long_is_left_out_unless_it_is_all(bench: Bench) -> None:
    record(bench, 1)
    bench.clock.advance(HOUR)
    record(bench, 2)
    mark = changes(bench).mark
    bench.clock.advance(HOUR)
    record(bench, 3)
    found = changes(bench, mark)
    assert found.complete or "reg-1" not in ids(found)


def test_what_came_a_minute_late_is_among_them(bench: Bench) -> None:
    record(bench, 1)
    mark = changes(bench).mark
    record(bench, 2, timestamp=bench.clock() - timedelta(seconds=60))
    assert "reg-2" in ids(changes(bench, mark))


@pytest.mark.parametrize("ahead", [HOUR, timedelta(days=20)], ids=str)
def test_what_comes_after_the_clock_was_ahead_for_a_while_is_among_them(bench: Bench, ahead: timedelta) -> None:
    bench.clock.jump(ahead)
    record(bench, 1)
    mark = changes(bench, changes(bench).mark).mark
    bench.clock.jump(-ahead)
    record(bench, 2)
    assert "reg-2" in ids(changes(bench, mark))


def test_another_event_is_not_among_them(bench: Bench) -> None:
    mark = changes(bench).mark
    record(bench, 1, event_id="event-2")
    assert ids(changes(bench, mark)) == set()


def test_an_odd_change_is_read_and_named(bench: Bench) -> None:
    mark = changes(bench).mark
    bench.foreign(registrationId="reg-2", timestamp="2026-03-01T12:00:00Z", confidence=101)
    (row,) = changes(bench, mark).records.to_dict("records")
    assert (row["registrationId"], row["unreadable"]) == ("reg-2", "confidence:number")


def test_a_frame_kept_and_refreshed_is_the_frame_read(bench: Bench) -> None:
    known = changes(bench)
    steps: list[Callable[[int], Any]] = [
        lambda turn: record(bench, turn),
        lambda turn: record(bench, turn // 2, f"again-{turn}", status="failed", reasons=("TOO_DARK",)),
        lambda turn: record(bench, turn + 100, source=f"source-{turn}", attributes={"age": f"{turn}-{turn + 9}"}),
        lambda turn: bench.foreign(registrationId=f"foreign-{turn}", timestamp=f"{bench.clock():%Y-%m-%dT%H:%M:%SZ}"),
    ]
    for turn in range(12):
        steps[turn % len(steps)](turn)
        if turn % 3 == 2:
            known = kept(known, changes(bench, known.mark))
            pd.testing.assert_frame_equal(known.records, bench.records.event_frame("event-1"))
        bench.clock.advance(timedelta(minutes=turn))


def test_a_decision_is_in_the_next_whole_reading(bench: Bench) -> None:
    seen = record(bench, 1, status="pending")
    bench.clock.advance(HOUR)
    bench.records.decide("user-1", "reg-1", a_review(decided_at=NOON + HOUR), seen.version)
    assert list(changes(bench).records["status"]) == ["success"]
