"""Runs a function on many items in several threads, and waits patiently while everything fails."""

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

#: This many failures without a success between them are no longer failures of single items.
FAILURES_IN_A_ROW = 10
#: Seconds between two tries while everything fails: at first, then doubled with each try up to the longest.
FIRST_PAUSE = 2.0
LONGEST_PAUSE = 60.0
#: Seconds for which everything may fail before the crew gives up.
PATIENCE_SECONDS = 600.0
#: The number of tries for an item.
PASSES = 3
#: The rate is measured over this many seconds.
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
    """How far the work is. ``end`` is set when it is over.

    ``rate`` is in items per second, None if it is not known yet. ``errors`` counts the items whose last try failed,
    by service and code. ``paused`` is a sentence that says why the crew is waiting, or gave up.
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
        """The remaining time in seconds, None if it is not known yet."""
        return self.left / self.rate if self.rate else None


class Crew(Generic[T, R]):
    """Processes items in ``workers`` threads, at most one item per thread at a time.

    An item that fails is tried again after all others, up to ``PASSES`` tries. If everything fails, the crew waits
    and tries one item at a time. It gives up after ``patience`` seconds of that, or when a service's refusal is
    final.
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
        """``do`` is called in the threads; ``keep`` is called with its result in the thread that called ``run``."""
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
        """Process ``items``, which are those of ``total`` that remain after ``done``.

        If ``stop`` is set, the run ends after the items in progress. ``report`` is called after each item.
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
        """Each item with what ``do`` returned or raised, in the order in which they end."""
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
    """The key by which failures are counted."""
    if isinstance(failure, ServiceError):
        return f"{failure.service}: {failure.code}"
    return type(failure).__name__


class _GaveUp(Exception):
    """Raised while no item is in progress."""


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
    """A sentence for users; an unexpected failure is named by its class alone."""
    return str(failure) if isinstance(failure, FacedeskError) else f"Everything fails ({type(failure).__name__})."
