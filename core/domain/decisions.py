"""What a reviewer must say with a decision."""

from __future__ import annotations

from core.domain.errors import InvalidInput
from core.domain.reasons import Reason
from core.domain.records import Decision, Status, ValidationRecord

#: The reasons that a reviewer can give for a rejection: all for which a photo can fail.
REJECTION_REASONS = tuple(
    reason for reason in Reason if reason not in (Reason.ENGINE_UNAVAILABLE, Reason.REFERENCE_UNUSABLE)
)


def needs_note(record: ValidationRecord) -> bool:
    """Whether a decision on the record changes what was found or decided before, and must therefore say why."""
    return record.validation_status in (Status.SUCCESS, Status.FAILED)


def checked_reason(decision: Decision, reason: str | None) -> str | None:
    """Returns the reason that goes with a reviewer's decision: none with an approval.

    Raises ``InvalidInput`` for a rejection without one of ``REJECTION_REASONS``.
    """
    if decision is Decision.APPROVED:
        return None
    if reason not in REJECTION_REASONS:
        raise InvalidInput("A rejection needs one of the listed reasons.")
    return reason
