"""What keeps calls under a quota."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.flow.pace import CALM_SECONDS, MIN_SHARE, STEP, Pace


class FakeTime:
    """A clock and a sleep in which only sleeping takes time; ``late`` seconds more than asked for."""

    def __init__(self) -> None:
        self.now = 100.0
        self.late = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds + self.late


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def pace(time: FakeTime) -> Callable[..., Pace]:
    return lambda per_second=10.0, burst=0.0: Pace(per_second, burst, time, time.sleep)


def moments(pace: Pace, time: FakeTime, calls: int) -> list[float]:
    found = []
    for _ in range(calls):
        pace.wait()
        found.append(round(time.now - 100, 6))
    return found


def test_calls_are_evenly_apart(pace: Callable[..., Pace], time: FakeTime) -> None:
    assert moments(pace(), time, 4) == [0, 0.1, 0.2, 0.3]


def test_after_a_pause_calls_are_as_far_apart_as_before(pace: Callable[..., Pace], time: FakeTime) -> None:
    paced = pace()
    time.now += 3600
    first, second, _ = moments(paced, time, 3)
    assert round(second - first, 6) == 0.1


def test_lateness_within_the_burst_is_made_good(pace: Callable[..., Pace], time: FakeTime) -> None:
    time.late = 0.01
    assert moments(pace(burst=0.02), time, 100)[-1] == pytest.approx(9.9, abs=0.05)


def test_many_threads_have_a_place_each(pace: Callable[..., Pace], time: FakeTime) -> None:
    paced = pace()
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: paced.wait(), range(101)))
    assert time.now - 100 == pytest.approx(10)


def test_a_refusal_slows_the_pace(pace: Callable[..., Pace], time: FakeTime) -> None:
    paced = pace()
    paced.slow_down()
    assert moments(paced, time, 3) == [0, 0.105263, 0.210526]


def test_refusals_that_come_together_count_as_one(pace: Callable[..., Pace], time: FakeTime) -> None:
    paced = pace()
    for _ in range(32):
        paced.slow_down()
    assert moments(paced, time, 2) == [0, 0.105263]


def test_however_often_it_is_refused_calls_go_on(pace: Callable[..., Pace], time: FakeTime) -> None:
    paced = pace()
    for _ in range(100):
        paced.slow_down()
        time.now += CALM_SECONDS
    first, second = moments(paced, time, 2)
    assert second - first == pytest.approx(0.1 / MIN_SHARE)


def test_success_brings_the_full_pace_back_and_no_more(pace: Callable[..., Pace], time: FakeTime) -> None:
    paced = pace()
    paced.slow_down()
    for _ in range(int(2 / STEP)):
        paced.speed_up()
    assert moments(paced, time, 3) == [0, 0.1, 0.2]


def test_whoever_does_not_wait_is_made_room_for(pace: Callable[..., Pace], time: FakeTime) -> None:
    paced = pace()
    paced.wait()
    for _ in range(5):
        paced.spend()
    assert moments(paced, time, 1) == [0.6]
