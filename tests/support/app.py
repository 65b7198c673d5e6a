"""A page run by AppTest, through the script and the navigation that serve it, on services that the test chooses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core.adapters.embedded.rates import ProcessRates
from core.adapters.embedded.sign_outs import FolderSignOuts
from core.runtime.services import Services
from core.services.sessions import Sessions
from core.services.tokens import Tokens
from core.settings import Settings
from dashboard import services as dashboard_services
from dashboard.access import names
from dashboard.parts import event, photos, profiles
from dashboard.sections.operations import health as operations_health
from tests.support.desk import Desk

ROOT = Path(__file__).parents[2]
#: Who is at the desk.
OPERATOR = "Grace Example"

#: Runs a page by the name of its file, with query parameters.
RunPage = Callable[..., AppTest]


def failure(app: AppTest) -> str:
    """What the page's first error banner says, and the texts that say why."""
    return "\n".join([app.error[0].value, *(text.value for text in app.text)])


class BorrowedServices(Services):
    """Their parts belong to other fixtures, which close them."""

    def close(self) -> None:
        pass


def with_settings(services: Services, settings: Settings) -> Services:
    """The services with other settings, by which people sign in and tokens are known."""
    return BorrowedServices(
        **{
            **vars(services),
            "settings": settings,
            "sessions": Sessions(settings, services.clock, FolderSignOuts(settings.data_dir, services.clock)),
            "tokens": Tokens(settings, services.clock, ProcessRates(settings.api_requests_per_minute)),
        }
    )


@pytest.fixture
def services(desk: Desk) -> Services:
    """The desk's services: its stores and the engine whose answers the test chooses."""
    return BorrowedServices(**vars(desk.services))


@pytest.fixture
def run_page(services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunPage]:
    """Opens a page on ``services``; fails if the page raises."""
    dashboard_services.shared.clear()
    for cached in (photos._data_uri, event._registrations, event._event_ids, operations_health.health):
        cached.clear()
    profiles.forget()
    monkeypatch.setattr(dashboard_services, "build", lambda _settings: services)
    # AppTest has no connection, and gives a mock where a browser's address would be.
    monkeypatch.setattr(type(st.context), "ip_address", None)

    def run(page: str, **query: str) -> AppTest:
        app = AppTest.from_file(str(ROOT / "dashboard" / "app.py"), default_timeout=30)
        if not st.context.cookies:
            app.session_state[names.FIELD] = OPERATOR
        app.run()
        for name, value in query.items():
            app.query_params[name] = value
        app.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
        assert not app.exception, app.exception
        return app

    yield run
    dashboard_services.shared.clear()
