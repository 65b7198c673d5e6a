"""Erasures of persons in the DynamoDB table of the records, and their journal in a partition of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from datetime import timedelta
from functools import partial
from typing import Any

from core.adapters.aws.clients import translated
from core.adapters.aws.table import RECORDS_NOT_CONFIGURED, TTL_ATTRIBUTE
from core.domain.erasures import Erasure, Receipt, as_finished, entry_of, is_finished, text_of
from core.domain.errors import Unavailable
from core.flow.retry import Retry
from core.ports import StoredRecord

SERVICE = "validation records"
#: The partition of the journal's entries, in the place of a user id; the sort key is the person's hash. They have no
#: event, so no list of an event has them.
JOURNAL = "facedesk-erasures"
#: How long the journal keeps a finished entry. DynamoDB removes it by its own clock and ours has dated it, so the two
#: may differ by as much, less the minute that an attempt takes. (AWS refuses calls of a clock that is 5 minutes off.)
REMEMBERED = timedelta(days=1)
#: Only a finished entry has an end, and only such a one may be replaced by another erasure.
_MAY_BEGIN = f"attribute_not_exists(userId) OR attribute_exists({TTL_ATTRIBUTE})"
_UNCHANGED = "entry = :was"
#: How many parts of the table are read at once.
SCAN_SEGMENTS = 4
#: How often records may have been added while others were taken away.
MAX_ROUNDS = 100

Item = Mapping[str, Mapping[str, Any]]

_errors = partial(translated, SERVICE, RECORDS_NOT_CONFIGURED)


class DynamoErasures:
    """``ErasureStore`` in DynamoDB. ``client`` makes one attempt a call (``core.adapters.aws.clients.client``).

    What AWS itself keeps of items that were deleted, such as point-in-time recovery's 35 days, is not reached.
    """

    def __init__(self, client: Any, table: str, retry: Retry) -> None:
        self._client = client
        self._table = table
        self._retry = retry

    def records_of(self, user_id: str) -> list[StoredRecord]:
        return [_stored(item) for item in self._of_user(user_id, "registrationId", "faceImageKey", "attempts")]

    def named_elsewhere(self, keys: Collection[str], user_id: str | None) -> set[str]:
        """As the port says; a scan of the whole table, consistent, half its size in KB as read units."""
        wanted = frozenset(keys)
        with ThreadPoolExecutor(SCAN_SEGMENTS) as threads:
            parts = [
                threads.submit(copy_context().run, self._named_in, segment, wanted, user_id)
                for segment in range(SCAN_SEGMENTS)
            ]
            return set().union(*(part.result() for part in parts))

    def erase_records(self, user_id: str) -> int:
        """As the port says: until a consistent read finds none, as writers may go on meanwhile."""
        gone = 0
        for _ in range(MAX_ROUNDS):
            found = list(self._of_user(user_id, "userId", "registrationId"))
            if not found:
                return gone
            for key in found:
                self._call(self._client.delete_item, Key=key)
            gone += len(found)
        raise Unavailable(SERVICE, "StillWritten")

    def scrub(self) -> None:
        """Nothing: the table's files are not ours."""

    def journal_entry(self, user: str) -> Erasure | Receipt | None:
        text = self._text(user)
        return entry_of(text) if text else None

    def unfinished(self) -> list[Erasure | Receipt]:
        return [entry for entry in self._journal() if not is_finished(entry)]

    def ended(self) -> list[Receipt]:
        return [entry for entry in self._journal() if isinstance(entry, Receipt)]

    def begin(self, erasure: Erasure) -> Erasure | Receipt:
        # Each turn that is lost was won by another: an erasure that began, or one that ended.
        while True:
            if self._put(erasure, _MAY_BEGIN):
                return erasure
            there = self.journal_entry(erasure.user)
            if there is not None and not is_finished(there):
                return there

    def forget(self, receipt: Receipt) -> Receipt:
        was = self._text(receipt.user)
        there = entry_of(was) if was else None
        if there is None or there.erasure_id != receipt.erasure_id:
            return as_finished(receipt)
        if isinstance(there, Receipt):
            return there
        return receipt if self._put(receipt, _UNCHANGED, was) else self.forget(receipt)

    def finish(self, receipt: Receipt) -> None:
        was = self._text(receipt.user)
        if was and entry_of(was).erasure_id == receipt.erasure_id:
            # If it is no longer there as it was, somebody else has finished it.
            self._put(as_finished(receipt), _UNCHANGED, was)

    def ping(self) -> None:
        self.journal_entry("ping")

    def close(self) -> None:
        self._client.close()

    def _journal(self) -> list[Erasure | Receipt]:
        return [entry_of(item["entry"]["S"]) for item in self._query(JOURNAL, "entry") if "entry" in item]

    def _of_user(self, user_id: str, *attributes: str) -> Iterator[Item]:
        return iter(()) if user_id == JOURNAL else self._query(user_id, *attributes)

    def _query(self, user_id: str, *attributes: str) -> Iterator[Item]:
        request = {
            "KeyConditionExpression": "userId = :user",
            "ExpressionAttributeValues": {":user": {"S": user_id}},
            **_projection(*attributes),
            "ConsistentRead": True,
        }
        return self._items(self._client.query, request)

    def _named_in(self, segment: int, wanted: frozenset[str], user_id: str | None) -> set[str]:
        request = {
            **_projection("userId", "faceImageKey", "storedFaceKey", "attempts"),
            "ConsistentRead": True,
            "Segment": segment,
            "TotalSegments": SCAN_SEGMENTS,
        }
        others = (item for item in self._items(self._client.scan, request) if item["userId"]["S"] != user_id)
        return {key for item in others for key in (_photos(item) | _texts(item, "storedFaceKey")) & wanted}

    def _items(self, read: Any, request: dict[str, Any]) -> Iterator[Item]:
        while True:
            answer = self._call(read, **request)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _text(self, user: str) -> str | None:
        """The entry of the person with this hash as it is stored."""
        item = self._call(self._client.get_item, Key=_key(user), ConsistentRead=True).get("Item")
        return str(item["entry"]["S"]) if item else None

    def _put(self, entry: Erasure | Receipt, condition: str, was: str | None = None) -> bool:
        """Whether the entry was put; False if the condition does not hold, or holds no longer because the entry was
        put already and the answer was lost."""
        item = {**_key(entry.user), "entry": {"S": text_of(entry)}}
        if isinstance(entry, Receipt) and entry.finished:
            item[TTL_ATTRIBUTE] = {"N": str(int((entry.ended_at + REMEMBERED).timestamp()))}
        values = {"ExpressionAttributeValues": {":was": {"S": was}}} if was else {}

        def put(**request: Any) -> bool:
            try:
                self._client.put_item(**request)
            except self._client.exceptions.ConditionalCheckFailedException:
                return False
            return True

        return bool(self._call(put, Item=item, ConditionExpression=condition, **values))

    def _call(self, method: Any, **request: Any) -> Any:
        def once() -> Any:
            with _errors():
                return method(TableName=self._table, **request)

        return self._retry(once)


def _key(user: str) -> Item:
    return {"userId": {"S": JOURNAL}, "registrationId": {"S": user}}


def _projection(*attributes: str) -> dict[str, Any]:
    names = {f"#{name}": name for name in attributes}
    return {"ProjectionExpression": ", ".join(names), "ExpressionAttributeNames": names}


def _stored(item: Item) -> StoredRecord:
    attempts = len(item.get("attempts", {}).get("L", ())) or 1
    return StoredRecord(item["registrationId"]["S"], attempts, frozenset(_photos(item)))


def _photos(item: Item) -> set[str]:
    """The keys of the photos that were submitted, in all attempts; whatever kinds another writer used."""
    attempts = item.get("attempts", {}).get("L", ())
    return _texts(item, "faceImageKey").union(*(_texts(attempt.get("M", {}), "faceImageKey") for attempt in attempts))


def _texts(item: Item, name: str) -> set[str]:
    return {value for kind, value in item.get(name, {}).items() if kind == "S"}
