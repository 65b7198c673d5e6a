"""A verdict belongs to one photo: what the Validate page says of the photo that is chosen, and of no other."""

from __future__ import annotations

import pytest
from streamlit.proto.Image_pb2 import ImageList
from streamlit.testing.v1 import AppTest

from core.domain.errors import Unavailable
from tests.pages.test_photos import HOSTILE, messages, read_as_markdown
from tests.pages.test_validate import ANYBODY, down, press, text_of
from tests.support.app import RunPage
from tests.support.desk import REFERENCE_KEY, REGISTERED, Desk
from tests.support.engine import GOOD_FACE


def choose(app: AppTest, photo: bytes, name: str = "me.jpg") -> AppTest:
    app.file_uploader(key="upload-reg-1").upload(name, photo).run()
    assert not app.exception, app.exception
    return app


def name_stored(app: AppTest, key: str) -> AppTest:
    app.button_group(key="photo_from").set_value("Photo already in the store").run()
    app.text_input(key="key-reg-1").input(key).run()
    return app


def headings(app: AppTest) -> list[str]:
    """What the cards say at their top, without the icon."""
    return [heading.value.partition("] ")[2] or heading.value for heading in app.subheader]


def pictures(app: AppTest) -> list[str]:
    return [message.imgs[0].caption for message in messages(app) if isinstance(message, ImageList)]


@pytest.fixture
def passed(run_page: RunPage, astronaut_jpeg: bytes) -> AppTest:
    return press(choose(run_page("validate", registration_id="reg-1"), astronaut_jpeg), "Validate")


def test_the_verdict_replaces_the_photo_that_was_chosen(passed: AppTest) -> None:
    assert headings(passed) == ["Passed"]
    assert "1 earlier attempt" in text_of(passed)


def test_another_photo_takes_the_place_of_the_verdict(passed: AppTest, hopper_jpeg: bytes) -> None:
    choose(passed, hopper_jpeg, "other.jpg")
    assert headings(passed) == ["Not validated yet"]
    assert pictures(passed) == ["Reference photo", "Chosen photo"]
    assert [expander.label for expander in passed.expander] == ["Notes (0)", "Attempts (1)"]
    assert not [button.label for button in passed.button if button.label in ("Run again", "Approve")]


def test_the_same_file_chosen_again_is_another_photo(passed: AppTest, astronaut_jpeg: bytes) -> None:
    assert headings(choose(passed, astronaut_jpeg)) == ["Not validated yet"]


def test_another_stored_photo_takes_the_place_of_the_verdict(passed: AppTest, desk: Desk, hopper_jpeg: bytes) -> None:
    desk.photos.put("inbox/other.jpg", hopper_jpeg)
    name_stored(passed, "inbox/other.jpg")
    assert headings(passed) == ["Not validated yet"]
    press(passed, "Validate")
    assert headings(passed) == ["Passed"]
    passed.text_input(key="key-reg-1").input(REFERENCE_KEY).run()
    assert headings(passed) == ["Not validated yet"]


def test_the_stored_photo_that_the_record_judges_has_its_verdict(passed: AppTest, desk: Desk) -> None:
    record = desk.records.get("user-1", "reg-1")
    assert record is not None
    name_stored(passed, record.face_image_key or "")
    assert headings(passed) == ["Passed"]


def test_a_stored_photo_that_may_be_somebody_elses_is_blurred(
    passed: AppTest, desk: Desk, hopper_jpeg: bytes
) -> None:
    desk.photos.put("inbox/other.jpg", hopper_jpeg)
    assert pictures(name_stored(passed, "inbox/other.jpg"))[-1] == "Chosen photo, blurred"
    passed.text_input(key="key-reg-1").input(REFERENCE_KEY).run()
    assert pictures(passed)[-1] == "Chosen photo"


def test_a_photo_with_its_verdict_is_not_validated_twice(passed: AppTest) -> None:
    (button,) = [button for button in passed.button if button.label == "Validate"]
    assert button.disabled


def test_a_photo_of_which_the_record_says_nothing_any_more_says_so(
    passed: AppTest, desk: Desk, hopper_jpeg: bytes
) -> None:
    desk.validation.validate_upload("reg-1", hopper_jpeg, "elsewhere", ANYBODY)
    passed.run()
    assert headings(passed) == ["Another photo was validated since"]


def test_another_person_has_neither_the_photo_nor_its_verdict(passed: AppTest) -> None:
    passed.text_input(key="q").input("reg-2").run()
    assert headings(passed) == ["No photo validated yet"]
    passed.text_input(key="q").input("reg-1").run()
    assert not passed.file_uploader(key="upload-reg-1").value


