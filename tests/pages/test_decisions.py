"""Decisions on the pages: said by name, taken back, and changed later with a reason."""

from __future__ import annotations

from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from core.domain.records import Decision, Source, Status, ValidationRecord
from core.services.validation import Submitter
from dashboard.parts import decisions
from tests.pages.test_validate import press, text_of
from tests.support.app import RunPage
from tests.support.desk import Desk

ANYBODY = Submitter(Source.API)


def validated(desk: Desk, photo: bytes, similarity: float) -> ValidationRecord:
    desk.engine.similarity = similarity
    return desk.validation.validate_upload("reg-1", photo, "a1", ANYBODY).record


def record(desk: Desk) -> ValidationRecord:
    found = desk.records.get("user-1", "reg-1")
    assert found is not None
    return found


def write(app: AppTest, decision: Decision, text: str) -> AppTest:
    (note,) = [area for area in app.text_area if (area.key or "").startswith(f"note-{decision}")]
    note.input(text)
    return app


@pytest.fixture
def approved(run_page: RunPage, desk: Desk, astronaut_jpeg: bytes) -> AppTest:
    """The review page after its only case was approved."""
    validated(desk, astronaut_jpeg, 75)
    return press(run_page("review"), "Approve")


def test_a_decision_is_said_with_the_name_of_the_person(approved: AppTest) -> None:
    assert "Approved · Ada Example" in text_of(approved)


def test_an_undone_decision_brings_the_case_back(approved: AppTest, desk: Desk) -> None:
    app = press(approved, "Undo")
    assert "reg-1 · event-1" in text_of(app)
    assert (record(desk).validation_status, record(desk).review) == (Status.PENDING, None)
    assert [review.decision for review in record(desk).attempts[-1].reviews] == [Decision.APPROVED]


def test_a_decision_is_offered_to_be_undone_for_a_while_only(
    approved: AppTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decisions, "UNDO_FOR", timedelta(0))
    approved.run()
    assert "Undo" not in [button.label for button in approved.button]


def test_a_decision_that_was_changed_meanwhile_is_not_undone(approved: AppTest, desk: Desk) -> None:
    changed = desk.validation.decide(record(desk), Decision.REJECTED, "dora", "FACE_MISMATCH", note="the sister")
    app = press(approved, "Undo")
    assert [banner.value for banner in app.warning] == ["Nothing was undone."]
    assert record(desk) == changed


@pytest.mark.parametrize("page", ["validate", "user_lookup"])
def test_what_passed_is_rejected_only_with_a_reason(
    run_page: RunPage, desk: Desk, astronaut_jpeg: bytes, page: str
) -> None:
    validated(desk, astronaut_jpeg, 95)
    app = press(run_page(page, registration_id="reg-1", user_id="user-1"), "Reject")
    assert "Say in the note why" in text_of(app)
    assert record(desk).validation_status is Status.SUCCESS
    press(write(app, Decision.REJECTED, "it is the sister"), "Reject")
    assert (record(desk).validation_status, record(desk).failure_reasons) == (Status.FAILED, ("FACE_MISMATCH",))


def test_what_failed_is_approved_only_with_a_reason(run_page: RunPage, desk: Desk, astronaut_jpeg: bytes) -> None:
    validated(desk, astronaut_jpeg, 12)
    app = press(run_page("validate", registration_id="reg-1"), "Approve")
    assert record(desk).validation_status is Status.FAILED
    press(write(app, Decision.APPROVED, "same passport"), "Approve")
    assert record(desk).validation_status is Status.SUCCESS


def test_all_decisions_are_listed_with_who_made_them(run_page: RunPage, desk: Desk, astronaut_jpeg: bytes) -> None:
    first = desk.validation.decide(validated(desk, astronaut_jpeg, 75), Decision.APPROVED, "cleo")
    desk.validation.decide(first, Decision.REJECTED, "dora", "FACE_MISMATCH", note="the sister")
    said = text_of(run_page("validate", registration_id="reg-1"))
    assert said.index("Rejected by dora") < said.index("the sister") < said.index("Approved by cleo")


def test_a_case_that_is_run_again_shows_its_result_before_the_next_one(
    run_page: RunPage, desk: Desk, astronaut_jpeg: bytes
) -> None:
    validated(desk, astronaut_jpeg, 75)
    desk.engine.similarity = 95
    app = press(run_page("review"), "Run again")
    assert "This case no longer waits" in text_of(app)
    assert "Passed · Ada Example" in text_of(app)
    assert "Nothing waits" in text_of(press(app, "Next case"))


def test_a_link_to_an_unknown_case_says_so_and_the_queue_goes_on(
    run_page: RunPage, desk: Desk, astronaut_jpeg: bytes
) -> None:
    validated(desk, astronaut_jpeg, 75)
    app = run_page("review", user_id="user-1", registration_id="reg-404")
    assert "unknown case" in app.warning[0].value
    assert "reg-1 · event-1" in text_of(app)
