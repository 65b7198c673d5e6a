"""Bounds: how many requests are worked on, how many wait, and what happens to those who go away."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx
import pytest

from core.domain.records import ValidationRecord
from dashboard.api.workers import Busy, Downloads, Shared, TooMany, Workers
from tests.api.conftest import MakeApi, is_error, serving
from tests.api.test_json_api import EVENT, HISTORY, STORED, VALIDATE
from tests.support.desk import Desk

HANG_SECONDS = 30


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def in_time() -> None:
        await asyncio.wait_for(test(), HANG_SECONDS)

    asyncio.run(in_time())


async def until(condition: Callable[[], bool]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


class Held:
    """Work that goes on until it is let go of."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.free = threading.Event()

    def __call__(self) -> str:
        self.begun.set()
        assert self.free.wait(HANG_SECONDS)
        return "done"


def test_beyond_those_who_work_and_wait_nobody_gets_in() -> None:
    async def test() -> None:
        workers, held = Workers(threads=1, queue=1), Held()
        working, waiting = (asyncio.ensure_future(workers.run(held)) for _ in range(2))
        await until(held.begun.is_set)
        with pytest.raises(Busy):
            await workers.run(held)
        held.free.set()
        assert await working == await waiting == "done"

    run(test)


def test_who_leaves_the_line_makes_room() -> None:
    async def test() -> None:
        workers, held, second = Workers(threads=1, queue=1), Held(), Held()
        working, leaving = asyncio.ensure_future(workers.run(held)), asyncio.ensure_future(workers.run(second))
        await until(held.begun.is_set)
        leaving.cancel()
        with suppress(asyncio.CancelledError):
            await leaving
        last = asyncio.ensure_future(workers.run(lambda: "last"))
        held.free.set()
        assert (await working, await last) == ("done", "last")
        assert not second.begun.is_set()

    run(test)


def test_work_that_nobody_waits_for_any_more_keeps_its_thread() -> None:
    async def test() -> None:
        workers, held = Workers(threads=1, queue=0), Held()
        gone = asyncio.ensure_future(workers.run(held))
        await until(held.begun.is_set)
        gone.cancel()
        with suppress(asyncio.CancelledError):
            await gone
        with pytest.raises(Busy):
            await workers.run(held)
        held.free.set()
        await until(lambda: not workers.working)
        assert await workers.run(lambda: "next") == "next"

    run(test)


def test_an_error_frees_the_thread() -> None:
    async def test() -> None:
        workers = Workers(threads=1, queue=0)
        for _ in range(3):
            with pytest.raises(KeyError):
                await workers.run({}.popitem)
            await until(lambda: not workers.working)

    run(test)


def test_one_persons_calls_leave_threads_to_others() -> None:
    async def test() -> None:
        workers, held = Workers(threads=4, queue=10), Held()
        greedy = [asyncio.ensure_future(workers.run(held, "greedy")) for _ in range(10)]
        assert await workers.run(lambda: "served", "modest") == "served"
        assert workers.working == 2
        held.free.set()
        await asyncio.gather(*greedy)

    run(test)


def test_who_alone_can_ask_has_all_threads() -> None:
    async def test() -> None:
        workers, held = Workers(threads=4, queue=10), Held()
        asked = [asyncio.ensure_future(workers.run(held)) for _ in range(6)]
        await until(held.begun.is_set)
        assert workers.working == 4
        held.free.set()
        await asyncio.gather(*asked)

    run(test)


def test_persons_take_turns() -> None:
    async def test() -> None:
        workers, held, order = Workers(threads=1, queue=10), Held(), list[str]()
        first = asyncio.ensure_future(workers.run(held, "first"))
        await until(held.begun.is_set)
        asked = [("a", "a1"), ("a", "a2"), ("a", "a3"), ("b", "b1"), ("b", "b2"), ("c", "c1")]
        waiting = [
            asyncio.ensure_future(workers.run(lambda name=name: order.append(name), person))  # type: ignore[misc]
            for person, name in asked
        ]
        await until(lambda: workers.waiting == len(asked))
        held.free.set()
        await asyncio.gather(first, *waiting)
        assert order == ["a1", "b1", "c1", "a2", "b2", "a3"]

    run(test)


def test_a_person_has_so_many_downloads_and_others_have_theirs() -> None:
    def parts() -> Generator[bytes]:
        yield b"part"

    downloads = Downloads(limit=3, per_person=1)
    first = downloads.open(parts(), "greedy")
    with pytest.raises(TooMany):
        downloads.open(parts(), "greedy")
    downloads.open(parts(), "modest").close().result(HANG_SECONDS)
    first.close().result(HANG_SECONDS)
    downloads.open(parts(), "greedy").close()


