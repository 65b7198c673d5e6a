"""The domain's records. One definition serves the table, the JSON API and the pages.

Names are snake_case in Python and camelCase outside. Everything is frozen: a change makes a new record.
Records that other services wrote are read leniently (``core.domain.reading``): all but the keys may be absent, what
cannot be read is absent and listed, and attributes that we do not know are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any, Self

import orjson
from annotated_types import Interval
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PlainSerializer, PrivateAttr, ValidationError
from pydantic.alias_generators import to_camel

from core.domain.expiry import is_expired
from core.domain.moments import FIRST_SECOND, MOST_SECONDS, in_utc
from core.domain.reading import ReadBy, Unread, epoch_seconds, read_model

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
    """``UNKNOWN`` is never written by us: another service's record has no status, or a word that is none of these."""

    PENDING = "pending"
    SUCCESS = "success"
    FAILED = "failed"
    UNKNOWN = "unknown"


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

    @property
    def status(self) -> Status:
        """The status of a record after this decision."""
        return Status.SUCCESS if self is Decision.APPROVED else Status.FAILED


def isoformat(moment: datetime) -> str:
    """ISO-8601 in UTC with milliseconds and ``Z``: 24 characters, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


_NO_TIME = datetime.min.replace(tzinfo=UTC)
Timestamp = Annotated[datetime, AfterValidator(in_utc), PlainSerializer(isoformat, return_type=str)]
Percent = Annotated[float, Interval(ge=0, le=100)]
Count = Annotated[int, Interval(ge=-(2**31), le=2**31 - 1)]
EpochSeconds = Annotated[int, Interval(ge=FIRST_SECOND, le=MOST_SECONDS), ReadBy(epoch_seconds)]


def _one_of_ours(status: Status) -> Status:
    if status is Status.UNKNOWN:
        raise ValueError("an outcome is never unknown")
    return status


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
    sent by another way and that waits to be validated. ``unreadable`` says what else the store has and could not be
    read: ``field:kind``, separated by spaces.
    """

    registration_id: str = Field(min_length=1)
    user_id: str = Field(min_length=1)
    event_id: str = Field(min_length=1)
    name: str | None = None
    email: str | None = None
    reference_photo_key: str | None = None
    submitted_photo_key: str | None = None
    unreadable: str = ""


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
    """A person's decision on a record.

    ``before`` is the status that the record had before it, which it gets back if the decision is withdrawn.
    ``withdrawn_at`` and ``withdrawn_by`` are absent unless it was.
    """

    model_config = ConfigDict(extra="allow")

    decision: Decision
    reason: str | None = None
    note: str | None = None
    reviewer: str | None = None
    decided_at: Timestamp | None = None
    before: Status | None = None
    withdrawn_at: Timestamp | None = None
    withdrawn_by: str | None = None


class Withdrawal(Model):
    """Takes back the decision that stands."""

    withdrawn_by: str
    withdrawn_at: Timestamp


class Provenance(Model):
    """What made a verdict, so that verdicts before and after a change can be told apart.

    ``engine`` is the face engine's name, ``model`` what it says of its version, and ``rules`` the digest of the rules
    (``core.domain.policy.Policy.digest``). ``model`` and ``rules`` are absent where the engine gave no answer.
    """

    model_config = ConfigDict(extra="allow")

    engine: str | None = None
    model: str | None = None
    rules: str | None = None


class Attempt(Model):
    """One entry of a record's ``attempts``: what was submitted and what came of it.

    ``review`` is the decision that stands, ``earlier_reviews`` are those that it replaced and those that were
    withdrawn, in the order of the changes.
    """

    model_config = ConfigDict(extra="allow")

    attempt_id: str | None = None
    number: Count
    timestamp: Timestamp | None = None
    status: Status = Status.UNKNOWN
    confidence: Percent | None = None
    quality: Quality | None = None
    similarity: Percent | None = None
    reasons: tuple[str, ...] = ()
    face_image_key: str | None = None
    source: str | None = None
    operator: str | None = None
    review: Review | None = None
    earlier_reviews: tuple[Review, ...] | None = None
    provenance: Provenance | None = None

    @property
    def reviews(self) -> tuple[Review, ...]:
        """All decisions on this attempt, oldest first, also those that no longer stand."""
        listed = (*(self.earlier_reviews or ()), *((self.review,) if self.review else ()))
        return tuple(sorted(listed, key=lambda review: review.decided_at or _NO_TIME))


