"""Threads for what blocks, each kind with a bound: requests, downloads, and what many ask for at once."""

from __future__ import annotations

import asyncio
import threading
import time
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


class Workers:
    """``threads`` that work; at most ``queue`` calls wait for one, in the order in which they came.

    They wait on the event loop, not in the executor: a call that is cancelled leaves the line, and takes what it
    holds with it. One that is being worked on is finished, and keeps its thread until then.
    """

    def __init__(self, threads: int, queue: int) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="api")
        self._turn = asyncio.Semaphore(threads)
        self._queue = queue
        self._waiting = 0

    async def run(self, work: Callable[[], T]) -> T:
        """What ``work`` returns or raises. Raises ``Busy`` at once where the line is full."""
        if self._turn.locked() and self._waiting >= self._queue:
            raise Busy("Too many requests at once. Try again in a moment.", retry_after=1)
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        working = self._executor.submit(work)
        working.add_done_callback(partial(self._done, asyncio.get_running_loop()))
        return await asyncio.wrap_future(working)

    def close(self) -> None:
        self._executor.shutdown(wait=False, cancel_futures=True)

    def _done(self, loop: asyncio.AbstractEventLoop, _working: Future[T]) -> None:
        with suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            loop.call_soon_threadsafe(self._turn.release)


class Downloads:
    """At most ``limit`` downloads at once."""

    def __init__(self, limit: int) -> None:
        self._places = threading.BoundedSemaphore(limit)

    def open(self, parts: Generator[bytes]) -> Download:
        """Raises ``Busy`` where there is no place left. Whoever opens a download closes it."""
        if not self._places.acquire(blocking=False):
            raise Busy("Too many downloads at once. Try again when one of them has ended.", retry_after=5)
        return Download(parts, self._places.release)


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