def test_a_download_that_is_closed_while_it_works_stops_after_that_step() -> None:
    async def test() -> None:
        held, ended = Held(), threading.Event()

        def parts() -> Iterator[bytes]:
            try:
                yield held().encode()
                yield b"more"
            finally:
                ended.set()

        downloads = Downloads(limit=1, per_person=1)
        download = downloads.open(parts())  # type: ignore[arg-type]
        reading = asyncio.ensure_future(download.next())
        await until(held.begun.is_set)
        download.close()
        with pytest.raises(Busy):
            downloads.open(parts())  # type: ignore[arg-type]
        held.free.set()
        assert await reading == b"done"
        await until(ended.is_set)

        def is_free() -> bool:
            with suppress(Busy):
                downloads.open(parts()).close()  # type: ignore[arg-type]
                return True
            return False

        await until(is_free)

    run(test)


def test_what_is_shared_is_asked_for_once_at_a_time_and_again_when_it_is_old() -> None:
    async def test() -> None:
        asked: list[float] = []
        shared = Shared(lambda: asked.append(time.monotonic()) or len(asked), seconds=0.2)  # type: ignore[func-returns-value]
        assert await asyncio.gather(*(shared.result() for _ in range(5))) == [1] * 5
        await asyncio.sleep(0.25)
        assert await shared.result() == 2

    run(test)


# Over HTTP


@dataclass(frozen=True)
class Full:
    """One request is worked on, one waits for its turn, and there is room for no other."""

    address: str
    working: Future[httpx.Response]
    waiting: socket.socket
    held: Held
    #: The events that were read, or begun.
    asked: list[str]
    waits: Callable[[], bool]


@pytest.fixture
def full(make_api: MakeApi, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Full]:
    """One read is worked on and another one waits, which is all that there is room for."""
    held, asked = Held(), list[str]()

    def event_records(event_id: str, limit: int) -> list[ValidationRecord]:
        asked.append(event_id)
        held()
        return []

    monkeypatch.setattr(desk.records, "event_records", event_records)
    api = make_api(api_threads=1, api_queue=1)
    with serving(api) as address, ThreadPoolExecutor(1) as thread:
        working = thread.submit(httpx.get, address + EVENT, timeout=HANG_SECONDS)
        assert held.begun.wait(HANG_SECONDS)
        with socket.create_connection(("127.0.0.1", urlsplit(address).port), HANG_SECONDS) as waiting:
            waiting.sendall(f"GET {EVENT} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            until_now(lambda: api._workers.waiting == 1)
            yield Full(address, working, waiting, held, asked, lambda: api._workers.waiting == 1)
        held.free.set()


def until_now(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + HANG_SECONDS
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)


def test_the_next_request_is_told_to_come_back(full: Full) -> None:
    answer = httpx.get(full.address + HISTORY)
    assert is_error(answer, 503)
    assert answer.headers["retry-after"] == "1"


@pytest.mark.parametrize("path", ["/api/health", "/api/ready", "/api/openapi.json"])
def test_who_asks_how_the_process_is_need_not_wait(full: Full, path: str) -> None:
    assert httpx.get(full.address + path, timeout=HANG_SECONDS).status_code == 200


def test_a_download_does_not_wait_for_requests(full: Full) -> None:
    assert httpx.get(full.address + "/api/exports/users/user-1/history.csv").status_code == 200


def test_a_validation_does_not_wait_for_reads(full: Full) -> None:
    answer = httpx.post(full.address + VALIDATE, json=STORED, timeout=HANG_SECONDS)
    assert answer.status_code == 200


def test_who_waited_is_served(full: Full) -> None:
    full.held.free.set()
    assert full.waiting.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_a_client_that_goes_away_while_it_sends_leaves_nothing_behind(
    served: str, desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    head = f"POST {VALIDATE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    with socket.create_connection(("127.0.0.1", urlsplit(served).port), HANG_SECONDS) as sending:
        sending.sendall(head.encode() + b"{")
    assert httpx.get(served + HISTORY).status_code == 200
    assert caplog.records == []


def test_a_client_that_goes_away_takes_its_work_with_it(full: Full) -> None:
    full.waiting.close()
    until_now(lambda: not full.waits())
    full.held.free.set()
    assert full.working.result(HANG_SECONDS).status_code == 200
    assert len(full.asked) == 1
