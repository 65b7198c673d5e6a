"""Three instances behind a proxy, and what a person at a page notices of the loss of one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import PATIENCE, run_when_connected_again
from tests.support.cluster import NAMES, Cluster, Instance, cluster
from tests.support.rekognition import SameFace
from tests.support.signin import EVENT, sign_in

pytestmark = pytest.mark.browser


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Cluster]:
    with cluster(tmp_path, SameFace()) as made:
        made.site.register(name="Grace Hopper", event_id=EVENT)
        yield made


@pytest.fixture
def window(browser: Browser) -> Iterator[Page]:
    """Not ``page``, which the provider's own stylesheet would fail."""
    with browser.new_context(viewport={"width": 1440, "height": 1000}) as context:
        opened = context.new_page()
        opened.set_default_timeout(PATIENCE)
        yield opened


def instance_of(page: Page, desk: Cluster) -> Instance:
    """The instance that the proxy has given this browser."""
    named = {each["name"]: each["value"] for each in page.context.cookies()}
    return desk.instances[NAMES.index(named["facedesk_instance"])]


def test_a_person_whose_instance_is_lost_goes_on_at_another_without_signing_in_again(
    desk: Cluster, window: Page
) -> None:
    sign_in(window, desk.address, "support")
    window.goto(f"{desk.address}/user_lookup")
    expect(window.get_by_role("heading", name="Who?")).to_be_visible()
    lost = instance_of(window, desk)
    with run_when_connected_again(window):
        lost.kill()
    assert instance_of(window, desk) is not lost
    search = window.get_by_role("textbox", name="User")
    search.fill("grace")
    search.press("Enter")
    expect(window.get_by_text("Grace Hopper").first).to_be_visible(timeout=2 * PATIENCE)
    expect(window.get_by_role("button", name="Sign out")).to_be_visible()
