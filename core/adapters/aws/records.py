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
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import chain, islice, pairwise, takewhile
from typing import Any, TypeAlias, TypeVar

import pandas as pd
import pyarrow as pa
from boto3.dynamodb.types import TypeSerializer

from core.adapters.aws.answers import PATHS, Item, Page, columns_of, decode, in_columns, of_event, page_of, value_at
from core.adapters.aws.clients import translated
from core.adapters.aws.event_index import EventIndex
from core.adapters.aws.table import EVENT_INDEX, RECORDS_NOT_CONFIGURED
from core.adapters.listing import TO_THE_SECOND, newest
from core.domain.clock import Clock, Stopwatch, elapsed
from core.domain.errors import NotConfigured, Refused, Unavailable
from core.domain.frames import alive_in_order, as_they_became, record_frame
from core.domain.records import (
    EVENT_ATTRIBUTES,
    Metadata,
    Outcome,
    Review,
    ValidationRecord,
    decided,
    isoformat,
    newest_first,
    with_attempt,
    without_attempt,
)
from core.flow.retry import Retry
from core.ports import EventChanges

T = TypeVar("T")

SERVICE = "validation records"

#: What any writer changes when it changes an item: a write is conditioned on these being as they were read.
_VERSION = ("updatedAt", "timestamp", "verificationAttempt", "validationStatus")
#: How many records a batch of ``event_batches`` is made of.
BATCH_ROWS = 5_000
#: How many parts of the table a scan reads at once, and how many calls read a large event from the index.
SCAN_SEGMENTS = 4
#: How many parts, equally long in time, a large event is read in: more than are read at once, as some are busier.
SLICES = 16
#: How long after its ``timestamp`` a record may come to the index: the engine's and the store's deadlines, the
#: index's own delay, and clocks that differ.
LAG = timedelta(minutes=2)
#: An attribute, or one inside of maps.
Path: TypeAlias = tuple[str, ...]
#: What charts show, and what lists do.
_CHARTED: Sequence[Path] = [path for column, path in PATHS.items() if column != "eventId"]
_LISTED: Sequence[Path] = [(attribute,) for attribute in EVENT_ATTRIBUTES]
_METADATA = frozenset(field.alias for field in Metadata.model_fields.values())

_errors = partial(translated, SERVICE, RECORDS_NOT_CONFIGURED)


