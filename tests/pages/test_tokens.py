"""The page of API tokens."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from core.domain.errors import Unavailable
from core.runtime.services import Services
from core.services.tokens import TokenService
from dashboard import services as dashboard_services
from tests.support.app import ROOT, RunPage, failure
from tests.support.clock import NOON
from tests.support.tokens import an_issued_token


@pytest.fixture
def tokens(services: Services) -> TokenService:
    assert services.token_service
    return services.token_service


def press(app: AppTest, label: str) -> AppTest:
    next(button for button in app.button if button.label == label).click()
    return app.run()


def test_where_there_are_none_the_page_says_what_that_means(run_page: RunPage) -> None:
    app = run_page("tokens")
    assert app.subheader[0].value == "No tokens yet"
    assert [button.label for button in app.button] == ["New token…"]


def test_where_the_settings_list_them_the_page_says_how(
    run_page: RunPage, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = replace(services, token_service=None)
    monkeypatch.setattr(dashboard_services, "build", lambda _settings: listed)
    app = run_page("tokens")
    assert "python -m core token" in app.code[0].value
    assert not app.button


def test_all_are_listed(run_page: RunPage, tokens: TokenService) -> None:
    tokens._store.add(an_issued_token("b", roles={"support", "analyst"}, events={"expo"}))
    tokens._store.add(an_issued_token("a", ends=NOON + timedelta(days=90)))
    table = run_page("tokens").dataframe[0].value
    assert list(table["Name"]) == ["a", "b"]
    assert list(table["Roles"]) == ["support", "analyst, support"]
    assert list(table["Events"]) == ["All", "expo"]
    assert list(table["Ends"].isna()) == [False, True]


def test_a_new_token_is_shown_once(run_page: RunPage, tokens: TokenService) -> None:
    app = press(run_page("tokens"), "New token…")
    app.text_input(key="token-name").set_value("kiosk-7")
    app.multiselect(key="token-roles").set_value(["support"])
    press(app, "Make token")
    (made,) = tokens.all()
    assert (made.name, made.roles, made.events) == ("kiosk-7", {"support"}, None)
    (token,) = [code.value for code in app.code]
    assert len(token) > 40
    press(app, "I have copied it")
    assert token not in str(app.main)
    assert [*app.dataframe[0].value["Name"]] == ["kiosk-7"]


def test_what_cannot_be_made_is_said(run_page: RunPage, tokens: TokenService) -> None:
    app = press(run_page("tokens"), "New token…")
    app.text_input(key="token-name").set_value("kiosk-7")
    press(app, "Make token")
    assert "No token was made." in failure(app)
    assert tokens.all() == []


def test_a_token_is_revoked_when_that_is_confirmed(run_page: RunPage, tokens: TokenService) -> None:
    tokens._store.add(an_issued_token())
    app = run_page("tokens")
    app.selectbox(key="token-to-revoke").set_value("kiosk-7").run()
    press(app, "Revoke…")
    assert [token.name for token in tokens.all()] == ["kiosk-7"]
    press(app, "Revoke")
    assert tokens.all() == []


def test_a_failure_to_revoke_is_said(
    run_page: RunPage, tokens: TokenService, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens._store.add(an_issued_token())
    app = run_page("tokens")
    app.selectbox(key="token-to-revoke").set_value("kiosk-7").run()
    press(app, "Revoke…")

    def fail(_self: object, _name: str) -> None:
        raise Unavailable("API tokens", "Down")

    monkeypatch.setattr(type(tokens._store), "revoke", fail)
    press(app, "Revoke")
    assert "It was not revoked." in failure(app)
    assert len(tokens.all()) == 1


def test_a_new_token_goes_when_the_page_is_left(run_page: RunPage) -> None:
    app = press(run_page("tokens"), "New token…")
    app.text_input(key="token-name").set_value("kiosk-7")
    app.multiselect(key="token-roles").set_value(["support"])
    press(app, "Make token")
    assert app.code
    for page in ("operations", "tokens"):
        app.switch_page(str(ROOT / "pages" / f"{page}.py")).run()
    assert app.title[0].value == "API tokens"
    assert not app.code
