"""Facedesk's own state in one DynamoDB table, for all kinds of state that every process must see at once.

An item has a key of two texts: ``part`` is the kind of state, perhaps with whom or what it is about, and ``place``
identifies the item within it. An item that expires has the attribute ``expiresAt`` (epoch seconds). DynamoDB deletes
it some days later, so reads compare it, too. All else in an item is for the adapter of its port to say; a part
belongs to one port.

Only Facedesk reads and writes this table. ``core.adapters.aws.table.create_state_table`` defines it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from datetime import datetime
from functools import partial
from hashlib import sha256
from typing import Any

from core.adapters.aws.clients import translated
from core.adapters.aws.items import Expression, Item
from core.adapters.aws.pages import asking, items_of, pages
from core.adapters.aws.table import STATE_KEY, STATE_NOT_CONFIGURED, TTL_ATTRIBUTE
from core.domain.clock import Clock
from core.domain.expiry import is_expired
from core.domain.records import isoformat
from core.flow.retry import Retry

#: Returns a condition of DynamoDB, with placeholders of the expression.
Condition = Callable[[Expression], str]
_PART, _PLACE = STATE_KEY
_COUNT = "count"


def is_absent(used: Expression) -> str:
    """A condition: there is no item with this key."""
    return f"attribute_not_exists({used.name(_PART)})"


def has(name: str, text: str) -> Condition:
    """A condition: the item has this text as that attribute."""
    return lambda used: f"{used.name(name)} = {used.value({'S': text})}"


def is_over(name: str, now: datetime) -> Condition:
    """A condition: the moment in that attribute (``isoformat``) has come."""
    return lambda used: f"{used.name(name)} <= {used.value({'S': isoformat(now)})}"


def has_expired(now: datetime) -> Condition:
    """A condition: the item has expired, though it may still be there."""
    return lambda used: f"{used.name(TTL_ATTRIBUTE)} <= {used.value({'N': str(math.floor(now.timestamp()))})}"


def any_of(*conditions: Condition) -> Condition:
    """A condition: one of these holds."""
    return lambda used: " OR ".join(condition(used) for condition in conditions)


def expiring(until: datetime) -> Item:
    """The attribute of an item that expires then."""
    return {TTL_ATTRIBUTE: {"N": str(math.ceil(until.timestamp()))}}


# Ids and names may have 2,048 bytes, of any characters, and a place only 1,024: keys are made of hashes.


def hashed(text: str) -> str:
    """What stands for an id or a name in a key."""
    return sha256(text.encode(errors="surrogatepass")).hexdigest()


def hashed_together(*texts: str) -> str:
    """What stands for several of them, in this order."""
    return sha256(json.dumps(texts).encode()).hexdigest()


class StateTable:
    """Reads and writes items. Reads are consistent and treat an item that has expired as absent.

    ``client`` makes one attempt per call (``core.adapters.aws.clients.client``). A write is made again if its answer
    was lost, so its condition must allow for its own first try. Errors name ``service``.
    """

    def __init__(self, client: Any, table: str, retry: Retry, clock: Clock, service: str) -> None:
        self._client = client
        self._table = table
        self._retry = retry
        self._clock = clock
        self._errors = partial(translated, service, STATE_NOT_CONFIGURED)

    def get(self, part: str, place: str) -> Item | None:
        answer = self._call(self._client.get_item, Key=_key(part, place), ConsistentRead=True)
        item: Item | None = answer.get("Item")
        return None if item is None or self._is_expired(item) else item

    def items(self, part: str, start: str = "") -> Iterator[Item]:
        """The items of the part whose places begin with ``start``, by place."""
        return (item for item in self.stored(part, start) if not self._is_expired(item))

    def stored(self, part: str, start: str = "", where: Condition | None = None) -> Iterator[Item]:
        """As ``items``, but also those that have expired; with ``where``, those for which it holds."""
        used = Expression()
        key = f"{used.name(_PART)} = {used.value({'S': part})}"
        if start:  # DynamoDB compares no key with an empty text
            key += f" AND begins_with({used.name(_PLACE)}, {used.value({'S': start})})"
        request = {
            "TableName": self._table,
            "KeyConditionExpression": key,
            **({"FilterExpression": where(used)} if where else {}),
            "ExpressionAttributeNames": used.names,
            "ExpressionAttributeValues": used.values,
            "ConsistentRead": True,
        }
        return items_of(pages(asking(self._client.query, self._retry, self._errors), request))

    def put(self, part: str, place: str, item: Item, when: Condition | None = None) -> bool:
        """Write the item in place of any other if the condition, if any, holds; returns whether it did. Durable then.

        False also if an earlier try, whose answer was lost, has written it and the condition does not allow for that.
        """
        return self._changed(self._client.put_item, when, Item={**item, **_key(part, place)})

    def add(self, part: str, place: str, more: int, until: datetime) -> int:
        """Add to the count of the item, which begins at 0 and expires ``until`` then; returns the sum.

        If an answer was lost, ``more`` is added once more.
        """
        used = Expression()
        update = f"ADD {used.name(_COUNT)} {used.value({'N': str(more)})} "
        update += f"SET {used.name(TTL_ATTRIBUTE)} = {used.value(expiring(until)[TTL_ATTRIBUTE])}"
        answer = self._call(
            self._client.update_item,
            Key=_key(part, place),
            UpdateExpression=update,
            ExpressionAttributeNames=used.names,
            ExpressionAttributeValues=used.values,
            ReturnValues="UPDATED_NEW",
        )
        return int(answer["Attributes"][_COUNT]["N"])

    def delete(self, part: str, place: str, when: Condition | None = None) -> bool:
        """Delete the item if there is one and the condition holds; returns whether it did. Durable then."""
        return self._changed(self._client.delete_item, when, Key=_key(part, place))

    def delete_all(self, part: str, where: Condition | None = None) -> int:
        """Delete the items of ``stored``; returns how many were found."""
        found = list(self.stored(part, where=where))
        for item in found:
            self.delete(part, item[_PLACE]["S"])
        return len(found)

    def ping(self) -> None:
        # A read that every port needs. DescribeTable would need a permission of its own.
        self.get("ping", "ping")

    def close(self) -> None:
        self._client.close()

    def _changed(self, call: Callable[..., Any], when: Condition | None, **request: Any) -> bool:
        if when:
            used = Expression()
            request["ConditionExpression"] = when(used)
            request["ExpressionAttributeNames"] = used.names
            if used.values:
                request["ExpressionAttributeValues"] = used.values

        def changed(**request: Any) -> bool:
            try:
                call(**request)
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
            return True

        return bool(self._call(changed, **request))

    def _call(self, call: Callable[..., Any], **request: Any) -> Any:
        return asking(call, self._retry, self._errors)({"TableName": self._table, **request})

    def _is_expired(self, item: Item) -> bool:
        expires = item.get(TTL_ATTRIBUTE)
        return is_expired(int(expires["N"]) if expires else None, self._clock())


def _key(part: str, place: str) -> dict[str, Any]:
    return {_PART: {"S": part}, _PLACE: {"S": place}}
