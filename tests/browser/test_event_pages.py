"""The event pages in a real browser, on the sample event."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import openpyxl
import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from core.domain.clock import utc_now
from dashboard.access import names
from tests.support.browser import ROOT, armed, dashboard, file_link

pytestmark = pytest.mark.browser


@pytest.fixture
def second(browser: Browser) -> Iterator[Page]:
    """Another person's window."""
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("event")
    settings = {"FACEDESK_BACKEND": "embedded", "FACEDESK_DATA_DIR": str(folder / "data")}
    load = [sys.executable, "-m", "core", "sample", "--registrations", "600"]
    subprocess.run(load, cwd=ROOT, env={**os.environ, **settings}, check=True)
    with dashboard(settings, folder / "log") as running:
        yield running


def test_the_overview_answers_whether_the_event_is_ready(address: str, page: Page) -> None:
    page.goto(f"{address}/event_overview")
    expect(page.get_by_text("Ready to enter")).to_be_visible()
    expect(page.get_by_text("600 registered")).to_be_visible()
    expect(page.locator(".js-plotly-plot")).to_have_count(6)


def test_a_filter_stands_in_the_link_and_the_link_brings_it_back(address: str, page: Page, second: Page) -> None:
    page.goto(f"{address}/statistics?event_id=sample-event")
    page.get_by_role("slider", name="Similarity threshold").focus()
    page.keyboard.press("End")
    page.wait_for_url("**threshold=99**")
    changed = page.get_by_test_id("stMetric").filter(has_text="Would change")
    expect(changed).not_to_contain_text("Would change0")
    second.goto(page.url)
    shown = second.get_by_test_id("stMetric").filter(has_text="Would change")
    expect(shown).to_have_text(changed.inner_text().replace("\n", ""))


def test_of_two_people_on_one_case_the_second_is_told_and_the_first_stands(
    address: str, page: Page, second: Page
) -> None:
    page.goto(f"{address}/review")
    title = page.get_by_text(" · sample-event").first
    expect(title).to_be_visible()
    case = title.inner_text()
    registration = case.split(" · ")[0]
    # Nobody else gets the case from the queue, but on other pages everybody can have it.
    second.context.add_cookies([{"name": names.COOKIE, "value": "Bob", "url": address}])
    second.goto(f"{address}/validate?registration_id={registration}")
    second.get_by_role("button", name="Reject…").click()
    reject = second.get_by_role("button", name="Reject", exact=True)
    expect(reject).to_be_visible()
    armed(page)
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_text(case)).to_have_count(0)
    reject.click()
    expect(second.get_by_text("changed since you opened it")).to_be_visible()
    page.goto(f"{address}/validate?registration_id={registration}")
    expect(page.get_by_role("heading", name="Passed: approved by a person")).to_be_visible()


def test_a_case_is_decided_by_its_key_on_the_keyboard(address: str, page: Page) -> None:
    page.goto(f"{address}/review")
    title = page.get_by_text(" · sample-event").first
    expect(title).to_be_visible()
    case = title.inner_text()
    armed(page)
    page.keyboard.press("y")
    expect(page.get_by_text(case)).to_have_count(0)


def test_the_events_csv_is_what_the_page_links_to(address: str, page: Page) -> None:
    page.goto(f"{address}/event_overview")
    link = file_link(page, "CSV").get_attribute("href")
    lines = page.request.get(f"{address}{link}").text().splitlines()
    assert lines[0].startswith("\ufeffuserId,registrationId,eventId,status")
    assert len(lines) > 400


def test_the_events_workbook_stands_beside_it(address: str, page: Page, tmp_path: Path) -> None:
    page.goto(f"{address}/event_overview")
    expect(page.locator(".js-plotly-plot")).to_have_count(6)
    with page.expect_download() as downloading:
        file_link(page, "Excel").click()
    today = f"{utc_now():%Y-%m-%d}"
    assert downloading.value.suggested_filename == f"sample-event_{today}_records.xlsx"
    downloading.value.save_as(tmp_path / "records.xlsx")
    header, *rows = openpyxl.load_workbook(tmp_path / "records.xlsx").active.values
    assert header[:4] == ("userId", "registrationId", "eventId", "status")
    assert len(rows) > 400


@pytest.mark.parametrize("path", ["event_overview", "statistics", "review"])
@pytest.mark.parametrize("width", [1024, 820])
def test_no_page_is_wider_than_its_window(address: str, page: Page, path: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{address}/{path}")
    page.wait_for_selector("h1")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def by_mouse(table: Locator) -> None:
    # Cells are painted; the button stands in the column after the name.
    table.click(position={"x": 155 + 30, "y": 35 + 22})


def by_finger(table: Locator) -> None:
    table.tap(position={"x": 155 + 30, "y": 35 + 22})


def by_keyboard(table: Locator) -> None:
    table.page.get_by_role("link", name="Open the event on top").press("Enter")


@pytest.mark.parametrize("opened", [by_mouse, by_finger, by_keyboard])
def test_all_events_lead_to_an_overview_and_back_to_what_was_searched_for(
    address: str, browser: Browser, opened: Callable[[Locator], None]
) -> None:
    with browser.new_context(has_touch=True, viewport={"width": 1440, "height": 1000}) as context:
        page = context.new_page()
        page.goto(f"{address}/all_events")
        table = page.get_by_test_id("stDataFrame")
        expect(page.get_by_text("1 without a date")).to_be_visible()
        search = page.get_by_label("Search events")
        search.fill("nothing like it")
        search.press("Enter")
        expect(page.get_by_text("No such event")).to_be_visible()
        search.fill("SAMPLE")
        search.press("Enter")
        page.wait_for_url("**search=SAMPLE**")
        expect(table).to_be_visible()
        expect(page.get_by_text("still being read")).to_have_count(0)
        before = page.evaluate("history.length")
        opened(table)
        page.wait_for_url("**/event_overview?**")
        expect(page.get_by_text("Ready to enter")).to_be_visible()
        assert page.evaluate("history.length") == before + 1
        page.go_back()
        expect(search).to_have_value("SAMPLE")
        expect(table).to_be_visible()


def test_an_events_figures_are_printed_on_two_sheets_without_anybodys_name(address: str, page: Page) -> None:
    page.goto(f"{address}/event_overview")
    expect(page.locator(".js-plotly-plot")).to_have_count(6)
    sheets = re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True))
    assert len(sheets) == 2
    page.emulate_media(media="print")
    for left_out in (page.get_by_text("Latest", exact=True), page.get_by_test_id("stSidebar")):
        expect(left_out).to_be_hidden()
