"""Reads of all records of an event: from the event index, or by scans of the whole table while it is unusable."""

from __future__ import annotations

import heapq
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain, islice, pairwise
from typing import Any, TypeVar

import pandas as pd
import pyarrow as pa

from core.adapters.aws.answers import CHARTED, in_columns, joined, of_event, page_of
from core.adapters.aws.clients import translated
from core.adapters.aws.event_index import EventIndex
from core.adapters.aws.event_keys import may_be_of_two_events
from core.adapters.aws.event_shards import EventShards
from core.adapters.aws.index_check import IndexCheck
from core.adapters.aws.items import Expression, Item, plain, record_of
from core.adapters.aws.pages import Ask, asking, items_of, pages, read_at_once, scan_pages, segments, side_by_side
from core.adapters.aws.table import EVENT_INDEX, RECORDS_NOT_CONFIGURED, index_in
from core.adapters.aws.unindexed import event_of
from core.adapters.shared.records import TO_THE_SECOND, newest_of_event
from core.domain.clock import Clock, Stopwatch
from core.domain.errors import NotConfigured, Refused, Service
from core.domain.expiry import is_expired
from core.domain.frames import alive_in_order, as_they_became, record_frame
from core.domain.reading import Unreadable, epoch_seconds, text
from core.domain.records import EVENT_ATTRIBUTES, ValidationRecord, isoformat
from core.flow.retry import Retry
from core.ports import EventChanges

T = TypeVar("T")

SERVICE = Service.RECORDS

#: Records in a batch of ``batches``.
BATCH_ROWS = 5_000
#: Parts, equally long in time, in which a large event is read: more than are read at once, as some hold more records.
SLICES = 16
#: How long after its ``timestamp`` a record may appear in the index: the deadlines of the face engine and the store,
#: the delay of the index itself, and differences between clocks.
LAG = timedelta(minutes=2)
#: Timestamps in ISO 8601 with a year from 1970 on, whose order as texts is that of time. Other services' forms may
#: come before it (seconds since 1970) or after it (the names of days).
_USUAL_TIME = re.compile(r"(19[7-9]|2\d)\d-\d\d-\d\d[T ]")
_USUAL_SINCE = "1970"
#: Digits of a number in DynamoDB.
_DIGITS = 38

_errors = partial(translated, SERVICE, RECORDS_NOT_CONFIGURED)


