"""Validation records in the DynamoDB table that other services write too."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer

from core.aws import translated
from core.clock import Clock
from core.errors import NotConfigured, Refused, Unavailable
from core.records import Metadata, Outcome, Review, ValidationRecord, decided, newest_first, with_attempt
from core.retry import Retry

SERVICE = "validation records"

#: An item as the API has it: name -> ``{"S": "..."}``, ``{"N": "..."}``, ...
Item = Mapping[str, Mapping[str, Any]]

#: What any writer changes when it changes an item: a write is conditioned on these being as they were read.
_VERSION = ("updatedAt", "timestamp", "verificationAttempt", "validationStatus")
_METADATA = frozenset(field.alias for field in Metadata.model_fields.values())


class DynamoRecords:
    """``ValidationRecords`` in DynamoDB; a change is a read and one conditional write, repeated while others win.

    ``client`` is a low-level one that makes a single attempt a call (``core.aws.client``). A user id may
    have 2,048 bytes in UTF-8 and a registration id 1,024: DynamoDB's limits for keys.
    """

    def __init__(self, client: Any, table: str, retry: Retry, clock: Clock) -> None:
        self._client = client
        self._table = table
        self._retry = retry
        # Losing a race is no fault: tried again, in short waits, until the deadline.
        self._race = replace(retry, cap=1.0, tries=10_000)
        # Threads of this process take turns on a record: what is left to race with is other processes.
        self._turns = [threading.Lock() for _ in range(256)]
        self._clock = clock

    def get(self, user_id: str, registration_id: str) -> ValidationRecord | None:
        return self._alive(self._retry(lambda: self._read(_key(user_id, registration_id))))

    def history(self, user_id: str, limit: int | None = None) -> list[ValidationRecord]:
        return newest_first(map(_record, self._query(user_id)), self._clock(), limit)

    def record_attempt(self, outcome: Outcome, ttl: timedelta) -> ValidationRecord:
        key = _key(outcome.user_id, outcome.registration_id)
        return self._change(key, lambda current: with_attempt(current, outcome, ttl))

    def decide(self, user_id: str, registration_id: str, review: Review, seen_version: str) -> ValidationRecord:
        return self._change(_key(user_id, registration_id), lambda current: decided(current, review, seen_version))

    def ping(self) -> None:
        # The read that every method needs: asks for no permission beyond theirs, as DescribeTable would.
        self._retry(lambda: self._read(_key("ping", "ping")))

    def close(self) -> None:
        self._client.close()

    def _change(self, key: Item, change: Callable[[ValidationRecord | None], ValidationRecord]) -> ValidationRecord:
        turn = self._turns[hash(str(key)) % len(self._turns)]
        # A try makes two calls: the second, too, must be able to end within the deadline.
        last_start = time.monotonic() + self._race.deadline - self._race.call_timeout

        def once() -> ValidationRecord:
            with _held(turn, last_start):
                stored = self._read(key)
                current = self._alive(stored)
                changed = change(current)
                if changed is not current:
                    if time.monotonic() > last_start:
                        raise Unavailable(SERVICE, "DeadlineExceeded")
                    self._write(key, stored, current, changed)
                return changed

        return self._race(once)

    def _read(self, key: Item) -> Item:
        """The stored item; empty where there is none."""
        with _errors():
            answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        found: Item = answer.get("Item", {})
        return found

    def _write(self, key: Item, stored: Item, current: ValidationRecord | None, changed: ValidationRecord) -> None:
        """Write what ``changed`` changes of ``current``, and nothing else, if the item is still as ``stored``.

        Without ``current`` the stored item, if any, has expired: all of it goes.
        """
        before, after = current.to_dict() if current else {}, changed.to_dict()
        values = _serialised({name: value for name, value in after.items() if value != before.get(name)})
        if current and "metadata" in values and "M" in stored.get("metadata", {}):
            theirs = {name: value for name, value in stored["metadata"]["M"].items() if name not in _METADATA}
            values["metadata"]["M"].update(theirs)
        update = _Expression()
        clauses = [
            "SET " + ", ".join(f"{update.name(n)} = {update.value(v)}" for n, v in values.items() if n not in key)
        ]
        if gone := (before if current else stored).keys() - after.keys():
            clauses.append("REMOVE " + ", ".join(update.name(name) for name in sorted(gone)))
        unchanged = [
            f"{update.name(name)} = {update.value(stored[name])}"
            if name in stored
            else f"attribute_not_exists({update.name(name)})"
            for name in (_VERSION if stored else ("userId",))
        ]
        with _errors():
            try:
                self._client.update_item(
                    TableName=self._table,
                    Key=key,
                    UpdateExpression=" ".join(clauses),
                    ConditionExpression=" AND ".join(unchanged),
                    ExpressionAttributeNames=update.names,
                    ExpressionAttributeValues=update.values,
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                raise Unavailable(SERVICE, "ConditionalCheckFailedException") from error

    def _query(self, user_id: str) -> Iterator[Item]:
        request = {
            "TableName": self._table,
            "KeyConditionExpression": "#userId = :userId",
            "ExpressionAttributeNames": {"#userId": "userId"},
            "ExpressionAttributeValues": {":userId": {"S": user_id}},
            "ConsistentRead": True,
        }
        while True:
            page = self._retry(lambda: self._query_page(request))
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            request["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def _query_page(self, request: Mapping[str, Any]) -> Any:
        with _errors():
            return self._client.query(**request)

    def _alive(self, stored: Item) -> ValidationRecord | None:
        record = _record(stored) if stored else None
        return None if record is None or record.is_expired(self._clock()) else record


class _Expression:
    """Placeholders for the names and values of one request: attributes may be named like anything."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.values: dict[str, Mapping[str, Any]] = {}

    def name(self, name: str) -> str:
        placeholder = f"#n{len(self.names)}"
        self.names[placeholder] = name
        return placeholder

    def value(self, value: Mapping[str, Any]) -> str:
        placeholder = f":v{len(self.values)}"
        self.values[placeholder] = value
        return placeholder


