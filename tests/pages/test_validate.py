"""The Validate page: empty, populated, failing."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from core.domain.errors import Unavailable
from core.domain.records import Decision, Source, Status
from core.services.validation import Submitter
from tests.support.app import RunPage, failure
from tests.support.desk import REGISTERED, Desk

ANYBODY = Submitter(Source.API)


def text_of(app: AppTest) -> str:
    """All that the page says, its tables and metrics apart."""
    kinds = ("title", "subheader", "markdown", "text", "caption", "code", "info", "warning", "error", "success")
    return "\n".join(str(element.value) for kind in kinds for element in app.get(kind))


def press(app: AppTest, label: str) -> AppTest:
    (button,) = [button for button in app.button if button.label == label]
    button.click().run()
    assert not app.exception, app.exception
    return app


def test_the_empty_page_says_what_to_do(run_page: RunPage) -> None:
    assert "Find the registration" in text_of(run_page("validate"))


@pytest.mark.parametrize("search", ["reg-1", "ada@example.com"])
def test_one_match_opens_the_case(run_page: RunPage, desk: Desk, search: str) -> None:
    desk.registrations.import_many(
        [REGISTERED.model_copy(update={"registration_id": "reg-2", "email": "b@example.com"})]
    )
    app = run_page("validate")
    app.text_input(key="q").input(search).run()
    assert app.query_params["registration_id"] == "reg-1"
    assert "Ada Example" in text_of(app)


def test_several_matches_are_offered_and_the_chosen_one_opens(run_page: RunPage) -> None:
    app = run_page("validate")
    app.text_input(key="q").input("ada").run()
    app.selectbox(key="match").select_index(1).run()
    assert app.query_params["registration_id"] == "reg-2"


def test_more_matches_than_are_offered_are_counted(run_page: RunPage, desk: Desk) -> None:
    desk.registrations.import_many(
        REGISTERED.model_copy(update={"registration_id": f"more-{number}", "name": "Zoé"}) for number in range(30)
    )
    app = run_page("validate")
    app.text_input(key="q").input("zoe").run()
    assert app.selectbox(key="match").label == "20 of 30 registrations; type more to narrow it down"
    assert len(app.selectbox(key="match").options) == 20


def test_nobody_found_says_so(run_page: RunPage) -> None:
    app = run_page("validate")
    app.text_input(key="q").input("nobody of this name").run()
    assert "Nobody was found" in text_of(app)


def test_a_reference_photo_in_another_place_is_told(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"reference_photo_key": None, "unreadable": "referencePhotoKey:other-bucket"}
    monkeypatch.setattr(desk.registrations, "get", lambda _: REGISTERED.model_copy(update=changes))
    assert "in another place" in text_of(run_page("validate", registration_id="reg-1"))


def test_the_link_opens_the_case(run_page: RunPage) -> None:
    assert "Ada Example" in text_of(run_page("validate", registration_id="reg-1"))


def test_a_link_to_no_registration_says_so(run_page: RunPage) -> None:
    assert "unknown registration" in text_of(run_page("validate", registration_id="reg-404"))


def test_an_uploaded_photo_is_validated_and_the_verdict_shown(
    run_page: RunPage, desk: Desk, astronaut_jpeg: bytes
) -> None:
    app = run_page("validate", registration_id="reg-1")
    app.file_uploader(key="upload-reg-1").upload("me.jpg", astronaut_jpeg).run()
    press(app, "Validate")
    assert "Passed" in text_of(app)
    assert desk.records.get("user-1", "reg-1") is not None


@pytest.mark.parametrize("name", ["me.jfif", "me.jpe", "me.hif", "me.JPG.download", "photo", "me.txt"])
def test_a_photo_is_taken_whatever_it_is_called(
    run_page: RunPage, desk: Desk, astronaut_jpeg: bytes, name: str
) -> None:
    app = run_page("validate", registration_id="reg-1")
    app.file_uploader(key="upload-reg-1").upload(name, astronaut_jpeg).run()
    press(app, "Validate")
    assert "Passed" in text_of(app)
    assert list(app.file_uploader(key="upload-reg-1").proto.type) == []


def test_the_page_says_what_to_do_with_a_photo_that_is_too_large(run_page: RunPage) -> None:
    app = run_page("validate", registration_id="reg-1")
    assert "up to 15 MB. If yours is larger, send it in a smaller size" in text_of(app)
    assert app.file_uploader(key="upload-reg-1").proto.max_upload_size_mb == 15


def test_a_file_of_another_kind_is_named(run_page: RunPage) -> None:
    app = run_page("validate", registration_id="reg-1")
    app.file_uploader(key="upload-reg-1").upload("me.jpg", b"%PDF-1.7").run()
    press(app, "Validate")
    assert "This is a PDF document" in text_of(app)


def test_a_stored_key_is_validated(run_page: RunPage, desk: Desk) -> None:
    app = run_page("validate", registration_id="reg-1")
    app.button_group(key="photo_from").set_value("Photo already in the store").run()
    app.text_input(key="key-reg-1").input("reference-faces/one.jpg").run()
    press(app, "Validate")
    assert "Passed" in text_of(app)


def test_a_key_without_a_photo_is_one_sentence(run_page: RunPage) -> None:
    app = run_page("validate", registration_id="reg-1")
    app.button_group(key="photo_from").set_value("Photo already in the store").run()
    app.text_input(key="key-reg-1").input("none.jpg").run()
    press(app, "Validate")
    assert [error.value for error in app.error] == ["There is no photo under this key. Nothing was recorded."]


def test_a_file_that_is_no_photo_is_one_sentence_and_stores_nothing(run_page: RunPage, desk: Desk) -> None:
    app = run_page("validate", registration_id="reg-1")
    app.file_uploader(key="upload-reg-1").upload("me.jpg", b"only text").run()
    press(app, "Validate")
    assert len(app.error) == 1
    assert desk.records.get("user-1", "reg-1") is None


def test_each_reason_comes_with_a_sentence_for_the_person(
    run_page: RunPage, desk: Desk, astronaut_jpeg: bytes
) -> None:
    desk.engine.similarity = 12.4
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)
    app = run_page("validate", registration_id="reg-1")
    assert "Failed: not the same person" in text_of(app)
    assert "does not look like the one you registered with" in app.code[0].value


def waiting(desk: Desk, photo: bytes) -> None:
    desk.engine.similarity = 75
    desk.validation.validate_upload("reg-1", photo, "a1", ANYBODY)


def test_a_waiting_case_can_be_approved(run_page: RunPage, desk: Desk, astronaut_jpeg: bytes) -> None:
    waiting(desk, astronaut_jpeg)
    press(run_page("validate", registration_id="reg-1"), "Approve")
    record = desk.records.get("user-1", "reg-1")
    assert record is not None
    assert record.validation_status is Status.SUCCESS


def test_a_waiting_case_can_be_rejected_with_a_note(run_page: RunPage, desk: Desk, astronaut_jpeg: bytes) -> None:
    waiting(desk, astronaut_jpeg)
    app = run_page("validate", registration_id="reg-1")
    (note,) = [area for area in app.text_area if area.key and area.key.startswith("note-rejected")]
    note.input("another nose")
    press(app, "Reject")
    record = desk.records.get("user-1", "reg-1")
    assert record is not None
    assert record.review is not None
    assert (record.validation_status, record.review.note) == (Status.FAILED, "another nose")


def test_a_decision_on_what_has_changed_meanwhile_is_a_conflict_and_overwrites_nothing(
    run_page: RunPage, desk: Desk, astronaut_jpeg: bytes
) -> None:
    waiting(desk, astronaut_jpeg)
    app = run_page("validate", registration_id="reg-1")
    seen = desk.records.get("user-1", "reg-1")
    assert seen is not None
    first = desk.validation.decide(seen, Decision.APPROVED, "cleo")
    press(app, "Reject")
    assert len(app.warning) == 1
    assert desk.records.get("user-1", "reg-1") == first


def test_a_case_that_waits_for_the_engine_runs_again_in_one_click(
    run_page: RunPage, desk: Desk, astronaut_jpeg: bytes
) -> None:
    desk.engine.error = Unavailable("face engine", "ThrottlingException")
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)
    desk.engine.error = None
    app = press(run_page("validate", registration_id="reg-1"), "Run again")
    assert "Passed" in text_of(app)


def test_the_operators_name_goes_into_the_record(run_page: RunPage, desk: Desk, astronaut_jpeg: bytes) -> None:
    app = run_page("validate", registration_id="reg-1")
    app.text_input(key="operator").input("asha").run()
    app.file_uploader(key="upload-reg-1").upload("me.jpg", astronaut_jpeg).run()
    press(app, "Validate")
    record = desk.records.get("user-1", "reg-1")
    assert record is not None
    assert record.attempts[0].operator == "asha"


def test_records_out_of_reach_are_a_banner_and_the_registration_still_shows(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.records, "get", down("validation records"))
    app = run_page("validate", registration_id="reg-1")
    assert "out of reach" in failure(app)
    assert "Ada Example" in text_of(app)


def test_registrations_out_of_reach_are_a_banner(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.registrations, "get", down("registrations"))
    assert "out of reach" in failure(run_page("validate", registration_id="reg-1"))


def test_photos_out_of_reach_leave_the_verdict_readable(
    run_page: RunPage, desk: Desk, astronaut_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)
    monkeypatch.setattr(desk.photos, "get", down("photos"))
    app = run_page("validate", registration_id="reg-1")
    assert "Passed" in text_of(app)
    assert app.warning


def down(service: str):  # type: ignore[no-untyped-def]
    def fail(*_args: object, **_more: object) -> None:
        raise Unavailable(service, "ConnectTimeout")

    return fail


def test_a_name_that_is_markdown_shows_as_it_is(run_page: RunPage, desk: Desk) -> None:
    name = "![](http://x/y.png) **Ada**"
    desk.registrations.import_many([REGISTERED.model_copy(update={"name": name})])
    app = run_page("validate", registration_id="reg-1")
    assert name in [text.value for text in app.text]
    assert not [m.value for m in app.markdown if "Ada" in m.value]