class DynamoRecords:
    """``ValidationRecords`` in DynamoDB; a change is a read and one conditional write, repeated while others win.

    ``client`` is a low-level one that makes a single attempt a call (``core.adapters.aws.clients.client``). A user id
    may
    have 2,048 bytes in UTF-8 and a registration id 1,024: DynamoDB's limits for keys. Events are read from the index
    ``EVENT_INDEX`` where it has all of their records, else by scans of the whole table; ``index_check`` is
    the time between two checks of that (``core.adapters.aws.event_index``, which says how late a record can be).
    """

    def __init__(
        self,
        client: Any,
        table: str,
        retry: Retry,
        clock: Clock,
        stopwatch: Stopwatch = elapsed,
        *,
        index_check: timedelta | None = timedelta(minutes=30),
    ) -> None:
        decode(client)
        self._client = client
        self._table = table
        self._retry = retry
        # Losing a race is no fault: tried again, in short waits, until the deadline.
        self._race = replace(retry, cap=1.0, tries=10_000)
        # Threads of this process take turns on a record: what is left to race with is other processes.
        self._turns = [threading.Lock() for _ in range(256)]
        self._clock = clock
        self._index = EventIndex(self._index_description, self._strays, stopwatch, index_check)

    def get(self, user_id: str, registration_id: str) -> ValidationRecord | None:
        return self._alive(self._retry(lambda: self._read(_key(user_id, registration_id))))

    def history(self, user_id: str, limit: int | None = None) -> list[ValidationRecord]:
        return newest_first(map(_record, self._of_user(user_id)), self._clock(), limit)

    def event_frame(self, event_id: str) -> pd.DataFrame:
        """As the port says, eventually consistent."""
        return self.event_changes(event_id).records

    def event_changes(self, event_id: str, since: str | None = None) -> EventChanges:
        """As the port says. By scans all is read each time; by the index what is not older than the newest record
        known, or than now, minus ``LAG``."""
        began = self._clock()
        if since is not None:
            # A mark that a clock ahead of now has set must not hide what comes now.
            since = min(since, _to_the_second(began - LAG))
        complete, pages = self._by_index_or_scan(
            lambda: (
                (True, self._all_in_index(event_id, began))
                if since is None
                else (False, list(self._in_index(event_id, since)))
            ),
            lambda: (True, self._all_scanned(event_id)),
        )
        records = as_they_became(self._alive_frame(pages, event_id))
        newest = min(began, records["timestamp"].max()) if len(records) else datetime.min.replace(tzinfo=UTC) + LAG
        return EventChanges(records, mark=max(_to_the_second(newest - LAG), since or ""), complete=complete)

    def event_batches(self, event_id: str) -> Iterator[pd.DataFrame]:
        """As the port says. An index that goes away after the first batch is an error: a scan would begin anew."""
        pages = self._by_index_or_scan(lambda: _begun(self._in_index(event_id)), lambda: self._scanned(event_id))
        for batch in _batches(pages):
            alive = self._alive_frame(batch, event_id)
            if len(alive):
                yield alive

    def event_records(self, event_id: str, limit: int) -> list[ValidationRecord]:
        found = self._by_index_or_scan(
            lambda: iter(self._latest_in_index(event_id, limit)), lambda: self._items_scanned(event_id)
        )
        return newest(map(_record, found), self._clock(), limit)

    def event_notice(self) -> str | None:
        return self._index.notice

    def record_attempt(self, outcome: Outcome, ttl: timedelta) -> ValidationRecord:
        key = _key(outcome.user_id, outcome.registration_id)
        return self._change(key, lambda current: with_attempt(current, outcome, ttl))

    def take_back(self, user_id: str, registration_id: str, attempt_id: str) -> ValidationRecord | None:
        key = _key(user_id, registration_id)

        def once() -> ValidationRecord | None:
            stored = self._read(key)
            current = _record(stored) if stored else None
            left = without_attempt(current, attempt_id) if current else None
            if current and left is None:
                self._delete(key, stored)
            elif current and left and left is not current:
                self._write(key, stored, current, left)
            return left

        return self._race(once)

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
        self._if_unchanged(self._client.update_item, key, stored, update, UpdateExpression=" ".join(clauses))

    def _delete(self, key: Item, stored: Item) -> None:
        """Delete the item if it is still as ``stored``."""
        self._if_unchanged(self._client.delete_item, key, stored, _Expression())

    def _if_unchanged(
        self, call: Callable[..., Any], key: Item, stored: Item, used: _Expression, **request: Any
    ) -> None:
        unchanged = [
            f"{used.name(name)} = {used.value(stored[name])}"
            if name in stored
            else f"attribute_not_exists({used.name(name)})"
            for name in (_VERSION if stored else ("userId",))
        ]
        with _errors():
            try:
                call(
                    TableName=self._table,
                    Key=key,
                    ConditionExpression=" AND ".join(unchanged),
                    ExpressionAttributeNames=used.names,
                    ExpressionAttributeValues=used.values,
                    **request,
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

    def _in_index(self, event_id: str, since: str = "", until: str = "") -> Iterator[Page]:
        """The event's records in the index from the timestamp ``since`` on, up to and with ``until`` if there is one.

        Oldest first: a record can only move on, from what is read to what is still to come, so none is missed.
        """
        return map(
            page_of, self._pages(in_columns(self._client.query), self._by_event(event_id, _CHARTED, since, until))
        )

    def _all_in_index(self, event_id: str, began: datetime) -> list[Page]:
        """All of the event's records in the index; where they are many, several parts of its time at once.

        Parts that are read at once are not in the order that keeps a record from being missed when it moves on. But
        one that moves while they are read comes to what is no older than the newest record, or than now, minus
        ``LAG``: that is the last part, read when the others are.
        """
        answers = self._pages(in_columns(self._client.query), self._by_event(event_id, _CHARTED))
        first = next(answers)
        if "LastEvaluatedKey" not in first:
            return [page_of(first)]
        reached = first["LastEvaluatedKey"]["timestamp"]["S"]
        *bounds, last = _bounds(reached, self._newest_in_index(event_id), began)
        parts = [partial(self._in_index, event_id, *part) for part in pairwise([*bounds, last])]
        return [page_of(first), *_at_once(parts), *self._in_index(event_id, since=last)]

    def _newest_in_index(self, event_id: str) -> str:
        """The newest record's timestamp; an empty text where there is none."""
        request = self._by_event(event_id, [("timestamp",)])
        answers = self._pages(self._client.query, {**request, "ScanIndexForward": False, "Limit": 1})
        return next((item["timestamp"]["S"] for item in _items(answers)), "")

    def _latest_in_index(self, event_id: str, limit: int) -> list[Item]:
        """All items from the second of the ``limit``-th newest on, found from the end and then read oldest first."""
        request = self._by_event(event_id, [("timestamp",), ("expiresAt",)])
        backwards = _items(self._pages(self._client.query, {**request, "ScanIndexForward": False, "Limit": limit}))
        now = self._clock().timestamp()
        alive = (item["timestamp"]["S"] for item in backwards if not _is_past(item, now))
        last = next(islice(alive, limit - 1, None), "")
        listed = self._by_event(event_id, _LISTED, since=last[:TO_THE_SECOND])
        return _each_once(_items(self._pages(self._client.query, listed)))

    def _scanned(self, event_id: str) -> Iterator[Page]:
        request = self._of_event(event_id, PATHS.values())
        return (of_event(page_of(answer), event_id) for answer in self._scan(in_columns(self._client.scan), request))

    def _all_scanned(self, event_id: str) -> list[Page]:
        request = self._of_event(event_id, PATHS.values())
        segments = [partial(self._pages, in_columns(self._client.scan), part) for part in _segments(request)]
        return [of_event(page_of(answer), event_id) for answer in _at_once(segments)]

    def _items_scanned(self, event_id: str) -> Iterator[Item]:
        # Where both name an event, the top level does.
        found = _items(self._scan(self._client.scan, self._of_event(event_id, _LISTED)))
        return (item for item in found if value_at(item, ("eventId",)) in (None, "", event_id))

    def _by_event(self, event_id: str, paths: Iterable[Path], since: str = "", until: str = "") -> dict[str, Any]:
        """A query of the index for ``paths``, from the timestamp ``since`` on, up to and with ``until``."""
        expression = _Expression()
        condition = f"{expression.name('eventId')} = {expression.value({'S': event_id})}"
        if since:
            timestamp, begin = expression.name("timestamp"), expression.value({"S": since})
            to_the_end = f"{timestamp} >= {begin}"
            condition += " AND " + (
                f"{timestamp} BETWEEN {begin} AND {expression.value({'S': until})}" if until else to_the_end
            )
        return {
            "TableName": self._table,
            "IndexName": EVENT_INDEX,
            "KeyConditionExpression": condition,
            "ProjectionExpression": _projection(expression, paths),
            "ExpressionAttributeNames": expression.names,
            "ExpressionAttributeValues": expression.values,
        }

    def _of_event(self, event_id: str, paths: Iterable[Path]) -> dict[str, Any]:
        """A scan of the table for ``paths`` of the records that name the event at either place."""
        expression = _Expression()
        event, metadata = expression.name("eventId"), expression.name("metadata")
        wanted = expression.value({"S": event_id})
        return {
            "TableName": self._table,
            "FilterExpression": f"{event} = {wanted} OR {metadata}.{event} = {wanted}",
            "ProjectionExpression": _projection(expression, paths),
            "ExpressionAttributeNames": expression.names,
            "ExpressionAttributeValues": expression.values,
        }

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
        pages = self._scan(self._client.scan, request) if hurry else self._pages(self._client.scan, request)
        return next((page["Count"] for page in pages if page["Count"]), 0)

    def _index_description(self) -> Mapping[str, Any] | None:
        def describe() -> Any:
            with _errors():
                return self._client.describe_table(TableName=self._table)

        indexes = self._retry(describe)["Table"].get("GlobalSecondaryIndexes", ())
        return next((index for index in indexes if index["IndexName"] == EVENT_INDEX), None)

    def _scan(self, call: Callable[..., Any], request: dict[str, Any]) -> Iterator[Any]:
        """The answers of a scan, of all segments at once; but no page is read before those before it are used."""
        segments = [self._pages(call, part) for part in _segments(request)]
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
            request = {**request, "ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _alive_frame(self, pages: Sequence[Page], event_id: str) -> pd.DataFrame:
        event = pa.repeat(pa.scalar(event_id, pa.string()), sum(map(len, pages)))
        try:
            records = record_frame({**columns_of(pages), "eventId": event})
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


def _key(user_id: str, registration_id: str) -> Item:
    return {"userId": {"S": user_id}, "registrationId": {"S": registration_id}}


def _projection(expression: _Expression, paths: Iterable[Path]) -> str:
    return ", ".join(".".join(map(expression.name, path)) for path in paths)


def _next_page(pages: Iterator[Any]) -> Any:
    """None behind the last."""
    return next(pages, None)


def _items(pages: Iterator[Any]) -> Iterator[Item]:
    return chain.from_iterable(page["Items"] for page in pages)


def _begun(items: Iterator[T]) -> Iterator[T]:
    """``items``, of which the first has been read already."""
    return chain(list(islice(items, 1)), items)


def _each_once(items: Iterator[Item]) -> list[Item]:
    """Each record once: one that changes while the index is read moves on in it and is met again, as it became."""
    return list({(item["userId"]["S"], item["registrationId"]["S"]): item for item in items}.values())


def _segments(request: dict[str, Any]) -> list[dict[str, Any]]:
    """The scan ``request`` in parts that can be read at once."""
    return [{**request, "TotalSegments": SCAN_SEGMENTS, "Segment": number} for number in range(SCAN_SEGMENTS)]


def _at_once(parts: Sequence[Callable[[], Iterator[T]]]) -> list[T]:
    """What all parts give, part by part, read by several threads; where one fails the others stop."""
    failed = threading.Event()

    def read(part: Callable[[], Iterator[T]]) -> list[T]:
        try:
            return list(takewhile(lambda _: not failed.is_set(), part()))
        except BaseException:
            failed.set()
            raise

    with ThreadPoolExecutor(SCAN_SEGMENTS) as threads:
        asked = [threads.submit(copy_context().run, read, part) for part in parts]
    return [each for part in asked for each in part.result()]


def _bounds(reached: str, newest: str, began: datetime) -> list[str]:
    """Timestamps, in the order of their text, between which a large event is read in parts: the first part from
    ``reached`` on, the last one open."""
    first = reached[:TO_THE_SECOND]
    try:
        begin = _moment(reached)
        end = min(_moment(newest), began) - LAG
    except ValueError:  # another service's, or nothing is there any more
        return [first]
    times = [begin + (end - begin) * number / SLICES for number in range(1, SLICES + 1)]
    texts = [first, *map(_to_the_second, times)]
    return texts if texts == sorted(set(texts)) else [first]


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _to_the_second(moment: datetime) -> str:
    """Before the text of any timestamp of that second, whatever its fraction and its end."""
    return isoformat(moment)[:TO_THE_SECOND]


def _batches(pages: Iterable[Page]) -> Iterator[list[Page]]:
    """The pages in parts of ``BATCH_ROWS`` records; each as soon as it is whole."""
    held: list[Page] = []
    for page in pages:
        offset = 0
        while offset < len(page):
            part = page[offset : offset + BATCH_ROWS - sum(map(len, held))]
            held.append(part)
            offset += len(part)
            if sum(map(len, held)) == BATCH_ROWS:
                yield held
                held = []
    if held:
        yield held


def _is_past(item: Item, now: float) -> bool:
    expires = value_at(item, ("expiresAt",))
    return isinstance(expires, float) and expires <= now


def _record(item: Item) -> ValidationRecord:
    try:
        return ValidationRecord.from_item(_plain({"M": item}))
    except ValueError as error:
        raise Refused(SERVICE, "UnreadableRecord", str(error)) from None


def _serialised(values: Mapping[str, Any]) -> dict[str, Any]:
    # DynamoDB takes no floats; their shortest text as a Decimal is the number that was meant.
    exact = json.loads(json.dumps(values), parse_float=Decimal)
    serialise = TypeSerializer().serialize
    return {name: serialise(value) for name, value in exact.items()}


def _plain(typed: Mapping[str, Any]) -> Any:
    """A value of the API in JSON's types; a set becomes a sorted list and bytes base64 text."""
    ((kind, value),) = typed.items()
    match kind:
        case "M":
            return {name: _plain(inner) for name, inner in value.items()}
        case "L":
            return [_plain(inner) for inner in value]
        case "NULL":
            return None
        case "N":
            return _number(value)
        case "NS":
            return sorted(map(_number, value))
        case "B":
            return _base64(value)
        case "BS":
            return sorted(map(_base64, value))
        case "SS":
            return sorted(value)
        case _:
            return value


def _number(text: str) -> int | float:
    number = Decimal(text)
    return int(number) if number == number.to_integral_value() else float(number)


def _base64(value: str | bytes) -> str:
    """As an answer has it that was decoded past botocore, which gives bytes."""
    return value if isinstance(value, str) else b64encode(value).decode()
