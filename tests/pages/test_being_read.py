"""What pages show while a large event's registrations are read for the first time."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.domain.clock import utc_now
from core.domain.errors import Service, Unavailable
from core.domain.records import Status
from core.ports import BeingRead
from tests.support.app import RunPage, failure
from tests.support.desk import REGISTERED, Desk
from tests.support.records import an_outcome

SO_FAR = BeingRead(120_000, 300_000)


@pytest.fixture
def desk_with_case(desk: Desk) -> Desk:
    """A desk with a registration whose photo waits for a person."""
    desk.registrations.import_many([REGISTERED])
    desk.records.record_attempt(
        an_outcome(status=Status.PENDING, timestamp=utc_now()), desk.services.settings.record_ttl
    )
    return desk


def answers(patch: pytest.MonkeyPatch, desk: Desk, so_far: Callable[[], BeingRead | None]) -> None:
    patch.setattr(desk.registrations, "being_read", lambda event_id: so_far())


def progress(app: AppTest) -> list[str]:
    return [each.proto.text for each in app.get("progress")]


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def test_the_event_page_says_how_far_it_is_and_what_records_alone_can_say(
    run_page: RunPage, desk_with_case: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, desk_with_case, lambda: SO_FAR)
    app = run_page("event_overview", event_id="event-1")
    assert progress(app) == [
        "120,000 of about 300,000 registrations have been read. This page goes on by itself.",
    ]
    assert metrics(app) == {"Passed": "0", "Waiting": "1", "Failed": "0"}
    assert not app.error


def test_the_page_is_whole_when_all_has_been_read(
    run_page: RunPage, desk_with_case: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = iter([SO_FAR, BeingRead(300_000, 300_000)])
    answers(monkeypatch, desk_with_case, lambda: next(looks, None))
    app = run_page("event_overview", event_id="event-1").run()
    assert progress(app) == []
    assert metrics(app)["Ready to enter · now"] == "0.0%"


def test_a_read_that_failed_is_a_banner_and_can_be_tried_again(
    run_page: RunPage, desk_with_case: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> BeingRead:
        raise Unavailable(Service.REGISTRATIONS, "AutoReconnect")

    with monkeypatch.context() as patch:
        answers(patch, desk_with_case, fails)
        app = run_page("event_overview", event_id="event-1")
        assert "Could not read this event's registrations" in failure(app)
    (again,) = [button for button in app.button if button.label == "Try again"]
    again.click().run()
    assert not app.error


def test_the_list_of_cases_does_without_the_names(
    run_page: RunPage, desk_with_case: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(monkeypatch, desk_with_case, lambda: SO_FAR)
    app = run_page("review", event_id="event-1", view="List")
    assert not app.error
    shown = [value for frame in app.dataframe for value in frame.value.to_numpy().flatten()]
    assert ("reg-1" in shown, "Ada Example" in shown) == (True, False)
