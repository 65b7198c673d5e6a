"""All events: empty, with events of all kinds, failing, for people with some events; the search and the way on."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import timedelta
from typing import Any

import apsw
import orjson
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.domain.clock import utc_now
from core.domain.profiles import EventProfile
from core.domain.records import isoformat
from core.files.disk import DATABASE
from core.runtime.services import Services
from dashboard.sections import all_events as sections
from tests.pages.test_validate import down, text_of
from tests.support.app import RunPage, failure
from tests.support.desk import REGISTERED, Desk
from tests.support.records import a_foreign_item, an_outcome

DAY = timedelta(days=1)
#: Seconds that reading takes at most on a busy machine.
PATIENCE = 30


def settled(app: AppTest) -> AppTest:
    """The page when all events have been read."""
    end = time.monotonic() + PATIENCE
    while "still being read" in text_of(app) and time.monotonic() < end:
        app.run()
    assert not app.exception, app.exception
    return app


def rows(app: AppTest) -> pd.DataFrame:
    (table,) = settled(app).dataframe
    found: pd.DataFrame = table.value
    return found


def names(app: AppTest) -> list[str]:
    return list(rows(app)["Event"])


@pytest.fixture
def events(desk: Desk, services: Services) -> Desk:
    """Besides event-1, without a profile: one that is near, one far, one over, one without people."""
    now = utc_now()
    for number, (event_id, days) in enumerate({"near": 2, "far": 40, "over": -9}.items()):
        person = {"registration_id": f"reg-{event_id}", "user_id": f"user-{event_id}", "event_id": event_id}
        desk.registrations.import_many([REGISTERED.model_copy(update=person)])
        services.profile_service.save(
            EventProfile(event_id=event_id, name=f"Gala of {number} :cat:", starts_at=now + days * DAY), "Grace"
        )
    services.profile_service.save(
        EventProfile(event_id="empty", name="Nobody yet", starts_at=now + 90 * DAY), "Grace"
    )
    given = {"user_id": "user-1", "registration_id": "reg-1", "timestamp": now - 3 * DAY, "status": "pending"}
    desk.records.record_attempt(an_outcome("a1", **given), 30 * DAY)
    return desk


def test_without_events_it_says_how_one_comes_about(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.registrations, "events", list)
    app = run_page("all_events")
    assert "No events yet" in text_of(app)
    assert not app.dataframe


def test_the_most_urgent_event_stands_on_top_and_those_that_are_over_last(run_page: RunPage, events: Desk) -> None:
    shown = names(run_page("all_events", show="All"))
    assert shown == ["Gala of 0 :cat:", "Gala of 1 :cat:", "Nobody yet", "event-1", "Gala of 2 :cat:"]


def test_the_figures_of_an_event_stand_in_its_row(run_page: RunPage, events: Desk) -> None:
    shown = rows(run_page("all_events")).set_index("Id").loc["event-1"]
    counts = ("Registered", "Ready", "Waiting", "Failed", "Never tried")
    assert [shown[name] for name in counts] == [2, 0, 1, 0, 1]
    assert (shown["Days to go"], shown["Oldest case"]) == ("no date", "3 days")
    assert pd.isna(shown["Too early"])


def test_an_event_with_a_profile_alone_appears(run_page: RunPage, events: Desk) -> None:
    shown = rows(run_page("all_events")).set_index("Id").loc["empty"]
    assert (shown["Event"], shown["Registered"]) == ("Nobody yet", 0)
    assert pd.isna(shown["Ready"])


def test_events_that_are_over_are_shown_when_they_are_asked_for(run_page: RunPage, events: Desk) -> None:
    assert "Gala of 2 :cat:" not in names(run_page("all_events"))
    assert names(run_page("all_events", show="Past")) == ["Gala of 2 :cat:"]


@pytest.mark.parametrize(("text", "found"), [("gala 0", ["Gala of 0 :cat:"]), ("EVENT-1", ["event-1"])])
def test_the_search_finds_names_and_ids(run_page: RunPage, events: Desk, text: str, found: list[str]) -> None:
    assert names(run_page("all_events", search=text)) == found


def test_until_events_have_been_read_it_says_how_old_their_figures_are(
    run_page: RunPage, events: Desk, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_before = services.event_summaries.all(patience=None)
    old = [replace(line, as_of=utc_now() - timedelta(minutes=14, seconds=5)) for line in of_before]
    monkeypatch.setattr(services.event_summaries, "all", lambda *_: old)
    app = run_page("all_events")
    assert "5 still being read" in text_of(app)
    assert "until then you see figures that are up to 14 minutes old" in text_of(app)
    assert list(app.dataframe[0].value["Registered"])


def test_a_search_without_a_result_says_so(run_page: RunPage, events: Desk) -> None:
    app = settled(run_page("all_events", search="nothing like it"))
    assert "No such event" in text_of(app)
    assert not app.dataframe


def test_an_outcome_of_nobodys_making_has_a_column_only_where_there_is_one(
    run_page: RunPage, events: Desk, services: Services
) -> None:
    assert "Unknown" not in rows(run_page("all_events"))
    given = {"userId": "user-near", "registrationId": "reg-near", "metadata": {"eventId": "near"}}
    expires = int((utc_now() + DAY).timestamp())
    item = a_foreign_item(**given, validationStatus="perhaps", expiresAt=expires, timestamp=isoformat(utc_now()))
    connection = apsw.Connection(str(services.settings.data_dir / DATABASE))
    connection.execute("INSERT INTO faceVerifications (item) VALUES (?)", (orjson.dumps(item).decode(),))
    connection.close()
    services.event_summaries.forget_all()
    # Otherwise a page that is in a hurry shows the figures of before.
    services.event_summaries.all(patience=None)
    assert rows(run_page("all_events")).set_index("Id").loc["near", "Unknown"] == 1


def test_a_row_that_was_chosen_leads_to_the_events_overview(run_page: RunPage, events: Desk) -> None:
    app = settled(run_page("all_events"))
    app.session_state[sections.CHOSEN] = "near"
    app.run()
    assert [title.value for title in app.title] == ["Event overview"]
    assert app.selectbox(key="event_id").value == "near"


def test_a_list_out_of_reach_is_a_banner_below_the_title(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.registrations, "events", down("registrations"))
    app = run_page("all_events")
    assert "Could not read the list of events" in failure(app)
    assert [title.value for title in app.title] == ["All events"]


def test_an_event_out_of_reach_is_said_and_the_others_are_there(
    run_page: RunPage, events: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = events.registrations.event_frame

    def failing(event_id: str) -> Any:
        return down("registrations")() if event_id == "near" else read(event_id)

    monkeypatch.setattr(events.registrations, "event_frame", failing)
    shown = rows(app := run_page("all_events")).set_index("Id")["Registered"]
    assert "1 of 5 events could not be read just now" in text_of(app)
    assert pd.isna(shown["near"])
    assert shown["event-1"] == 2
