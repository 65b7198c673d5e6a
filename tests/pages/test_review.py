"""The Review queue: oldest first, one at a time, and nobody's decision overwritten."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from core.domain.records import Decision, Source, Status
from core.services.validation import Submitter
from tests.pages.test_validate import down, press, text_of
from tests.support.app import RunPage, failure
from tests.support.desk import REGISTERED, Desk

ANYBODY = Submitter(Source.API)


@pytest.fixture
def waiting(desk: Desk, astronaut_jpeg: bytes) -> Desk:
    """Two cases that wait: reg-1, then reg-3 of another event."""
    desk.registrations.import_many(
        [REGISTERED.model_copy(update={"registration_id": "reg-3", "user_id": "user-3", "event_id": "event-2"})]
    )
    desk.engine.similarity = 75
    for number, registration_id in enumerate(("reg-1", "reg-3")):
        desk.validation.validate_upload(registration_id, astronaut_jpeg, f"a{number}", ANYBODY)
    return desk


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def status(desk: Desk, user_id: str, registration_id: str) -> Status:
    record = desk.records.get(user_id, registration_id)
    assert record is not None
    return record.validation_status


def test_nothing_waiting_says_so(run_page: RunPage) -> None:
    assert "Nothing waits" in text_of(run_page("review"))


def test_the_oldest_case_comes_first(run_page: RunPage, waiting: Desk) -> None:
    assert "reg-1 · event-1" in text_of(run_page("review"))


def test_the_waiting_are_counted(run_page: RunPage, waiting: Desk) -> None:
    assert metrics(run_page("review"))["Waiting"] == "2"


def test_the_link_names_the_event(run_page: RunPage, waiting: Desk) -> None:
    app = run_page("review", event_id="event-2")
    assert metrics(app)["Waiting"] == "1"
    assert "reg-3 · event-2" in text_of(app)


def test_an_approval_brings_the_next_case_at_once(run_page: RunPage, waiting: Desk) -> None:
    app = press(run_page("review"), "Approve")
    assert "reg-3 · event-2" in text_of(app)
    assert status(waiting, "user-1", "reg-1") is Status.SUCCESS
    assert metrics(app)["Approved today"] == "1"


def test_a_rejection_keeps_its_reason_and_note(run_page: RunPage, waiting: Desk) -> None:
    app = run_page("review")
    app.text_area[0].input("another nose").run()
    press(app, "Reject")
    record = waiting.records.get("user-1", "reg-1")
    assert record is not None
    assert record.review is not None
    assert (record.failure_reasons, record.review.note) == (("FACE_MISMATCH",), "another nose")


def test_a_case_that_somebody_decided_meanwhile_is_a_conflict_and_the_first_decision_stands(
    run_page: RunPage, waiting: Desk
) -> None:
    app = run_page("review")
    seen = waiting.records.get("user-1", "reg-1")
    assert seen is not None
    first = waiting.validation.decide(seen, Decision.APPROVED, "cleo")
    press(app, "Reject")
    assert len(app.warning) == 1
    assert waiting.records.get("user-1", "reg-1") == first


def test_a_case_that_was_decided_elsewhere_is_not_offered_again(run_page: RunPage, waiting: Desk) -> None:
    run_page("review")
    seen = waiting.records.get("user-1", "reg-1")
    assert seen is not None
    waiting.validation.decide(seen, Decision.APPROVED, "cleo")
    # The list of the queue is still the old one.
    assert "reg-3 · event-2" in text_of(run_page("review"))


def test_a_skipped_case_goes_on_waiting_and_can_be_brought_back(run_page: RunPage, waiting: Desk) -> None:
    app = run_page("review")
    press(app, "Skip")
    press(app, "Skip")
    assert "You skipped 2" in text_of(app)
    press(app, "Back to the skipped ones")
    assert "reg-1 · event-1" in text_of(app)


def test_a_case_can_be_run_again(run_page: RunPage, waiting: Desk) -> None:
    waiting.engine.similarity = 95
    press(run_page("review"), "Run again")
    assert status(waiting, "user-1", "reg-1") is Status.SUCCESS


def test_records_out_of_reach_are_a_banner(run_page: RunPage, waiting: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting.records, "event_frame", down("validation records"))
    assert "out of reach" in failure(run_page("review"))


def test_one_case_out_of_reach_is_a_banner_and_the_figures_stay(
    run_page: RunPage, waiting: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting.records, "get", down("validation records"))
    app = run_page("review")
    assert "out of reach" in failure(app)
    assert metrics(app)["Waiting"] == "2"
