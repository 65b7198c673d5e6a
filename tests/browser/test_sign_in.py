"""Signing in and out in a real browser, against a provider on this machine; and what strangers get."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from core.domain.roles import ALLOWED, PAGES, Role
from dashboard.access.websocket import CHECK_SECONDS
from tests.api.conftest import BARE
from tests.support import signin
from tests.support.browser import PATIENCE, ROOT, dashboard, file_link
from tests.support.portraits import as_jpeg, astronaut
from tests.support.routes import ROUTES
from tests.support.servers import free_port

pytestmark = pytest.mark.browser

#: Opens a window of a browser of its own.
OpenWindow = Callable[[], Page]
LINKS = {
    "validate": "Validate",
    "user_lookup": "User lookup",
    "review": "Review queue",
    "all_events": "All events",
    "event_overview": "Event overview",
    "statistics": "Statistics",
    "duplicates": "Duplicates",
    "event_profile": "Event settings",
    "operations": "Operations",
    "audit": "Audit trail",
    "erasure": "Erase a person",
    "start": "Load data",
    "tokens": "API tokens",
}
PERSON = "sample-0001"


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("desk") / "log"


@pytest.fixture(scope="module")
def address(log: Path) -> Iterator[str]:
    """The sample event, where people sign in."""
    port = free_port()
    embedded = {**BARE, "FACEDESK_BACKEND": "embedded", "FACEDESK_DATA_DIR": str(log.parent / "data")}
    load = [sys.executable, "-m", "core", "sample", "--registrations", "60"]
    subprocess.run(load, cwd=ROOT, env={**os.environ, **embedded}, check=True)
    with signin.provider() as url:
        settings = embedded | signin.settings(f"http://localhost:{port}", url)
        with dashboard(settings, log, port) as running:
            yield running


@pytest.fixture
def open_window(browser: Browser) -> Iterator[OpenWindow]:
    with ExitStack() as opened:

        def new() -> Page:
            context = browser.new_context(viewport={"width": 1440, "height": 1000})
            opened.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(PATIENCE)
            return page

        yield new


@pytest.fixture
def window(open_window: OpenWindow) -> Page:
    return open_window()


def keep(context: BrowserContext, address: str, cookies: dict[str, str]) -> None:
    context.add_cookies([{"name": name, "value": value, "url": address} for name, value in cookies.items()])


def at_the_gate(page: Page) -> None:
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    expect(page.get_by_test_id("stSidebarNavLink")).to_have_count(0)


def settled(page: Page) -> None:
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


@pytest.mark.parametrize("role", Role)
def test_each_role_signs_in_and_is_shown_its_pages_and_no_other(address: str, window: Page, role: Role) -> None:
    signin.sign_in(window, address, str(role))
    theirs = [title for page, title in LINKS.items() if role in ALLOWED[PAGES[page]]]
    expect(window.get_by_test_id("stSidebarNavLink")).to_have_count(len(theirs))
    for title in theirs:
        expect(window.get_by_test_id("stSidebarNavLink").filter(has_text=title)).to_be_visible()


@pytest.mark.parametrize("page_address", PAGES)
def test_the_first_request_after_a_start_meets_the_gate(tmp_path: Path, window: Page, page_address: str) -> None:
    port = free_port()
    settings = {**BARE, "FACEDESK_DATA_DIR": str(tmp_path / "data")} | signin.settings(f"http://localhost:{port}")
    with dashboard(settings, tmp_path / "log", port) as running:
        window.goto(f"{running}/{page_address}")
        at_the_gate(window)


def test_the_page_that_was_asked_for_is_shown_after_signing_in(address: str, window: Page) -> None:
    window.goto(f"{address}/user_lookup?user_id=sample-user-0002")
    window.get_by_role("button", name="Sign in").click()
    window.get_by_role("button", name="support", exact=True).click()
    window.wait_for_url(f"{address}/user_lookup?user_id=sample-user-0002")
    expect(window.get_by_role("heading", name="User lookup")).to_be_visible()


def test_one_page_too_many_says_so(tmp_path: Path, window: Page) -> None:
    port = free_port()
    settings = {**BARE, "FACEDESK_DATA_DIR": str(tmp_path / "data"), "PAGES_PER_PERSON": "1"}
    with dashboard(settings | signin.settings(f"http://localhost:{port}"), tmp_path / "log", port) as running:
        keep(window.context, running, signin.cookie(signin.claims("support", running)))
        window.goto(f"{running}/review")
        expect(window.get_by_role("heading", name="Review queue")).to_be_visible()
        second = window.context.new_page()
        second.goto(f"{running}/review")
        expect(second.get_by_role("heading", name="Too many open pages")).to_be_visible()
        window.reload()
        expect(window.get_by_role("heading", name="Review queue")).to_be_visible()


def test_who_has_no_role_is_told_so(address: str, window: Page) -> None:
    signin.sign_in(window, address, "nobody")
    expect(window.get_by_text("Your account has no role here yet")).to_be_visible()


class TestCookies:
    def test_a_good_one_opens_the_page(self, address: str, window: Page) -> None:
        keep(window.context, address, signin.cookie(signin.claims("support", address)))
        window.goto(f"{address}/review")
        expect(window.get_by_role("heading", name="Review queue")).to_be_visible()

    @pytest.mark.parametrize(
        ("changed", "more"),
        [
            ({}, {"secret": "another secret, long enough to be one"}),
            ({"exp": 1_700_000_000}, {}),
            ({"iat": 1_700_000_000}, {}),
            ({"origin": "https://other.example"}, {}),
            ({}, {"signed": datetime.now(UTC) - timedelta(days=60)}),
        ],
        ids=["forged", "token over", "session over", "foreign", "signed long ago"],
    )
    def test_another_meets_the_gate(
        self, address: str, window: Page, changed: dict[str, Any], more: dict[str, Any]
    ) -> None:
        said = {**signin.claims("support", address), **changed}
        keep(window.context, address, signin.cookie(said, **more))
        window.goto(f"{address}/review")
        at_the_gate(window)


def test_signing_out_ends_every_tab_and_every_copy_of_the_cookie(
    address: str, window: Page, open_window: OpenWindow
) -> None:
    signin.sign_in(window, address, "support")
    copied = {str(each["name"]): str(each["value"]) for each in window.context.cookies(address)}
    idle = window.context.new_page()
    idle.goto(f"{address}/review")
    expect(idle.get_by_role("heading", name="Review queue")).to_be_visible()
    settled(window)
    window.get_by_role("button", name="Sign out").click()
    expect(idle.get_by_role("button", name="Sign in")).to_be_visible(timeout=60_000)
    assert CHECK_SECONDS < 60
    thief = open_window()
    keep(thief.context, address, copied)
    thief.goto(f"{address}/review")
    at_the_gate(thief)
    assert httpx.get(f"{address}/api/openapi.json", cookies=copied).status_code == 401


def test_strangers_get_no_face_and_no_record_from_any_address_that_a_session_loaded(
    address: str, window: Page, log: Path
) -> None:
    loaded: set[str] = set()
    window.on("request", lambda request: request.url.startswith(address) and loaded.add(request.url))
    signin.sign_in(window, address, "support")
    window.goto(f"{address}/validate?registration_id={PERSON}")
    with window.expect_response(lambda response: "upload_file" in response.url):
        photo = {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": as_jpeg(astronaut())}
        window.locator("input[type=file]").set_input_files(photo)
    window.get_by_role("button", name="Validate").click()
    expect(window.get_by_text("Passed").first).to_be_visible()
    for path in ("user_lookup?user_id=sample-user-0001", "review"):
        window.goto(f"{address}/{path}")
        settled(window)
    loaded |= {f"{address}{path}" for method, path in ROUTES if method == "GET"}
    with window.expect_download() as download:
        window.goto(f"{address}/user_lookup?user_id=sample-user-0001")
        file_link(window, "CSV").click()
    loaded.add(download.value.url)
    assert b"sample-user-0001" in Path(download.value.path()).read_bytes()
    assert any("/upload_file/" in url for url in loaded)
    for url in loaded:
        answer = httpx.get(url)
        assert not answer.headers.get("content-type", "").startswith("image/jpeg"), url
        for canary in (b"\xff\xd8\xff", b"sample-user-0001", b"Eileen", PERSON.encode()):
            assert canary not in answer.content or "/static/" in url, url
    closed = [url for url in loaded if url.startswith((f"{address}/media/", f"{address}/_stcore/upload_file/"))]
    assert {httpx.get(url).status_code for url in closed} == {401}


def test_nothing_of_the_pages_breaks_the_content_policy(address: str, open_window: OpenWindow) -> None:
    broken: list[str] = []
    for person in ("support", "manager", "admin"):
        window = open_window()
        window.on(
            "console", lambda message: "Content Security Policy" in message.text and broken.append(message.text)
        )
        signin.sign_in(window, address, person)
        for page in [page for page, action in PAGES.items() if Role(person) in ALLOWED[action]]:
            query = {"validate": f"?registration_id={PERSON}", "user_lookup": "?user_id=sample-user-0002"}.get(
                page, ""
            )
            window.goto(f"{address}/{page}{query}")
            settled(window)
        if person == "manager":
            window.goto(f"{address}/event_overview")
            expect(window.locator(".js-plotly-plot").first).to_be_visible()
    assert broken == []


@pytest.mark.parametrize("path", ["/", "/validate", "/api/health", "/api/none", "/_stcore/health", "/media/x"])
def test_every_answer_has_the_headers_that_protect_it(address: str, path: str) -> None:
    headers = httpx.get(address + path).headers
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Frame-Options"] == "DENY"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] in ("no-referrer", "same-origin")
    assert "camera=(self)" in headers["Permissions-Policy"]


@pytest.mark.parametrize("path", ["/_stcore/metrics", "/_stcore/agent/openapi.json", "/_stcore/script-health-check"])
def test_what_streamlit_would_tell_anybody_is_closed(address: str, path: str) -> None:
    assert httpx.get(address + path).status_code == 404


def test_a_stranger_uploads_nothing(address: str) -> None:
    answer = httpx.put(f"{address}/_stcore/upload_file/session/file", files={"file": b"x" * 1000})
    assert answer.status_code == 401


def test_no_secret_is_in_the_log(address: str, window: Page, log: Path) -> None:
    signin.sign_in(window, address, "admin")
    httpx.get(f"{address}/api/ready", headers={"Authorization": "Bearer canary-token"})
    text = log.read_text()
    assert not [secret for secret in ("canary-client-secret", signin.COOKIE_SECRET, "canary-token") if secret in text]
