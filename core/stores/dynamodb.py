"""Validation records in the DynamoDB table that other services write too."""

from __future__ import annotations

import json
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from itertools import chain, islice
from typing import Any, TypeVar

import pandas as pd
from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer

from core.aws import translated
from core.clock import Clock
from core.errors import NotConfigured, Refused, Unavailable
from core.frames import RECORD_DTYPES, alive_in_order, record_frame
from core.records import (
    EVENT_ATTRIBUTES,
    Metadata,
    Outcome,
    Review,
    ValidationRecord,
    decided,
    newest_first,
    with_attempt,
)
from core.retry import Retry
from core.stores.event_index import EventIndex
from core.stores.listing import TO_THE_SECOND, newest
from core.stores.table import EVENT_INDEX

T = TypeVar("T")

SERVICE = "validation records"

#: An item as the API has it: name -> ``{"S": "..."}``, ``{"N": "..."}``, ...
Item = Mapping[str, Mapping[str, Any]]

#: What any writer changes when it changes an item: a write is conditioned on these being as they were read.
_VERSION = ("updatedAt", "timestamp", "verificationAttempt", "validationStatus")
#: How many records a batch of ``event_batches`` is made of: an item of the API takes some 10 KB of memory.
BATCH_ROWS = 2_000
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
    have 2,048 bytes in UTF-8 and a registration id 1,024: DynamoDB's limits for keys. Events are read from the index
    ``EVENT_INDEX`` where it has all of their records, else by scans of the whole table; ``index_check`` is
    the time between two checks of that (``core.stores.event_index``, which says how late a record can be).
    """

    def __init__(
        self,
        client: Any,
        table: str,
        retry: Retry,
        clock: Clock,
        *,
        index_check: timedelta | None = timedelta(minutes=30),
    ) -> None:
        self._client = client
        self._table = table
        self._retry = retry
        # Losing a race is no fault: tried again, in short waits, until the deadline.
        self._race = replace(retry, cap=1.0, tries=10_000)
        # Threads of this process take turns on a record: what is left to race with is other processes.
        self._turns = [threading.Lock() for _ in range(256)]
        self._clock = clock
        self._index = EventIndex(self._index_description, self._strays, clock, index_check)

    def get(self, user_id: str, registration_id: str) -> ValidationRecord | None:
        return self._alive(self._retry(lambda: self._read(_key(user_id, registration_id))))

    def history(self, user_id: str, limit: int | None = None) -> list[ValidationRecord]:
        return newest_first(map(_record, self._of_user(user_id)), self._clock(), limit)

    def event_frame(self, event_id: str) -> pd.DataFrame:
        """As the port says, eventually consistent."""
        found = self._by_index_or_scan(
            lambda: _as_they_became(self._in_index(event_id)), lambda: list(self._scanned(event_id))
        )
        return self._alive_frame(found, event_id)

    def event_batches(self, event_id: str) -> Iterator[pd.DataFrame]:
        """As the port says. An index that goes away after the first batch is an error: a scan would begin anew."""
        found = self._by_index_or_scan(lambda: _begun(self._in_index(event_id)), lambda: self._scanned(event_id))
        while batch := list(islice(found, BATCH_ROWS)):
            alive = self._alive_frame(batch, event_id)
            if len(alive):
                yield alive

    def event_records(self, event_id: str, limit: int) -> list[ValidationRecord]:
        found = self._by_index_or_scan(
            lambda: iter(_as_they_became(self._latest_in_index(event_id, limit))), lambda: self._scanned(event_id)
        )
        return newest(map(_record, found), self._clock(), limit)

    def event_notice(self) -> str | None:
        return self._index.notice

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
        return _items(self._pages(self._client.query, request))

    def _by_index_or_scan(self, by_index: Callable[[], T], by_scan: Callable[[], T]) -> T:
        if self._index.usable():
            try:
                return by_index()
            except (Refused, NotConfigured):
                # Not before a read fails is it noticed that the index has gone.
                if self._index.still_usable():
                    raise
        return by_scan()

    def _in_index(
        self, event_id: str, attributes: Sequence[str] = EVENT_ATTRIBUTES, since: str = "", **options: Any
    ) -> Iterator[Item]:
        """The event's items in the index from the timestamp ``since`` on.

        Oldest first, unless ``options`` say otherwise: a record can only move on, from what is read to what is still
        to come, so none is missed.
        """
        expression = _Expression()
        condition = f"{expression.name('eventId')} = {expression.value({'S': event_id})}"
        if since:
            condition += f" AND {expression.name('timestamp')} >= {expression.value({'S': since})}"
        request = {
            "TableName": self._table,
            "IndexName": EVENT_INDEX,
            "KeyConditionExpression": condition,
            "ProjectionExpression": _projection(expression, attributes),
            "ExpressionAttributeNames": expression.names,
            "ExpressionAttributeValues": expression.values,
            **options,
        }
        return _items(self._pages(self._client.query, request))

    def _latest_in_index(self, event_id: str, limit: int) -> Iterator[Item]:
        """All items from the second of the ``limit``-th newest on, found from the end and then read oldest first."""
        backwards = self._in_index(event_id, ("timestamp", "expiresAt"), ScanIndexForward=False, Limit=limit)
        now = self._clock().timestamp()
        alive = (item["timestamp"]["S"] for item in backwards if not _is_past(item, now))
        last = next(islice(alive, limit - 1, None), "")
        return self._in_index(event_id, since=last[:TO_THE_SECOND])

    def _scanned(self, event_id: str) -> Iterator[Item]:
        expression = _Expression()
        event, metadata = expression.name("eventId"), expression.name("metadata")
        wanted = expression.value({"S": event_id})
        request = {
            "TableName": self._table,
            "FilterExpression": f"{event} = {wanted} OR {metadata}.{event} = {wanted}",
            "ProjectionExpression": _projection(expression, EVENT_ATTRIBUTES),
            "ExpressionAttributeNames": expression.names,
            "ExpressionAttributeValues": expression.values,
        }
        # Where both name an event, the top level does.
        found = _items(self._scan(request))
        return (item for item in found if _at(item, ("eventId",)) in (None, "", event_id))

    def _strays(self, hurry: bool) -> int:
        """How many records one page shows that have an event but, for lack of ``eventId``, no place in the index.

        Reads the whole table where there are none; without ``hurry`` a page at a time, which leaves the table's
        capacity to others.
        """
        request = {
            "TableName": self._table,
            "Select": "COUNT",
            "FilterExpression": "(attribute_not_exists(#event) OR attribute_type(#event, :null) OR #event = :empty)"
            " AND attribute_type(#metadata.#event, :text) AND #metadata.#event <> :empty",
            "ExpressionAttributeNames": {"#event": "eventId", "#metadata": "metadata"},
            "ExpressionAttributeValues": {":null": {"S": "NULL"}, ":text": {"S": "S"}, ":empty": {"S": ""}},
        }
        pages = self._scan(request) if hurry else self._pages(self._client.scan, request)
        return next((page["Count"] for page in pages if page["Count"]), 0)

    def _index_description(self) -> Mapping[str, Any] | None:
        def describe() -> Any:
            with _errors():
                return self._client.describe_table(TableName=self._table)

        indexes = self._retry(describe)["Table"].get("GlobalSecondaryIndexes", ())
        return next((index for index in indexes if index["IndexName"] == EVENT_INDEX), None)

    def _scan(self, request: dict[str, Any]) -> Iterator[Any]:
        """The answers of a scan, of all segments at once; but no page is read before those before it are used."""
        segments = [
            self._pages(self._client.scan, {**request, "TotalSegments": SCAN_SEGMENTS, "Segment": number})
            for number in range(SCAN_SEGMENTS)
        ]
        while segments:
            with ThreadPoolExecutor(len(segments)) as threads:
                asked = [threads.submit(copy_context().run, _next_page, segment) for segment in segments]
            pages = [page.result() for page in asked]
            yield from filter(None, pages)
            segments = [segment for segment, page in zip(segments, pages, strict=True) if page]

    def _pages(self, call: Callable[..., Any], request: dict[str, Any]) -> Iterator[Any]:
        """The answers to ``request``, page by page."""

        def page() -> Any:
            with _errors():
                return call(**request)

        while True:
            answer = self._retry(page)
            yield answer
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _alive_frame(self, items: Sequence[Item], event_id: str) -> pd.DataFrame:
        try:
            records = record_frame(_columns(items, event_id))
        except ValueError as error:
            raise Refused(SERVICE, "UnreadableRecord", str(error)) from None
        return alive_in_order(records, self._clock())

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


def _projection(expression: _Expression, attributes: Iterable[str]) -> str:
    return ", ".join(map(expression.name, attributes))


def _next_page(pages: Iterator[Any]) -> Any:
    """None behind the last."""
    return next(pages, None)


def _items(pages: Iterator[Any]) -> Iterator[Item]:
    return chain.from_iterable(page["Items"] for page in pages)


def _begun(items: Iterator[Item]) -> Iterator[Item]:
    """``items``, of which the first has been read already."""
    return chain(list(islice(items, 1)), items)


def _as_they_became(items: Iterator[Item]) -> list[Item]:
    """Each record once: one that changes while the index is read moves on in it and is met again, as it became."""
    return list({(item["userId"]["S"], item["registrationId"]["S"]): item for item in items}.values())


def _is_past(item: Item, now: float) -> bool:
    expires = _at(item, ("expiresAt",))
    return isinstance(expires, float) and expires <= now


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