def test_a_refusal_stands_where_the_verdict_would(passed: AppTest, desk: Desk) -> None:
    press(choose(passed, b"only text"), "Validate")
    assert headings(passed) == ["Not validated"]
    assert [error.value for error in passed.error] == ["The photo was not stored. Nothing was recorded."]
    assert "This file is not a photo" in text_of(passed)


def test_a_refusal_goes_with_its_photo(passed: AppTest, hopper_jpeg: bytes) -> None:
    press(choose(passed, b"only text"), "Validate")
    choose(passed, hopper_jpeg)
    assert (headings(passed), len(passed.error)) == (["Not validated yet"], 0)


def test_a_record_that_cannot_be_written_says_that_the_photo_was_stored(
    passed: AppTest, desk: Desk, hopper_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(passed, hopper_jpeg)
    before = desk.stored_files
    with monkeypatch.context() as failing:
        failing.setattr(desk.records, "record_attempt", down("validation records"))
        press(passed, "Validate")
    said = "The photo was stored. No verdict was recorded. Press Validate to try again."
    assert (headings(passed), [error.value for error in passed.error]) == (["Not validated"], [said])
    assert len(desk.stored_files - before) == 1
    press(passed, "Validate")
    assert headings(passed) == ["Passed"]
    assert len(desk.stored_files - before) == 1


def test_a_photo_store_out_of_reach_says_that_the_photo_was_not_stored(
    passed: AppTest, desk: Desk, hopper_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    choose(passed, hopper_jpeg)
    monkeypatch.setattr(desk.photos, "put", down("photos"))
    press(passed, "Validate")
    said = "The photo was not stored. No verdict was recorded. Press Validate to try again."
    assert [error.value for error in passed.error] == [said]


def test_another_photo_after_a_failure_is_an_attempt_of_its_own(
    passed: AppTest, desk: Desk, hopper_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A write whose answer was lost did happen: its verdict is not that of the next photo."""
    choose(passed, hopper_jpeg)
    record_attempt = desk.records.record_attempt

    def lost(*given: object) -> None:
        record_attempt(*given)  # type: ignore[arg-type]
        raise Unavailable("validation records", "ReadTimeout")

    with monkeypatch.context() as failing:
        failing.setattr(desk.records, "record_attempt", lost)
        press(passed, "Validate")
    desk.engine.faces = ()
    press(choose(passed, hopper_jpeg), "Validate")
    assert headings(passed) == ["Failed: no face"]


def test_what_came_of_whom_is_told_once(passed: AppTest) -> None:
    assert "Passed · Ada Example" in [text.value for text in passed.text]
    passed.run()
    assert "Passed · Ada Example" not in [text.value for text in passed.text]


def test_a_refusal_is_not_told_as_a_verdict(passed: AppTest) -> None:
    press(choose(passed, b"only text"), "Validate")
    assert not [text.value for text in passed.text if "Ada Example" in text.value and "·" in text.value]


def test_the_name_that_is_told_is_text(run_page: RunPage, desk: Desk, astronaut_jpeg: bytes) -> None:
    desk.registrations.import_many([REGISTERED.model_copy(update={"name": HOSTILE})])
    app = press(choose(run_page("validate", registration_id="reg-1"), astronaut_jpeg), "Validate")
    assert f"Passed · {HOSTILE}" in [text.value for text in app.text]
    assert read_as_markdown(app) == []


def test_the_next_person_finds_an_empty_desk(passed: AppTest) -> None:
    passed.text_input(key="q").input("reg-1").run()
    press(passed, "Next person")
    assert headings(passed) == ["Whose photo?"]
    assert passed.text_input(key="q").value == ""
    assert "registration_id" not in passed.query_params
    passed.text_input(key="q").input("reg-1").run()
    assert headings(passed) == ["Passed"]
    assert not passed.file_uploader(key="upload-reg-1").value


def test_more_than_one_person_is_said_even_where_the_rules_let_it_pass(
    run_page: RunPage, desk: Desk, astronaut_jpeg: bytes
) -> None:
    small = {**GOOD_FACE, "BoundingBox": {"Left": 0.8, "Top": 0.8, "Width": 0.1, "Height": 0.1}}
    desk.engine.faces = (GOOD_FACE, small)
    app = press(choose(run_page("validate", registration_id="reg-1"), astronaut_jpeg), "Validate")
    assert headings(app) == ["Passed"]
    assert [warning.value[:40] for warning in app.warning] == ["2 people are in the submitted photo. The"]
