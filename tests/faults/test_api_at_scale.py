"""The API with many clients at once, and with an event of a million records."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import apsw
import httpx
import orjson
import pytest

from benchmarks import api
from core.adapters.embedded.records import SqliteRecords
from core.domain.clock import utc_now
from core.domain.records import isoformat
from tests.support.records import a_foreign_item

pytestmark = pytest.mark.faults

RECORDS = 1_000_000
#: Records of an event that is large enough for an export to fill all of its buffers, which later exports use again.
ORDINARY = 50_000
#: Megabytes that a server may grow by while it streams the large event after the ordinary one. The large event's
#: lines alone are more than 150 MB, so an export that holds them is caught.
GROWTH = 64


def test_many_clients_get_answers_or_are_asked_to_wait_and_nothing_acknowledged_is_lost(tmp_path: Path) -> None:
    load, missing = asyncio.run(api.run(tmp_path, clients=50, seconds=15))
    given = {status for kind in load.statuses.values() for status in kind}
    assert given <= {"200", "404", "503"}  # 404: most clients ask for people, and some of these never tried
    assert load.acknowledged
    assert missing == 0
    assert set(load.statuses["page"]) == {"200"}


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder with an event of a million records, and an ordinary one."""
    folder = tmp_path_factory.mktemp("large")
    SqliteRecords(folder / "facedesk.sqlite3", utc_now).close()
    now = utc_now()

    def items() -> Iterator[tuple[str]]:
        for number in range(RECORDS + ORDINARY):
            event = "event-large" if number < RECORDS else "event-ordinary"
            ids = {"userId": f"user-{number}", "registrationId": f"reg-{number}", "eventId": event}
            moment = isoformat(now - timedelta(seconds=number % 86_400))
            item = a_foreign_item(**ids, timestamp=moment, expiresAt=int(now.timestamp()) + 86_400)
            yield (orjson.dumps(item).decode(),)

    connection = apsw.Connection(str(folder / "facedesk.sqlite3"))
    connection.execute("PRAGMA synchronous=OFF")
    with connection:
        connection.executemany("INSERT INTO faceVerifications (item) VALUES (?)", items())
    connection.close()
    return folder


@pytest.mark.parametrize("coding", ["identity", "gzip"])
def test_a_million_records_stream_without_filling_the_memory(large: Path, coding: str) -> None:
    async def stream() -> tuple[int, int, float]:
        async with api.serving(large) as (address, process), httpx.AsyncClient(timeout=60) as http:
            exports = f"{address}/api/exports/events"
            (await http.get(f"{exports}/event-ordinary/records.csv")).raise_for_status()
            before = most = api.resident_megabytes(process)
            lines, size, unpack = 0, 0, zlib.decompressobj(zlib.MAX_WBITS | 16)
            asked = http.stream("GET", f"{exports}/event-large/records.csv", headers={"Accept-Encoding": coding})
            async with asked as answer:
                assert answer.headers.get("content-encoding", "identity") == coding
                async for part in answer.aiter_raw(1 << 20):
                    plain = unpack.decompress(part) if coding == "gzip" else part
                    lines += plain.count(b"\n")
                    size += len(plain)
                    most = max(most, api.resident_megabytes(process))
            return lines, size, most - before

    lines, size, growth = asyncio.run(stream())
    assert lines == RECORDS + 1
    assert size > 2 * GROWTH * 1_000_000
    assert growth < GROWTH
