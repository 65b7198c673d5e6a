"""An erasure that was cut off goes on: the person's face leaves the pages that show it, at once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from core.runtime.housekeeping import NOTICE_EVERY
from tests.support.browser import ROOT, dashboard
from tests.support.production import built

pytestmark = pytest.mark.browser

#: Milliseconds: a page is drawn again in less on a busy machine, and no page does that by itself.
AT_ONCE = 10_000
#: The call of a store at which the eraser is killed: the journal has the erasure, and the person is still there.
CALL = 10


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder: Path = tmp_path_factory.mktemp("erasure")
    settings = {"FACEDESK_BACKEND": "embedded", "FACEDESK_DATA_DIR": str(folder)}
    load = [sys.executable, "-m", "core", "sample", "--registrations", "60"]
    subprocess.run(load, cwd=ROOT, env={**os.environ, **settings}, check=True)
    return settings


@pytest.fixture(scope="module")
def address(environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with dashboard(environment, tmp_path_factory.mktemp("erasure") / "log") as running:
        yield running


@pytest.fixture
def second(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    yield context.new_page()
    context.close()


def shown(page: Page, address: str, user_id: str) -> Locator:
    """The faces of a person on a page that is open at them."""
    page.goto(f"{address}/user_lookup?user_id={user_id}")
    faces = page.locator("[data-testid=stImage] img[src^='data:']")
    expect(faces.first).to_be_visible()
    return faces


def cut_off(environment: dict[str, str], user_id: str) -> None:
    """Begin to erase a person in a process that is killed before it ends."""
    program = f"from tests.faults.eraser import erase; erase({environment!r}, {user_id!r}, {CALL}, False)"
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=False, timeout=60)
    assert ended.returncode == -signal.SIGKILL
    services = built(environment)
    assert len(services.erasures.unfinished()) == 1
    services.close()


def test_go_on_now_takes_the_face_from_a_page_of_somebody_else(
    environment: dict[str, str], address: str, page: Page, second: Page
) -> None:
    faces = shown(page, address, "sample-user-0003")
    cut_off(environment, "sample-user-0003")
    assert faces.count()
    second.goto(f"{address}/erasure")
    second.get_by_role("button", name="Resume now").click()
    expect(faces).to_have_count(0, timeout=AT_ONCE)


def test_an_erasure_that_another_process_ends_does_so_too(
    environment: dict[str, str], address: str, page: Page
) -> None:
    faces = shown(page, address, "sample-user-0004")
    cut_off(environment, "sample-user-0004")
    services = built(environment)
    services.erasures.resume()
    services.close()
    expect(faces).to_have_count(0, timeout=NOTICE_EVERY.total_seconds() * 1000 + AT_ONCE)