class Metadata(Model):
    model_config = ConfigDict(extra="allow")

    event_id: str | None = None
    ip_address: str | None = None
    source: str | None = None
    #: Here and not beside the verdict, because an event index that was made before carries ``metadata``, and what an
    #: index carries cannot be changed.
    provenance: Provenance | None = None


class Outcome(Model):
    """What one attempt brought: the input of ``ValidationRecords.record_attempt``."""

    attempt_id: str = Field(min_length=1, max_length=255)
    user_id: str
    registration_id: str
    event_id: str = Field(min_length=1)
    timestamp: Timestamp
    status: Annotated[Status, AfterValidator(_one_of_ours)]
    reasons: tuple[str, ...] = ()
    confidence: Percent | None = None
    quality: Quality | None = None
    comparison_result: ComparisonResult | None = None
    attributes: Mapping[str, Any] = Field(default_factory=dict)
    face_image_key: str
    stored_face_key: str | None = None
    face_box: Box | None = None
    other_face_boxes: tuple[Box, ...] | None = None
    stored_face_box: Box | None = None
    source: str = Source.API
    operator: str | None = None
    ip_address: str | None = None
    provenance: Provenance | None = None


class ValidationRecord(Model):
    """An item of the table ``face-verifications``: the newest outcome of a registration, and how it came to it."""

    model_config = ConfigDict(extra="allow")

    user_id: str
    registration_id: str
    validation_status: Status = Status.UNKNOWN
    confidence: Percent | None = None
    quality: Quality | None = None
    face_image_key: str | None = None
    stored_face_key: str | None = None
    comparison_result: ComparisonResult | None = None
    attributes: Mapping[str, Any] = Field(default_factory=dict)
    verification_attempt: Count = 1
    timestamp: Timestamp | None = None
    updated_at: Timestamp | None = None
    expires_at: EpochSeconds | None = None
    #: When another service's record would expire if its event had no later date.
    own_expires_at: EpochSeconds | None = None
    metadata: Metadata = Field(default_factory=Metadata)
    event_id: str | None = None
    failure_reasons: tuple[str, ...] = ()
    attempts: tuple[Attempt, ...] = ()
    review: Review | None = None
    face_box: Box | None = None
    other_face_boxes: tuple[Box, ...] | None = None
    stored_face_box: Box | None = None

    _unread: tuple[Unread, ...] = PrivateAttr(default=())

    @classmethod
    def from_item(cls, item: Mapping[str, Any]) -> Self:
        """Read a stored item (camelCase), whoever wrote it; ``unread`` tells what was not readable.

        Raises ``ValueError`` if it lacks its keys.
        """
        # Nearly all items are as we write them: pydantic reads those several times faster.
        with suppress(ValidationError, TypeError):
            usual = orjson.dumps(item, option=orjson.OPT_PASSTHROUGH_SUBCLASS)
            return cls.model_validate_json(usual, strict=True, by_alias=True, by_name=False)
        readable, unread = read_model(cls, item)
        try:
            # By alias alone: another service's attribute may bear one of our Python names.
            record = cls.model_validate(readable, by_alias=True, by_name=False)
        except ValidationError:
            # Not chained: pydantic's own text quotes the values.
            raise ValueError("A record without a user id or a registration id cannot be read.") from None
        if unread:
            record._unread = unread
        return record

    @property
    def order(self) -> datetime:
        """When the newest attempt was, to sort by: a record without a time is older than all others."""
        return self.timestamp or _NO_TIME

    @property
    def unread(self) -> tuple[Unread, ...]:
        """What of the stored item could not be read, and is therefore absent."""
        return self._unread

    @property
    def event(self) -> str | None:
        """The event's id: at the top level in our records, only in ``metadata`` in other services'."""
        return self.event_id or self.metadata.event_id or None

    @property
    def similarity(self) -> float | None:
        return self.comparison_result.similarity if self.comparison_result else None

    @property
    def provenance(self) -> Provenance | None:
        """What made the newest attempt's verdict."""
        return self.metadata.provenance

    @property
    def version(self) -> str:
        """Changes with every write; a decision names the one that its maker saw."""
        tried, touched = (isoformat(each) if each else "" for each in (self.timestamp, self.updated_at))
        return f"{tried}/{touched}/{self.verification_attempt}/{self.validation_status}"

    def is_expired(self, now: datetime) -> bool:
        return is_expired(self.expires_at, now)

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
            provenance=self.provenance,
        )