@contextmanager
def _held(turn: threading.Lock, until: float) -> Iterator[None]:
    """``turn``, waited for no longer than ``until`` (seconds of ``time.monotonic``)."""
    if not turn.acquire(timeout=max(0.0, until - time.monotonic())):
        raise Unavailable(SERVICE, "DeadlineExceeded")
    try:
        yield
    finally:
        turn.release()


@contextmanager
def _errors() -> Iterator[None]:
    try:
        with translated(SERVICE):
            yield
    except NotConfigured as error:
        raise NotConfigured(SERVICE, error.code, "DynamoDB face validation table not configured") from error


def _key(user_id: str, registration_id: str) -> Item:
    return {"userId": {"S": user_id}, "registrationId": {"S": registration_id}}


def _record(item: Item) -> ValidationRecord:
    try:
        return ValidationRecord.from_item(_plain(TypeDeserializer().deserialize({"M": item})))
    except ValueError as error:
        raise Refused(SERVICE, "UnreadableRecord", str(error)) from None


def _serialised(values: Mapping[str, Any]) -> dict[str, Any]:
    # DynamoDB takes no floats; their shortest text as a Decimal is the number that was meant.
    exact = json.loads(json.dumps(values), parse_float=Decimal)
    serialise = TypeSerializer().serialize
    return {name: serialise(value) for name, value in exact.items()}


def _plain(value: Any) -> Any:
    """``value`` in JSON's types; a set becomes a sorted list and bytes base64 text."""
    match value:
        case Decimal():
            return int(value) if value == value.to_integral_value() else float(value)
        case dict():
            return {name: _plain(inner) for name, inner in value.items()}
        case list():
            return [_plain(inner) for inner in value]
        case set():
            return sorted(map(_plain, value))
        case Binary():
            return b64encode(value.value).decode()  # type: ignore[attr-defined]
        case _:
            return value
