"""The domain's records. One definition serves the table, the JSON API and the pages.

Names are snake_case in Python and camelCase outside. Everything is frozen: a change makes a new record.
Records that other services wrote carry the documented attributes alone, so all but the keys, the status and
the timestamp are optional on read, and attributes that we do not know are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, ValidationError
from pydantic.alias_generators import to_camel

from core.domain.errors import Conflict, RecordNotFound

#: The key of the table ``face-verifications``.
KEY_ATTRIBUTES = ("userId", "registrationId")
#: What lists and charts of an event show of a record; the table's event index carries these. Never ``attempts``:
#: they are most of a record's size.
EVENT_ATTRIBUTES = (
    *KEY_ATTRIBUTES,
    "eventId",
    "timestamp",
    "validationStatus",
    "confidence",
    "quality",
    "faceImageKey",
    "storedFaceKey",
    "comparisonResult",
    "attributes",
    "verificationAttempt",
    "updatedAt",
    "expiresAt",
    "metadata",
    "failureReasons",
    "review",
)
#: How many attempts a record lists; the count in ``verificationAttempt`` goes on beyond it.
MAX_ATTEMPTS = 50


class Status(StrEnum):
    PENDING = "pending"
    SUCCESS = "success"
    FAILED = "failed"


class Quality(StrEnum):
    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Source(StrEnum):
    API = "api"
    DASHBOARD = "dashboard"
    BATCH = "batch"


class Decision(StrEnum):
    APPROVED = "approved"
    REJECTED = "rejected"


def isoformat(moment: datetime) -> str:
    """ISO-8601 in UTC with milliseconds and ``Z``: 24 characters, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _as_stored(moment: datetime) -> datetime:
    """``moment`` in UTC and in whole milliseconds: a record in memory equals the one that is read back."""
    # A timestamp without a zone can only be UTC: the table's contract says so.
    try:
        utc = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("not between the years 1 and 9999 in UTC") from error
    return utc.replace(microsecond=utc.microsecond // 1000 * 1000)


Timestamp = Annotated[datetime, AfterValidator(_as_stored), PlainSerializer(isoformat, return_type=str)]
Percent = Annotated[float, Field(ge=0, le=100)]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    def to_dict(self) -> dict[str, Any]:
        """camelCase, JSON-ready values, absent where there is nothing."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def to_json(self) -> bytes:
        """What ``to_dict`` gives, as JSON."""
        return self.__pydantic_serializer__.to_json(self, by_alias=True, exclude_none=True)


class Registration(Model):
    """A person's registration for an event, as the registration store has it.

    ``reference_photo_key`` is the photo that a face is compared with, ``submitted_photo_key`` one that the person
    sent by another way and that waits to be validated.
    """

    registration_id: str = Field(min_length=1)
    user_id: str = Field(min_length=1)
    event_id: str = Field(min_length=1)
    name: str | None = None
    email: str | None = None
    reference_photo_key: str | None = None
    submitted_photo_key: str | None = None


class Box(Model):
    """A face's place in the upright photo, as shares (0-1) of its width and height."""

    left: float
    top: float
    width: float
    height: float


class ComparisonResult(Model):
    model_config = ConfigDict(extra="allow")

    similarity: Percent | None = None
    threshold: float | None = None
    is_match: bool | None = None


class Review(Model):
    """A person's decision on a record."""

    decision: Decision
    reason: str | None = None
    note: str | None = None
    reviewer: str
    decided_at: Timestamp


class Attempt(Model):
    """One entry of a record's ``attempts``: what was submitted and what came of it."""

    attempt_id: str | None = None
    number: int
    timestamp: Timestamp
    status: Status
    confidence: Percent | None = None
    quality: Quality | None = None
    similarity: Percent | None = None
    reasons: tuple[str, ...] = ()
    face_image_key: str | None = None
    source: str | None = None
    operator: str | None = None
    review: Review | None = None


class Metadata(Model):
    model_config = ConfigDict(extra="allow")

    event_id: str | None = None
    ip_address: str | None = None
    source: str | None = None


class Outcome(Model):
    """What one attempt brought: the input of ``ValidationRecords.record_attempt``."""

    attempt_id: str = Field(min_length=1, max_length=255)
    user_id: str
    registration_id: str
    event_id: str = Field(min_length=1)
    timestamp: Timestamp
    status: Status
    reasons: tuple[str, ...] = ()
    confidence: Percent | None = None
    quality: Quality | None = None
    comparison_result: ComparisonResult | None = None
    attributes: Mapping[str, Any] = Field(default_factory=dict)
    face_image_key: str
    stored_face_key: str | None = None
    face_box: Box | None = None
    stored_face_box: Box | None = None
    source: str = Source.API
    operator: str | None = None
    ip_address: str | None = None


class ValidationRecord(Model):
    """An item of the table ``face-verifications``: the newest outcome of a registration, and how it came to it."""

    model_config = ConfigDict(extra="allow")

    user_id: str
    registration_id: str
    validation_status: Status
    confidence: Percent | None = None
    quality: Quality | None = None
    face_image_key: str | None = None
    stored_face_key: str | None = None
    comparison_result: ComparisonResult | None = None
    attributes: Mapping[str, Any] = Field(default_factory=dict)
    verification_attempt: int = 1
    timestamp: Timestamp
    updated_at: Timestamp | None = None
    expires_at: int | None = None
    metadata: Metadata = Field(default_factory=Metadata)
    event_id: str | None = None
    failure_reasons: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    review: Review | None = None
    face_box: Box | None = None
    stored_face_box: Box | None = None

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Self:
        """Read a stored item (camelCase).

        Raises ``ValueError`` where a documented attribute is of a wrong kind: one sentence that names the
        registration and the attribute, but no value.
        """
        # By alias alone: another service's attribute may bear one of our Python names. A null is an absence.
        present = {name: value for name, value in item.items() if value is not None}
        try:
            return cls.model_validate(present, by_alias=True, by_name=False)
        except ValidationError as error:
            attribute = ".".join(map(str, error.errors(include_input=False)[0]["loc"]))
            registration = item.get("registrationId")
            # Not chained: pydantic's own text quotes the values.
            raise ValueError(
                f"The record of registration {registration!r} cannot be read: its {attribute} is not valid."
            ) from None

    @property
    def event(self) -> str | None:
        """The event's id: at the top level in our records, only in ``metadata`` in other services'."""
        return self.event_id or self.metadata.event_id

    @property
    def similarity(self) -> float | None:
        return self.comparison_result.similarity if self.comparison_result else None

    @property
    def version(self) -> str:
        """Changes with every write; a decision names the one that its maker saw."""
        touched = isoformat(self.updated_at) if self.updated_at else ""
        return f"{isoformat(self.timestamp)}/{touched}/{self.verification_attempt}/{self.validation_status}"

    def is_expired(self, now: datetime) -> bool:
        return self.expires_at is not None and self.expires_at <= now.timestamp()

    @property
    def outcomes(self) -> tuple[Attempt, ...]:
        """What statistics count: the listed attempts, or the record itself as one where it lists none."""
        return self.attempts or (self._as_attempt(),)

    def attempt(self, attempt_id: str) -> Attempt | None:
        return next((entry for entry in self.attempts if entry.attempt_id == attempt_id), None)

    def _as_attempt(self) -> Attempt:
        return Attempt(
            number=self.verification_attempt,
            timestamp=self.timestamp,
            status=self.validation_status,
            confidence=self.confidence,
            quality=self.quality,
            similarity=self.similarity,
            reasons=self.failure_reasons,
            face_image_key=self.face_image_key,
            source=self.metadata.source,
            review=self.review,
        )


def with_attempt(current: ValidationRecord | None, outcome: Outcome, ttl: timedelta) -> ValidationRecord:
    """``current`` after one more attempt; ``current`` itself where that attempt is already in it.

    The newest attempt speaks for the record. A record of another service that lists no attempts first gets its
    own state as an entry, so that no outcome is lost from the count.
    """
    if current is not None and current.attempt(outcome.attempt_id) is not None:
        return current
    timestamp = max(outcome.timestamp, current.timestamp) if current else outcome.timestamp
    number = current.verification_attempt + 1 if current else 1
    entry = Attempt(
        attempt_id=outcome.attempt_id,
        number=number,
        timestamp=timestamp,
        status=outcome.status,
        confidence=outcome.confidence,
        quality=outcome.quality,
        similarity=outcome.comparison_result.similarity if outcome.comparison_result else None,
        reasons=outcome.reasons,
        face_image_key=outcome.face_image_key,
        source=outcome.source,
        operator=outcome.operator,
    )
    record = ValidationRecord(
        user_id=outcome.user_id,
        registration_id=outcome.registration_id,
        validation_status=outcome.status,
        confidence=outcome.confidence,
        quality=outcome.quality,
        face_image_key=outcome.face_image_key,
        stored_face_key=outcome.stored_face_key,
        comparison_result=outcome.comparison_result,
        attributes=outcome.attributes,
        verification_attempt=number,
        timestamp=timestamp,
        updated_at=_after(current, timestamp),
        expires_at=int((timestamp + ttl).timestamp()),
        metadata=Metadata(event_id=outcome.event_id, ip_address=outcome.ip_address, source=outcome.source),
        event_id=outcome.event_id,
        failure_reasons=outcome.reasons,
        attempts=((current.outcomes if current else ()) + (entry,))[-MAX_ATTEMPTS:],
        face_box=outcome.face_box,
        stored_face_box=outcome.stored_face_box,
    )
    return _keeping_unknown(record, current)


def without_attempt(current: ValidationRecord, attempt_id: str) -> ValidationRecord | None:
    """``current`` as if that attempt had never been; None if nothing is left then; ``current`` itself if it does not
    list the attempt.

    If the attempt speaks for the record, the newest of the others does afterwards, with what ``attempts`` has of it.
    What only a record has (attributes, boxes, threshold, reference photo, address) is then absent: it was that of the
    attempt that goes. An attempt with the same id is the same attempt.
    """
    entry = current.attempt(attempt_id)
    if entry is None:
        return current
    left = tuple(
        each.model_copy(update={"number": max(1, each.number - 1)}) if each.number > entry.number else each
        for each in current.attempts
        if each is not entry
    )
    changes: dict[str, Any] = {
        "attempts": left,
        "verification_attempt": max(1, current.verification_attempt - 1),
        "updated_at": _after(current, current.timestamp),
    }
    # Another service may have written its own outcome over it since; then the record says that.
    speaks = (entry.number, entry.timestamp) == (current.verification_attempt, current.timestamp)
    if speaks and not left:
        return None
    return current.model_copy(update={**changes, **(_as_said_by(current, left[-1]) if speaks else {})})


def with_decision(current: ValidationRecord, review: Review) -> ValidationRecord:
    """``current`` decided by a person: its status, and that of its newest attempt, follow the decision."""
    status = Status.SUCCESS if review.decision is Decision.APPROVED else Status.FAILED
    newest = current.outcomes[-1].model_copy(update={"status": status, "review": review})
    return current.model_copy(
        update={
            "validation_status": status,
            "failure_reasons": _reasons_after(current, review),
            "review": review,
            "attempts": (*current.outcomes[:-1], newest),
            "updated_at": _after(current, review.decided_at),
        }
    )


def decided(current: ValidationRecord | None, review: Review, seen_version: str) -> ValidationRecord:
    """``with_decision`` for a person who saw ``seen_version``; ``current`` itself where it has this decision already.

    Raises ``RecordNotFound`` where there is no record and ``Conflict`` where it changed since.
    """
    if current is None:
        raise RecordNotFound()
    if current.version == seen_version:
        return with_decision(current, review)
    if current.review == review:  # a retried write whose first answer was lost
        return current
    raise Conflict(
        "The record changed since you opened it, so your decision was not saved. Open it again and decide."
    )


def newest_first(records: Iterable[ValidationRecord], now: datetime, limit: int | None) -> list[ValidationRecord]:
    """Those that have not expired, newest ``timestamp`` first, equal ones by registration; at most ``limit``."""
    alive = sorted((record for record in records if not record.is_expired(now)), key=lambda r: r.registration_id)
    return sorted(alive, key=lambda record: record.timestamp, reverse=True)[:limit]


def _keeping_unknown(record: ValidationRecord, current: ValidationRecord | None) -> ValidationRecord:
    """``record`` with the attributes of ``current`` that we do not know."""
    if current is None or not (current.model_extra or current.metadata.model_extra):
        return record
    item = record.to_dict()
    metadata = {**(current.metadata.model_extra or {}), **item["metadata"]}
    return ValidationRecord.from_item({**(current.model_extra or {}), **item, "metadata": metadata})


def _as_said_by(current: ValidationRecord, entry: Attempt) -> dict[str, Any]:
    """What the record says if ``entry`` is its newest attempt, by field."""
    similarity, sooner = entry.similarity, current.timestamp - entry.timestamp
    reasons = current.model_copy(update={"failure_reasons": entry.reasons})
    return {
        "validation_status": entry.status,
        "confidence": entry.confidence,
        "quality": entry.quality,
        "face_image_key": entry.face_image_key,
        "stored_face_key": None,
        "comparison_result": None if similarity is None else ComparisonResult(similarity=similarity),
        "attributes": {},
        "timestamp": entry.timestamp,
        "expires_at": current.expires_at and current.expires_at - int(sooner.total_seconds()),
        "metadata": current.metadata.model_copy(update={"source": entry.source, "ip_address": None}),
        "failure_reasons": _reasons_after(reasons, entry.review) if entry.review else entry.reasons,
        "review": entry.review,
        "face_box": None,
        "stored_face_box": None,
    }


def _reasons_after(current: ValidationRecord, review: Review) -> tuple[str, ...]:
    """An approved record has no reason to fail; a rejected one has the reviewer's."""
    if review.decision is Decision.APPROVED:
        return ()
    return (review.reason,) if review.reason else current.failure_reasons


def _after(current: ValidationRecord | None, moment: datetime) -> datetime:
    """``moment``, but later than the record's last change: two writes in one millisecond must differ."""
    if current is None or current.updated_at is None:
        return moment
    return max(moment, current.updated_at + timedelta(milliseconds=1))
