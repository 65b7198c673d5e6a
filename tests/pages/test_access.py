"""Which pages open to whom where people sign in: the table, walked page by page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from core import __version__
from core.domain.records import Outcome, Status
from core.domain.roles import ALLOWED, PAGES, Action, Principal, Role
from core.runtime.services import Services
from dashboard import pages
from dashboard import services as dashboard_services
from dashboard.access import names
from dashboard.parts import photos
from tests.pages.test_your_name import asking
from tests.support import signin
from tests.support.app import ROOT, RunPage, with_settings
from tests.support.desk import REFERENCE_KEY, REGISTERED, Desk

ORIGIN = "http://localhost"
#: Opens a page as somebody, by what their cookie says.
OpenPage = Callable[..., AppTest]


@pytest.fixture
def services(services: Services, desk: Desk) -> Services:
    """The desk's, where people sign in; with a case that waits."""
    outcome = Outcome(
        attempt_id="a1",
        user_id=REGISTERED.user_id,
        registration_id=REGISTERED.registration_id,
        event_id=REGISTERED.event_id,
        timestamp=datetime.now(UTC),
        status=Status.PENDING,
        face_image_key=REFERENCE_KEY,
        stored_face_key=REFERENCE_KEY,
    )
    desk.records.record_attempt(outcome, timedelta(days=1))
    settings = services.settings.model_copy(update=signin.as_fields(signin.settings(ORIGIN)))
    return with_settings(services, settings)


@pytest.fixture
def open_page(run_page: RunPage, monkeypatch: pytest.MonkeyPatch) -> OpenPage:
    """Opens an address as somebody; ``run_page`` has put the services in place.

    By its address: AppTest's own ``switch_page`` knows scripts alone, and the gate is none.
    """

    def run(page: str, said: dict[str, Any], **query: str) -> AppTest:
        monkeypatch.setattr(type(st.user), "to_dict", lambda _self: said)
        app = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=30)
        app._page_hash = calc_hash(page)
        for name, value in query.items():
            app.query_params[name] = value
        app.run()
        assert not app.exception, app.exception
        return app

    return run


def said(person: str, **changed: Any) -> dict[str, Any]:
    return signin.claims(person, ORIGIN, **changed)


def titles(app: AppTest) -> list[str]:
    return [title.value for title in app.title]


def everything(app: AppTest) -> str:
    """All that the browser gets."""
    return "".join(str(element.proto) for element in app.main) + "".join(
        str(element.proto) for block in app.main.children.values() for element in _leaves(block)
    )


def _leaves(block: Any) -> list[Any]:
    children = getattr(block, "children", None)
    return [leaf for child in children.values() for leaf in _leaves(child)] if children else [block]


def test_every_page_is_in_the_table_and_no_other() -> None:
    scripts = {path.stem for path in (ROOT / "pages").glob("*.py")} - {"home"}
    assert scripts == set(PAGES)


def test_a_page_that_is_not_in_the_table_is_nobodys(monkeypatch: pytest.MonkeyPatch, services: Services) -> None:
    monkeypatch.delitem(PAGES, "operations")  # type: ignore[arg-type]
    session = services.sessions.of(said("admin"))
    assert session
    assert not pages.may_open(session.principal, pages.OPERATIONS)


@pytest.mark.parametrize("page", PAGES)
def test_whoever_is_not_signed_in_is_shown_no_page(open_page: OpenPage, page: str) -> None:
    app = open_page(page, {})
    assert titles(app) == ["Facedesk"]
    assert "not signed in" in app.info[0].value
    assert not app.button


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("page", PAGES)
def test_a_role_opens_the_pages_of_the_table(open_page: OpenPage, page: str, role: Role) -> None:
    app = open_page(page, said(str(role)))
    assert (titles(app) == ["No access"]) == (role not in ALLOWED[PAGES[page]])
    assert not app.error


@pytest.mark.parametrize("page", PAGES)
def test_whoever_has_no_role_opens_none(open_page: OpenPage, page: str) -> None:
    app = open_page(page, said("nobody"))
    assert titles(app) == ["No access"]
    assert "no role" in app.info[0].value


@pytest.mark.parametrize("ended", [{"exp": 1_700_000_000}, {"iat": 1_700_000_000}, {"is_logged_in": False}], ids=str)
def test_a_session_that_is_over_shows_no_page(open_page: OpenPage, ended: dict[str, Any]) -> None:
    assert titles(open_page("validate", said("support", **ended))) == ["Facedesk"]


def test_who_signed_out_elsewhere_is_shown_no_page(open_page: OpenPage, services: Services) -> None:
    who = said("support")
    app = open_page("validate", who)
    assert titles(app) != ["Facedesk"]
    services.sessions.sign_out(who)
    assert titles(app.run()) == ["Facedesk"]


def test_who_is_signed_in_is_named_and_has_no_box_for_another_name(open_page: OpenPage) -> None:
    app = open_page("validate", said("support"))
    assert "Support Person" in [text.value for text in app.sidebar.text]
    assert not app.sidebar.text_input


def test_the_sidebar_shows_the_release_to_who_is_signed_in(open_page: OpenPage) -> None:
    captions = [caption.value for caption in open_page("validate", said("support")).sidebar.caption]
    assert f"Facedesk {__version__}" in captions


def test_a_decision_bears_the_name_of_who_signed_in(open_page: OpenPage, desk: Desk) -> None:
    app = open_page("review", said("support"))
    next(button for button in app.button if button.label == "Approve").click().run()
    record = desk.records.get("user-1", "reg-1")
    assert record
    assert record.review
    assert record.review.reviewer == "Support Person"


