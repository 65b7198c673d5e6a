"""Many at once: one failure stops nothing, an outage is waited out, and what is down for good is given up."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

import pytest

from core.domain.errors import Refused, Unavailable
from core.flow.crew import FAILURES_IN_A_ROW, PASSES, Crew, End, Progress

DOWN = Unavailable("face engine", "Throttling")


def ignore(*_given: object) -> None:
    pass


class Bench:
    """Runs a crew over numbers; what it kept and reported."""

    def __init__(self, do: Callable[[int], int], workers: int = 4, patience: float = 60.0) -> None:
        self.kept: Counter[int] = Counter()
        self.reports: list[Progress] = []
        self.stop = threading.Event()
        self._crew = Crew(workers, do, self._keep, patience=patience, first_pause=0.001)

    def run(self, total: int) -> Progress:
        return self._crew.run(iter(range(total)), total, self.stop, self.reports.append)

    def _keep(self, item: int, result: int) -> None:
        assert result == -item
        self.kept[item] += 1


def test_each_item_is_done_once() -> None:
    bench = Bench(lambda item: -item)
    assert (bench.run(100).end, bench.kept) == (End.DONE, Counter(range(100)))


def test_nothing_to_do_is_done() -> None:
    assert Bench(lambda item: -item).run(0).end is End.DONE


def test_one_that_fails_each_time_is_left_and_stops_no_other() -> None:
    tries: Counter[int] = Counter()

    def do(item: int) -> int:
        tries[item] += 1
        if item == 7:
            raise DOWN
        return -item

    bench = Bench(do)
    ended = bench.run(50)
    assert (ended.end, ended.left, dict(ended.errors)) == (End.LEFT, 1, {"face engine: Throttling": 1})
    assert (len(bench.kept), tries[7]) == (49, PASSES)


def test_one_that_fails_first_is_done_later() -> None:
    failing = iter([True])

    def do(item: int) -> int:
        if item == 7 and next(failing, False):
            raise DOWN
        return -item

    bench = Bench(do)
    ended = bench.run(50)
    assert (ended.end, dict(ended.errors), bench.kept) == (End.DONE, {}, Counter(range(50)))


def test_an_outage_is_waited_out_and_all_is_done_in_the_end() -> None:
    calls = iter(range(1000))

    def do(item: int) -> int:
        if 10 <= next(calls) < 10 + 2 * FAILURES_IN_A_ROW:
            raise DOWN
        return -item

    bench = Bench(do, workers=1)
    assert (bench.run(60).end, bench.kept) == (End.DONE, Counter(range(60)))
    assert any(report.paused for report in bench.reports)


def test_in_an_outage_one_at_a_time_is_tried() -> None:
    lock, in_hand, most = threading.Lock(), 0, 0
    calls = iter(range(1000))

    def do(item: int) -> int:
        nonlocal in_hand, most
        if next(calls) < FAILURES_IN_A_ROW + 4:  # those that were in hand when it began, too
            raise DOWN
        with lock:
            in_hand += 1
            most = max(most, in_hand)
        try:
            raise DOWN
        finally:
            with lock:
                in_hand -= 1

    Bench(do, workers=4, patience=0.05).run(1000)
    assert most == 1


def test_what_is_down_for_longer_than_the_patience_is_given_up_with_the_rest_untouched() -> None:
    tried = []

    def do(item: int) -> int:
        tried.append(item)
        raise DOWN

    ended = Bench(do, patience=0.01).run(10_000)
    assert (ended.end, ended.done, ended.paused) == (End.GAVE_UP, 0, str(DOWN))
    assert len(tried) < 40


def test_a_service_that_refuses_for_good_is_given_up_at_once() -> None:
    def do(_item: int) -> int:
        raise Refused("face engine", "AccessDeniedException")

    ended = Bench(do, patience=3600).run(1000)
    assert (ended.end, ended.done) == (End.GAVE_UP, 0)


def test_a_fault_of_ours_is_told_by_its_class_alone() -> None:
    def do(_item: int) -> int:
        raise KeyError("a name that nobody should read")

    ended = Bench(do, patience=0).run(100)
    assert ended.paused == "Everything fails (KeyError)."


def test_stopped_it_ends_with_what_is_in_hand() -> None:
    started: list[int] = []

    def do(item: int) -> int:
        started.append(item)
        if len(started) == 10:
            bench.stop.set()
        return -item

    bench = Bench(do, workers=4)
    ended = bench.run(1000)
    assert (ended.end, ended.done, bench.kept) == (End.STOPPED, len(started), Counter(started))


def test_stopped_in_an_outage_it_does_not_sit_out_the_wait() -> None:
    def do(_item: int) -> int:
        raise DOWN

    crew = Crew(1, do, ignore, first_pause=3600)
    stop = threading.Event()

    def report(progress: Progress) -> None:
        if progress.paused:
            stop.set()

    assert crew.run(iter(range(100)), 100, stop, report).end is End.STOPPED


def test_no_more_are_taken_than_can_be_in_hand() -> None:
    taken = 0
    release = threading.Event()

    def items() -> object:
        nonlocal taken
        for item in range(100):
            taken += 1
            if taken > 4:
                assert release.is_set()
            yield item

    def do(item: int) -> int:
        if taken == 4:
            release.set()
        release.wait(10)
        return -item

    crew = Crew(4, do, ignore)
    assert crew.run(items(), 100, threading.Event(), ignore).end is End.DONE  # type: ignore[arg-type]


def test_the_rate_is_that_of_late_and_gives_the_remaining_time() -> None:
    class Time:
        now = 0.0

        def __call__(self) -> float:
            return self.now

    clock = Time()

    def do(item: int) -> int:
        clock.now += 0.5
        return -item

    reports: list[Progress] = []
    Crew(1, do, ignore, clock=clock).run(iter(range(100)), 100, threading.Event(), reports.append)
    assert reports[49].rate == pytest.approx(2)
    assert reports[49].remaining == pytest.approx(25)
