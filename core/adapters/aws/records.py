"""Validation records in the DynamoDB table that other services write too."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pandas as pd

from core.adapters.aws.answers import decode
from core.adapters.aws.clients import translated
from core.adapters.aws.event_reads import EventReads
from core.adapters.aws.event_shards import EventShards
from core.adapters.aws.index_check import IndexCheck
from core.adapters.aws.items import Expression, Item, changed_values, key_of, partition_of, record_of
from core.adapters.aws.pages import asking, items_of, pages
from core.adapters.aws.photo_owners import PhotoOwners
from core.adapters.aws.table import RECORDS_NOT_CONFIGURED
from core.domain.attempts import decided, newest_first, redated, with_attempt, without_attempt
from core.domain.clock import Clock, Stopwatch, elapsed
from core.domain.errors import Service, Unavailable
from core.domain.records import Outcome, Review, ValidationRecord, Withdrawal
from core.flow.retry import Retry
from core.ports import EventChanges

SERVICE = Service.RECORDS

#: The attributes that every writer changes with an item, and where it is in the event index: a write requires that
#: these are as they were read.
_VERSION = ("updatedAt", "timestamp", "verificationAttempt", "validationStatus", "eventId")

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
        return self._alive(self._retry(lambda: self._read(key_of(user_id, registration_id))))

    def history(self, user_id: str, limit: int | None = None) -> list[ValidationRecord]:
        return newest_first(map(record_of, self._of_user(user_id)), self._clock(), limit)

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

        def once() -> ValidationRecord | None:
            stored = self._read(key)
            current = record_of(stored) if stored else None
            left = without_attempt(current, attempt_id) if current else None
            if current and left is None:
                self._delete(key, stored)
            elif current and left and left is not current:
                self._write(key, stored, current, left)
            return left

        left = self._race(once)
        if self._owners:
            self._owners.forget(user_id, registration_id, self._retry(lambda: self._read(key)))
        return left

    def decide(
        self, user_id: str, registration_id: str, change: Review | Withdrawal, seen_version: str
    ) -> ValidationRecord:
        return self._change(key_of(user_id, registration_id), lambda current: decided(current, change, seen_version))

    def redate(self, cases: Sequence[tuple[str, str]], ttl: timedelta, kept_until: datetime | None) -> int:
        def once(case: tuple[str, str]) -> bool:
            key = key_of(*case)
            stored = self._read(key)
            current = self._alive(stored)
            changed = redated(current, ttl, kept_until) if current else None
            if current is None or changed is None or changed is current:
                return False
            self._write(key, stored, current, changed)
            return True

        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="redate") as threads:
            return sum(threads.map(lambda case: self._race(lambda: once(case)), cases))

    def ping(self) -> None:
        # The read that every method needs. DescribeTable would need a permission of its own.
        self._retry(lambda: self._read(key_of("ping", "ping")))

    def close(self) -> None:
        self._events.close()
        self._client.close()

    def _change(self, key: Item, change: Callable[[ValidationRecord | None], ValidationRecord]) -> ValidationRecord:
        turn = self._turns[hash(str(key)) % len(self._turns)]
        # A try makes two calls, and the second one, too, must be able to end within the deadline.
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
        """The stored item; empty if there is none."""
        with _errors():
            answer = self._client.get_item(TableName=self._table, Key=key, ConsistentRead=True)
        found: Item = answer.get("Item", {})
        return found

    def _write(self, key: Item, stored: Item, current: ValidationRecord | None, changed: ValidationRecord) -> None:
        """Write the attributes in which ``changed`` differs from ``current``, if the item is still as ``stored``.

        Without ``current`` the stored item, if any, has expired, and all of its attributes are removed.
        """
        before, after = current.to_dict() if current else {}, changed.to_dict()
        kept = stored if current else {}
        values = changed_values(kept, before, after)
        if self._shards:
            values |= self._shards.place(changed, kept)
        gone = (before if current else stored).keys() - after.keys()
        written = {name: value for name, value in {**kept, **values, **key}.items() if name not in gone}
        noted = self._owners.noted(written) if self._owners else {}
        values |= noted
        update = Expression()
        clauses = [
            "SET " + ", ".join(f"{update.name(n)} = {update.value(v)}" for n, v in values.items() if n not in key)
        ]
        if removed := sorted(gone - values.keys()):
            clauses.append("REMOVE " + ", ".join(map(update.name, removed)))
        try:
            self._if_unchanged(self._client.update_item, key, stored, update, UpdateExpression=" ".join(clauses))
        except Unavailable:
            # If the person has been erased since the item was read, nobody else would forget what was noted since.
            if noted and self._owners and not self._read(key):
                self._owners.forget(key["userId"]["S"], key["registrationId"]["S"])
            raise

    def _delete(self, key: Item, stored: Item) -> None:
        """Delete the item if it is still as ``stored``."""
        self._if_unchanged(self._client.delete_item, key, stored, Expression())

    def _if_unchanged(
        self, call: Callable[..., Any], key: Item, stored: Item, used: Expression, **request: Any
    ) -> None:
        unchanged = used.unchanged(stored, _VERSION if stored else ("userId",))
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
        request = {
            "TableName": self._table,
            "KeyConditionExpression": "#userId = :userId",
            "ExpressionAttributeNames": {"#userId": "userId"},
            "ExpressionAttributeValues": {":userId": partition_of(user_id)},
            "ConsistentRead": True,
        }
        return items_of(pages(asking(self._client.query, self._retry, _errors), request))

    def _alive(self, stored: Item) -> ValidationRecord | None:
        record = record_of(stored) if stored else None
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
