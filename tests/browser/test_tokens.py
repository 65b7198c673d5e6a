"""The page of API tokens in a real browser, on production's backend where people sign in."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Page, expect

from tests.support import signin
from tests.support.browser import dashboard
from tests.support.production import Servers, production
from tests.support.servers import free_port

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    log = tmp_path_factory.mktemp("tokens") / "log"
    with (
        production(servers, **signin.settings(f"http://localhost:{port}")) as site,
        dashboard(site.environment, log, port) as running,
    ):
        yield running


def status(address: str, token: str) -> int:
    return httpx.get(f"{address}/api/openapi.json", headers={"Authorization": f"Bearer {token}"}).status_code


def test_a_token_is_made_used_and_revoked(address: str, page: Page) -> None:
    cookies = signin.cookie(signin.claims("admin", address))
    page.context.add_cookies([{"name": name, "value": value, "url": address} for name, value in cookies.items()])
    page.goto(f"{address}/tokens")
    expect(page.get_by_text("No tokens yet")).to_be_visible()
    page.get_by_role("button", name="New token…").click()
    page.get_by_role("textbox", name="Name").fill("kiosk-7")
    page.get_by_role("combobox", name="Roles").click()
    page.get_by_role("option", name="support").click()
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Make token").click()
    expect(page.get_by_text("Copy the new token now")).to_be_visible()
    expect(page.get_by_role("dialog")).to_have_count(0)
    token = page.get_by_test_id("stCode").locator("code").inner_text()
    assert status(address, token) == 200
    page.get_by_role("button", name="I have copied it").click()
    expect(page.get_by_text("Copy the new token now")).to_have_count(0)
    expect(page.get_by_text(token)).to_have_count(0)
    page.get_by_role("combobox", name="Token to revoke").click()
    page.get_by_role("option", name="kiosk-7").click()
    page.get_by_role("button", name="Revoke…").click()
    page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    expect(page.get_by_text("No tokens yet")).to_be_visible()
    assert status(address, token) == 401
