"""Moves the records of an event from its own key in the event index to its shards."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from core.adapters.aws.clients import translated
from core.adapters.aws.event_shards import key_in
from core.adapters.aws.items import Expression, Item, record_of
from core.adapters.aws.pages import asking, items_of, pages
from core.adapters.aws.table import EVENT_INDEX, RECORDS_NOT_CONFIGURED
from core.domain.errors import Refused, Service
from core.domain.records import KEY_ATTRIBUTES
from core.flow.pace import Pace
from core.flow.progress import Counting
from core.flow.retry import Retry

#: What tells the event of a record: it must not have changed when the record is moved.
_READS = ("eventId", "metadata")


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
        self._errors = partial(translated, Service.RECORDS, RECORDS_NOT_CONFIGURED)
        self._retry = retry
        self._writes = writes
        self._wait = wait

    def run(self, event_id: str, count: int, progress: Counting = lambda done, total: None) -> MoveCounts:
        """Move what is under the event's own key to ``count`` shards, which are read already."""
        counts = MoveCounts()
        for done, item in enumerate(self._own(event_id), 1):
            if record_of(item).metadata.event_id == event_id:
                self._wait(self._writes.delay())
                units = self._moved(item, key_in(event_id, item["registrationId"]["S"], count))
                counts.moved += units is not None
                counts.changed += units is None
                counts.write_units += units or 0
                self._writes.spend(units or 1)
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
        used = Expression()
        request = {
            "TableName": self._table,
            "Key": {name: item[name] for name in KEY_ATTRIBUTES},
            "UpdateExpression": f"SET {used.name('eventId')} = {used.value({'S': key})}",
            "ConditionExpression": used.unchanged(item, _READS),
            "ExpressionAttributeNames": used.names,
            "ExpressionAttributeValues": used.values,
            "ReturnConsumedCapacity": "TOTAL",
        }
        try:
            answer = asking(self._client.update_item, self._retry, self._errors)(request)
        except Refused as error:
            if error.code == "ConditionalCheckFailedException":
                return None
            raise
        return float(answer["ConsumedCapacity"]["CapacityUnits"])
