"""The dashboard as a process of its own, and a headless Chromium to use it with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Locator, Page, Request, expect, sync_playwright

from dashboard.access import names
from tests.support.app import OPERATOR
from tests.support.servers import free_port

ROOT = Path(__file__).parents[2]
#: The setting of the path that everything is served under.
PREFIX = "STREAMLIT_SERVER_BASE_URL_PATH"
_START_SECONDS = 60
#: Milliseconds that a page may take on a busy machine; what is there earlier is seen earlier.
PATIENCE = 30_000

expect.set_options(timeout=PATIENCE)


@contextmanager
def dashboard(environment: Mapping[str, str], log: Path, port: int | None = None) -> Iterator[str]:
    """The dashboard, started as ``make run`` does with these settings besides; its address, with the prefix if it has
    one (``PREFIX``).
    """
    with dashboard_process(environment, log, port) as (_, address):
        yield address


@contextmanager
def dashboard_process(
    environment: Mapping[str, str], log: Path, port: int | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The same, and the process."""
    port = port or free_port()
    log.write_bytes(b"")
    process = started_dashboard(environment, log, port)
    try:
        address = f"http://localhost:{port}{environment.get(PREFIX, '')}"
        wait_until_it_answers(address, process, log)
        yield process, address
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def started_dashboard(
    environment: Mapping[str, str], log: Path, port: int, code: Path = ROOT
) -> subprocess.Popen[bytes]:
    """The process of the dashboard, of the code in that folder; what it says is added to ``log``."""
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "dashboard", "--port", str(port)],
            cwd=code,
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def wait_until_it_answers(
    address: str, process: subprocess.Popen[bytes], log: Path, seconds: float = _START_SECONDS
) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert process.poll() is None, log.read_text()
        try:
            urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    pytest.fail(f"the dashboard did not start: {log.read_text()}")


def armed(page: Page) -> None:
    """The review queue takes a press: both faces of its case were seen."""
    expect(page.locator(".facedesk-faces[data-armed]")).to_be_visible()


def file_link(page: Page, word: str, button: str = "Download") -> Locator:
    """The link to the file of this format, in the choice that the button opens.

    By its key: a click would wait for a busy machine to have drawn the charts.
    """
    page.get_by_role("button", name=button, exact=True).first.press("Enter")
    return page.get_by_role("link", name=word, exact=True)


@contextmanager
def run_when_connected_again(page: Page) -> Iterator[None]:
    """Inside of it the page loses its server; at its end another process has run the page."""
    frames: list[object] = []
    page.on("websocket", lambda socket: socket.on("framereceived", lambda frame: frames.append(frame)))
    yield
    give_up = time.monotonic() + 3 * PATIENCE / 1000
    while not frames:
        assert time.monotonic() < give_up, "the page was not run"
        page.wait_for_timeout(50)  # events come while it waits
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        if os.environ.get("CI"):
            pytest.fail("there is no Chromium on the PATH")
        pytest.skip("there is no Chromium on the PATH")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=chromium,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-background-networking",
                "--use-fake-device-for-media-stream",
                "--use-fake-ui-for-media-stream",
            ],
        )
        yield launched
        launched.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window of its own; the test fails if it asked for anything outside of this machine."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000}, permissions=["camera"])
    context.add_cookies([{"name": names.COOKIE, "value": quote(OPERATOR), "url": "http://localhost"}])
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    outside: list[str] = []
    local = ("http://localhost", "http://127.0.0.1", "data:", "blob:", "ws://localhost")

    def note(request: Request) -> None:
        if not request.url.startswith(local):
            outside.append(request.url)

    opened.on("request", note)
    yield opened
    context.close()
    assert outside == []
