"""A record store of each kind with its clock: for the suites that hold them to one contract."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apsw
import orjson
import pytest

from core.adapters.aws import event_index
from core.adapters.aws import table as definition
from core.adapters.aws.event_shards import EventShards
from core.adapters.aws.index_check import IndexCheck
from core.adapters.aws.photo_owners import PhotoOwners
from core.adapters.aws.records import DynamoRecords
from core.adapters.aws.sharding import Sharding
from core.adapters.embedded.records import SqliteRecords
from core.domain.records import KEY_ATTRIBUTES
from core.flow.retry import Retry
from core.ports import ValidationRecords
from core.services import live_events
from tests.support.clock import FakeClock
from tests.support.dynamodb import (
    create_state_table,
    create_table,
    made,
    put_item,
    require_index_over,
    wait_until_active,
)
from tests.support.records import a_foreign_item
from tests.support.servers import fresh_name

#: Between two checks of an event index.
CHECKED_EVERY = timedelta(minutes=30)
#: Generous: a loaded machine must not make a race fail.
PATIENT = Retry(deadline=120, call_timeout=4)


@dataclass
class Bench:
    """A store, its clock, and ``put``, which writes an item past the store, as another service does."""

    records: ValidationRecords
    clock: FakeClock
    put: Callable[[dict[str, Any]], None]
    #: What of another service's record keeps the store from falling back to scans.
    indexed: Mapping[str, Any] = field(default_factory=dict)

    def foreign(self, **changes: Any) -> None:
        """Another service's record, in the index where the store has one."""
        self.put(a_foreign_item(**self.indexed, **changes))


class UnheardClient:
    """A part of a client that a test plays: it tells nobody of its events."""

    meta = SimpleNamespace(events=SimpleNamespace(register=lambda *_args, **_more: None))


def sqlite_bench(folder: Path) -> Bench:
    path, clock = folder / "facedesk.db", FakeClock()

    def put(item: dict[str, Any]) -> None:
        connection = apsw.Connection(str(path))
        connection.execute("INSERT INTO faceVerifications (item) VALUES (?)", (orjson.dumps(item).decode(),))
        connection.close()

    return Bench(SqliteRecords(path, clock), clock, put)


def dynamodb_bench(
    client: Any, *, event_index: bool = True, state_table: str | None = None, shards: EventShards | None = None
) -> Bench:
    """With ``state_table``, whose photos are whose is noted in it."""
    table, clock = create_table(client) if event_index else table_without_index(client), FakeClock()
    owners = PhotoOwners(client, state_table, PATIENT, clock) if state_table else None
    store = DynamoRecords(client, table, PATIENT, clock, clock.elapsed, owners=owners, shards=shards)
    indexed = {"eventId": "event-1"} if event_index else {}
    return Bench(store, clock, lambda item: put_item(client, table, item), indexed)


#: The ways to read an event: each store, DynamoDB by the index and by scans.
EVENT_WAYS = [
    "sqlite",
    "moto_dynamodb scan",
    "moto_dynamodb index",
    "dynamodb scan",
    "dynamodb index",
]
#: As ``EVENT_WAYS``, and ``event-1`` by its shards in the index.
EVENT_WAYS_AND_SHARDS = [*EVENT_WAYS, "dynamodb shards"]


def event_bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A fixture's bench, by one of ``EVENT_WAYS_AND_SHARDS`` as its parameter."""
    name, _, way = request.param.partition(" ")
    if name == "sqlite":
        bench = sqlite_bench(tmp_path)
        yield bench
        bench.records.close()
    else:
        client = request.getfixturevalue(name)
        with sharded(client, "event-1") if way == "shards" else nullcontext() as shards:
            yield dynamodb_bench(client, event_index=way != "scan", shards=shards)
        wait_for_checks()


@contextmanager
def sharded(client: Any, event_id: str, count: int = 3) -> Iterator[EventShards]:
    """Shards of events, of which this one has some."""
    state_table, clock = create_state_table(client), FakeClock()
    Sharding(client, state_table, PATIENT, clock, wait=lambda seconds: None).set(event_id, count, lambda text: None)
    shards = EventShards(client, state_table, clock)
    yield shards
    shards.close()


def table_without_index(client: Any) -> str:
    """Make a table of keys alone, as another service made it, and return its name, a fresh one."""
    whole = definition.create_table(fresh_name("face-verifications"))
    keys = {name: whole[name] for name in ("TableName", "BillingMode", "KeySchema")}
    return made(client, **keys, AttributeDefinitions=definition.attribute_definitions(*KEY_ATTRIBUTES))


def add_index(client: Any, table: str) -> None:
    require_index_over(client, table)
    client.update_table(
        TableName=table,
        AttributeDefinitions=definition.create_table(table)["AttributeDefinitions"],
        GlobalSecondaryIndexUpdates=[{"Create": definition.event_index()}],
    )
    wait_until_active(client, table)


def index_check(
    client: Any, table: str, clock: FakeClock, state_table: str | None = None, *, followed: bool = False
) -> IndexCheck:
    """The check of the table's event index, every half hour, with its own table of state if none is given."""
    state_table = state_table or create_state_table(client)
    name = fresh_name("instance")
    return IndexCheck(client, table, state_table, name, CHECKED_EVERY, clock, clock.elapsed, followed=followed)


def drop_index(client: Any, table: str) -> None:
    client.update_table(
        TableName=table, GlobalSecondaryIndexUpdates=[{"Delete": {"IndexName": definition.EVENT_INDEX}}]
    )
    wait_until_active(client, table)


def wait_for_checks() -> None:
    """Returns when no look at an event index, and no check of one, runs in the background any more."""
    _wait_for_threads(event_index.THREAD_NAME)


def wait_for_rereading() -> None:
    """Returns when no event is read as a whole in the background any more."""
    _wait_for_threads(live_events.THREAD_NAME)


def _wait_for_threads(name: str) -> None:
    for thread in threading.enumerate():
        if thread.name == name:
            thread.join(timeout=60)
