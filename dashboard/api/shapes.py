"""The shapes of the JSON API's requests and answers, beside those of the domain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from core.domain import reasons
from core.domain.records import ComparisonResult, Percent, Provenance, Quality, Status, Timestamp, ValidationRecord
from core.services.validation import Validation


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class FaceImage(_Shape):
    """The photo to validate, by its key in the photo store."""

    face_image_key: str = Field(min_length=1, max_length=1024, strict=True)


class Verdict(_Shape):
    """The outcome of one attempt. Whatever was not measured, or is not kept of an earlier attempt, is absent."""

    success: bool
    message: str
    confidence: Percent | None = None
    quality: Quality | None = None
    attributes: Mapping[str, Any] | None = None
    validation_status: Status
    failure_reasons: tuple[str, ...] = ()
    comparison_result: ComparisonResult | None = None
    attempt_id: str | None = None
    verification_attempt: int
    user_id: str
    registration_id: str
    timestamp: Timestamp | None
    face_image_key: str | None = None
    provenance: Provenance | None = None

    @classmethod
    def of(cls, validation: Validation) -> Self:
        """The verdict on the attempt that was asked for; later attempts may have followed it."""
        record, attempt = validation.record, validation.attempt
        newest = record.outcomes[-1] == attempt
        codes = record.failure_reasons if newest else attempt.reasons
        comparison = record.comparison_result if newest else None
        if comparison is None and attempt.similarity is not None:
            comparison = ComparisonResult(similarity=attempt.similarity)
        return cls(
            success=attempt.status is Status.SUCCESS,
            message=_message(attempt.status, codes),
            confidence=attempt.confidence,
            quality=attempt.quality,
            attributes=record.attributes if newest else None,
            validation_status=attempt.status,
            failure_reasons=codes,
            comparison_result=comparison,
            attempt_id=attempt.attempt_id,
            verification_attempt=attempt.number,
            user_id=record.user_id,
            registration_id=record.registration_id,
            timestamp=attempt.timestamp,
            face_image_key=attempt.face_image_key,
            provenance=attempt.provenance,
        )


class RecordList(_Shape):
    count: int = Field(ge=0)
    data: list[ValidationRecord]


class UnreadableField(_Shape):
    """A field of a record whose value could not be read: its path with dots, and the kind of value."""

    registration_id: str
    field: str
    kind: str


class EventRecordList(RecordList):
    unreadable: list[UnreadableField]


class RecentValidation(_Shape):
    user_id: str
    has_recent_validation: bool
    days_checked: int


class Alive(_Shape):
    alive: Literal[True]
    version: str


class Dependency(_Shape):
    """How one service answered; ``error`` is the error's class and code, and ``hint`` what to do about it. Both are
    absent where all is well.
    """

    service: str
    ok: bool
    milliseconds: float
    error: str | None = None
    hint: str | None = None


class Dependencies(_Shape):
    dependencies: list[Dependency]


class Error(_Shape):
    status: Literal["error"]
    message: str
    status_code: int


def _message(status: Status, codes: tuple[str, ...]) -> str:
    labels = reasons.labels(codes)
    match status:
        case Status.SUCCESS:
            return "Face image is valid"
        case Status.FAILED:
            return f"Face image is not valid: {labels}" if labels else "Face image is not valid"
        case Status.PENDING:
            return f"Face image waits: {labels}" if labels else "Face image waits for a person to decide"
        case Status.UNKNOWN:
            return "The status of the face image is unknown"
