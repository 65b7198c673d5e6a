"""DynamoDB's limit of write units for each key of the event index, in simulated time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta
from typing import Any

from core.adapters.aws.records import DynamoRecords
from core.adapters.aws.table import EVENT_INDEX
from core.domain.clock import utc_now
from tests.support.records import an_outcome

#: Write units a second that DynamoDB gives to a key.
LIMIT = 1000.0
#: Seconds whose units a key may save up.
SAVED = 0.25


class NoRoom(Exception):
    """A key has no units left. Unlike the error of DynamoDB, nobody tries again after this one."""


class PartitionLimit:
    """Plays the updates of a client, refused while a key of the event index that it writes to has no units left.

    What an update consumes in the index is what the server behind says: an entry that moves is deleted and put, each
    for its size. Each key gets ``limit`` units a second, of which it saves up those of ``SAVED`` at most: DynamoDB's
    longer bursts are left out, since a rush outlasts them. ``seconds`` is the simulated time.
    """

    def __init__(self, client: Any, limit: float = LIMIT) -> None:
        self.seconds = 0.0
        #: Updates that were taken and refused, and the units that each key consumed.
        self.taken = self.refused = 0
        self.units: Counter[str] = Counter()
        self._limit = limit
        self._update = client.update_item
        self._places: dict[str, str] = {}
        #: The units that each key has left, and as of when.
        self._left: dict[str, tuple[float, float]] = {}
        client.update_item = self.update_item

    def update_item(self, **request: Any) -> Any:
        """In place of the client's method."""
        record = str(request["Key"])
        before = self._places.get(record)
        after = _event_key_in(request) or before
        keys = {key for key in (before, after) if key}
        if any(self._room(key) <= 0 for key in keys):
            self.refused += 1
            raise NoRoom
        answer = self._update(**request, ReturnConsumedCapacity="INDEXES")
        indexes = answer["ConsumedCapacity"].get("GlobalSecondaryIndexes", {})
        units = indexes.get(EVENT_INDEX, {}).get("CapacityUnits", 0.0)
        for key in keys:
            self._left[key] = self._room(key) - units / len(keys), self.seconds
            self.units[key] += units / len(keys)
        if after:
            self._places[record] = after
        self.taken += 1
        return answer

    def _room(self, key: str) -> float:
        most = SAVED * self._limit
        left, since = self._left.get(key, (most, self.seconds))
        return min(most, left + self._limit * (self.seconds - since))


def _event_key_in(request: Mapping[str, Any]) -> str | None:
    """The ``eventId`` that the update sets, if it sets it."""
    for name, meant in request["ExpressionAttributeNames"].items():
        if meant == "eventId" and (found := re.search(rf"{name} = (:v\d+)", request["UpdateExpression"])):
            return str(request["ExpressionAttributeValues"][found[1]]["S"])
    return None


def rush(records: DynamoRecords, limit: PartitionLimit, event_id: str, per_second: float, count: int) -> None:
    """``count`` attempts for an event at a steady rate of simulated time; half of the people try twice."""
    began = utc_now()
    people = count * 2 // 3
    for number in range(count):
        limit.seconds = number / per_second
        person = number % people
        outcome = an_outcome(
            f"attempt-{number}",
            user_id=f"user-{person:06}",
            registration_id=f"registration-{person:06}",
            event_id=event_id,
            timestamp=began + timedelta(seconds=limit.seconds),
        )
        with suppress(NoRoom):
            records.record_attempt(outcome, timedelta(days=30))
