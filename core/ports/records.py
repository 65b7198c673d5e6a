"""The table of records, and what stores of records do in addition."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from core.domain.records import Outcome, Review, ValidationRecord, Withdrawal

if TYPE_CHECKING:  # half a second to load, and only frames need it
    from pandas import DataFrame

    from core.domain.expiry import ExpiredRecord


@dataclass(frozen=True)
class EventChanges:
    """The result of ``ValidationRecords.event_changes``; ``complete`` if ``records`` are all records of the event.

    ``mark`` is the position from which the next call continues. Only the store knows its meaning.
    """

    records: DataFrame
    mark: Any
    complete: bool


class ValidationRecords(Protocol):
    """The table ``face-verifications``. Every method treats a record whose ``expires_at`` has passed as absent."""

    def get(self, user_id: str, registration_id: str) -> ValidationRecord | None:
        """The record as of the last acknowledged write (never a stale copy), or None."""
        ...

    def history(self, user_id: str, limit: int | None = None) -> list[ValidationRecord]:
        """The user's records, newest ``timestamp`` first, at most ``limit``; empty if there are none."""
        ...

    def event_frame(self, event_id: str) -> DataFrame:
        """All of the event's records as ``core.domain.frames.record_frame``: oldest ``timestamp`` first, equal ones
        by registration id, then user id; empty if there are none.

        Never silently incomplete: includes records of other services that name the event only in
        ``metadata.eventId``, and those that cannot be read in full. The last writes may be missing for a moment.
        """
        ...

    def event_changes(self, event_id: str, since: Any = None, columns: Sequence[str] | None = None) -> EventChanges:
        """The event's records that are new since the call that returned the mark ``since``; all of them without it.

        ``columns`` are those of the frame, by default all; at least ``core.domain.frames.KEPT_BY``, and none that
        depends on others (see ``record_frame``).

        Costs only what is new. ``records`` contains, in its current state, each record that was added or had another
        attempt since then, and possibly some that did not change; its rows are as in ``event_frame``. It may lack
        decisions, records that another service wrote with a time some minutes in the past, and erasures: a caller
        that keeps an event's records must read all of them from time to time. A store that cannot find what is new
        returns everything as ``complete``.
        """
        ...

    def event_batches(self, event_id: str) -> Iterator[DataFrame]:
        """The records of ``event_frame``, some thousands at a time, in any order; for exports.

        Memory does not grow with the event, and the store holds nothing between two batches, so the caller may take
        any time or stop. A record that changes meanwhile is never missed, but may occur twice: in its old and its new
        state. The first batch is read when it is asked for. Errors are those of ``event_frame``.
        """
        ...

    def event_records(self, event_id: str, limit: int) -> list[ValidationRecord]:
        """At most ``limit`` of the event's records, newest ``timestamp`` first, equal ones by registration id, then
        user id; each with only ``core.domain.records.EVENT_ATTRIBUTES``. As complete and fresh as ``event_frame``.
        """
        ...

    def event_notice(self) -> str | None:
        """One or two sentences on why event reads are slow or may lack records at present, and what to do about it,
        or None.

        Describes the last event read; it does not call the store.
        """
        ...

    def events_verified(self) -> datetime | None:
        """When the store's latest check that event reads lack nothing began; None if it found a lack, if there was no
        check yet, or if the store needs none. Does not call the store.
        """
        ...

    def record_attempt(
        self, outcome: Outcome, ttl: timedelta, kept_until: datetime | None = None
    ) -> ValidationRecord:
        """Add one attempt, atomically, and return the record with it (``core.domain.attempts.with_attempt``).

        Durable when it returns. An ``attempt_id`` that the record already has changes nothing, so a retried write, or
        one whose answer was lost, counts once. Any number of attempts may be recorded at once; none is lost.
        Attributes of other services are kept.
        """
        ...

    def take_back(self, user_id: str, registration_id: str, attempt_id: str) -> ValidationRecord | None:
        """Remove one attempt (``core.domain.attempts.without_attempt``), atomically, and return the record without
        it; None if there is no record, or if it had no other attempt.

        Durable when it returns. Other attempts stay, even if they are recorded at the same time. An attempt that the
        record does not have changes nothing. Unlike in other methods an expired record is not absent: the attempt
        must be removed from it, too.
        """
        ...

    def decide(
        self, user_id: str, registration_id: str, change: Review | Withdrawal, seen_version: str
    ) -> ValidationRecord:
        """Write a reviewer's decision, or its withdrawal (``core.domain.attempts.decided``), if the record is still
        as they saw it.

        Raises ``RecordNotFound`` if there is none and ``Conflict`` if its ``version`` is no longer ``seen_version``;
        then nothing is written. Of several changes to one version exactly one succeeds. A change that the record
        already has (same person, same time) returns that record, so a retried write is no conflict. Also raises
        ``Conflict`` for a withdrawal if no decision stands.
        """
        ...

    def redate(self, cases: Sequence[tuple[str, str]], ttl: timedelta, kept_until: datetime | None) -> int:
        """Make the records of these user and registration ids expire as ``core.domain.attempts.redated`` says; return
        how many of them change.

        Durable when it returns; if it raises, some may be written. Attempts and decisions that are recorded at the
        same time are kept, and a record's version stays. Absent records stay absent. Meant for some hundreds.
        """
        ...

    def ping(self) -> None:
        """Return if the store can be reached and is set up; otherwise raise as any method would."""
        ...

    def close(self) -> None: ...


class ExpiringRecords(Protocol):
    """What a record store can do in addition if no service deletes its expired records."""

    def expired(self, now: datetime, limit: int) -> list[ExpiredRecord]:
        """Some of the expired records, at most ``limit``; empty if there are none."""
        ...

    def drop_expired(self, records: Collection[ExpiredRecord], now: datetime) -> int:
        """Delete those of the records that are still expired; returns how many."""
        ...

    def named_alive(self, keys: Collection[str], now: datetime) -> set[str]:
        """Those of the photo keys that unexpired records name, in any attempt."""
        ...
