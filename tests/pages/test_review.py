"""The Review queue: oldest first, one at a time, and nobody's decision overwritten."""

from __future__ import annotations

import base64
import io
import re
from datetime import timedelta

import pytest
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.domain.errors import Service, Unavailable
from core.domain.records import Box, Decision, Source, Status
from core.services.validation import Submitter
from dashboard.parts import photos
from dashboard.parts.ui import how_long
from tests.pages.test_validate import down, press, text_of
from tests.support.app import RunPage, failure
from tests.support.desk import REFERENCE_KEY, REGISTERED, Desk

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


def status(desk: Desk, user_id: str, registration_id: str) -> Status:
    record = desk.records.get(user_id, registration_id)
    assert record is not None
    return record.validation_status


def test_nothing_waiting_says_so(run_page: RunPage) -> None:
    assert "Nothing waits" in text_of(run_page("review"))


@pytest.mark.parametrize("view", ["", "List", "Second looks"])
def test_an_empty_queue_leads_on(run_page: RunPage, desk: Desk, view: str) -> None:
    desk.registrations.import_many([REGISTERED])
    found = {
        link.proto.page: link.proto.query_string
        for link in run_page("review", event_id="event-1", view=view).get("page_link")
    }
    assert (found["validate"], found["event_overview"]) == ("", "event_id=event-1")


def test_a_queue_without_any_event_leads_to_where_data_is_loaded(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.registrations, "events", list)
    assert "start" in {link.proto.page for link in run_page("review").get("page_link")}


def test_the_oldest_case_comes_first(run_page: RunPage, waiting: Desk) -> None:
    assert "reg-1 · event-1" in text_of(run_page("review"))


def test_the_waiting_are_counted(run_page: RunPage, waiting: Desk) -> None:
    assert "2 waiting" in text_of(run_page("review"))


def test_the_link_names_the_event(run_page: RunPage, waiting: Desk) -> None:
    app = run_page("review", event_id="event-2")
    assert "1 waiting" in text_of(app)
    assert "reg-3 · event-2" in text_of(app)


def test_an_approval_brings_the_next_case_at_once(run_page: RunPage, waiting: Desk) -> None:
    app = press(run_page("review"), "Approve")
    assert "reg-3 · event-2" in text_of(app)
    assert status(waiting, "user-1", "reg-1") is Status.SUCCESS
    assert "today 1 approved, 0 rejected" in text_of(app)


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
    assert "2 waiting" in text_of(app)


def test_the_card_says_who_it_is_and_how_long_they_have_waited(run_page: RunPage, waiting: Desk) -> None:
    app = run_page("review")
    assert "Ada Example" in [text.value for text in app.text]
    assert "Waits less than a minute" in text_of(app)
    assert "ada@example.com" in [code.value for code in app.code]


@pytest.mark.parametrize(
    ("time", "words"),
    [
        (timedelta(seconds=59), "less than a minute"),
        (timedelta(minutes=1), "1 minute"),
        (timedelta(hours=23, minutes=59), "23 hours"),
        (timedelta(days=28, hours=3), "28 days"),
        (timedelta(seconds=-5), "less than a minute"),  # another machine's clock
    ],
)
def test_a_wait_is_told_in_its_largest_unit(time: timedelta, words: str) -> None:
    assert how_long(time) == words


def test_both_faces_are_cut_out_alike(run_page: RunPage, waiting: Desk) -> None:
    (shown,) = [html.proto.body for html in run_page("review").get("html") if "data:image" in html.proto.body]
    faces = [Image.open(io.BytesIO(base64.b64decode(uri))) for uri in re.findall(r"base64,([^\"]+)", shown)]
    assert [round(face.width / face.height, 1) for face in faces] == [round(photos.FACE_SHAPE, 1)] * 2


@pytest.mark.parametrize(
    "box",
    [
        Box(left=0.4, top=0.4, width=0.2, height=0.2),
        Box(left=0, top=0, width=0.2, height=0.2),
        Box(left=0.9, top=0.9, width=0.1, height=0.1),
        Box(left=0, top=0, width=1, height=1),
        Box(left=0.5, top=0.5, width=0, height=0),
        Box(left=-0.2, top=1.1, width=0.3, height=0.3),
    ],
)
@pytest.mark.parametrize("size", [(600, 800), (800, 600), (40, 1000)])
def test_a_face_is_cut_out_in_its_shape_within_the_photo(box: Box, size: tuple[int, int]) -> None:
    left, top, right, bottom = photos._around(box, size)
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]
    assert abs((right - left) - (bottom - top) * photos.FACE_SHAPE) <= 1.5


def test_a_case_without_a_reference_photo_is_approved_only_on_purpose(
    run_page: RunPage, desk: Desk, astronaut_jpeg: bytes
) -> None:
    desk.engine.error = Unavailable(Service.ENGINE, "gone")
    desk.validation.validate_upload("reg-2", astronaut_jpeg, "a1", ANYBODY)
    app = press(run_page("review"), "Approve")
    assert "There is no reference photo" in text_of(app)
    assert status(desk, "user-1", "reg-2") is Status.PENDING
    press(app, "Approve all the same")
    assert status(desk, "user-1", "reg-2") is Status.SUCCESS


def test_a_case_that_was_never_examined_is_approved_only_on_purpose(
    run_page: RunPage, desk: Desk, astronaut_jpeg: bytes
) -> None:
    desk.engine.error = Unavailable(Service.ENGINE, "gone")
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)
    app = press(run_page("review"), "Approve")
    assert "never examined" in text_of(app)
    press(app, "Cancel")
    assert status(desk, "user-1", "reg-1") is Status.PENDING
    press(press(app, "Approve"), "Approve all the same")
    assert status(desk, "user-1", "reg-1") is Status.SUCCESS


def test_a_case_whose_photo_is_gone_is_approved_only_on_purpose(run_page: RunPage, waiting: Desk) -> None:
    (waiting.photo_folder / REFERENCE_KEY).unlink()
    app = press(run_page("review"), "Approve")
    assert "A photo cannot be shown" in text_of(app)
    assert status(waiting, "user-1", "reg-1") is Status.PENDING


def test_nothing_is_decided_on_faces_that_may_not_be_shown(
    run_page: RunPage, waiting: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting.audit, "append", down("audit trail"))
    buttons = {button.label: button.disabled for button in run_page("review").button}
    assert (buttons["Approve"], buttons["Reject"], buttons["Skip"]) == (True, True, False)


def keys(app: AppTest) -> set[str]:
    """The keys of the buttons that are held back until both faces were seen."""
    return {button.key for button in app.button if (button.key or "").startswith("press-")}


def test_a_press_names_the_case_that_it_was_made_for(run_page: RunPage, waiting: Desk) -> None:
    app = run_page("review")
    before, after = keys(app), keys(press(app, "Approve"))
    assert len(before) == len(after) == 4
    assert not before & after


def test_a_case_is_pressed_anew_after_a_decision_that_was_not_stored(
    run_page: RunPage, waiting: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = run_page("review")
    before = keys(app)
    with monkeypatch.context() as away:
        away.setattr(waiting.records, "decide", down("validation records"))
        press(app, "Approve")
    assert "reg-1 · event-1" in text_of(app)
    assert not before & keys(app)
