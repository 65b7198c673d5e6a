"""The ports. Each is a contract in prose; ``tests/contracts`` holds every adapter to it.

Common to all: methods may be called from many threads at once; a passing fault that outlasts the adapter's own
retries raises ``Unavailable``, a final one ``Refused`` or ``NotConfigured``; ids are compared exactly, whatever
characters they have.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol

from core.domain.audit import AuditEntry
from core.domain.records import Outcome, Registration, Review, ValidationRecord

if TYPE_CHECKING:  # half a second to load, and only frames need it
    from pandas import DataFrame

    from core.domain.costs import Usage
    from core.domain.erasures import Erasure, Receipt
    from core.domain.metrics import Metrics

#: An answer in the shape of Rekognition's DetectFaces or CompareFaces.
Answer = Mapping[str, Any]


@dataclass(frozen=True)
class EventChanges:
    """What ``ValidationRecords.event_changes`` found: ``complete`` where ``records`` are all that the event has.

    ``mark`` is the store's own: where the next call goes on from.
    """

    records: DataFrame
    mark: Any
    complete: bool


class ValidationRecords(Protocol):
    """The table ``face-verifications``.

    A record whose ``expires_at`` has passed is treated as absent by every method.
    """

    def get(self, user_id: str, registration_id: str) -> ValidationRecord | None:
        """The record as of the last acknowledged write (never a stale copy), or None."""
        ...

    def history(self, user_id: str, limit: int | None = None) -> list[ValidationRecord]:
        """The user's records, newest ``timestamp`` first, at most ``limit``; empty where there are none."""
        ...

    def event_frame(self, event_id: str) -> DataFrame:
        """All of the event's records as ``core.domain.frames.record_frame``: oldest ``timestamp`` first, equal ones
        by registration id, then user id; empty where there are none.

        Never silently shorter: records of other services, with ``metadata.eventId`` alone, are among them, and one
        that cannot be read raises ``Refused`` naming its registration. May trail the last writes by a moment.
        """
        ...

    def event_changes(self, event_id: str, since: Any = None) -> EventChanges:
        """What is new of the event since the call that answered with the mark ``since``; without it, all there is.

        At a cost that follows what is new: each record that was added or had another attempt since then is among
        ``records`` as it is now, and some may be that did not change; rows are as those of ``event_frame``. Not
        always among them: decisions, records that another service wrote with a time some minutes past, and whatever
        was erased. So whoever keeps an event's records reads all of them now and then. A store that cannot tell what
        is new answers ``complete``.
        """
        ...

    def event_batches(self, event_id: str) -> Iterator[DataFrame]:
        """The records of ``event_frame``, some thousands at a time, in no promised order; for exports.

        Memory does not grow with the event, and nothing is held in the store between two batches: whoever reads may
        take as long as they like, or stop. A record that changes meanwhile is never missed, but may be met as it was
        and once more as it is. The first batch is read when it is asked for; errors are those of ``event_frame``.
        """
        ...

    def event_records(self, event_id: str, limit: int) -> list[ValidationRecord]:
        """At most ``limit`` of the event's records, newest ``timestamp`` first, equal ones by registration id, then
        user id; each with ``core.domain.records.EVENT_ATTRIBUTES`` alone. Complete and fresh as ``event_frame``.
        """
        ...

    def event_notice(self) -> str | None:
        """What makes event reads slow or late at present, and what to do about it, in a sentence or two; None where
        nothing does. Of the newest event read: it asks the store nothing by itself.
        """
        ...

    def record_attempt(self, outcome: Outcome, ttl: timedelta) -> ValidationRecord:
        """Add one attempt, atomically, and return the record with it (``core.domain.records.with_attempt``).

        Durable when it returns. An ``attempt_id`` that the record lists already changes nothing: a retried write,
        or one whose answer was lost, counts once. Any number of attempts may race; none is lost. Attributes that we
        do not know are kept.
        """
        ...

    def take_back(self, user_id: str, registration_id: str, attempt_id: str) -> ValidationRecord | None:
        """Remove one attempt (``core.domain.records.without_attempt``), atomically, and return the record without it;
        None if there is no record, or was nothing but this attempt in it.

        Durable when it returns. Other attempts stay, however they race with it. An attempt that the record does not
        list changes nothing. An expired record is not absent here: what is to be taken back must go.
        """
        ...

    def decide(self, user_id: str, registration_id: str, review: Review, seen_version: str) -> ValidationRecord:
        """Write a person's decision (``core.domain.records.with_decision``) if the record is still the one they saw.

        Raises ``RecordNotFound`` where there is none and ``Conflict`` where ``version`` is no longer
        ``seen_version``; then nothing is written. Of several decisions on one version exactly one succeeds.
        The very decision that the record already has (same reviewer, same moment) answers that record: a retried
        write is no conflict.
        """
        ...

    def ping(self) -> None:
        """Return if the store can be reached and is set up; else raise as any method would."""
        ...

    def close(self) -> None: ...


