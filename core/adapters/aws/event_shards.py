"""Events whose records are spread over several keys of the event index, because one key takes too few writes.

DynamoDB gives each key of the index about 1,000 write units a second. Of a sharded event Facedesk writes a record
under the key of a shard (``core.adapters.aws.event_keys``), which follows from its registration. A record that is in
a shard stays there. Those that were written before, and those of other services, are under the event's own key, and
go over to their shards when Facedesk writes them.

An item of the state table says which shards of an event are read and which are written: first every process learns
to read them, and only then they are written (``Sharding``).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from zlib import crc32

from core.adapters.aws.clients import CALL_TIMEOUT_SECONDS
from core.adapters.aws.event_keys import is_shard_of, shard_key
from core.adapters.aws.items import Expression, Item
from core.adapters.aws.state_table import Condition, StateTable, any_of, hashed, is_absent
from core.domain.clock import Clock, Stopwatch, elapsed
from core.domain.errors import InvalidInput, NotConfigured, Service, ServiceError
from core.domain.records import ValidationRecord
from core.flow.refreshed import Refreshed
from core.flow.retry import Retry

SERVICE = Service.RECORDS
#: The most shards of an event: each is read by a query of its own.
MAX_SHARDS = 64
#: The most bytes of a key of the index, and of what a shard adds to the event's id.
MAX_KEY_BYTES, _MARK_BYTES = 2048, len(f"#{MAX_SHARDS}")
#: Time between two readings of all sharded events.
READ_EVERY = timedelta(seconds=15)
#: For how long events are read although it cannot be learned which are sharded.
GOOD_FOR = timedelta(minutes=2)
#: Time after which every process reads shards that it was told to read: one that has not learned of them until then
#: reads no events.
LEARNED_AFTER = GOOD_FOR + timedelta(seconds=30)
#: The part of the state table, in which a single query finds all.
_PART = "event-shards"
_EVENT, _READ, _WRITTEN = "eventId", "read", "written"

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

    def __init__(self, client: Any, table: str, clock: Clock, stopwatch: Stopwatch = elapsed) -> None:
        self._state = StateTable(client, table, _RETRY, clock, SERVICE)
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
        event = record.event_id
        # By its metadata a reader tells that it is in a shard.
        if event is None or record.metadata.event_id != event:
            return {}
        try:
            shards = self._all().get(event, Shards())
        except ServiceError:
            return {}
        if not shards.written or is_shard_of(stored.get(_EVENT, {}).get("S", ""), event):
            return {}
        return {_EVENT: {"S": key_in(event, record.registration_id, shards.written)}}

    def close(self) -> None:
        self._all.close()
        self._state.close()

    def _read(self) -> Mapping[str, Shards]:
        try:
            return {item[_EVENT]["S"]: _shards_of(item) for item in self._state.items(_PART)}
        except NotConfigured:
            return {}


def key_in(event_id: str, registration_id: str, count: int) -> str:
    """The key of the one of ``count`` shards that the registration's record belongs to."""
    return shard_key(event_id, crc32(registration_id.encode(errors="surrogatepass")) % count)


class Sharding:
    """Changes how many shards an event has, in steps, so that no reader misses a record."""

    def __init__(
        self, client: Any, table: str, retry: Retry, clock: Clock, wait: Callable[[float], None] = time.sleep
    ) -> None:
        self._state = StateTable(client, table, retry, clock, SERVICE)
        self._wait = wait

    def set(self, event_id: str, count: int, report: Callable[[str], None]) -> Shards:
        """Have new records of the event written to ``count`` shards, or under its own key if that is 0; returns what
        the event had before.

        For more shards than before this takes ``LEARNED_AFTER``; ``report`` is called with what is waited for.
        Shards that are no longer written are read for ever. Raises ``InvalidInput`` if the event can have no shards,
        or if somebody else changes them meanwhile.
        """
        if count > MAX_SHARDS:
            raise InvalidInput(f"An event has at most {MAX_SHARDS} shards.")
        if len(event_id.encode(errors="surrogatepass")) + _MARK_BYTES > MAX_KEY_BYTES:
            raise InvalidInput(
                f"The event's id is too long for a shard: at most {MAX_KEY_BYTES - _MARK_BYTES} bytes."
            )
        before = self._now(event_id)
        opened = replace(before, read=max(before.read, count))
        if count > before.written:
            self._change(event_id, before, opened)
            report(f"Waiting {LEARNED_AFTER.total_seconds():.0f} s, until every server reads {count} shards")
            self._wait(LEARNED_AFTER.total_seconds())
        self._change(event_id, opened, replace(opened, written=count))
        return before

    def _now(self, event_id: str) -> Shards:
        item = self._state.get(_PART, hashed(event_id))
        return _shards_of(item) if item else Shards()

    def _change(self, event_id: str, seen: Shards, after: Shards) -> None:
        if after == seen:
            return
        item = {_EVENT: {"S": event_id}, _READ: {"N": str(after.read)}, _WRITTEN: {"N": str(after.written)}}
        was = _has(seen) if seen != Shards() else any_of(is_absent, _has(seen))
        if not self._state.put(_PART, hashed(event_id), item, any_of(was, _has(after))):
            raise InvalidInput("Somebody else changed the shards of this event meanwhile. Run the command again.")


def _shards_of(item: Item) -> Shards:
    return Shards(int(item[_READ]["N"]), int(item[_WRITTEN]["N"]))


def _has(shards: Shards) -> Condition:
    def condition(used: Expression) -> str:
        read, written = ({"N": str(each)} for each in (shards.read, shards.written))
        return f"({used.name(_READ)} = {used.value(read)} AND {used.name(_WRITTEN)} = {used.value(written)})"

    return condition
