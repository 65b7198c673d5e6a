"""Statistics count outcomes: attempts where listed, else the record itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from core.domain.records import Attempt, Quality, Status, ValidationRecord
from core.domain.statistics import latest_valid, user_statistics

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)


def record(status: Status, age_days: float = 0, **more: object) -> ValidationRecord:
    return ValidationRecord(
        user_id="u",
        registration_id="r",
        validation_status=status,
        timestamp=NOW - timedelta(days=age_days),
        **more,  # type: ignore[arg-type]
    )


def attempts(*statuses: Status) -> tuple[Attempt, ...]:
    return tuple(Attempt(number=i + 1, timestamp=NOW, status=status) for i, status in enumerate(statuses))


def test_every_listed_attempt_counts() -> None:
    listed = attempts(Status.FAILED, Status.FAILED, Status.SUCCESS)
    found = user_statistics("u", [record(Status.SUCCESS, attempts=listed)])
    assert (found.total_attempts, found.failed_validations, found.successful_validations) == (3, 2, 1)


def test_a_record_without_a_list_counts_as_one() -> None:
    assert user_statistics("u", [record(Status.SUCCESS, verification_attempt=4)]).total_attempts == 1


def test_the_total_is_the_sum_of_the_outcomes() -> None:
    listed = attempts(Status.PENDING, Status.FAILED)
    found = user_statistics("u", [record(Status.FAILED, attempts=listed), record(Status.SUCCESS)])
    assert found.total_attempts == (
        found.successful_validations
        + found.failed_validations
        + found.pending_validations
        + found.unknown_validations
    )


def test_confidence_is_averaged_over_what_was_measured() -> None:
    found = user_statistics("u", [record(Status.SUCCESS, confidence=90.0), record(Status.FAILED)])
    assert found.average_confidence == 90


def test_nothing_measured_has_no_average() -> None:
    assert user_statistics("u", []).average_confidence is None


def test_quality_is_broken_down() -> None:
    found = user_statistics("u", [record(Status.SUCCESS, quality=Quality.HIGH)] * 3 + [record(Status.FAILED)])
    assert found.quality_breakdown == {"high": 3}


def test_a_pass_within_the_days_is_valid() -> None:
    assert latest_valid([record(Status.SUCCESS, 29.9)], NOW, 30) is not None


def test_a_pass_older_than_the_days_is_not_valid() -> None:
    assert latest_valid([record(Status.SUCCESS, 30.1)], NOW, 30) is None


def test_a_record_whose_newest_attempt_failed_is_not_valid() -> None:
    listed = attempts(Status.SUCCESS, Status.FAILED)
    assert latest_valid([record(Status.FAILED, attempts=listed)], NOW, 30) is None
