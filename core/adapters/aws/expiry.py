"""Records that DynamoDB never deletes, because its TTL ignores their ``expiresAt``, and what makes it delete them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

from core.adapters.aws.clients import translated
from core.adapters.aws.items import Expression, Item, of_records
from core.adapters.aws.odd_values import kind_at, moment_at, originals, plain
from core.adapters.aws.pages import asking, scan_pages
from core.adapters.aws.repair import Finding
from core.adapters.aws.table import RECORDS_NOT_CONFIGURED, TTL_ATTRIBUTE
from core.domain.clock import Clock
from core.domain.errors import Service
from core.domain.expiry import expires_at
from core.domain.moments import MOST_SECONDS
from core.flow.retry import Retry

#: DynamoDB ignores what expired longer ago: it takes such a number for no time.
IGNORED_AFTER = timedelta(days=5 * 365)

_errors = partial(translated, Service.RECORDS, RECORDS_NOT_CONFIGURED)


class IgnoredExpiry:
    """A ``Search`` for records whose ``expiresAt`` is absent, not a number, in milliseconds, or years in the past.

    It becomes the same moment in whole seconds. If it says none, or none that is less than five years ago, it becomes
    the last attempt's moment plus ``ttl``; if that is unknown, too, the present plus ``ttl``.
    """

    name = "repair-ttl"
    reads = (TTL_ATTRIBUTE, "timestamp")

    def __init__(self, clock: Clock, ttl: timedelta) -> None:
        self._clock = clock
        self._ttl = ttl

    def condition(self, used: Expression) -> str:
        return ignored(used, self._clock())

    def finding(self, item: Item) -> Finding | None:
        now = self._clock()
        earliest, latest = _acted_on(now)
        number = item.get(TTL_ATTRIBUTE, {}).get("N")
        if number is not None and earliest <= Decimal(number) <= latest:
            return None
        kinds = [f"{TTL_ATTRIBUTE} {_kind(item, earliest)}"]
        said = moment_at(item, TTL_ATTRIBUTE)
        expires = int(said.timestamp()) if said else 0
        if not earliest <= expires <= latest:
            attempt = moment_at(item, "timestamp")
            # A time in the future would keep the record longer than any policy.
            expires = expires_at(min(attempt or now, now), self._ttl)
            kinds.append(f"counted from {'the last attempt' if attempt else 'the present'}")
        if expires < earliest:
            expires = int(now.timestamp())
        if expires <= now.timestamp():
            kinds.append("expired already: DynamoDB deletes it within days")
        return Finding(tuple(kinds), {**originals(item, TTL_ATTRIBUTE), TTL_ATTRIBUTE: {"N": str(expires)}})


class DynamoExpiryCheck:
    """``ExpiryCheck`` in DynamoDB. A scan of the whole table: it consumes half a read unit for each 4 KB."""

    def __init__(self, client: Any, table: str, retry: Retry, clock: Clock) -> None:
        self._client = client
        self._table = table
        self._ask: Callable[..., Any] = asking(client.scan, retry, _errors)
        self._clock = clock

    def count_ignored(self) -> int:
        used = Expression()
        request = {
            "TableName": self._table,
            "Select": "COUNT",
            "FilterExpression": f"{of_records(used)} AND {ignored(used, self._clock())}",
            "ExpressionAttributeNames": used.names,
            "ExpressionAttributeValues": used.values,
        }
        return sum(answer["Count"] for answer in scan_pages(self._ask, request))

    def close(self) -> None:
        self._client.close()


def ignored(used: Expression, now: datetime) -> str:
    """A condition: DynamoDB's TTL ignores the record's ``expiresAt``."""
    expires, number_type = used.name(TTL_ATTRIBUTE), used.value({"S": "N"})
    earliest, latest = (used.value({"N": str(limit)}) for limit in _acted_on(now))
    return f"NOT (attribute_type({expires}, {number_type}) AND {expires} BETWEEN {earliest} AND {latest})"


def _acted_on(now: datetime) -> tuple[int, int]:
    """The least and the greatest number of seconds that TTL acts on."""
    return int((now - IGNORED_AFTER).timestamp()), MOST_SECONDS


def _kind(item: Item, earliest: int) -> str:
    kind = kind_at(item, TTL_ATTRIBUTE)
    if kind != "number":
        return kind
    return "more than five years ago" if plain(item, TTL_ATTRIBUTE) < earliest else "milliseconds"
