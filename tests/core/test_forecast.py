"""The forecast of an event's readiness: its interval holds what comes, and where nothing can be said nothing is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from core.domain.forecast import Forecast, forecast
from tests.support.simulated_events import SimulatedEvent, simulated

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
START = NOW + timedelta(days=3)
#: The numbers of the forecast were chosen with the seeds below 3,000. None of these is one of them.
UNSEEN = range(1_000_000, 1_000_240)
EVENTS = 200


def of(event: SimulatedEvent) -> Forecast | None:
    return forecast(event.passes, event.registered, len(event.passes), event.now, event.start)


@pytest.fixture(scope="module")
def foretold() -> list[tuple[SimulatedEvent, Forecast]]:
    """The first events of which something can be said."""
    pairs = ((event, of(event)) for event in map(simulated, UNSEEN))
    return [(event, found) for event, found in pairs if found][:EVENTS]


def evenly(passes: int, days: float) -> pd.Series:
    """So many passes at even steps until now."""
    ages = np.linspace(0, days * 24, passes)
    return pd.Series(pd.Timestamp(NOW) - pd.to_timedelta(ages, unit="h"))


def test_the_interval_holds_what_came_of_four_to_nineteen_in_twenty_events(
    foretold: list[tuple[SimulatedEvent, Forecast]],
) -> None:
    assert len(foretold) == EVENTS
    held = sum(found.low <= event.truth <= found.high for event, found in foretold)
    assert 0.80 <= held / EVENTS <= 0.95


def test_the_interval_says_something(foretold: list[tuple[SimulatedEvent, Forecast]]) -> None:
    widths = [found.high - found.low for _, found in foretold]
    still_open = [1 - len(event.passes) / event.registered for event, _ in foretold]
    assert np.median(widths) < 0.25
    assert np.median(np.array(widths) / still_open) < 0.65


def test_the_likely_share_is_nearer_than_that_nobody_comes_any_more(
    foretold: list[tuple[SimulatedEvent, Forecast]],
) -> None:
    errors = [abs(found.share - event.truth) for event, found in foretold]
    of_today = [event.truth - len(event.passes) / event.registered for event, _ in foretold]
    assert np.median(errors) < 0.4 * np.median(of_today)


def test_nearer_to_the_start_it_is_surer(foretold: list[tuple[SimulatedEvent, Forecast]]) -> None:
    near = [found.high - found.low for event, found in foretold if event.start - event.now < timedelta(days=2)]
    far = [found.high - found.low for event, found in foretold if event.start - event.now > timedelta(days=7)]
    assert np.median(near) < np.median(far)


def test_the_simulated_events_differ() -> None:
    events = [simulated(seed) for seed in UNSEEN]
    sizes = [event.registered for event in events]
    assert min(sizes) < 100
    assert max(sizes) > 10_000
    assert min(event.truth for event in events) < 0.72
    assert max(event.truth for event in events) > 0.97
    assert simulated(7).truth == simulated(7).truth != simulated(8).truth


def test_it_lies_between_today_and_everybody() -> None:
    found = forecast(evenly(200, 20), 400, 200, NOW, START)
    assert found is not None
    assert 0.5 < found.low < found.share < found.high < 1


def test_a_faster_pace_foretells_more() -> None:
    slow, fast = (forecast(evenly(count, 10), 400, 200, NOW, START) for count in (40, 160))
    assert slow is not None
    assert fast is not None
    assert slow.share < fast.share


def test_passes_without_a_time_are_no_pace() -> None:
    times = evenly(40, 10)
    unknown = pd.concat([times, pd.Series([pd.NaT] * 160, dtype=times.dtype)], ignore_index=True)
    assert forecast(unknown, 400, 200, NOW, START) == forecast(times, 400, 200, NOW, START)


@pytest.mark.parametrize(
    ("passes", "registered", "ready", "start"),
    [
        pytest.param(evenly(200, 20), 200, 200, START, id="everybody is ready"),
        pytest.param(evenly(200, 20), 0, 0, START, id="nobody is registered"),
        pytest.param(evenly(0, 0).astype("datetime64[us, UTC]"), 400, 0, START, id="nobody passed"),
        pytest.param(evenly(9, 6), 400, 9, START, id="few passed"),
        pytest.param(evenly(200, 1), 400, 200, START, id="all passed since yesterday"),
        pytest.param(evenly(200, 20), 400, 200, NOW, id="it starts now"),
        pytest.param(evenly(200, 20), 400, 200, NOW - timedelta(days=1), id="it has begun"),
        pytest.param(evenly(200, 20), 400, 200, NOW + timedelta(days=15), id="it is far away"),
    ],
)
def test_where_there_is_too_little_to_go_by_nothing_is_foretold(
    passes: pd.Series, registered: int, ready: int, start: datetime
) -> None:
    assert forecast(passes, registered, ready, NOW, start) is None