class EventReads:
    """The event methods of ``ValidationRecords``.

    Events are read from the index ``EVENT_INDEX``, or by scans of the whole table while the index cannot be read or
    is known to lack records (see ``core.adapters.aws.event_index``).

    Of a sharded event (``core.adapters.aws.event_shards``) the records under its own key are read first, then its
    shards in parallel: records move from there into a shard, and stay in it, so none is missed. Which shards there
    are is asked only in between, since the first part may take any time.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        retry: Retry,
        clock: Clock,
        stopwatch: Stopwatch,
        index_check: IndexCheck | None,
        shards: EventShards | None,
    ) -> None:
        """``client`` decodes answers with ``core.adapters.aws.answers``. Without ``index_check`` the index is
        trusted; without ``shards`` no event is sharded.
        """
        self._client = client
        self._table = table
        self._clock = clock
        self._shards = shards
        self._index = EventIndex(self._index_description, index_check, clock, stopwatch)
        self._ask: Callable[[Callable[..., Any]], Ask] = partial(asking, retry=retry, errors=_errors)

    def changes(self, event_id: str, since: str | None, columns: Sequence[str] | None) -> EventChanges:
        """``ValidationRecords.event_changes``.

        A scan reads everything each time. The index is read from the newest record known, or from now if that is
        earlier, minus ``LAG``.
        """
        began = self._clock()
        if since is not None:
            # A mark from a clock that was ahead must not hide the records that come now.
            since = min(since, _to_the_second(began - LAG))
        complete, found = self._by_index_or_scan(
            lambda: (
                (True, self._all_in_index(event_id, began))
                if since is None
                else (False, list(self._in_index(event_id, since)))
            ),
            lambda: (True, self._all_by_scan(event_id)),
        )
        records = as_they_became(self._alive_frame(found, columns))
        times = records["timestamp"].dropna()
        newest = min(began, times.max()) if len(times) else datetime.min.replace(tzinfo=UTC) + LAG
        return EventChanges(records, mark=max(_to_the_second(newest - LAG), since or ""), complete=complete)

    def batches(self, event_id: str) -> Iterator[pd.DataFrame]:
        """``ValidationRecords.event_batches``.

        Raises an error if the index becomes unusable after the first batch: a scan would start from the beginning.
        """
        found = self._by_index_or_scan(lambda: _begun(self._in_index(event_id)), lambda: self._by_scan(event_id))
        for batch in _batches(found):
            alive = self._alive_frame(batch)
            if len(alive):
                yield alive

    def records(self, event_id: str, limit: int) -> list[ValidationRecord]:
        """``ValidationRecords.event_records``."""
        found = self._by_index_or_scan(
            lambda: iter(self._newest_items_in_index(event_id, limit)), lambda: self._items_by_scan(event_id)
        )
        records = (record for record in map(record_of, found) if record.event == event_id)
        return newest_of_event(records, self._clock(), limit)

    @property
    def notice(self) -> str | None:
        """``ValidationRecords.event_notice``."""
        return self._index.notice

    @property
    def verified(self) -> datetime | None:
        """``ValidationRecords.events_verified``."""
        return self._index.verified

    def close(self) -> None:
        self._index.close()

    def _by_index_or_scan(self, by_index: Callable[[], T], by_scan: Callable[[], T]) -> T:
        if self._index.usable():
            try:
                return by_index()
            except (Refused, NotConfigured):
                # That the index is gone shows only when a read fails.
                if self._index.still_usable():
                    raise
        return by_scan()

    def _shards_of(self, event_id: str) -> Sequence[str]:
        """The keys of the event in the index besides its own."""
        return self._shards.of(event_id) if self._shards else ()

    def _in_index(self, event_id: str, since: str = "") -> Iterator[pa.Table]:
        """The event's records in the index, with timestamps from ``since`` on."""
        yield from self._under(event_id, event_id, since)
        shards = self._shards_of(event_id)
        yield from side_by_side([self._under(key, event_id, since) for key in shards])

    def _all_in_index(self, event_id: str, began: datetime) -> list[pa.Table]:
        """All of the event's records in the index."""
        own = self._all_under_own_key(event_id, began)
        shards = self._shards_of(event_id)
        return [*own, *read_at_once([partial(self._under, key, event_id) for key in shards])]

    def _under(self, key: str, event_id: str, since: str = "", until: str = "") -> Iterator[pa.Table]:
        """The event's records under one of its keys, with timestamps from ``since`` up to and including ``until``.

        Oldest first: a record that changes moves from the part that was read to the part still to be read, so none is
        missed.
        """
        query = self._index_query(key, CHARTED, since, until)
        return map(partial(_page, event_id, key), pages(self._ask(in_columns(self._client.query)), query))

    def _all_under_own_key(self, event_id: str, began: datetime) -> list[pa.Table]:
        """All of the event's records under its id; if there are many, several parts of its time are read in parallel.

        Parallel parts lose the order that keeps a moving record from being missed. But a record that changes
        meanwhile moves to a time no earlier than that of the newest record, or than now, minus ``LAG``. That is the
        last part, which is read after all others.
        """
        answers = pages(self._ask(in_columns(self._client.query)), self._index_query(event_id, CHARTED))
        first = next(answers)
        page = _page(event_id, event_id, first)
        if "LastEvaluatedKey" not in first:
            return [page]
        reached = first["LastEvaluatedKey"]["timestamp"]["S"]
        *bounds, last = _bounds(reached, self._newest_timestamp_in_index(event_id), began)
        parts = [partial(self._under, event_id, event_id, *part) for part in pairwise([*bounds, last])]
        return [page, *read_at_once(parts), *self._under(event_id, event_id, since=last)]

    def _newest_timestamp_in_index(self, event_id: str) -> str:
        """Empty if the index has no record under the event's own key."""
        request = self._index_query(event_id, ["timestamp"])
        answers = pages(self._ask(self._client.query), {**request, "ScanIndexForward": False, "Limit": 1})
        return next((item["timestamp"]["S"] for item in items_of(answers)), "")

    def _newest_items_in_index(self, event_id: str, limit: int) -> list[Item]:
        """All items from the second of the ``limit``-th newest on, and those whose time has an unusual form.

        That second is found from the end of the index; the items are then read oldest first, so that none is missed.
        """
        newest = partial(self._newest_times_under, event_id=event_id, limit=limit)
        times_in_shards = read_at_once([partial(newest, key) for key in self._shards_of(event_id)])
        times = heapq.nlargest(limit, [*newest(event_id), *times_in_shards])
        last = times[-1][:TO_THE_SECOND] if len(times) == limit else ""
        own = list(self._newest_items_under(event_id, last))
        shards = [partial(self._newest_items_under, key, last) for key in self._shards_of(event_id)]
        return _each_once([*own, *read_at_once(shards)])

    def _newest_times_under(self, key: str, event_id: str, limit: int) -> Iterator[str]:
        """The timestamps of the newest ``limit`` of the event's records under the key that have not expired, and
        whose time has the usual form.
        """
        also = ("eventId", "metadata") if may_be_of_two_events(key) else ()
        request = self._index_query(key, ["timestamp", "expiresAt", *also])
        backwards = items_of(
            pages(self._ask(self._client.query), {**request, "ScanIndexForward": False, "Limit": limit})
        )
        now = self._clock()
        alive = (
            item["timestamp"]["S"]
            for item in backwards
            if _USUAL_TIME.match(item["timestamp"]["S"])
            and not _is_expired(item, now)
            and not (also and event_of(item) != event_id)
        )
        return islice(alive, limit)

    def _newest_items_under(self, key: str, last: str) -> Iterator[Item]:
        """The items from ``last`` on, and those whose time has an unusual form; all without ``last``."""
        wanted = [self._index_query(key, EVENT_ATTRIBUTES, since=last)]
        if last:
            wanted.append(self._index_query(key, EVENT_ATTRIBUTES, before=_USUAL_SINCE))
        return chain.from_iterable(items_of(pages(self._ask(self._client.query), request)) for request in wanted)

    def _by_scan(self, event_id: str) -> Iterator[pa.Table]:
        request = self._event_scan(event_id, CHARTED)
        return (
            of_event(page_of(answer), event_id)
            for answer in scan_pages(self._ask(in_columns(self._client.scan)), request)
        )

    def _all_by_scan(self, event_id: str) -> list[pa.Table]:
        request = self._event_scan(event_id, CHARTED)
        parts = [partial(pages, self._ask(in_columns(self._client.scan)), segment) for segment in segments(request)]
        return [of_event(page_of(answer), event_id) for answer in read_at_once(parts)]

    def _items_by_scan(self, event_id: str) -> Iterator[Item]:
        return items_of(scan_pages(self._ask(self._client.scan), self._event_scan(event_id, EVENT_ATTRIBUTES)))

    def _index_query(
        self, key: str, attributes: Iterable[str], since: str = "", until: str = "", before: str = ""
    ) -> dict[str, Any]:
        """A query of the index for ``attributes``, with timestamps from ``since`` up to and including ``until``, or
        with those ``before``.
        """
        expression = Expression()
        condition = f"{expression.name('eventId')} = {expression.value({'S': key})}"
        if since:
            timestamp, begin = expression.name("timestamp"), expression.value({"S": since})
            to_the_end = f"{timestamp} >= {begin}"
            condition += " AND " + (
                f"{timestamp} BETWEEN {begin} AND {expression.value({'S': until})}" if until else to_the_end
            )
        elif before:
            condition += f" AND {expression.name('timestamp')} < {expression.value({'S': before})}"
        return {
            "TableName": self._table,
            "IndexName": EVENT_INDEX,
            "KeyConditionExpression": condition,
            "ProjectionExpression": expression.projection(attributes),
            "ExpressionAttributeNames": expression.names,
            "ExpressionAttributeValues": expression.values,
        }

    def _event_scan(self, event_id: str, attributes: Iterable[str]) -> dict[str, Any]:
        """A scan of the table for ``attributes`` of all records that may be the event's: those that name it at either
        place, by any type, and those whose metadata is JSON text, into which DynamoDB cannot look.
        """
        expression = Expression()
        event, metadata = expression.name("eventId"), expression.name("metadata")
        wanted = ", ".join(map(expression.value, _as_any_type(event_id)))
        text = expression.value({"S": "S"})
        return {
            "TableName": self._table,
            "FilterExpression": f"{event} IN ({wanted}) OR {metadata}.{event} IN ({wanted})"
            f" OR attribute_type({metadata}, {text})",
            "ProjectionExpression": expression.projection(attributes),
            "ExpressionAttributeNames": expression.names,
            "ExpressionAttributeValues": expression.values,
        }

    def _index_description(self) -> Mapping[str, Any] | None:
        return index_in(self._ask(self._client.describe_table)({"TableName": self._table})["Table"])

    def _alive_frame(self, found: Sequence[pa.Table], columns: Sequence[str] | None = None) -> pd.DataFrame:
        return alive_in_order(record_frame(joined(found), columns), self._clock())


