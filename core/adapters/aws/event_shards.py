"""Events whose records are spread over several keys of the event index, because one key takes too few writes.

DynamoDB gives each key of the index about 1,000 write units a second. Of a sharded event Facedesk writes a record
under the key of a shard (``core.adapters.aws.event_keys``), which follows from its registration. A record that is in
a shard stays there. Those that were written before, and those of other services, are under the event's own key, and
go over to their shards when Facedesk writes them.

An item of the state table says which shards of an event are read and which are written: first every process learns
to read them, and only then they are written (``core.adapters.aws.sharding``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from zlib import crc32

from core.adapters.aws.clients import CALL_TIMEOUT_SECONDS
from core.adapters.aws.event_keys import is_shard_of, shard_key
from core.adapters.aws.items import Item
from core.adapters.aws.state_table import StateTable
from core.adapters.aws.table import EVENT_INDEX
from core.domain.clock import Clock, Stopwatch, elapsed
from core.domain.errors import NotConfigured, Service, ServiceError, Throttled, Unavailable
from core.domain.records import ValidationRecord
from core.flow.refreshed import Refreshed
from core.flow.retry import Retry

SERVICE = Service.RECORDS
#: Time between two readings of all sharded events.
READ_EVERY = timedelta(seconds=15)
#: For how long events are read although it cannot be learned which are sharded.
GOOD_FOR = timedelta(minutes=2)
#: The part of the state table, in which a single query finds all.
PART = "event-shards"
EVENT, READ, WRITTEN = "eventId", "read", "written"
#: DynamoDB's reason for a write that it throttled because the record's key in an index takes no more.
KEY_IS_FULL = "IndexWriteKeyRangeThroughputExceeded"

#: Readers of events, and people whose photos are validated, wait for the first reading.
_RETRY = Retry(2 * CALL_TIMEOUT_SECONDS, CALL_TIMEOUT_SECONDS)


@dataclass(frozen=True)
class Shards:
    """How many shards of an event are read, and how many are written: as many, or fewer."""

    read: int = 0
    written: int = 0


class EventShards:
    """The shards of events, as the state table had them at most ``GOOD_FOR`` ago; kept in memory, so asking costs
    nothing. Without a state table no event is sharded.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        clock: Clock,
        stopwatch: Stopwatch = elapsed,
        *,
        spread: Callable[[str], None] | None = None,
    ) -> None:
        """``spread`` is called with an event whose key takes no more writes, and returns at once."""
        self._state = StateTable(client, table, _RETRY, clock, SERVICE)
        self._spread = spread
        self._all = Refreshed(self._read, service=SERVICE, every=READ_EVERY, good_for=GOOD_FOR, stopwatch=stopwatch)

    def of(self, event_id: str) -> Sequence[str]:
        """The keys under which the event's records may be, besides its own. Raises ``ServiceError`` if they are not
        known.
        """
        return [shard_key(event_id, number) for number in range(self._all().get(event_id, Shards()).read)]

    def place(self, record: ValidationRecord, stored: Item) -> Item:
        """What must be set in the item ``stored`` besides so that the record is written to its shard; empty if it
        needs none, or if the shards are not known: under the event's own key a record is always found.
        """
        event = _known_event(record)
        if event is None:
            return {}
        try:
            shards = self._all().get(event, Shards())
        except ServiceError:
            return {}
        if not shards.written or is_shard_of(stored.get(EVENT, {}).get("S", ""), event):
            return {}
        return {EVENT: {"S": key_in(event, record.registration_id, shards.written)}}

    def refused(self, record: ValidationRecord, error: Unavailable) -> None:
        """Has the record's event spread over more keys if ``error`` says that it was not written for want of them."""
        event = _known_event(record)
        if self._spread and event and isinstance(error, Throttled) and any(map(_is_of_key, error.reasons)):
            self._spread(event)

    def close(self) -> None:
        self._all.close()
        self._state.close()

    def _read(self) -> Mapping[str, Shards]:
        try:
            return {item[EVENT]["S"]: shards_of(item) for item in self._state.items(PART)}
        except NotConfigured:
            return {}


def _is_of_key(reason: tuple[str, str]) -> bool:
    """Whether it says that a key of the event index takes no more; others may have indexes of their own."""
    why, of = reason
    return why == KEY_IS_FULL and (not of or of.endswith(f"/index/{EVENT_INDEX}"))


def _known_event(record: ValidationRecord) -> str | None:
    """The record's event if a reader of a shard can tell it, by the record's metadata."""
    return record.event_id if record.metadata.event_id == record.event_id else None


def key_in(event_id: str, registration_id: str, count: int) -> str:
    """The key of the one of ``count`` shards that the registration's record belongs to."""
    return shard_key(event_id, crc32(registration_id.encode(errors="surrogatepass")) % count)


def shards_of(item: Item) -> Shards:
    """What the item of an event says."""
    return Shards(int(item[READ]["N"]), int(item[WRITTEN]["N"]))
