"""The same work by Facedesk's own code, as the pages and the API do it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks import data
from benchmarks.alternatives import REGION
from core.adapters.embedded.records import SqliteRecords
from core.domain.clock import Clock, elapsed, utc_now
from core.domain.records import isoformat
from core.flow.retry import Retry
from core.services import live_events
from core.services.export import as_csv, as_parquet
from core.services.live_events import LiveRecords
from core.services.tables import RECORD_EXPORT, Table

ROOT = Path(__file__).parents[1]
Work = Callable[[], int]


def store(url: str, table: str, clock: Clock = utc_now) -> Any:
    from core.adapters.aws import clients  # not before it is needed: it is in nobody's memory who reads a file
    from core.adapters.aws.records import DynamoRecords

    os.environ |= {"AWS_ENDPOINT_URL_DYNAMODB": url, "AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    client = clients.client("dynamodb", REGION)
    records = DynamoRecords(client, table, Retry(60, clients.CALL_TIMEOUT_SECONDS), clock)
    records.event_frame("no event")  # whether there is an index is asked once a process
    return records


def event_frame(url: str, table: str, event_id: str) -> Work:
    records = store(url, table)
    return lambda: len(records.event_frame(event_id))


def history(url: str, table: str, user_id: str, calls: int) -> Work:
    records = store(url, table)
    records.history(user_id)
    return lambda: sum(len(records.history(user_id)) for _ in range(calls))


def refresh(url: str, table: str, event_id: str, new: int) -> Work:
    """Of an event in memory, after ``new`` records came from elsewhere."""
    moved = _MovedClock()
    kept = LiveRecords(store(url, table, moved), moved, moved.elapsed)
    known = len(kept.event_frame(event_id))
    from core.adapters.aws import clients

    client = clients.client("dynamodb", REGION)
    for item in _new_items(new):
        client.put_item(TableName=table, Item=data.in_the_apis_form(item))
    return _counting_new(kept, event_id, known, moved)


def read_embedded(database: str, event_id: str) -> Work:
    records = SqliteRecords(Path(database), utc_now)
    records.event_frame("no event")
    return lambda: len(records.event_frame(event_id))


def refresh_embedded(database: str, event_id: str, new: int) -> Work:
    moved = _MovedClock()
    kept = LiveRecords(SqliteRecords(Path(database), moved), moved, moved.elapsed)
    known = len(kept.event_frame(event_id))
    data.add(Path(database), _new_items(new))
    return _counting_new(kept, event_id, known, moved)


def csv(database: str, event_id: str, target: str) -> Work:
    records = SqliteRecords(Path(database), utc_now)

    def work() -> int:
        lines = 0
        with Path(target).open("wb") as out:
            for part in as_csv(Table(RECORD_EXPORT, records.event_batches(event_id))):
                out.write(part)
                lines += part.count(b"\n")
        return lines - 1  # the first has the names

    return work


def parquet(database: str, event_id: str, target: str) -> Work:
    from pyarrow.parquet import read_metadata

    records = SqliteRecords(Path(database), utc_now)

    def work() -> int:
        with Path(target).open("wb") as out:
            out.writelines(as_parquet(Table(RECORD_EXPORT, records.event_batches(event_id))))
        return int(read_metadata(target).num_rows)

    return work


def page(folder: str, name: str, warm: bool) -> Work:
    """A page's script; warm: run before, in the same session."""
    app = _app(folder)
    page_file = str(ROOT / "pages" / f"{name}.py")
    if warm:
        app.switch_page(page_file).run()
        app.run()
    else:
        app.switch_page(page_file)

    def work() -> int:
        app.run()
        assert not app.exception, app.exception
        return max(len(chart.proto.spec) for chart in app.get("plotly_chart"))

    return work


def page_as_before(folder: str, name: str) -> Work:
    """The same rerun with nothing kept: the page with a cold cache."""
    work = page(folder, name, warm=True)

    def cold() -> int:
        import streamlit as st

        from dashboard.services import shared

        shared.clear()
        st.cache_resource.clear()
        shared()
        return work()

    return cold


def _app(folder: str) -> Any:
    os.environ["FACEDESK_DATA_DIR"] = folder
    import streamlit as st
    from streamlit.testing.v1 import AppTest

    # It gives a mock where a browser's address would be.
    type(st.context).ip_address = None  # type: ignore[method-assign, assignment]
    app = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=300)
    app.run()
    return app


class _MovedClock:
    """The time, which a benchmark can move on instead of waiting."""

    def __init__(self) -> None:
        self.by = timedelta(0)

    def __call__(self) -> datetime:
        return utc_now() + self.by

    def elapsed(self) -> timedelta:
        return elapsed() + self.by


def _new_items(count: int) -> Iterator[dict[str, Any]]:
    """Records that nobody has yet, from now."""
    now = utc_now()
    made = data.items(count, now, first=2 * 10**8 + int(now.timestamp()) % 10**6 * 1000)
    return ({**item, "timestamp": isoformat(now), "updatedAt": isoformat(now)} for item in made)


def _counting_new(kept: LiveRecords, event_id: str, known: int, moved: _MovedClock) -> Work:
    # Reading it took a while: so long it counts as fresh.
    moved.by = live_events.STALE - timedelta(seconds=1)
    return lambda: len(kept.event_frame(event_id)) - known
