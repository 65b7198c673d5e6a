"""The ports: what the services need from the outside world. ``tests/contracts`` checks every adapter against them.

Common to all: methods may be called from many threads at once. A passing fault that outlasts the adapter's retries
raises ``Unavailable``, a final one ``Refused`` or ``NotConfigured``. Ids are compared exactly and may contain any
characters.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from core.domain.audit import AuditEntry
from core.domain.records import Outcome, Registration, Review, ValidationRecord
from core.domain.search import Found

if TYPE_CHECKING:  # half a second to load, and only frames need it
    from pandas import DataFrame

    from core.domain.costs import Usage
    from core.domain.erasures import Erasure, Receipt
    from core.domain.expiry import ExpiredRecord
    from core.domain.metrics import Metrics

#: An answer in the form of Rekognition's DetectFaces or CompareFaces.
Answer = Mapping[str, Any]


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

    def event_changes(self, event_id: str, since: Any = None) -> EventChanges:
        """The event's records that are new since the call that returned the mark ``since``; all of them without it.

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
        """One or two sentences on why event reads are slow or late at present and what to do about it, or None.

        Describes the last event read; it does not call the store.
        """
        ...

    def record_attempt(self, outcome: Outcome, ttl: timedelta) -> ValidationRecord:
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

    def decide(self, user_id: str, registration_id: str, review: Review, seen_version: str) -> ValidationRecord:
        """Write a reviewer's decision (``core.domain.attempts.with_decision``) if the record is still as they saw it.

        Raises ``RecordNotFound`` if there is none and ``Conflict`` if its ``version`` is no longer ``seen_version``;
        then nothing is written. Of several decisions on one version exactly one succeeds. A decision that the record
        already has (same reviewer, same time) returns that record, so a retried write is no conflict.
        """
        ...

    def ping(self) -> None:
        """Return if the store can be reached and is set up; otherwise raise as any method would."""
        ...

    def close(self) -> None: ...


class Registrations(Protocol):
    """The registrations of people for events, with their reference photos. Read only."""

    def get(self, registration_id: str) -> Registration | None: ...

    def of_user(self, user_id: str) -> list[Registration]:
        """All of the user's registrations, by registration id; empty if there are none."""
        ...

    def search(self, text: str, limit: int = 20, events: Collection[str] | None = None) -> Found:
        """The first ``limit`` registrations that ``core.domain.search`` finds, in its order; with ``events``, among
        theirs alone. Whatever is typed is ordinary text.
        """
        ...

    def event_frame(self, event_id: str) -> DataFrame:
        """All of the event's registrations as ``core.domain.frames.registration_frame``, by registration id."""
        ...

    def unreadable(self, event_id: str | None) -> DataFrame:
        """What other services stored for the event and is left out everywhere, because it has no readable id, user or
        event of its own; without an event, what has none. Empty if Facedesk alone writes the registrations.

        As ``core.domain.frames.registration_frame``, sorted: ``registrationId`` is the id by which the store itself
        tells it, ``unreadable`` says what could not be read; the rest is absent. Something for several events is in
        the list of each.
        """
        ...

    def events(self) -> list[str]:
        """The ids of all events with registrations, sorted."""
        ...

    def is_empty(self) -> bool:
        """Whether there is no registration at all."""
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


class RegistrationImport(Protocol):
    """What a registration store that Facedesk itself fills can do in addition."""

    def import_many(self, registrations: Iterable[Registration]) -> int:
        """Add or replace by registration id, all or none; returns how many. Durable when it returns."""
        ...

    def existing(self, registration_ids: Collection[str]) -> set[str]:
        """Those of the ids under which a registration is stored."""
        ...

    def named_elsewhere(self, keys: Collection[str], user_id: str | None) -> set[str]:
        """Those of the photo keys that other users' registrations name; with None, any user's."""
        ...

    def erase(self, user_id: str) -> int:
        """Delete the user's registrations, all or none; returns how many. Durable when it returns."""
        ...


class Photos(Protocol):
    """Photos by key. A key is text such as ``face-images/0b9c.jpg``; no key can name anything outside the store."""

    def put(self, key: str, data: bytes) -> None:
        """Store ``data`` under ``key``. Durable when it returns; readers see all of it or nothing."""
        ...

    def get(self, key: str) -> bytes:
        """The bytes stored under ``key``. Raises ``PhotoNotFound``, and ``PhotoTooLarge`` above the size limit."""
        ...

    def exists(self, key: str) -> bool: ...

    def under(self, folder: str) -> list[str]:
        """The keys that begin with ``folder``, which ends with a slash, sorted; also those of earlier versions."""
        ...

    def erase(self, key: str) -> None:
        """Delete the photo and every earlier version of it, if there is one. Durable when it returns."""
        ...

    def erase_under(self, folder: str, kept: Collection[str] = ()) -> None:
        """``erase`` every key that begins with ``folder``, which ends with a slash, except those in ``kept``.

        Also deletes what a killed ``put`` of such a key left behind.
        """
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


