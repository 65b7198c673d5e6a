"""Facedesk under a path in a real browser, without sign-in and with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import openpyxl
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.api.conftest import BARE
from tests.support import signin
from tests.support.browser import PATIENCE, PREFIX, ROOT, dashboard, file_link
from tests.support.portraits import as_jpeg, astronaut
from tests.support.servers import free_port

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module", params=["open", "sign-in"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder, port = tmp_path_factory.mktemp("prefix"), free_port()
    settings = {**BARE, "FACEDESK_BACKEND": "embedded", "FACEDESK_DATA_DIR": str(folder / "data"), PREFIX: "/desk"}
    load = [sys.executable, "-m", "core", "sample", "--registrations", "60"]
    subprocess.run(load, cwd=ROOT, env={**os.environ, **settings}, check=True)
    with signin.provider() as url:
        if request.param == "sign-in":
            settings |= signin.settings(f"http://localhost:{port}/desk", url)
        with dashboard(settings, folder / "log", port) as running:
            yield running


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A window of its own, which may open the provider's page, too."""
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE)
    yield opened
    context.close()


def enter(page: Page, address: str, path: str, person: str) -> None:
    """Opens a page, and signs in where people do; the sign-in leads to that page."""
    page.goto(f"{address}/{path}")
    sign_in = page.get_by_role("button", name="Sign in")
    expect(sign_in.or_(page.get_by_test_id("stSidebar")).first).to_be_visible()
    if sign_in.count():
        sign_in.click()
        page.get_by_role("button", name=person, exact=True).click()
        page.wait_for_url(lambda url: url.startswith(f"{address}/{path}"))


def test_a_person_finds_a_way_and_everything_is_under_the_prefix(address: str, page: Page, tmp_path: Path) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("websocket", lambda socket: asked.append(socket.url))
    path = "user_lookup?user_id=sample-user-0003"
    enter(page, address, path, "support")

    photos = page.get_by_test_id("stImage").locator("img")
    expect(photos.first).to_be_visible()
    page.wait_for_function("[...document.querySelectorAll('[data-testid=stImage] img')].every(i => i.naturalWidth)")
    icon = page.locator("link[rel~=icon]").evaluate("icon => icon.href")
    assert icon.startswith(f"{address}/media/")
    assert page.request.get(icon).ok

    with page.expect_download() as downloading:
        file_link(page, "Excel").click()
    downloading.value.save_as(tmp_path / "history.xlsx")
    header, first, *_ = openpyxl.load_workbook(tmp_path / "history.xlsx").active.values
    assert (header[0], first[0]) == ("userId", "sample-user-0003")

    page.get_by_test_id("stSidebar").get_by_role("link", name="Review queue").click()
    page.wait_for_url(f"{address}/review*")
    expect(page.get_by_role("heading", name="Review queue")).to_be_visible()
    page.go_back()
    page.wait_for_url(lambda url: url.startswith(f"{address}/{path}"))
    expect(page.get_by_text("sample-user-0003").first).to_be_visible()

    ours = [each for each in asked if urlsplit(each).port == urlsplit(address).port]
    assert any(each.startswith("ws:") for each in ours)
    assert {urlsplit(each).path.startswith("/desk/") for each in ours} == {True}


def test_a_photo_is_uploaded_under_the_prefix(address: str, page: Page) -> None:
    enter(page, address, "validate?registration_id=sample-0001", "support")
    with page.expect_response(lambda response: "upload_file" in response.url) as answer:
        photo = {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": as_jpeg(astronaut())}
        page.locator("input[type=file]").set_input_files(photo)
    assert answer.value.ok
    assert answer.value.url.startswith(f"{address}/_stcore/upload_file/")
    page.get_by_role("button", name="Validate").click()
    expect(page.get_by_text("Passed").first).to_be_visible()


def test_the_address_of_the_prefix_alone_opens_the_first_page(address: str, page: Page) -> None:
    page.goto(address)
    sign_in = page.get_by_role("button", name="Sign in")
    expect(sign_in.or_(page.get_by_test_id("stSidebar")).first).to_be_visible()
    if sign_in.count():
        signin.sign_in(page, address, "support")
    page.wait_for_url(f"{address}/validate*")


def test_signing_out_leads_back_under_the_prefix(address: str, page: Page, request: pytest.FixtureRequest) -> None:
    enter(page, address, "review", "support")
    sign_out = page.get_by_role("button", name="Sign out")
    expect(page.get_by_role("heading", name="Review queue")).to_be_visible()
    if request.node.callspec.params["address"] == "sign-in":
        expect(sign_out).to_be_visible()
        paths = {
            cookie["name"]: cookie["path"] for cookie in page.context.cookies() if "streamlit_user" in cookie["name"]
        }
        assert set(paths.values()) == {"/desk"}
        sign_out.click()
        # The provider asks once more.
        page.get_by_role("button", name="End session").click()
        expect(page.get_by_role("button", name="Sign in")).to_be_visible()
        assert page.url.startswith(f"{address}/")