def test_all_events_are_those_of_the_person_alone(
    open_page: OpenPage, desk: Desk, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = {"registration_id": "reg-9", "user_id": "user-9", "event_id": "event-9"}
    desk.registrations.import_many([REGISTERED.model_copy(update=others)])
    settings = services.settings.model_copy(update={"oidc_events_claim": "events"})
    limiting = with_settings(services, settings)
    monkeypatch.setattr(dashboard_services, "build", lambda _settings: limiting)
    shown = everything(open_page("all_events", said("manager", events=["event-1", "event-9"])))
    assert "2 without a date" in shown
    limited = everything(open_page("all_events", said("manager", events=["event-1"])))
    assert "1 without a date" in limited
    assert "event-9" not in limited


@pytest.mark.parametrize("query", [{}, {"people": "registered"}, {"people": "waiting"}])
def test_an_analyst_is_shown_nobody(open_page: OpenPage, query: dict[str, str]) -> None:
    shown = everything(open_page("event_overview", said("analyst"), **query))
    assert "event-1" in shown
    assert not [canary for canary in ("user-1", "reg-1", "Ada", "ada@example.com") if canary in shown]


@pytest.mark.parametrize(("role", "is_named"), [("manager", True), ("analyst", False)])
def test_a_list_of_people_has_names_for_those_who_see_them_and_cases_for_nobody_who_may_not(
    open_page: OpenPage, role: str, is_named: bool
) -> None:
    app = open_page("event_overview", said(role), people="registered")
    (listed,) = [table.value for table in app.dataframe if "What to send" in table.value]
    assert len(listed) == 2
    assert [name in listed for name in ("Name", "E-mail")] == [is_named] * 2
    assert "Case" not in listed
    assert ("Ada Example" in everything(app)) == is_named


def test_an_analyst_is_shown_nobody_though_a_manager_has_just_looked(open_page: OpenPage) -> None:
    assert "reg-1" in everything(open_page("event_overview", said("manager"), people="registered"))
    assert "reg-1" not in everything(open_page("event_overview", said("analyst"), people="registered"))


#: The pages of analysts but All events, which lists nobody.
LISTING = [page for page, action in PAGES.items() if Role.ANALYST in ALLOWED[action] and page != "all_events"]


@pytest.mark.parametrize("page", LISTING)
def test_no_list_of_an_analyst_stands_in_the_order_of_ids(open_page: OpenPage, desk: Desk, page: str) -> None:
    people = [
        REGISTERED.model_copy(update={"registration_id": f"reg-{n}", "user_id": f"user-{n}"}) for n in range(10, 60)
    ]
    desk.registrations.import_many(people)
    moment = datetime.now(UTC).replace(minute=1, second=0) - timedelta(hours=2)
    for number, person in enumerate(people[:25]):
        outcome = Outcome(
            attempt_id=f"a{number}",
            user_id=person.user_id,
            registration_id=person.registration_id,
            event_id=person.event_id,
            timestamp=moment + timedelta(milliseconds=number),
            status=Status.SUCCESS,
            face_image_key=REFERENCE_KEY,
            comparison_result={"similarity": 85.0, "threshold": 80.0, "is_match": True},
        )
        desk.records.record_attempt(outcome, timedelta(days=1))
    app = open_page(page, said("analyst"), threshold="90")
    tables = [table.value for table in app.dataframe if "Registration" in table.value]
    assert tables
    for table in tables:
        keys = [name for name in ("Last attempt", "Registration", "User") if name in table]
        ordered = table.sort_values(keys, ignore_index=True)[keys]
        shown = table[keys].reset_index(drop=True)
        newest_first = ordered.iloc[::-1].reset_index(drop=True)
        assert shown.equals(ordered) or shown.equals(newest_first)


def test_an_admin_finds_people_and_sees_no_face(open_page: OpenPage) -> None:
    assert "data:image" in everything(open_page("user_lookup", said("support"), user_id="user-1"))
    shown = open_page("user_lookup", said("admin"), user_id="user-1")
    assert "data:image" not in everything(shown)
    assert not [button for button in shown.button if button.label in ("Run again", "Approve")]


def test_a_face_that_support_has_seen_is_no_admins(open_page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    open_page("user_lookup", said("support"), user_id="user-1")
    monkeypatch.setattr(dashboard_services, "principal", lambda: Principal(id="admin", name=None, roles={Role.ADMIN}))
    assert photos.thumbnail(REFERENCE_KEY, blurred=False) is None


def test_where_people_sign_in_nobody_is_asked_for_a_name(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(st.context), "cookies", {names.COOKIE: "Eve"})
    assert not open_page("validate", said("support")).sidebar.text_input
    place = AppTest.from_function(asking, default_timeout=30).run()
    assert not place.text_input
    assert not place.button(key="approve").disabled
    assert place.text[-1].value == "Support Person"


def test_a_sign_in_is_told_once(open_page: OpenPage, services: Services) -> None:
    who = said("support")
    for page in ("validate", "user_lookup"):
        open_page(page, who)
    now = datetime.now(UTC)
    told = list(services.audit.entries(now - timedelta(hours=1), now + timedelta(hours=1)))
    assert [(entry.action, entry.who, entry.outcome) for entry in told] == [
        (Action.SIGN_IN, "support@example.com", "ok")
    ]
