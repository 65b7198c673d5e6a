"""One event is chosen once and shared by all pages, and by the link."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import Mock

import pytest
from streamlit.testing.v1 import AppTest

from core.domain.clock import utc_now
from core.domain.errors import Unavailable
from core.domain.profiles import EventProfile
from core.runtime.services import Services
from dashboard.parts import chosen_event, profiles
from tests.support.app import ROOT, RunPage
from tests.support.desk import REGISTERED, Desk
from tests.support.records import an_outcome

EVENTS = ["event-1", "event-2", "event-3"]
UNKNOWN = "The link names an unknown event. Choose one of those that there are."


@pytest.fixture(autouse=True)
def _three_events(desk: Desk) -> None:
    for number, event in enumerate(EVENTS, 1):
        who = {"registration_id": f"reg-{number}", "user_id": f"user-{number}", "event_id": event}
        desk.registrations.import_many([REGISTERED.model_copy(update=who)])
        desk.records.record_attempt(an_outcome(f"a{number}", **who, timestamp=utc_now()), timedelta(days=30))


def go(app: AppTest, page: str) -> None:
    """Goes to a page by the navigation, which hands on nothing that is in the link."""
    app.query_params.clear()
    app.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
    assert not app.exception, app.exception


def shown(app: AppTest, page: str) -> object:
    return app.multiselect(key="event_id").value if page == "statistics" else app.selectbox(key="event_id").value


def beside(app: AppTest) -> list[str]:
    return [text.value for text in app.sidebar.text]


@pytest.mark.parametrize("first", ["review", "event_overview", "statistics"])
@pytest.mark.parametrize("by_link", [True, False])
def test_it_is_the_event_of_every_page(run_page: RunPage, first: str, *, by_link: bool) -> None:
    app = run_page(first, **{"event_id": "event-2"} if by_link else {})
    if not by_link:
        field = app.multiselect if first == "statistics" else app.selectbox
        field(key="event_id").set_value(["event-2"] if first == "statistics" else "event-2").run()
    for page in (first, "event_overview", "statistics", "review"):
        go(app, page)
        assert shown(app, page) in ("event-2", ["event-2"])
        assert app.query_params["event_id"] in ("event-2", ["event-2"])
        assert beside(app) == ["event-2"]
    go(app, "validate")
    assert beside(app) == ["event-2"]


def test_several_stay_together_until_another_one_is_chosen(run_page: RunPage) -> None:
    app = run_page("statistics")
    app.multiselect(key="event_id").set_value(["event-3", "event-2"]).run()
    go(app, "event_overview")
    assert shown(app, "event_overview") == "event-3"
    go(app, "statistics")
    assert shown(app, "statistics") == ["event-3", "event-2"]
    go(app, "event_overview")
    app.selectbox(key="event_id").set_value("event-1").run()
    go(app, "statistics")
    assert shown(app, "statistics") == ["event-1"]


def test_where_none_is_chosen_the_queue_has_all_and_a_page_that_needs_one_the_last(run_page: RunPage) -> None:
    app = run_page("review")
    assert shown(app, "review") == chosen_event.ALL
    assert beside(app) == []
    go(app, "event_overview")
    assert shown(app, "event_overview") == "event-1"
    assert beside(app) == ["event-1"]
    app.selectbox(key="event_id").set_value("event-2").run()
    go(app, "review")
    app.selectbox(key="event_id").set_value(chosen_event.ALL).run()
    assert beside(app) == []
    go(app, "event_overview")
    assert shown(app, "event_overview") == "event-2"
    go(app, "review")
    assert shown(app, "review") == chosen_event.ALL


def test_statistics_of_no_event_can_be_asked_for(run_page: RunPage) -> None:
    app = run_page("statistics")
    app.multiselect(key="event_id").set_value([]).run()
    assert [info.value for info in app.info] == ["Choose an event."]
    app.run()
    assert shown(app, "statistics") == []


@pytest.mark.parametrize("page", ["review", "event_overview", "statistics"])
def test_an_unknown_one_is_said_to_be_unknown_until_one_is_chosen(run_page: RunPage, page: str) -> None:
    app = run_page(page, event_id="nobody")
    app.run()
    assert UNKNOWN in [warning.value for warning in app.warning]
    field = app.multiselect if page == "statistics" else app.selectbox
    field(key="event_id").set_value(["event-3"] if page == "statistics" else "event-3").run()
    assert UNKNOWN not in [warning.value for warning in app.warning]


def test_an_event_that_is_gone_is_chosen_no_more(run_page: RunPage) -> None:
    app = run_page("event_overview", event_id="event-2")
    app.session_state["chosen-events"] = ["gone", "event-3"]
    go(app, "review")
    assert shown(app, "review") == "event-3"


def name_events(services: Services, **names: str) -> None:
    for event_id, name in names.items():
        profile = EventProfile(event_id=event_id.replace("_", "-"), name=name)
        services.profile_service.save(profile, "Grace")


def offered(app: AppTest, page: str) -> list[str]:
    return list((app.multiselect if page == "statistics" else app.selectbox)(key="event_id").options)


@pytest.mark.parametrize("page", ["review", "event_overview", "statistics", "event_profile"])
def test_events_are_called_by_their_names_and_the_link_has_their_ids(
    run_page: RunPage, services: Services, page: str
) -> None:
    name_events(services, event_2="Zebra :cat:", event_3="alpha gala")
    app = run_page(page, event_id="event-2")
    everything = [chosen_event.ALL] if page == "review" else []
    assert offered(app, page) == [*everything, "alpha gala", "event-1", "Zebra :cat:"]
    assert shown(app, page) in ("event-2", ["event-2"])
    assert app.query_params["event_id"] in ("event-2", ["event-2"])
    assert beside(app) == ["Zebra :cat:"]


def test_events_of_one_name_are_told_apart_by_their_ids(run_page: RunPage, services: Services) -> None:
    name_events(services, event_1="Gala", event_2="Gala", event_3=chosen_event.ALL)
    options = [chosen_event.ALL, "All events (event-3)", "Gala (event-1)", "Gala (event-2)"]
    assert offered(run_page("review"), "review") == options


def test_a_long_name_is_cut_in_the_field_and_whole_in_the_sidebar(run_page: RunPage, services: Services) -> None:
    name = "A gala " * 20 + "and its end"
    name_events(services, event_1=name)
    app = run_page("event_overview", event_id="event-1")
    (cut,) = [each for each in offered(app, "event_overview") if each.startswith("A gala")]
    assert len(cut) <= profiles.MAX_TITLE
    assert cut.endswith("…")
    assert beside(app) == [name]


def test_where_profiles_are_out_of_reach_events_are_called_by_their_ids(
    run_page: RunPage, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    name_events(services, event_1="Gala")
    asked = Mock(side_effect=Unavailable("event profiles", "Gone"))
    monkeypatch.setattr(type(services.profile_service), "all", asked)
    app = run_page("event_overview", event_id="event-1")
    assert offered(app, "event_overview") == EVENTS
    before = asked.call_count
    app.run()
    assert asked.call_count == before, "a page waits each time for a store that does not answer"
