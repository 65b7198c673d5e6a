"""Validation records in the DynamoDB table that other services write too."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd

from core.adapters.aws.answers import decode
from core.adapters.aws.clients import translated
from core.adapters.aws.earlier_attempts import (
    VERSION,
    RecordItems,
    Stored,
    joined_by_registration,
    require_time,
    split,
)
from core.adapters.aws.event_reads import EventReads
from core.adapters.aws.event_shards import EventShards
from core.adapters.aws.index_check import IndexCheck
from core.adapters.aws.items import Expression, Item, as_sent, changed_values, key_of, partition_of, record_of
from core.adapters.aws.pages import asking, items_of, pages
from core.adapters.aws.photo_owners import NOTED, PhotoOwners
from core.adapters.aws.table import RECORDS_NOT_CONFIGURED
from core.domain.attempts import decided, newest_first, redated, with_attempt, without_attempt
from core.domain.clock import Clock, Stopwatch, elapsed
from core.domain.errors import Service, Unavailable
from core.domain.records import KEY_ATTRIBUTES, Outcome, Review, ValidationRecord, Withdrawal
from core.flow.retry import Retry
from core.ports import EventChanges

SERVICE = Service.RECORDS

#: How many records are dated again at the same time. Nobody waits for that: most of the table's capacity is for
#: others.
_AT_ONCE = 8

_errors = partial(translated, SERVICE, RECORDS_NOT_CONFIGURED)


class DynamoRecords:
    """``ValidationRecords`` in DynamoDB. A change is a read and a conditional write, repeated if others write first.

    ``client`` is a low-level one that makes a single attempt per call (``core.adapters.aws.clients.client``).
    DynamoDB limits keys: a user id may have 2,048 bytes of UTF-8, a registration id 1,024. How events are read is
    documented in ``core.adapters.aws.event_reads``; without ``index_check`` the event index is trusted, and without
    ``shards`` no event is sharded.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        retry: Retry,
        clock: Clock,
        stopwatch: Stopwatch = elapsed,
        *,
        index_check: IndexCheck | None = None,
        owners: PhotoOwners | None = None,
        shards: EventShards | None = None,
    ) -> None:
        """``owners`` is told of the photos that a record names before the record is written."""
        decode(client)
        self._owners = owners
        self._items = RecordItems(client, table, _errors, owners)
        self._shards = shards
        self._client = client
        self._table = table
        self._retry = retry
        # Losing a race is no failure: the change is tried again after short waits, until the deadline.
        self._race = replace(retry, cap=1.0, tries=10_000)
        # Threads of this process take turns on a record, so that they race only with other processes.
        self._turns = [threading.Lock() for _ in range(256)]
        self._clock = clock
        self._events = EventReads(client, table, retry, clock, stopwatch, index_check, shards)

    def get(self, user_id: str, registration_id: str) -> ValidationRecord | None:
        return self._alive(self._whole(key_of(user_id, registration_id)))

    def history(self, user_id: str, limit: int | None = None) -> list[ValidationRecord]:
        found = (record_of(item) for item in self._of_user(user_id))
        return newest_first(found, self._clock(), limit)

    def event_frame(self, event_id: str) -> pd.DataFrame:
        """As the port says; eventually consistent."""
        return self.event_changes(event_id).records

    def event_changes(
        self, event_id: str, since: str | None = None, columns: Sequence[str] | None = None
    ) -> EventChanges:
        return self._events.changes(event_id, since, columns)

    def event_batches(self, event_id: str) -> Iterator[pd.DataFrame]:
        return self._events.batches(event_id)

    def event_records(self, event_id: str, limit: int) -> list[ValidationRecord]:
        return self._events.records(event_id, limit)

    def event_notice(self) -> str | None:
        return self._events.notice

    def events_verified(self) -> datetime | None:
        return self._events.verified

    def record_attempt(
        self, outcome: Outcome, ttl: timedelta, kept_until: datetime | None = None
    ) -> ValidationRecord:
        key = key_of(outcome.user_id, outcome.registration_id)
        return self._change(key, lambda current: with_attempt(current, outcome, ttl, kept_until))

    def take_back(self, user_id: str, registration_id: str, attempt_id: str) -> ValidationRecord | None:
        key = key_of(user_id, registration_id)

        def once() -> tuple[ValidationRecord | None, Iterable[Item]]:
            stored = self._items.read_all(key)
            if not stored.item:
                return None, stored.others
            current = record_of(stored.whole)
            left = without_attempt(current, attempt_id)
            if left is None:
                self._delete(key, stored)
                return None, (*stored.parts, *stored.others)
            return left, () if left is current else self._write(key, stored, current, left)

        left, dead = self._race(once)
        # Nothing may be left of the attempt, so this fails if one of them cannot be deleted.
        for part in dead:
            self._retry(lambda part=part: self._items.delete(part))  # type: ignore[misc]
        if self._owners:
            self._owners.forget(user_id, registration_id, self._retry(lambda: self._items.item(key)))
        return left

    def decide(
        self, user_id: str, registration_id: str, change: Review | Withdrawal, seen_version: str
    ) -> ValidationRecord:
        return self._change(key_of(user_id, registration_id), lambda current: decided(current, change, seen_version))

    def redate(self, cases: Sequence[tuple[str, str]], ttl: timedelta, kept_until: datetime | None) -> int:
        def once(case: tuple[str, str]) -> bool:
            key = key_of(*case)
            stored = self._items.read(key)
            current = self._alive(stored)
            changed = redated(current, ttl, kept_until) if current else None
            if current is None or changed is None or changed is current:
                return False
            self._items.tidy(self._write(key, stored, current, changed))
            return True

        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="redate") as threads:
            return sum(threads.map(lambda case: self._race(lambda: once(case)), cases))

    def ping(self) -> None:
        # The read that every method needs. DescribeTable would need a permission of its own.
        self._retry(lambda: self._items.item(key_of("ping", "ping")))

    def close(self) -> None:
        self._events.close()
        self._client.close()

    def _change(self, key: Item, change: Callable[[ValidationRecord | None], ValidationRecord]) -> ValidationRecord:
        turn = self._turns[hash(str(key)) % len(self._turns)]
        # A try makes several calls, and the last one, too, must be able to end within the deadline.
        last_start = time.monotonic() + self._race.deadline - self._race.call_timeout

        def once() -> ValidationRecord:
            with _held(turn, last_start):
                stored = self._items.read(key, last_start)
                current = self._alive(stored)
                changed = change(current)
                if changed is not current:
                    self._items.tidy(self._write(key, stored, current, changed, last_start))
                return changed

        return self._race(once)

    def _write(
        self,
        key: Item,
        stored: Stored,
        current: ValidationRecord | None,
        changed: ValidationRecord,
        last_start: float = math.inf,
    ) -> Sequence[Item]:
        """Write what ``changed`` changes of ``current``, if the record is still as ``stored``; return the parts of it
        that are then of no use.

        Without ``current`` the stored item, if any, has expired, and all of its attributes are removed. No call
        starts after ``last_start`` (``time.monotonic``).
        """
        before, after = current.to_dict() if current else {}, changed.to_dict()
        kept = stored.whole if current else {}
        values = changed_values(kept, before, after)
        if self._shards:
            values |= self._shards.place(changed, kept)
        gone = (before if current else stored.whole).keys() - after.keys()
        whole = {name: value for name, value in {**kept, **values, **key}.items() if name not in gone}
        wanted = split(stored, stored.parts if current else (), whole)
        fresh, item = self._noted(wanted.fresh) if wanted.fresh else None, self._noted(wanted.item)
        require_time(last_start)
        try:
            if fresh:
                self._items.put(fresh)
                require_time(last_start)
            self._update(key, stored, item, anew=current is None)
        except Unavailable as error:
            if self._shards:
                self._shards.refused(changed, error)
            # If the person has been erased since the item was read, nobody else would delete what was written since.
            is_noted = item.get(NOTED) != wanted.item.get(NOTED)
            if (fresh or is_noted) and not self._items.item(key):
                if fresh:
                    self._items.delete(fresh)
                if is_noted and self._owners:
                    self._owners.forget(key["userId"]["S"], key["registrationId"]["S"])
            raise
        return wanted.dead

    def _noted(self, item: Item) -> Item:
        """The item as it is to be written, once its photos are noted."""
        return {**item, **self._owners.noted(item)} if self._owners else item

    def _update(self, key: Item, stored: Stored, item: Item, *, anew: bool) -> None:
        """Make the record ``item`` if it is still as ``stored``: what is the same in both stays, unless ``anew``."""
        before = {} if anew else stored.item
        update = Expression()
        changed = {n: as_sent(v) for n, v in item.items() if n not in key and v != before.get(n)}
        clauses = ["SET " + ", ".join(f"{update.name(n)} = {update.value(v)}" for n, v in changed.items())]
        if removed := sorted(stored.item.keys() - item.keys()):
            clauses.append("REMOVE " + ", ".join(map(update.name, removed)))
        self._if_unchanged(self._client.update_item, key, stored, update, UpdateExpression=" ".join(clauses))

    def _delete(self, key: Item, stored: Stored) -> None:
        """Delete the item if it is still as ``stored``."""
        self._if_unchanged(self._client.delete_item, key, stored, Expression())

    def _if_unchanged(
        self, call: Callable[..., Any], key: Item, stored: Stored, used: Expression, **request: Any
    ) -> None:
        unchanged = used.unchanged(stored.item, VERSION if stored.item else ("userId",))
        with _errors():
            try:
                call(
                    TableName=self._table,
                    Key=key,
                    ConditionExpression=unchanged,
                    ExpressionAttributeNames=used.names,
                    ExpressionAttributeValues=used.values,
                    **request,
                )
            except self._client.exceptions.ConditionalCheckFailedException as error:
                raise Unavailable(SERVICE, "ConditionalCheckFailedException") from error

    def _of_user(self, user_id: str) -> Iterator[Item]:
        """The user's records, whole."""
        request = {
            "TableName": self._table,
            "KeyConditionExpression": "#userId = :userId",
            "ExpressionAttributeNames": {"#userId": "userId"},
            "ExpressionAttributeValues": {":userId": partition_of(user_id)},
            "ConsistentRead": True,
        }
        found = items_of(pages(asking(self._client.query, self._retry, _errors), request))
        for stored in joined_by_registration(found):
            if stored.item and not stored.is_complete:
                stored = self._whole({name: stored.item[name] for name in KEY_ATTRIBUTES})
            if stored.item:
                yield stored.whole

    def _whole(self, key: Item) -> Stored:
        last_start = time.monotonic() + self._retry.deadline - self._retry.call_timeout
        return self._retry(lambda: self._items.read(key, last_start))

    def _alive(self, stored: Stored) -> ValidationRecord | None:
        record = record_of(stored.whole) if stored.item else None
        return None if record is None or record.is_expired(self._clock()) else record


@contextmanager
def _held(turn: threading.Lock, until: float) -> Iterator[None]:
    """Holds ``turn``; waits for it until ``until`` (seconds of ``time.monotonic``) at the latest."""
    if not turn.acquire(timeout=max(0.0, until - time.monotonic())):
        raise Unavailable(SERVICE, "DeadlineExceeded")
    try:
        yield
    finally:
        turn.release()