class FaceEngine(Protocol):
    """Finds and compares faces in upright JPEG photos.

    Answers have Rekognition's form and units: boxes are shares of width and height; confidence, brightness, sharpness
    and similarity are 0-100; angles are in degrees. What an engine cannot measure is absent, never guessed.
    """

    def detect(self, photo: bytes) -> Answer:
        """``{"FaceDetails": [...]}``; an empty list if there is no face."""
        ...

    def compare(self, submitted: bytes, reference: bytes) -> Answer:
        """Compares the largest face of ``submitted`` with all faces of ``reference``, without a threshold:
        ``{"SourceImageFace": {...}, "FaceMatches": [{"Similarity", "Face": {"BoundingBox", ...}}, ...]}``,
        most similar first.

        ``SourceImageFace`` is absent if ``submitted`` shows no face; ``FaceMatches`` is empty if ``reference`` shows
        none.
        """
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


class ServiceMetrics(Protocol):
    """A metrics service's figures of the table of records and of the face engine."""

    def read(self, since: datetime, until: datetime) -> Metrics:
        """The whole periods between ``since`` and ``until`` whose figures are complete, at most ``MAX_POINTS``."""
        ...

    def month_to_date(self, now: datetime) -> Usage:
        """The usage since the beginning of the month of ``now`` (UTC): of the table by everyone who reads or writes
        it, and of the face engine by everyone in this account and region.
        """
        ...

    def close(self) -> None: ...


class ExpiryCheck(Protocol):
    """Looks for records that stay for ever although a service is to delete them when they expire."""

    def count_ignored(self) -> int:
        """How many records have an ``expiresAt`` that this service ignores. Reads the whole store."""
        ...

    def close(self) -> None: ...


class AuditTrail(Protocol):
    """Who did what (``core.domain.audit``). Entries are added, but never changed or deleted."""

    def append(self, entry: AuditEntry) -> None:
        """Store the entry. Durable when it returns. Storing an entry with the same time and ``entry_id`` again
        changes nothing, so a retried write results in one entry.
        """
        ...

    def entries(self, since: datetime, until: datetime) -> Iterator[AuditEntry]:
        """The entries from ``since`` on and before ``until``, newest first; entries of the same time by descending
        ``entry_id``.

        They are read from the store only as they are consumed, so the caller may stop at any time. Raises ``Refused``
        for an entry that cannot be read.
        """
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class StoredRecord:
    """What an erasure needs to know of a record; ``photo_keys`` are of the photos submitted in all its attempts."""

    registration_id: str
    attempts: int
    photo_keys: frozenset[str]


class ErasureStore(Protocol):
    """The records as an erasure sees them, and the journal of erasures, which is stored with them.

    Unlike ``ValidationRecords`` it sees every stored record, even an expired or unreadable one.
    """

    def records_of(self, user_id: str) -> list[StoredRecord]: ...

    def named_elsewhere(self, keys: Collection[str], user_id: str | None) -> set[str]:
        """Those of the photo keys that other users' records name, in any attempt; with None, any user's.

        May read all records.
        """
        ...

    def erase_records(self, user_id: str) -> int:
        """Delete the user's records, including those written while it runs; returns how many. Durable when it
        returns.
        """
        ...

    def scrub(self) -> None:
        """Remove all traces of deleted data from Facedesk's own files, including free pages and logs."""
        ...

    def journal_entry(self, user: str) -> Erasure | Receipt | None:
        """The entry of the person with this hash, as of the last acknowledged write."""
        ...

    def unfinished(self) -> list[Erasure | Receipt]:
        """Every entry of an erasure that is not finished."""
        ...

    def ended(self) -> list[Receipt]:
        """Every entry of an erasure that has deleted everything; at least those finished within the last hour."""
        ...

    def begin(self, erasure: Erasure) -> Erasure | Receipt:
        """Replace the person's last entry with this one, and return it. If the last one is not finished, nothing
        changes and the last one is returned.
        """
        ...

    def forget(self, receipt: Receipt) -> Receipt:
        """Replace the erasure's entry with its receipt, and return it; if there is a receipt already, return that
        one.

        If the journal no longer has this erasure, another process has finished it: nothing changes, and the receipt
        is returned as finished.
        """
        ...

    def finish(self, receipt: Receipt) -> None:
        """Mark the erasure as finished. Repeating it changes nothing.

        A finished entry stays at least as long as an attempt that began before the erasure may still be in progress,
        even if clocks jump meanwhile, because attempts are checked against it.
        """
        ...

    def ping(self) -> None: ...

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


class ExpiringPhotos(Photos, Protocol):
    """What a photo store can do in addition if no service deletes its expired photos."""

    def expire(self, folder: str, before: datetime, named: Callable[[set[str]], set[str]]) -> int:
        """Erase the photos whose keys begin with ``folder`` and that were stored before ``before``; returns how many.

        ``named`` returns those of some hundred keys that must stay.
        """
        ...
