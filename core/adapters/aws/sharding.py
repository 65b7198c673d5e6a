"""Sets how many shards an event has, and moves its records there (``core.adapters.aws.event_shards``)."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Any

from core.adapters.aws.clients import translated
from core.adapters.aws.event_shards import EVENT, GOOD_FOR, PART, READ, SERVICE, WRITTEN, Shards, key_in, shards_of
from core.adapters.aws.items import Expression, Item, record_of
from core.adapters.aws.pages import asking, items_of, pages
from core.adapters.aws.repair import setting, units
from core.adapters.aws.state_table import Condition, StateTable, any_of, hashed, is_absent
from core.adapters.aws.table import EVENT_INDEX, RECORDS_NOT_CONFIGURED
from core.domain.clock import Clock
from core.domain.errors import InvalidInput, Refused
from core.domain.profiles import MAX_SHARDS
from core.domain.records import KEY_ATTRIBUTES
from core.flow.pace import Pace
from core.flow.progress import Counting
from core.flow.retry import Retry

#: The most bytes of a key of the index, and of what a shard adds to the event's id.
MAX_KEY_BYTES, _MARK_BYTES = 2048, len(f"#{MAX_SHARDS}")
#: Time after which every process reads shards that it was told to read: one that has not learned of them until then
#: reads no events.
LEARNED_AFTER = GOOD_FOR + timedelta(seconds=30)
#: What tells the event of a record: it must not have changed when the record is moved.
_READS = ("eventId", "metadata")


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
        before = self._now(event_id)
        self._set(event_id, before, count, report)
        return before

    def widen(self, event_id: str, count: int) -> bool:
        """Does as ``set`` where the event has fewer shards; returns whether it had."""
        before = self._now(event_id)
        if before.written >= count:
            return False
        self._set(event_id, before, count, lambda text: None)
        return True

    def _set(self, event_id: str, before: Shards, count: int, report: Callable[[str], None]) -> None:
        if count > MAX_SHARDS:
            raise InvalidInput(f"An event has at most {MAX_SHARDS} shards.")
        if len(event_id.encode(errors="surrogatepass")) + _MARK_BYTES > MAX_KEY_BYTES:
            raise InvalidInput(
                f"The event's id is too long for a shard: at most {MAX_KEY_BYTES - _MARK_BYTES} bytes."
            )
        opened = replace(before, read=max(before.read, count))
        if count > before.written:
            self._change(event_id, before, opened)
            report(f"Waiting {LEARNED_AFTER.total_seconds():.0f} s, until every server reads {count} shards")
            self._wait(LEARNED_AFTER.total_seconds())
        self._change(event_id, opened, replace(opened, written=count))

    def _now(self, event_id: str) -> Shards:
        item = self._state.get(PART, hashed(event_id))
        return shards_of(item) if item else Shards()

    def _change(self, event_id: str, seen: Shards, after: Shards) -> None:
        if after == seen:
            return
        item = {EVENT: {"S": event_id}, READ: {"N": str(after.read)}, WRITTEN: {"N": str(after.written)}}
        was = _has(seen) if seen != Shards() else any_of(is_absent, _has(seen))
        if not self._state.put(PART, hashed(event_id), item, any_of(was, _has(after))):
            raise InvalidInput("Somebody else changed the shards of this event meanwhile. Run the command again.")


@dataclass
class MoveCounts:
    """What a run did. The units are those that DynamoDB bills, including those for the index."""

    moved: int = 0
    #: Records that were written, or deleted, by others meanwhile.
    changed: int = 0
    #: Records whose metadata does not name the event: they would no longer be known as its.
    left: int = 0
    write_units: float = 0


class ShardMove:
    """Gives each record under the event's own key that of its shard, one after another, and changes nothing else of
    it. A record that changed meanwhile is left as it is. A run that was stopped is begun again.
    """

    def __init__(
        self, client: Any, table: str, retry: Retry, writes: Pace, wait: Callable[[float], None] = time.sleep
    ) -> None:
        """``writes`` limits the write units consumed a second."""
        self._client = client
        self._table = table
        self._errors = partial(translated, SERVICE, RECORDS_NOT_CONFIGURED)
        self._retry = retry
        self._writes = writes
        self._wait = wait

    def run(self, event_id: str, count: int, progress: Counting = lambda done, total: None) -> MoveCounts:
        """Move what is under the event's own key to ``count`` shards, which are read already."""
        counts = MoveCounts()
        for done, item in enumerate(self._own(event_id), 1):
            if record_of(item).metadata.event_id == event_id:
                self._wait(self._writes.delay())
                taken = self._moved(item, key_in(event_id, item["registrationId"]["S"], count))
                counts.moved += taken is not None
                counts.changed += taken is None
                counts.write_units += taken or 0
                self._writes.spend(taken or 1)
            else:
                counts.left += 1
            progress(done, None)
        return counts

    def _own(self, event_id: str) -> Any:
        used = Expression()
        request = {
            "TableName": self._table,
            "IndexName": EVENT_INDEX,
            "KeyConditionExpression": f"{used.name('eventId')} = {used.value({'S': event_id})}",
            "ProjectionExpression": used.projection((*KEY_ATTRIBUTES, *_READS)),
            "ExpressionAttributeNames": used.names,
            "ExpressionAttributeValues": used.values,
        }
        return items_of(pages(asking(self._client.query, self._retry, self._errors), request))

    def _moved(self, item: Item, key: str) -> float | None:
        """The units that it took; None if the record has changed."""
        request = {"TableName": self._table, **setting(item, {EVENT: {"S": key}}, _READS)}
        try:
            answer = asking(self._client.update_item, self._retry, self._errors)(request)
        except Refused as error:
            if error.code == "ConditionalCheckFailedException":
                return None
            raise
        return units(answer)


def _has(shards: Shards) -> Condition:
    def condition(used: Expression) -> str:
        read, written = ({"N": str(each)} for each in (shards.read, shards.written))
        return f"({used.name(READ)} = {used.value(read)} AND {used.name(WRITTEN)} = {used.value(written)})"

    return condition
