"""Validation records in the DynamoDB table that other services write too."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import chain
from typing import Any

import pandas as pd
from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer

from core.aws import translated
from core.clock import Clock
from core.errors import NotConfigured, Refused, Unavailable
from core.frames import RECORD_DTYPES, alive_in_order, record_frame
from core.records import Metadata, Outcome, Review, ValidationRecord, decided, newest_first, with_attempt
from core.retry import Retry

SERVICE = "validation records"

#: An item as the API has it: name -> ``{"S": "..."}``, ``{"N": "..."}``, ...
Item = Mapping[str, Mapping[str, Any]]

#: What any writer changes when it changes an item: a write is conditioned on these being as they were read.
_VERSION = ("updatedAt", "timestamp", "verificationAttempt", "validationStatus")
#: The index that finds an event's records by ``eventId``, oldest ``timestamp`` first.
EVENT_INDEX = "eventId-timestamp-index"
#: How many parts of the table a scan reads at once.
SCAN_SEGMENTS = 4
#: A frame's column -> the attribute that it is read from.
_COLUMNS: Mapping[str, tuple[str, ...]] = {
    **{column: (column,) for column in RECORD_DTYPES},
    "status": ("validationStatus",),
    "similarity": ("comparisonResult", "similarity"),
    "threshold": ("comparisonResult", "threshold"),
    "attempts": ("verificationAttempt",),
    "source": ("metadata", "source"),
    "reasons": ("failureReasons",),
    **{column: ("review", column) for column in ("decision", "reviewer", "decidedAt")},
    **{column: ("attributes", column) for column in ("age", "gender", "smile")},
}
#: What another writer may have of any kind: anything but this is as good as absent.
_KINDS: Mapping[str, type] = {"age": str, "gender": str, "smile": bool}
_METADATA = frozenset(field.alias for field in Metadata.model_fields.values())


class DynamoRecords:
    """``ValidationRecords`` in DynamoDB; a change is a read and one conditional write, repeated while others win.

    ``client`` is a low-level one that makes a single attempt a call (``core.aws.client``). A user id may
    have 2,048 bytes in UTF-8 and a registration id 1,024: DynamoDB's limits for keys. ``event_index`` says that the
    table has ``EVENT_INDEX`` and every record its top-level ``eventId``; without it an event is found by scans.
    """

    def __init__(self, client: Any, table: str, retry: Retry, clock: Clock, *, event_index: bool = False) -> None:
        self._client = client
        self._table = table
        self._retry = retry
        # Losing a race is no fault: tried again, in short waits, until the deadline.
        self._race = replace(retry, cap=1.0, tries=10_000)
        # Threads of this process take turns on a record: what is left to race with is other processes.
        self._turns = [threading.Lock() for _ in range(256)]
        self._clock = clock
        self._event_index = event_index

    def get(self, user_id: str, registration_id: str) -> ValidationRecord | None:
        return self._alive(self._retry(lambda: self._read(_key(user_id, registration_id))))

    def history(self, user_id: str, limit: int | None = None) -> list[ValidationRecord]:
        return newest_first(map(_record, self._of_user(user_id)), self._clock(), limit)

    def event_frame(self, event_id: str) -> pd.DataFrame:
        """As the port says, eventually consistent. Without the index it reads the whole table."""
        found = self._in_index(event_id) if self._event_index else self._scanned(event_id)
        # A record that changes while the index is read moves on in it, and is met again: the newer one counts.
        items = list({(item["userId"]["S"], item["registrationId"]["S"]): item for item in found}.values())
        try:
            records = record_frame(_columns(items, event_id))
        except ValueError as error:
            raise Refused(SERVICE, "UnreadableRecord", str(error)) from None
        return alive_in_order(records, self._clock())

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

    def _of_user(self, user_id: str) -> Iterator[Item]:
        request = {
            "TableName": self._table,
            "KeyConditionExpression": "#userId = :userId",
            "ExpressionAttributeNames": {"#userId": "userId"},
            "ExpressionAttributeValues": {":userId": {"S": user_id}},
            "ConsistentRead": True,
        }
        return self._pages(self._client.query, request)

    def _in_index(self, event_id: str) -> Iterator[Item]:
        expression = _Expression()
        request = {
            "TableName": self._table,
            "IndexName": EVENT_INDEX,
            # Oldest first: a record can only move on, from what is read to what is still to come.
            "ScanIndexForward": True,
            "KeyConditionExpression": f"{expression.name('eventId')} = {expression.value({'S': event_id})}",
            "ProjectionExpression": _projection(expression),
            "ExpressionAttributeNames": expression.names,
            "ExpressionAttributeValues": expression.values,
        }
        return self._pages(self._client.query, request)

    def _scanned(self, event_id: str) -> list[Item]:
        expression = _Expression()
        event, metadata = expression.name("eventId"), expression.name("metadata")
        wanted = expression.value({"S": event_id})
        request = {
            "TableName": self._table,
            "TotalSegments": SCAN_SEGMENTS,
            "FilterExpression": f"{event} = {wanted} OR {metadata}.{event} = {wanted}",
            "ProjectionExpression": _projection(expression),
            "ExpressionAttributeNames": expression.names,
            "ExpressionAttributeValues": expression.values,
        }
        failed = threading.Event()

        def scan(segment: int) -> list[Item]:
            try:
                return list(self._pages(self._client.scan, {**request, "Segment": segment}, failed))
            except BaseException:
                failed.set()
                raise

        with ThreadPoolExecutor(SCAN_SEGMENTS) as threads:
            found = chain.from_iterable(threads.map(scan, range(SCAN_SEGMENTS)))
            # Where both name an event, the top level does.
            return [item for item in found if _at(item, ("eventId",)) in (None, "", event_id)]

    def _pages(
        self, call: Callable[..., Any], request: dict[str, Any], stop: threading.Event | None = None
    ) -> Iterator[Item]:
        """The items of every page; no further page is asked for once ``stop`` is set."""

        def page() -> Any:
            with _errors():
                return call(**request)

        while stop is None or not stop.is_set():
            answer = self._retry(page)
            yield from answer["Items"]
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

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


def _projection(expression: _Expression) -> str:
    """What a frame needs of an item."""
    return ", ".join(expression.name(name) for name in sorted({path[0] for path in _COLUMNS.values()}))


def _columns(items: Sequence[Item], event_id: str) -> dict[str, list[Any]]:
    """The items by column, as ``record_frame`` takes them."""
    columns = {column: [_at(item, path) for item in items] for column, path in _COLUMNS.items()}
    for column, kind in _KINDS.items():
        columns[column] = [value if isinstance(value, kind) else None for value in columns[column]]
    return columns | {
        "eventId": [event_id] * len(items),
        "reasons": [_codes(item.get("failureReasons", {"L": []})) for item in items],
    }


def _at(item: Item, path: tuple[str, ...]) -> Any:
    """The text, number or truth value at ``path``, None where there is nothing.

    Anything else stays in the API's form, which no column takes.
    """
    value: Mapping[str, Any] = {"M": item}
    for name in path:
        value = value.get("M", {}).get(name, {"NULL": True})
    match value:
        case {"NULL": _}:
            return None
        case {"S": inner} | {"BOOL": inner}:
            return inner
        case {"N": number}:
            return float(number)
        case _:
            return value


def _codes(value: Mapping[str, Any]) -> Any:
    """A list of texts as one; anything else stays in the API's form, which no column takes."""
    match value:
        case {"NULL": _}:
            return None
        case {"L": listed} if all("S" in code for code in listed):
            return " ".join(code["S"] for code in listed)
        case {"SS": codes}:
            return " ".join(sorted(codes))
        case _:
            return value


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
