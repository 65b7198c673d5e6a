"""What reasons are said first."""

from __future__ import annotations

import pytest

from core.domain import reasons
from core.domain.reasons import Reason
from core.domain.records import Status, ValidationRecord
from dashboard.parts import ui


@pytest.mark.parametrize(
    ("codes", "said"),
    [
        ((), ""),
        ((Reason.TOO_DARK, Reason.BLURRED), "Too dark, Blurred"),
        ((Reason.TOO_DARK, Reason.BLURRED, Reason.FACE_MISMATCH), "Not the same person, Too dark, Blurred"),
        (("ANOTHERS", Reason.FACE_MISMATCH), "Not the same person, ANOTHERS"),
    ],
)
def test_another_person_is_said_before_what_can_be_mended(codes: tuple[str, ...], said: str) -> None:
    assert reasons.labels(codes) == said
    assert ui.reason_labels(" ".join(codes)) == said


def test_the_headline_never_hides_another_person() -> None:
    record = ValidationRecord(
        user_id="u",
        registration_id="r",
        validation_status=Status.FAILED,
        failure_reasons=(Reason.MULTIPLE_FACES, Reason.TOO_DARK, Reason.FACE_MISMATCH),
    )
    assert ui.headline(record) == "Failed: not the same person and 2 more"


def test_the_advice_begins_with_the_main_reason() -> None:
    first, second = ui.advice_text([Reason.BLURRED, Reason.FACE_MISMATCH]).splitlines()
    assert "does not look like the one you registered with" in first
    assert "blurred" in second