def _begun(found: Iterator[T]) -> Iterator[T]:
    """``found``, of which the first has been read already."""
    return chain(list(islice(found, 1)), found)


def _page(event_id: str, key: str, answer: Mapping[str, Any]) -> pa.Table:
    """The event's records of an answer to a query for the ``key``."""
    page = page_of(answer)
    return of_event(page, event_id) if may_be_of_two_events(key) else page


def _each_once(items: Iterable[Item]) -> list[Item]:
    """Each record once, as last read: one that changes during the read moves on in the index and is read again."""
    return list({(item["userId"]["S"], item["registrationId"]["S"]): item for item in items}.values())


def _bounds(reached: str, newest: str, began: datetime) -> list[str]:
    """Timestamps, in the order of their text, between which a large event is read in parts.

    The first part begins at ``reached``; the last one, from the last bound on, has no end. There is a single bound if
    the times cannot be read or lie within ``LAG``.
    """
    first = reached[:TO_THE_SECOND]
    try:
        begin = _moment(reached)
        end = min(_moment(newest), began) - LAG
    except ValueError:  # another service's text, or all records are gone by now
        return [first]
    times = [begin + (end - begin) * number / SLICES for number in range(1, SLICES + 1)]
    texts = [first, *map(_to_the_second, times)]
    return texts if texts == sorted(set(texts)) else [first]


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _to_the_second(moment: datetime) -> str:
    """A text before that of any timestamp of the same second, whatever its fraction and suffix."""
    return isoformat(moment)[:TO_THE_SECOND]


def _batches(found: Iterable[pa.Table]) -> Iterator[list[pa.Table]]:
    """The pages in parts of ``BATCH_ROWS`` records, each as soon as it is complete."""
    held: list[pa.Table] = []
    for page in found:
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


def _is_expired(item: Item, now: datetime) -> bool:
    try:
        return "expiresAt" in item and is_expired(epoch_seconds(plain(item["expiresAt"])), now)
    except Unreadable:
        return False


def _as_any_type(event_id: str) -> list[dict[str, Any]]:
    """The values in DynamoDB that read as this id."""
    values: list[dict[str, Any]] = [{"S": event_id}]
    number = {"N": event_id}
    with suppress(ArithmeticError, ValueError):
        # DynamoDB refuses a request with a longer number.
        if len(event_id) <= _DIGITS and text(plain(number)) == event_id:
            values.append(number)
    if event_id in ("true", "false"):
        values.append({"BOOL": event_id == "true"})
    return values
