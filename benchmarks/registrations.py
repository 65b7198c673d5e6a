"""Reading a large event's registrations: what a page waits for, all of them, and what is new of them.

Compared with one read of the whole event in one call, as it was before there were pages. The server is
``benchmarks.mongodb``. Run as ``python -m benchmarks.registrations``.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pymongo
from pydantic import SecretStr

from benchmarks import mongodb
from benchmarks.measure import Cost, cost
from benchmarks.results import publish, table
from core.adapters.aws.mongodb import connect
from core.adapters.aws.registrations import DEFAULT_FIELDS, MongoRegistrations
from core.domain.columns import REGISTRATION_DTYPES
from core.domain.frames import registration_frame
from core.services import live_registrations
from core.services.live_registrations import LiveRegistrations

NEW = 100
#: The deadline of a call, as ``STORE_DEADLINE_SECONDS`` has it; the read in one call gets more, to measure it.
DEADLINE, LONG = 8.0, 240.0
#: Seconds between two looks at the clock of the thread that stands for a page.
TICK = 0.002
#: As ``Calls`` has it, and how long ``being_read`` waits.
CALL_SECONDS, PATIENCE = 0.375 * DEADLINE, f"{live_registrations.PATIENCE.total_seconds():g} s"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--registrations", type=int, default=300_000)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    with mongodb.serving(given.registrations) as (uri, server):
        ours = "benchmarks.registrations:"
        first = cost(f"{ours}first_answer", given.runs, uri=uri)
        whole = cost(f"{ours}whole", given.runs, server=server, uri=uri)
        refresh = cost(f"{ours}refresh", given.runs, uri=uri, new=NEW)
        before = cost(f"{ours}in_one_call", given.runs, server=server, uri=uri)
        pauses = [
            cost(f"{ours}longest_pause", given.runs, uri=uri, way=way).counted for way in ("whole", "in_one_call")
        ]
    assert whole.counted == given.registrations, whole
    publish("Registrations from MongoDB", body(given.registrations, first, whole, refresh, before, pauses))


def body(count: int, first: Cost, whole: Cost, refresh: Cost, before: Cost, pauses: list[float]) -> str:
    waited = {
        f"the first answer: how many have been read, {first.counted:,.0f} in {PATIENCE}, of how many": first,
        "all registrations": whole,
        f"what is new, after {NEW} registrations were added": refresh,
    }
    reads = {"by pages, to be kept": (whole, pauses[0]), "in one call, without a deadline": (before, pauses[1])}
    head = ["all registrations", "s", "of the processor: client", "server", "peak, MB", "longest pause, ms"]
    rows = [
        [name, f"{read.wall:.1f}", f"{read.cpu:.1f}", f"{read.server:.1f}", f"{read.peak:.0f}", f"{pause:.0f}"]
        for name, (read, pause) in reads.items()
    ]
    return f"""
{count:,} registrations of one event. The server is `benchmarks.mongodb`, which has them in the order of an index and
answers each call after {1000 * mongodb.PAUSE:.0f} ms: MongoDB itself does not run here, and the servers of the tests
sort the whole event for each page (SecantusDB with 20,000 documents: 1.2 s a page). A call has {CALL_SECONDS:g} s: in
the application a read in one call that takes longer fails.

{table(["what is waited for", "s"], [[name, f"{took.wall:.2f}"] for name, took in waited.items()])}

{table(head, rows)}

The longest pause is that of another thread of the process, which wants to run every {1000 * TICK:.0f} ms.
"""


def first_answer(uri: str) -> Callable[[], int]:
    live = _live(uri)

    def work() -> int:
        so_far = live.being_read(mongodb.EVENT)
        return so_far.read if so_far else 0

    return work


def whole(uri: str) -> Callable[[], int]:
    live = _live(uri)
    return lambda: len(live.event_frame(mongodb.EVENT))


def refresh(uri: str, new: int) -> Callable[[], int]:
    live = _live(uri)
    known = len(live.event_frame(mongodb.EVENT))
    added = [mongodb.document(10**9 + known + each, datetime.now(UTC)) for each in range(new)]
    with pymongo.MongoClient[dict[str, Any]](uri) as client:
        client["events"]["registrations"].insert_many(added)
    time.sleep(live_registrations.FRESH.total_seconds())
    live_registrations.PATIENCE *= 100  # the refresh is waited for to its end

    def work() -> int:
        found = len(live.event_frame(mongodb.EVENT)) - known
        assert found == new, found
        return found

    return work


def in_one_call(uri: str) -> Callable[[], int]:
    """As it was: all documents in one call, a model for each, and a frame of them."""
    registrations = _registrations(uri, LONG)

    def work() -> int:
        found = registrations._usable(registrations._with("eventId", mongodb.EVENT))
        found.sort(key=lambda registration: registration.registration_id)
        rows = [registration.to_dict() for registration in found]
        return len(registration_frame({name: [row.get(name) for row in rows] for name in REGISTRATION_DTYPES}))

    return work


def longest_pause(uri: str, way: str) -> Callable[[], float]:
    """The longest time, in milliseconds, for which another thread did not get to run."""
    work = {"whole": whole, "in_one_call": in_one_call}[way](uri)

    def measured() -> float:
        ended, longest = threading.Event(), [0.0]

        def tick() -> None:
            seen = time.perf_counter()
            while not ended.wait(TICK):
                now = time.perf_counter()
                longest[0] = max(longest[0], now - seen)
                seen = now

        page = threading.Thread(target=tick)
        page.start()
        work()
        ended.set()
        page.join()
        return 1000 * longest[0]

    return measured


def _live(uri: str) -> LiveRegistrations:
    registrations = _registrations(uri, DEADLINE)
    return LiveRegistrations(registrations, registrations.pages)


def _registrations(uri: str, deadline: float) -> MongoRegistrations:
    database = connect(SecretStr(uri), deadline)["events"]
    return MongoRegistrations(database["registrations"], DEFAULT_FIELDS, deadline)


if __name__ == "__main__":
    main()
