"""The audit trail in a DynamoDB table of its own."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import partial
from hashlib import sha256
from heapq import merge
from typing import Any

from boto3.dynamodb.types import TypeDeserializer, TypeSerializer

from core.adapters.aws.clients import translated
from core.adapters.aws.items import Item
from core.adapters.aws.pages import asking, items_of, pages
from core.adapters.aws.table import AUDIT_KEY
from core.domain.audit import SERVICE, AuditEntry, entry_of
from core.domain.records import isoformat
from core.flow.retry import Retry

#: The number of partitions for the entries of a day. Each accepts 1,000 writes per second.
SHARDS = 4
_DAY, _PLACE = AUDIT_KEY

_errors = partial(translated, SERVICE, "The table of the audit trail is missing.")


class DynamoAudit:
    """``AuditTrail`` in DynamoDB: the partition is a day and one of its ``SHARDS``, the sort key a time and entry id.

    A period is read day by day from its end, merging the shards of each day; nothing is scanned. A write requires
    that no item has its key, and nothing is ever updated or deleted: a role that may only put and query
    (``infra/modules/data/iam.tf``) cannot remove an entry. ``client`` makes one attempt per call
    (``core.adapters.aws.clients.client``).
    """

    def __init__(self, client: Any, table: str, retry: Retry) -> None:
        self._client = client
        self._table = table
        self._retry = retry
        self._query = asking(client.query, retry, _errors)

    def append(self, entry: AuditEntry) -> None:
        item = TypeSerializer().serialize({**entry.to_dict(), **_key(entry)})["M"]

        def once() -> None:
            with _errors():
                try:
                    self._client.put_item(
                        TableName=self._table,
                        Item=item,
                        ConditionExpression="attribute_not_exists(#day)",
                        ExpressionAttributeNames={"#day": _DAY},
                    )
                except self._client.exceptions.ConditionalCheckFailedException:
                    return  # an earlier try, whose answer was lost, has written it

        self._retry(once)

    def entries(self, since: datetime, until: datetime) -> Iterator[AuditEntry]:
        first, last = isoformat(since), isoformat(until)
        if first >= last:
            return
        for day in _days_back(date.fromisoformat(last[:10]), date.fromisoformat(first[:10])):
            shards = [self._newest(f"{day}#{shard}", first, last) for shard in range(SHARDS)]
            for item in merge(*shards, key=lambda item: str(item[_PLACE]["S"]), reverse=True):
                yield _entry(item)

    def ping(self) -> None:
        # The read that ``entries`` makes, so that no further permission is needed.
        self._query({**self._request("ping", "0", "1"), "Limit": 1})

    def close(self) -> None:
        self._client.close()

    def _newest(self, part: str, first: str, last: str) -> Iterator[Item]:
        """The items of one partition from ``first`` on and before ``last``, newest first."""
        # BETWEEN includes its end. But a sort key has an id after the time, so none is equal to ``last``.
        return items_of(pages(self._query, self._request(part, first, last)))

    def _request(self, part: str, first: str, last: str) -> dict[str, Any]:
        return {
            "TableName": self._table,
            "KeyConditionExpression": "#day = :day AND #place BETWEEN :first AND :last",
            "ExpressionAttributeNames": {"#day": _DAY, "#place": _PLACE},
            "ExpressionAttributeValues": {":day": {"S": part}, ":first": {"S": first}, ":last": {"S": last}},
            "ScanIndexForward": False,
            "ConsistentRead": True,
        }


def _key(entry: AuditEntry) -> dict[str, str]:
    at = isoformat(entry.at)
    shard = sha256(entry.entry_id.encode()).digest()[0] % SHARDS
    return {_DAY: f"{at[:10]}#{shard}", _PLACE: f"{at}#{entry.entry_id}"}


def _entry(item: Item) -> AuditEntry:
    plain = TypeDeserializer().deserialize({"M": item})
    return entry_of({name: value for name, value in plain.items() if name not in AUDIT_KEY})


def _days_back(last: date, first: date) -> Iterator[date]:
    return (last - timedelta(days=back) for back in range((last - first).days + 1))
