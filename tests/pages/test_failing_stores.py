"""Where a store fails, every page keeps its title, says what failed, and can try it again."""

from __future__ import annotations

from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.domain.errors import Unavailable
from dashboard import pages
from tests.support.app import RunPage
from tests.support.desk import REGISTERED, Desk
from tests.support.records import an_outcome

EVENT = {"event_id": "event-1"}
#: A page -> its title, and the query with which it reads something.
PAGES: dict[str, tuple[str, dict[str, str]]] = {
    "validate": ("Validate a photo", {"registration_id": "reg-1"}),
    "user_lookup": ("User lookup", {"user_id": "user-1"}),
    "review": ("Review queue", EVENT),
    "all_events": ("All events", {}),
    "event_overview": ("Event overview", EVENT),
    "statistics": ("Statistics", EVENT),
    "duplicates": ("Duplicates", EVENT),
    "event_profile": ("Event settings", EVENT),
    "start": ("Load data", {}),
    "audit": ("Audit trail", {}),
    "erasure": ("Erase a person", {"user_id": "user-1"}),
    "tokens": ("API tokens", {}),
}
#: The Operations page shows a service that fails as its finding, and asks again by itself.
ASKS_BY_ITSELF = {"operations", "home"}


def again(app: AppTest) -> list[Any]:
    return [button for button in app.button if button.label == "Try again"]


@pytest.fixture
def filled(desk: Desk) -> Desk:
    """A desk with a registration that has a record."""
    desk.registrations.import_many([REGISTERED])
    desk.records.record_attempt(an_outcome(), desk.services.settings.record_ttl)
    return desk


def break_stores(desk: Desk, patch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise Unavailable("the service", "Down")

    services = desk.services
    parts = (desk.records, desk.registrations, services.profiles, desk.audit, services.claims, services.notes)
    names = "get history search of_user event_frame event_changes events all entries is_empty of preview under_way"
    for part in (*parts, services.erasures._of, services.event_summaries, services.token_service):
        for name in names.split():
            if hasattr(type(part), name):
                patch.setattr(type(part), name, fail)


def test_every_page_is_tried() -> None:
    scripts = {script.stem for script in vars(pages).values() if getattr(script, "suffix", "") == ".py"}
    assert scripts == PAGES.keys() | ASKS_BY_ITSELF


@pytest.mark.parametrize("page", PAGES)
def test_a_store_that_fails_keeps_the_title_and_can_be_tried_again(
    run_page: RunPage, filled: Desk, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    title, query = PAGES[page]
    with monkeypatch.context() as patch:
        break_stores(filled, patch)
        app = run_page(page, **query)
        assert (app.title.values, bool(again(app))) == ([title], True)
    again(app)[0].click().run()
    assert (app.error.values, app.title.values, again(app)) == ([], [title], [])
