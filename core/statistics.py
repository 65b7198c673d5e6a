"""Counts and rates over records. Pure: records in, numbers out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from core.records import Status, ValidationRecord


class UserStatistics(BaseModel):
    """A user's outcomes, every attempt counted. ``average_confidence`` (0-100) is None where none was measured."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)

    user_id: str
    total_attempts: int
    successful_validations: int
    failed_validations: int
    pending_validations: int
    average_confidence: float | None
    quality_breakdown: dict[str, int]


def user_statistics(user_id: str, records: Iterable[ValidationRecord]) -> UserStatistics:
    outcomes = [outcome for record in records for outcome in record.outcomes]
    by_status = Counter(outcome.status for outcome in outcomes)
    confidences = [outcome.confidence for outcome in outcomes if outcome.confidence is not None]
    return UserStatistics(
        user_id=user_id,
        total_attempts=len(outcomes),
        successful_validations=by_status[Status.SUCCESS],
        failed_validations=by_status[Status.FAILED],
        pending_validations=by_status[Status.PENDING],
        average_confidence=round(sum(confidences) / len(confidences), 2) if confidences else None,
        quality_breakdown=dict(Counter(outcome.quality for outcome in outcomes if outcome.quality is not None)),
    )


def latest_valid(records: Sequence[ValidationRecord], now: datetime, days: int) -> ValidationRecord | None:
    """The newest record that stands as passed and is at most ``days`` old; None where there is none.

    A record whose newest attempt failed is not valid, whatever its earlier attempts were.
    """
    since = now - timedelta(days=days)
    valid = [r for r in records if r.validation_status is Status.SUCCESS and r.timestamp >= since]
    return max(valid, key=lambda record: record.timestamp, default=None)
