"""How long validations take beside pages of events, and beside a check of the event index that goes on meanwhile.

Facedesk on a local DynamoDB server with a table of many records; the other stores are embedded, and the face engine
is a stub that takes 100 ms a call. People at kiosks validate all the time. Alone, with pages open, and with pages
open while the table is searched for records that the index lacks: these take turns, so that the machine's other work
weighs on all of them. Run as ``python -m benchmarks.index_check``.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

from benchmarks import data
from benchmarks.api import REGISTRATIONS, StubEngine, prepared
from benchmarks.results import publish, table
from core.adapters.aws import table as definition
from core.adapters.aws.clients import CALL_TIMEOUT_SECONDS
from core.adapters.aws.index_check import IndexCheck
from core.adapters.aws.records import DynamoRecords
from core.domain.clock import utc_now
from core.domain.records import Source
from core.flow.retry import Retry
from core.runtime import backends
from core.runtime.bootstrap import assemble
from core.runtime.services import Services
from core.services.validation import Submitter
from core.settings import Settings
from tests.support.desk import REFERENCE_KEY
from tests.support.duplicates import ChosenSearch
from tests.support.dynamodb import client_of
from tests.support.portraits import as_jpeg, astronaut
from tests.support.servers import fresh_name

#: Records in the table, and the seconds that each page of them takes longer for the check: it goes on for minutes.
#: The local server works on one call at a time, so an undelayed check would show how fast that server is.
RECORDS, PAGE_SECONDS = 20_000, 1.0
KIOSKS = 4
#: Pages that are open, each of an event of its own, and the seconds between two reads of a page.
PAGES, PAGE_EVERY = 16, 5.0
RECORDS_A_PAGE = 200
KIOSK = Submitter(Source.API)
ALONE, WITHOUT = "alone", f"beside {PAGES} event reads"


@dataclass
class Measured:
    validations: list[float] = field(default_factory=list)
    reads: list[float] = field(default_factory=list)


def services_on(url: str, folder: Path, *, checked: bool) -> Services:
    """Whose event index has never been checked, if it is ``checked`` at all."""
    settings = Settings(data_dir=folder, _env_file=None)
    adapters, stub = backends.embedded(settings, utc_now), StubEngine()
    adapters.engine.close()
    adapters.records.close()
    check = None
    if checked:
        state, client = fresh_name("state"), client_of(url)
        client.create_table(**definition.create_state_table(state))
        client.meta.events.register("before-send.dynamodb.Scan", lambda **_: time.sleep(PAGE_SECONDS))
        check = IndexCheck(client, data.TABLE, state, "this process", timedelta(minutes=30), utc_now)
    records = DynamoRecords(client_of(url), data.TABLE, Retry(20, CALL_TIMEOUT_SECONDS), utc_now, index_check=check)
    search = ChosenSearch()
    parts = replace(adapters, records=records, engine=stub, batch_engine=stub, templating=None, face_search=search)
    return assemble(settings, parts)


def validate(services: Services, number: int) -> None:
    person = f"sample-{1 + number % REGISTRATIONS:04}"
    services.validation.validate_stored(person, REFERENCE_KEY, uuid4().hex, KIOSK)


def measure(services: Services, seconds: float, pages: int, found: Measured) -> None:
    until, numbers = time.monotonic() + seconds, itertools.count()

    def timed(work: Callable[[], Any], into: list[float]) -> None:
        began = time.perf_counter()
        work()
        into.append(1000 * (time.perf_counter() - began))

    def kiosk(_: int) -> None:
        while time.monotonic() < until:
            timed(lambda: validate(services, next(numbers)), found.validations)

    def page(number: int) -> None:
        while time.monotonic() < until:
            timed(lambda: services.records.event_frame(f"page-{number}"), found.reads)
            time.sleep(PAGE_EVERY)

    with ThreadPoolExecutor(KIOSKS + PAGES) as threads:
        tasks = [threads.submit(page, number) for number in range(pages)]
        tasks += [threads.submit(kiosk, number) for number in range(KIOSKS)]
    for task in tasks:
        task.result()


def fill(url: str) -> None:
    """The events of the pages."""
    client = client_of(url)
    for number in range(PAGES):
        made = list(data.items(RECORDS_A_PAGE, utc_now(), first=10**6 * (number + 1)))
        for start in range(0, len(made), 25):
            items = [{**item, "eventId": f"page-{number}"} for item in made[start : start + 25]]
            puts = [{"PutRequest": {"Item": data.in_the_apis_form(item)}} for item in items]
            client.batch_write_item(RequestItems={data.TABLE: puts})
    client.close()


def p95(times: list[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description="Validations beside a check of the event index.")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each (default: 5)")
    parser.add_argument("--seconds", type=float, default=10, help="length of a turn (default: 10)")
    given = parser.parse_args()
    ways = {
        ALONE: (False, 0),
        WITHOUT: (False, PAGES),
        f"beside {PAGES} event reads, and a check": (True, PAGES),
    }
    found: dict[str, Measured] = defaultdict(Measured)
    with tempfile.TemporaryDirectory() as folder:
        desk, tables = Path(folder) / "desk", Path(folder) / "tables"
        tables.mkdir()
        prepared(desk, as_jpeg(astronaut()))
        with data.dynamodb(tables, RECORDS) as (url, _):
            fill(url)
            for _ in range(given.rounds):
                for name, (checked, pages) in ways.items():
                    with closing(services_on(url, desk, checked=checked)) as services:
                        measure(services, given.seconds, pages, found[name])
                        said = services.records.event_notice() or ""
                        if checked and "A check is under way" not in said:
                            raise SystemExit(f"The check did not go on all the time: {said}")
    without = p95(found[WITHOUT].validations)
    rows = []
    for name, measured in found.items():
        times = measured.validations
        figures = [len(times), statistics.median(times), p95(times), max(times)]
        read = f"{p95(measured.reads):,.0f}" if measured.reads else ""
        rows.append([name, *(f"{each:,.0f}" for each in figures), f"{p95(times) / without:.2f}", read])
    head = ["", "validations", "median, ms", "p95, ms", "longest, ms", "p95, ratio", "event read: p95, ms"]
    publish(
        "Validations beside a check of the event index",
        f"{KIOSKS} kiosks that validate all the time, each call of the face engine 100 ms; a table of {RECORDS:,} "
        f"records on a local DynamoDB server, which shares the machine's cores. {PAGES} pages of events of "
        f"{RECORDS_A_PAGE} records are read at once every {PAGE_EVERY:g} s. Each page of the check takes "
        f"{PAGE_SECONDS:g} s, and no check has ended before. "
        f"{given.rounds} turns of {given.seconds:g} s each:\n\n{table(head, rows)}",
    )


if __name__ == "__main__":
    main()
