"""Many of the same thing, done by several at once, and patiently: where everything fails they wait."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

from core.domain.errors import FacedeskError, NotConfigured, Refused, ServiceError

T = TypeVar("T")
R = TypeVar("R")

#: So many failures with no success between them are no longer those of single items.
FAILURES_IN_A_ROW = 10
#: Seconds between two tries while everything fails: the first time, doubled with each, and at the most.
FIRST_PAUSE = 2.0
LONGEST_PAUSE = 60.0
#: For how long everything may fail before the crew gives up, seconds.
PATIENCE_SECONDS = 600.0
#: How often an item is tried before it is left.
PASSES = 3
#: The rate is that of the last so many seconds.
RATE_SECONDS = 30.0


class End(StrEnum):
    DONE = "done"
    #: Some items failed each time.
    LEFT = "left"
    STOPPED = "stopped"
    #: Everything failed, for good or for too long.
    GAVE_UP = "gave-up"


@dataclass(frozen=True)
class Progress:
    """How far the work is; with ``end`` it is over.

    ``rate`` is items a second, None before there is anything to go by. ``errors`` counts the items whose last try
    failed, by service and code. ``paused`` is a sentence: why the crew waits at present, or gave up.
    """

    total: int
    done: int = 0
    errors: Mapping[str, int] = field(default_factory=dict)
    rate: float | None = None
    paused: str | None = None
    end: End | None = None

    @property
    def left(self) -> int:
        return self.total - self.done

    @property
    def remaining(self) -> float | None:
        """Seconds."""
        return self.left / self.rate if self.rate else None


class Crew(Generic[T, R]):
    """Does items in ``workers`` threads, and never has more in hand.

    One item's failure is that item's: it is tried again when the others are done, and left after ``PASSES`` tries.
    Where all fail the crew waits and tries one at a time; it gives up when that has gone on for ``patience`` seconds,
    or when a service refused for good.
    """

    def __init__(
        self,
        workers: int,
        do: Callable[[T], R],
        keep: Callable[[T, R], None],
        *,
        patience: float = PATIENCE_SECONDS,
        first_pause: float = FIRST_PAUSE,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``do`` is called in the threads, ``keep`` with what it returned in the one that called ``run``."""
        self._workers = workers
        self._do = do
        self._keep = keep
        self._patience = patience
        self._first_pause = first_pause
        self._clock = clock
        self._failed: dict[T, Exception] = {}
        self._in_a_row = 0
        self._failing_since = 0.0
        self._last_failure: Exception | None = None
        self._pause = 0.0

    def run(
        self,
        items: Iterator[T],
        total: int,
        stop: threading.Event,
        report: Callable[[Progress], None],
        done: int = 0,
    ) -> Progress:
        """Do ``items``: what is left of ``total`` when ``done`` are done.

        ``stop``, once set, ends it with what is in hand. ``report`` is called after each item.
        """
        speed = _Speed(self._clock)

        def progress(end: End | None = None) -> Progress:
            paused = _sentence(self._last_failure) if self._last_failure and self._pause else None
            return Progress(total, done, Counter(map(failure_kind, self._failed.values())), speed.rate(), paused, end)

        try:
            for _ in range(PASSES):
                for item, result in self._results(items, stop):
                    if isinstance(result, Exception):
                        self._failed[item] = result
                    else:
                        self._failed.pop(item, None)
                        self._keep(item, result)
                        done += 1
                        speed.add()
                    report(progress())
                if stop.is_set() or not self._failed:
                    break
                items = iter(list(self._failed))
        except _GaveUp:
            return progress(End.GAVE_UP)
        if done == total:
            return progress(End.DONE)
        return progress(End.STOPPED if stop.is_set() else End.LEFT)

    def _results(self, items: Iterator[T], stop: threading.Event) -> Iterator[tuple[T, R | Exception]]:
        """Each item with what ``do`` returned or raised, as they end."""
        under_way: dict[Future[R], T] = {}
        with ThreadPoolExecutor(self._workers, thread_name_prefix="crew") as threads:
            while True:
                if self._pause and not under_way:
                    self._wait(stop)
                while len(under_way) < (1 if self._pause else self._workers) and not stop.is_set():
                    try:
                        item = next(items)
                    except StopIteration:
                        break
                    under_way[threads.submit(self._do, item)] = item
                if not under_way:
                    return
                for ended in wait(under_way, return_when=FIRST_COMPLETED).done:
                    item, failure = under_way.pop(ended), ended.exception()
                    if failure is not None and not isinstance(failure, Exception):
                        raise failure
                    self._learn(failure)
                    yield item, ended.result() if failure is None else failure

    def _learn(self, failure: Exception | None) -> None:
        if failure is None:
            self._in_a_row, self._pause = 0, 0.0
            return
        self._in_a_row += 1
        self._last_failure = failure
        if self._in_a_row == 1:
            self._failing_since = self._clock()
        if self._in_a_row >= FAILURES_IN_A_ROW and not self._pause:
            self._pause = self._first_pause

    def _wait(self, stop: threading.Event) -> None:
        too_long = self._clock() - self._failing_since >= self._patience
        if too_long or isinstance(self._last_failure, Refused | NotConfigured):
            raise _GaveUp
        stop.wait(self._pause)
        self._pause = min(2 * self._pause, LONGEST_PAUSE)


def failure_kind(failure: Exception) -> str:
    """What failures are counted by."""
    if isinstance(failure, ServiceError):
        return f"{failure.service}: {failure.code}"
    return type(failure).__name__


class _GaveUp(Exception):
    """Nothing is in hand."""


class _Speed:
    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._moments = deque([clock()])

    def add(self) -> None:
        now = self._clock()
        self._moments.append(now)
        while self._moments[0] < now - RATE_SECONDS:
            self._moments.popleft()

    def rate(self) -> float | None:
        seconds = self._clock() - self._moments[0]
        return (len(self._moments) - 1) / seconds if len(self._moments) > 1 and seconds > 0 else None


def _sentence(failure: Exception) -> str:
    """For a screen; an unforeseen failure by its class alone."""
    return str(failure) if isinstance(failure, FacedeskError) else f"Everything fails ({type(failure).__name__})."
