"""A page whose server is started again, or whose services were out of reach for a while, goes on where it was."""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser import dashboard, run_when_connected_again
from tests.support.production import QUICK, Gate, Servers, production
from tests.support.servers import free_port

pytestmark = pytest.mark.browser


def test_what_a_person_types_after_the_server_was_started_again_is_not_lost(tmp_path: Path, page: Page) -> None:
    port = free_port()
    bare = {name: "" for name in os.environ if name.startswith(("AWS_", "MONGODB_", "FACEDESK_"))}
    environment = {**bare, "FACEDESK_BACKEND": "embedded", "FACEDESK_DATA_DIR": str(tmp_path / "data")}
    with dashboard(environment, tmp_path / "log", port) as address:
        page.goto(f"{address}/user_lookup")
        expect(page.get_by_role("heading", name="Who?")).to_be_visible()
    with ExitStack() as stack:
        with run_when_connected_again(page):
            stack.enter_context(dashboard(environment, tmp_path / "later-log", port))
        search = page.get_by_role("textbox", name="User")
        search.fill("nobody at all")
        search.press("Enter")
        expect(page.get_by_text("Nobody was found")).to_be_visible()


def test_a_page_shows_what_could_not_be_read_once_the_service_is_back_without_a_press(
    servers: Servers, tmp_path: Path, page: Page
) -> None:
    mongodb = Gate(servers.mongodb)
    with production(replace(servers, mongodb=mongodb.url), **QUICK) as site:
        site.register(name="Grace Hopper", event_id="fair")
        environment = {**site.environment, "FACEDESK_DATA_DIR": str(tmp_path / "data")}
        with dashboard(environment, tmp_path / "log") as address:
            with mongodb.shut_for_a_while():
                page.goto(f"{address}/event_overview?event_id=fair")
                expect(page.get_by_text("Could not read")).to_be_visible()
            expect(page.get_by_text("1 registered")).to_be_visible()
            expect(page.get_by_text("Could not read")).to_be_hidden()
    mongodb.shut()
