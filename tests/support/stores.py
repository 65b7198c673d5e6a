"""A record store of each kind with its clock: for the suites that hold them to one contract."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import orjson

from core.ports import ValidationRecords
from core.retry import Retry
from core.stores.dynamodb import DynamoRecords
from core.stores.sqlite import SqliteRecords
from tests.support.clock import FakeClock
from tests.support.dynamodb import create_table, put_item
from tests.support.records import a_foreign_item

#: Generous: a loaded machine must not make a race fail.
PATIENT = Retry(deadline=120, call_timeout=4)


@dataclass
class Bench:
    """A store, its clock, and ``put``, which writes an item past the store, as another service does."""

    records: ValidationRecords
    clock: FakeClock
    put: Callable[[dict[str, Any]], None]
    #: True where the store knows records by their top-level ``eventId`` alone.
    event_index: bool = False

    def foreign(self, **changes: Any) -> None:
        """Another service's record, with the top-level ``eventId`` where the store cannot do without."""
        own = {"eventId": "event-1"} if self.event_index else {}
        self.put(a_foreign_item(**own, **changes))


def sqlite_bench(folder: Path) -> Bench:
    path, clock = folder / "facedesk.db", FakeClock()

    def put(item: dict[str, Any]) -> None:
        connection = apsw.Connection(str(path))
        connection.execute("INSERT INTO faceVerifications (item) VALUES (?)", (orjson.dumps(item).decode(),))
        connection.close()

    return Bench(SqliteRecords(path, clock), clock, put)


def dynamodb_bench(client: Any, *, event_index: bool = False) -> Bench:
    table, clock = create_table(client), FakeClock()
    store = DynamoRecords(client, table, PATIENT, clock, event_index=event_index)
    return Bench(store, clock, lambda item: put_item(client, table, item), event_index)
