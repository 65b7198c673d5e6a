"""The people behind the numbers of an event, in a real browser: each number clicked, counted and downloaded."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from core.domain.people import Group
from tests.support.browser import ROOT, dashboard, file_link

pytestmark = pytest.mark.browser

PEOPLE = 600


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("people")
    settings = {"FACEDESK_BACKEND": "embedded", "FACEDESK_DATA_DIR": str(folder / "data")}
    load = [sys.executable, "-m", "core", "sample", "--registrations", str(PEOPLE)]
    subprocess.run(load, cwd=ROOT, env={**os.environ, **settings}, check=True)
    with dashboard(settings, folder / "log") as running:
        yield running


def opened(page: Page, address: str) -> dict[str, tuple[str, int]]:
    """Opens the overview; the groups that its sentence leads to, each with its words and its number."""
    page.goto(f"{address}/event_overview")
    expect(page.get_by_role("link", name="are not ready")).to_be_visible()
    drawn(page)
    found = {}
    for link in page.get_by_role("link", name=re.compile(r"^[\d,]+ ")).all():
        words, target = link.inner_text(), link.get_attribute("href") or ""
        group = re.search(r"people=([a-z-]+)", target)
        assert group, target
        found[group[1]] = words, int(words.split(" ")[0].replace(",", ""))
    return found


def drawn(page: Page) -> None:
    """Waits for the charts: while a busy machine draws them, the page takes no click."""
    expect(page.locator(".js-plotly-plot")).to_have_count(6)


def heading(page: Page) -> Locator:
    return page.locator(".st-key-people p").first


def saved(page: Page, word: str, folder: Path) -> Path:
    with page.expect_download() as downloading:
        file_link(page, word, "These people").click()
    path = folder / downloading.value.suggested_filename
    downloading.value.save_as(path)
    return path


def test_each_number_opens_as_many_people_as_it_says_and_its_file_has_them(
    address: str, page: Page, tmp_path: Path
) -> None:
    said = opened(page, address)
    assert {Group.NOT_READY, Group.NEVER_TRIED, Group.FAILED, Group.WAITING, Group.PASSED} <= set(said)
    for group, (words, count) in said.items():
        page.get_by_role("link", name=words, exact=True).click()
        page.wait_for_url(f"**people={group}*")
        expect(heading(page)).to_have_text(re.compile(rf" · {count:,}$"))
        # Until then, the table of the list before may be there, too.
        expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
        path = saved(page, "CSV", tmp_path)
        assert re.fullmatch(r"sample-event_\d{4}-\d\d-\d\d_people\.csv", path.name)
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
        assert len(rows) == count, group
        page.keyboard.press("Escape")
        # The table is painted; this one is for screen readers.
        shown = page.locator(".st-key-people table")
        expect(shown).to_have_attribute("aria-rowcount", str(min(count, 500) + 1))
        expect(shown.locator("td").first).to_have_text(rows[0]["name"])


def test_a_list_is_searched_sent_as_a_link_and_left_with_back(address: str, page: Page, tmp_path: Path) -> None:
    said = opened(page, address)
    page.get_by_role("link", name=said["failed"][0], exact=True).click()
    expect(heading(page)).to_contain_text("Failed")
    page.get_by_role("link", name=said["passed"][0], exact=True).click()
    expect(heading(page)).to_contain_text("Passed")
    page.go_back()
    expect(heading(page)).to_contain_text("Failed")
    search = page.get_by_label("Search these people")
    search.fill("sample-00")
    search.press("Enter")
    page.wait_for_url("**find=sample-00*")
    expect(heading(page)).not_to_contain_text(f" {said['failed'][1]}")
    found = heading(page).inner_text()
    page.goto(page.url)
    expect(heading(page)).to_have_text(found)
    with saved(page, "CSV", tmp_path).open(encoding="utf-8-sig", newline="") as file:
        ids = [row["registrationId"] for row in csv.DictReader(file)]
    assert found.endswith(f" · {len(ids)}")
    assert all(each.startswith("sample-00") for each in ids)
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Show all again").click()
    expect(page.locator(".st-key-people")).to_have_count(0)
    assert "find" not in page.url


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1440, 1024, 820, 390])
def test_the_list_is_no_wider_than_its_window(address: str, page: Page, width: int, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{address}/event_overview?people=not-ready")
    expect(heading(page)).to_contain_text("Not ready")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
