"""All events: reading the figures of 30 events, having them again, after something is new, and after a restart.

The embedded backend, with events of 5 to 100,000 people. The figures are compared with a count of its own over the
stored documents. Run as ``python -m benchmarks.all_events``.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import orjson

from benchmarks import data
from benchmarks.results import publish, table
from core.adapters.embedded.profiles import SqliteProfiles
from core.adapters.embedded.registrations import SqliteRegistrations
from core.domain.clock import utc_now
from core.domain.event_summaries import EventLine
from core.domain.profiles import EventProfile
from core.domain.records import Outcome, Registration, Status
from core.files.disk import DATABASE
from core.runtime.bootstrap import build
from core.runtime.services import Services
from core.services.live_events import FRESH
from core.settings import Settings

EVENTS, SMALLEST, LARGEST = 30, 5, 100_000
#: New attempts for each refresh, spread over all events.
NEW = 300
DAY = timedelta(days=1)
#: Seconds by the clock, and of the processor: the latter do not grow with what else the machine does.
Took = tuple[float, float]
#: What is counted of an event: registered, passed, waiting, failed, never tried, expiring, the oldest waiting case.
Figures = tuple[int, int, int, int, int, int, datetime | None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--largest", type=int, default=LARGEST)
    given = parser.parse_args()
    sizes = [round(SMALLEST * (given.largest / SMALLEST) ** (number / (EVENTS - 1))) for number in range(EVENTS)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / DATABASE
        services = build(Settings(data_dir=Path(folder), _env_file=None))
        try:
            fill(path, sizes)
            seconds = {"first look": [looked(services, path)]}
            seconds["another look"] = [looked(services, path) for _ in range(given.runs)]
            for those in (sizes[:3], sizes):
                name = f"a look after {NEW * len(those) // len(sizes):,} new attempts in {len(those)} events"
                seconds[name] = []
                for run in range(given.runs):
                    attempts(services, those, run)
                    # Nothing is asked of the store before.
                    time.sleep(FRESH.total_seconds())
                    seconds[name].append(looked(services, path))
        finally:
            services.close()
        name = "after a restart, figures of before"
        seconds[name] = [of_before(Path(folder)) for _ in range(given.runs)]
    publish("All events", body(sizes, seconds))


def body(sizes: list[int], seconds: dict[str, list[Took]]) -> str:
    rows = [
        [name, *(f"{said:.3f}" for each in zip(*times, strict=True) for said in (statistics.median(each), max(each)))]
        for name, times in seconds.items()
    ]
    return f"""
{len(sizes)} events of {sizes[0]:,} to {sizes[-1]:,} people, {sum(sizes):,} in all, in the embedded database: all
figures of all events. Each time they equal those of a count of its own over the stored documents. Figures of before
are shown with their age until events have been read: all events must have some.

{table(["", "median, s", "longest, s", "of the processor: median, s", "longest, s"], rows)}
"""


def fill(path: Path, sizes: list[int]) -> None:
    now = utc_now()
    store, profiles, first = SqliteRegistrations(path), SqliteProfiles(path), 0
    for number, size in enumerate(sizes):
        event_id = f"event-{number:02}"
        store.import_many(
            Registration(registration_id=f"registration-{each:08}", user_id=f"user-{each:08}", event_id=event_id)
            for each in range(first, first + size)
        )
        # Most people have tried; some who have are registered no more.
        data.add(path, records(event_id, first + size // 10, size - size // 20, now))
        if number % 5:
            starts = now + (number * 2 - 10) * DAY
            profiles.save(EventProfile(event_id=event_id, name=f"Event number {number}", starts_at=starts, version=1))
        first += size + size // 10
    store.close()
    profiles.close()


def records(event_id: str, first: int, count: int, now: datetime) -> Iterator[dict[str, Any]]:
    """Records of other services, too: some have expired, and some expire within days."""
    for number, item in enumerate(data.items(count, now, first)):
        days = (30, 30, 5, -1)[number % 4]
        yield item | {
            "eventId": event_id,
            "metadata": {**item["metadata"], "eventId": event_id},
            "expiresAt": int((now + days * DAY).timestamp()),
        }


def attempts(services: Services, sizes: list[int], run: int) -> None:
    first = 0
    for number, size in enumerate(sizes):
        for each in range(NEW // EVENTS):
            who = first + each * 7 % size
            services.records.record_attempt(
                Outcome(
                    attempt_id=f"attempt-{run}-{who}",
                    user_id=f"user-{who:08}",
                    registration_id=f"registration-{who:08}",
                    event_id=f"event-{number:02}",
                    timestamp=utc_now(),
                    status=list(Status)[(each + run) % 3],
                    face_image_key="face-images/new.jpg",
                ),
                30 * DAY,
            )
        first += size + size // 10


def looked(services: Services, path: Path) -> Took:
    """What all figures took. Raises ``AssertionError`` if one is wrong."""
    began, worked = time.perf_counter(), time.process_time()
    lines = services.event_summaries.all(patience=None)
    took = time.perf_counter() - began, time.process_time() - worked
    assert {line.profile.event_id: figures(line) for line in lines} == recount(path, lines)
    return took


def of_before(folder: Path) -> Took:
    """What figures took that a process has before it reads an event. Raises ``AssertionError`` if one is lacking."""
    services = build(Settings(data_dir=folder, _env_file=None))
    try:
        began, worked = time.perf_counter(), time.process_time()
        lines = services.event_summaries.all(patience=timedelta(0))
        took = time.perf_counter() - began, time.process_time() - worked
        assert all(line.summary for line in lines)
        return took
    finally:
        services.close()


def figures(line: EventLine) -> Figures:
    assert line.summary
    ready = line.summary.readiness
    counts = (ready.registered, ready.passed, ready.waiting, ready.failed, ready.never_tried)
    return *counts, line.summary.expiring, line.summary.oldest_waiting


def recount(path: Path, lines: list[EventLine]) -> dict[str, Figures]:
    """The same from the stored documents, one after the other."""
    connection = apsw.Connection(str(path))
    now = utc_now().timestamp()
    registered = defaultdict[str, set[tuple[str, str]]](set)
    for event_id, user, registration in connection.execute(
        "SELECT event_id, user_id, registration_id FROM registrations"
    ):
        registered[event_id].add((user, registration))
    starts = {line.profile.event_id: line.profile.starts_at for line in lines}
    by_status = defaultdict[str, Counter[str]](Counter)
    expiring, oldest = Counter[str](), dict[str, datetime]()
    for (document,) in connection.execute("SELECT item FROM faceVerifications"):
        item = orjson.loads(document)
        event_id, status = item["eventId"], item["validationStatus"]
        if item["expiresAt"] <= now:
            continue
        if status == "pending":
            since = datetime.fromisoformat(item["timestamp"]).astimezone(UTC)
            oldest[event_id] = min(since, oldest.get(event_id, since))
        if (item["userId"], item["registrationId"]) in registered[event_id]:
            by_status[event_id][status] += 1
            start = starts[event_id]
            expiring[event_id] += start is not None and item["expiresAt"] < start.timestamp()
    connection.close()
    return {
        event_id: (
            len(people),
            by_status[event_id]["success"],
            by_status[event_id]["pending"],
            by_status[event_id]["failed"],
            len(people) - by_status[event_id].total(),
            expiring[event_id],
            oldest.get(event_id),
        )
        for event_id, people in registered.items()
    }


if __name__ == "__main__":
    main()
