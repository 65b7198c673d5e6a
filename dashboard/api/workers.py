"""Threads for what blocks, each kind with a bound: requests, downloads, and what many ask for at once."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Generic, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

T = TypeVar("T")


class Busy(Exception):
    """All places are taken; ``retry_after`` in seconds."""

    def __init__(self, message: str, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TooMany(Busy):
    """One person has taken all the places that one person may take."""


class PerPerson:
    """Counts what each person has in hand, for any number of threads; at most ``limit`` each."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._in_hand: Counter[str] = Counter()
        self._lock = threading.Lock()

    def take(self, person: str | None) -> bool:
        """Whether the person may have one more, which they have then. There is no limit for None."""
        if person is None:
            return True
        with self._lock:
            if self._in_hand[person] >= self._limit:
                return False
            self._in_hand[person] += 1
            return True

    def give_back(self, person: str | None) -> None:
        if person is None:
            return
        with self._lock:
            self._in_hand[person] -= 1
            if not self._in_hand[person]:
                del self._in_hand[person]


class Workers:
    """``threads`` that work; at most ``queue`` calls wait for one.

    Persons take turns, and one person's calls have at most half of the threads: however many slow calls somebody
    makes, others find a thread. Within a person's calls the order is that in which they came.

    They wait on the event loop, not in the executor: a call that is cancelled leaves the line, and takes what it
    holds with it. One that is being worked on is finished, and keeps its thread until then.
    """

    def __init__(self, threads: int, queue: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="api")
        self._threads = threads
        self._queue = queue
        self._working: Counter[str | None] = Counter()
        #: Who waits, the person whose turn is next first. Of whoever is not in it nobody waits.
        self._lines: dict[str | None, deque[asyncio.Future[None]]] = {}

    @property
    def waiting(self) -> int:
        return sum(map(len, self._lines.values()))

    @property
    def working(self) -> int:
        return self._working.total()

    async def run(self, work: Callable[[], T], person: str | None = None) -> T:
        """What ``work`` returns or raises. Raises ``Busy`` at once if the line is full.

        ``person`` is who asks; None if there is only one who could.
        """
        turn = asyncio.get_running_loop().create_future()
        self._lines.setdefault(person, deque()).append(turn)
        self._give_turns()
        if not turn.done() and self.waiting > self._queue:
            self._leave(person, turn)
            raise Busy("Too many requests at once. Try again in a moment.", retry_after=1)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._leave(person, turn)
            else:  # the turn came, and so did the end
                self._end_turn(person)
            raise
        working = self._executor.submit(work)
        working.add_done_callback(partial(self._done, asyncio.get_running_loop(), person))
        return await asyncio.wrap_future(working)

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _give_turns(self) -> None:
        while self.working < self._threads:
            next_ones = [person for person in self._lines if self._working[person] < self._share(person)]
            if not next_ones:
                return
            person = next_ones[0]
            line = self._lines.pop(person)
            turn = line.popleft()
            if line:
                self._lines[person] = line
            if not turn.cancelled():
                turn.set_result(None)
                self._working[person] += 1

    def _share(self, person: str | None) -> int:
        return self._threads if person is None else max(1, self._threads // 2)

    def _leave(self, person: str | None, turn: asyncio.Future[None]) -> None:
        line = self._lines.get(person, deque())
        if turn in line:
            line.remove(turn)
            if not line:
                del self._lines[person]

    def _end_turn(self, person: str | None) -> None:
        self._working[person] -= 1
        if not self._working[person]:
            del self._working[person]
        self._give_turns()

    def _done(self, loop: asyncio.AbstractEventLoop, person: str | None, _working: Future[T]) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            loop.call_soon_threadsafe(self._end_turn, person)


class Downloads:
    """At most ``limit`` downloads at once, and ``per_person`` of each person."""

    def __init__(self, limit: int, per_person: int) -> None:
        self._places = threading.BoundedSemaphore(limit)
        self._persons = PerPerson(per_person)

    def open(self, parts: Generator[bytes], person: str | None = None) -> Download:
        """Raises ``Busy`` if there is no place left. Whoever opens a download closes it."""
        if not self._persons.take(person):
            raise TooMany("You have too many downloads at once. Try again when one of them has ended.", retry_after=5)
        if not self._places.acquire(blocking=False):
            self._persons.give_back(person)
            raise Busy("Too many downloads at once. Try again when one of them has ended.", retry_after=5)
        return Download(parts, partial(self._ended, person))

    def _ended(self, person: str | None) -> None:
        self._places.release()
        self._persons.give_back(person)


class Download:
    """A generator that runs in a thread of its own, one step at a time, each when it is asked for."""

    def __init__(self, parts: Generator[bytes], closed: Callable[[], None]) -> None:
        self._parts = parts
        self._closed = closed
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="download")

    async def next(self) -> bytes | None:
        """The next part; None at the end."""
        return await asyncio.wrap_future(self._thread.submit(next, self._parts, None))

    def close(self) -> Future[None]:
        """Stop at the end of the step that is running, if any; the place is free again when the result is there."""
        closing = self._thread.submit(self._parts.close)
        closing.add_done_callback(lambda _: self._closed())
        self._thread.shutdown(wait=False)
        return closing


class Shared(Generic[T]):
    """The result of ``ask``, which blocks: asked once at a time, in a thread of its own, and good for ``seconds``."""

    def __init__(self, ask: Callable[[], T], seconds: float) -> None:
        self._ask = ask
        self._seconds = seconds
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="shared")
        self._until = 0.0
        self._result: T

    async def result(self) -> T:
        return await asyncio.wrap_future(self._thread.submit(self._current))

    def close(self) -> None:
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _current(self) -> T:
        if time.monotonic() > self._until:
            self._result = self._ask()
            self._until = time.monotonic() + self._seconds
        return self._result


async def unless_gone(receive: Receive, work: Awaitable[T]) -> T:
    """What ``work`` gives; cancels it and raises ``ClientDisconnect`` when the client goes away before."""
    working = asyncio.ensure_future(work)
    watching = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait((working, watching), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientDisconnect
        return working.result()
    finally:
        working.cancel()
        watching.cancel()


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