class Registrations(Protocol):
    """Who registered for what, with which reference photo. Read only."""

    def get(self, registration_id: str) -> Registration | None: ...

    def of_user(self, user_id: str) -> list[Registration]:
        """All of the user's registrations, by registration id; empty where there are none."""
        ...

    def search(self, text: str, limit: int = 20) -> list[Registration]:
        """Registrations whose registration id, user id or e-mail is ``text``, or in which a word of the name
        or the e-mail begins with it (letter case aside); exact matches first, then by name and id. Characters with a
        meaning in patterns stand for themselves. Blank text finds nothing.
        """
        ...

    def event_frame(self, event_id: str) -> DataFrame:
        """All of the event's registrations as ``core.domain.frames.registration_frame``, by registration id."""
        ...

    def events(self) -> list[str]:
        """The ids of all events that somebody registered for, sorted."""
        ...

    def is_empty(self) -> bool:
        """True where there is not one registration."""
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


class RegistrationImport(Protocol):
    """What a registration store that is ours to fill can do besides."""

    def import_many(self, registrations: Iterable[Registration]) -> int:
        """Add or replace by registration id, all or nothing; returns how many. Durable when it returns."""
        ...

    def named_elsewhere(self, keys: Collection[str], user_id: str | None) -> set[str]:
        """Those of the photo keys that a registration of somebody but the user names; None: of anybody."""
        ...

    def erase(self, user_id: str) -> int:
        """Take away the user's registrations, all or nothing; returns how many. Durable when it returns."""
        ...


class Photos(Protocol):
    """Photos by key. A key is text such as ``face-images/0b9c.jpg``; no key reaches outside of the store."""

    def put(self, key: str, data: bytes) -> None:
        """Keep ``data`` under ``key``. Durable when it returns, and readers see all of it or none."""
        ...

    def get(self, key: str) -> bytes:
        """The bytes put under ``key``. Raises ``PhotoNotFound``; ``PhotoTooLarge`` above the reading limit."""
        ...

    def exists(self, key: str) -> bool: ...

    def under(self, folder: str) -> list[str]:
        """The keys that begin with ``folder``, which ends with a slash, sorted; those of earlier versions too."""
        ...

    def erase(self, key: str) -> None:
        """Take away the photo and every earlier version of it, if there is one. Durable when it returns."""
        ...

    def erase_under(self, folder: str, kept: Collection[str] = ()) -> None:
        """``erase`` every key but the ``kept`` that begins with ``folder``, which ends with a slash; and what a
        ``put`` of such a key left behind that was killed.
        """
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


class FaceEngine(Protocol):
    """Finds and compares faces in upright JPEG photos.

    Answers have Rekognition's shapes and units: boxes are shares of width and height, confidences, brightness,
    sharpness and similarity 0-100, angles degrees. What an engine cannot measure is absent, never guessed.
    """

    def detect(self, photo: bytes) -> Answer:
        """``{"FaceDetails": [...]}``; an empty list where there is no face."""
        ...

    def compare(self, submitted: bytes, reference: bytes) -> Answer:
        """The largest face of ``submitted`` against all faces of ``reference``, with no threshold:
        ``{"SourceImageFace": {...}, "FaceMatches": [{"Similarity", "Face": {"BoundingBox", ...}}, ...]}``,
        most similar first. Without ``SourceImageFace`` where ``submitted`` shows no face; ``FaceMatches`` empty
        where ``reference`` shows none.
        """
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


