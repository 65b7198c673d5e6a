"""The page that erases a person: what there is, the typed confirmation, the receipt, what was cut off."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.domain.clock import utc_now
from core.domain.errors import PhotoNotFound, Unavailable
from core.domain.roles import local
from core.services.erasure import Erasures
from dashboard.parts import photos
from tests.support.app import RunPage, failure
from tests.support.desk import HASHED, REFERENCE_KEY, Desk
from tests.support.records import an_outcome

LABEL = "Erase for good"


@pytest.fixture
def recorded(desk: Desk) -> Desk:
    outcome = an_outcome(timestamp=utc_now(), face_image_key="face-images/attempt-1.jpg")
    desk.records.record_attempt(outcome, timedelta(days=30))
    return desk


def button(app: Any, label: str) -> Any:
    return next(each for each in app.button if each.label == label)


def figures(app: Any) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def confirmed(app: Any, typed: str = "user-1") -> Any:
    app.text_input(key="confirm-user-1").input(typed).run()
    return app


def everything(app: Any) -> str:
    return "".join(str(element.proto) for element in app.main)


def test_without_a_person_it_says_what_it_does(run_page: RunPage) -> None:
    assert [each.value for each in run_page("erasure").subheader] == ["Which person?"]


def test_what_there_is_is_counted_first(run_page: RunPage, recorded: Desk) -> None:
    found = figures(run_page("erasure", user_id="user-1"))
    assert (found["Records"], found["Attempts"], found["Registrations"]) == ("1", "1", "2")


def test_of_nobody_there_is_nothing_to_confirm(run_page: RunPage) -> None:
    app = run_page("erasure", user_id="nobody")
    assert "stored about a person" in app.info[0].value
    assert not [each for each in app.button if each.label == LABEL]


@pytest.mark.parametrize(("typed", "disabled"), [("", True), ("user-2", True), ("user-1", False)])
def test_the_button_opens_with_the_id_typed_once_more(
    run_page: RunPage, recorded: Desk, typed: str, disabled: bool
) -> None:
    app = confirmed(run_page("erasure", user_id="user-1"), typed)
    assert button(app, LABEL).disabled is disabled


def test_the_person_is_gone_and_the_receipt_names_nobody(run_page: RunPage, recorded: Desk) -> None:
    app = confirmed(run_page("erasure", user_id="user-1"))
    button(app, LABEL).click().run()
    assert recorded.records.history("user-1") == []
    assert HASHED("user-1") in everything(app)
    assert "user-1" not in everything(app)
    assert app.query_params.get("user_id", [""]) in ([""], [])


def test_an_erasure_that_a_store_cuts_off_says_so_and_can_go_on(
    run_page: RunPage, recorded: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = confirmed(run_page("erasure", user_id="user-1"))
    with monkeypatch.context() as patch:

        def away(user_id: str) -> int:
            raise Unavailable("validation records", "gone")

        patch.setattr(recorded.erasure_store, "erase_records", away)
        button(app, LABEL).click().run()
        assert "is not finished" in failure(app)
    button(app, "Resume now").click().run()
    assert recorded.erasures.unfinished() == []
    assert recorded.records.history("user-1") == []


@pytest.fixture
def seen(recorded: Desk, run_page: RunPage) -> Desk:
    """Somebody's photo, which was submitted and is kept by the pages."""
    recorded.photos.put("face-images/attempt-1.jpg", recorded.photos.get(REFERENCE_KEY))
    run_page("home")
    assert is_kept()
    return recorded


def is_kept() -> bool:
    try:
        photos.data_uri("face-images/attempt-1.jpg", 100)
    except PhotoNotFound:
        return False
    return True


def test_the_pages_keep_no_photo_of_whom_they_erase(run_page: RunPage, seen: Desk) -> None:
    button(confirmed(run_page("erasure", user_id="user-1")), LABEL).click().run()
    assert not is_kept()


def test_the_pages_keep_no_photo_of_whom_another_process_erases(seen: Desk) -> None:
    of_another_process = Erasures(
        seen.erasure_store, seen.registrations, seen.registrations, seen.photos, seen.audit, HASHED, utc_now
    )
    of_another_process.erase("user-1", "user-1", local("ada"))
    seen.services.forgetting.look()
    assert not is_kept()


def test_the_pages_keep_no_photo_of_an_erasure_that_goes_on(
    run_page: RunPage, seen: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def away(user_id: str) -> int:
            raise Unavailable("validation records", "gone")

        patch.setattr(seen.erasure_store, "erase_records", away)
        with pytest.raises(Unavailable):
            seen.erasures.erase("user-1", "user-1", local("ada"))
    button(run_page("erasure"), "Resume now").click().run()
    assert not is_kept()


def test_records_out_of_reach_are_a_banner(
    run_page: RunPage, recorded: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(user_id: str) -> Any:
        raise Unavailable("validation records", "gone")

    monkeypatch.setattr(recorded.erasure_store, "records_of", away)
    assert "out of reach" in failure(run_page("erasure", user_id="user-1"))