class ServiceMetrics(Protocol):
    """What a metrics service counted of the table of records and of the face engine."""

    def read(self, since: datetime, until: datetime) -> Metrics:
        """The whole periods between ``since`` and ``until`` that are complete by now, at most ``MAX_POINTS``."""
        ...

    def month_to_date(self, now: datetime) -> Usage:
        """What has been used since the month of ``now`` began (UTC): by whoever wrote to the table or read it, and by
        whoever called the face engine in this account and region.
        """
        ...

    def close(self) -> None: ...


class AuditTrail(Protocol):
    """Who did what (``core.domain.audit``). Entries are added, never changed and never taken away."""

    def append(self, entry: AuditEntry) -> None:
        """Keep the entry. Durable when it returns; an entry of the same moment and ``entry_id`` again changes
        nothing, so a retried write is one entry.
        """
        ...

    def entries(self, since: datetime, until: datetime) -> Iterator[AuditEntry]:
        """The entries from ``since`` on, and before ``until``, newest first, those of one moment by ``entry_id``,
        last first.

        Read from the store only as they are taken; whoever has enough may stop. One that cannot be read raises
        ``Refused``.
        """
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class StoredRecord:
    """What an erasure has to know of a record: ``photo_keys`` are of the photos submitted in all its attempts."""

    registration_id: str
    attempts: int
    photo_keys: frozenset[str]


class ErasureStore(Protocol):
    """The records as an erasure sees them, and its journal, which lies beside them.

    Unlike ``ValidationRecords`` it sees every record that is stored: expired ones, and such as cannot be read.
    """

    def records_of(self, user_id: str) -> list[StoredRecord]: ...

    def named_elsewhere(self, keys: Collection[str], user_id: str | None) -> set[str]:
        """Those of the photo keys that a record of somebody but the user names, in whatever attempt; None: of
        anybody. May read all records.
        """
        ...

    def erase_records(self, user_id: str) -> int:
        """Take away the user's records, those too that are written while it runs; returns how many. Durable when it
        returns.
        """
        ...

    def scrub(self) -> None:
        """See that nothing of what was taken away is left in files that are ours, free pages and logs included."""
        ...

    def journal_entry(self, user: str) -> Erasure | Receipt | None:
        """The entry of the person with this hash, as of the last acknowledged write."""
        ...

    def unfinished(self) -> list[Erasure | Receipt]:
        """Every entry with something left to do."""
        ...

    def ended(self) -> list[Receipt]:
        """Every entry of an erasure that has taken all away; those that finished within the last hour at least."""
        ...

    def begin(self, erasure: Erasure) -> Erasure | Receipt:
        """Write the entry in the place of the person's last one, and return it. If that one has something left to
        do, nothing changes and it is returned.
        """
        ...

    def forget(self, receipt: Receipt) -> Receipt:
        """Put the receipt in its erasure's place, and return it; if there is one already, that one.

        If the journal no longer has this erasure, others have ended it: nothing changes, and the receipt is returned
        as finished.
        """
        ...

    def finish(self, receipt: Receipt) -> None:
        """Note that nothing is left to do. Again, nothing changes.

        A finished entry stays for at least as long as an attempt may be under way that began before the erasure,
        whatever clocks do meanwhile: attempts are compared with it.
        """
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


@dataclass(frozen=True)
class ExpiredRecord:
    """A record whose ``expires_at`` has passed, and the keys of the photos submitted in all its attempts."""

    user_id: str
    registration_id: str
    photo_keys: frozenset[str]


class ExpiringRecords(Protocol):
    """What a store does besides that no service clears of what has expired."""

    def expired(self, now: datetime, limit: int) -> list[ExpiredRecord]:
        """Some of the expired records, at most ``limit``; empty where there are none."""
        ...

    def drop_expired(self, records: Collection[ExpiredRecord], now: datetime) -> int:
        """Take away those of the records that are still expired; returns how many."""
        ...

    def named_alive(self, keys: Collection[str], now: datetime) -> set[str]:
        """Those of the photo keys that a record names that has not expired, in whatever attempt."""
        ...


class ExpiringPhotos(Photos, Protocol):
    """The same of photos."""

    def expire(self, folder: str, before: datetime, named: Callable[[set[str]], set[str]]) -> int:
        """Erase the photos whose keys begin with ``folder`` and that were put before ``before``; returns how many.

        Those stay of which ``named`` says so; it is asked about some hundred keys at a time.
        """
        ...
