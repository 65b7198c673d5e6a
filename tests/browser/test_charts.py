"""All charts in a real browser: nothing of them is cut off or too small to read, and each is saved as a picture."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from tests.support.browser import PATIENCE, ROOT, dashboard

pytestmark = pytest.mark.browser

THEME = tomllib.loads((ROOT / ".streamlit" / "config.toml").read_text())["theme"]
SMALLEST_TEXT = 11
#: Milliseconds until there are charts: a new window fetches 5 MB of code for them first.
UNTIL_CHARTS = 4 * PATIENCE
#: Pages with charts, and how many each shows.
PAGES = {
    "event_overview?event_id=sample-event&span=30+days&look=Zoom+in": 6,
    "statistics?event_id=sample-event&event_id=a-second-event&scale=Square+root": 8,
    "user_lookup?user_id=sample-user-0003": 2,
}
#: Of each chart: its pixels, and of each of its texts and of its button what it says, its box and its size.
MEASURED = """() => [...document.querySelectorAll('.js-plotly-plot')].map(plot => {
    const box = element => (({ left, top, right, bottom }) => [left, top, right, bottom])(
        element.getBoundingClientRect());
    const size = element => Math.min(...[element, ...element.querySelectorAll('tspan')]
        .filter(each => each.textContent.trim()).map(each => parseFloat(getComputedStyle(each).fontSize)));
    const texts = [...plot.querySelectorAll('svg text')]
        .filter(each => each.textContent.trim() && each.getBoundingClientRect().width);
    return {
        whole: box(plot.querySelector('.main-svg')),
        button: box(plot.querySelector('.modebar-btn')),
        texts: texts.map(each => ({ says: each.textContent, box: box(each), size: size(each) })),
    };
})"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("charts")
    people = folder / "people.csv"
    people.write_text("registrationId,userId,eventId\nr-1,u-1,a-second-event\n")
    settings = {"FACEDESK_BACKEND": "embedded", "FACEDESK_DATA_DIR": str(folder / "data")}
    for load in (["sample", "--registrations", "600"], ["import-registrations", str(people)]):
        subprocess.run([sys.executable, "-m", "core", *load], cwd=ROOT, env={**os.environ, **settings}, check=True)
    with dashboard(settings, folder / "log") as running:
        yield running


def overlap(one: list[float], other: list[float]) -> tuple[float, float]:
    """How many pixels two boxes share, across and down; negative where they are apart."""
    across = min(one[2], other[2]) - max(one[0], other[0])
    return across, min(one[3], other[3]) - max(one[1], other[1])


def defects(chart: dict[str, Any]) -> Iterator[str]:
    left, top, right, bottom = chart["whole"]
    texts = chart["texts"]
    for number, text in enumerate(texts):
        begins, above, ends, below = text["box"]
        if begins < left - 1 or above < top - 1 or ends > right + 1 or below > bottom + 1:
            yield f"cut off: {text['says']}"
        if text["size"] < SMALLEST_TEXT:
            yield f"too small: {text['says']} ({text['size']} px)"
        if min(overlap(text["box"], chart["button"])) > 0:
            yield f"under the button: {text['says']}"
        for other in texts[number + 1 :]:
            across, down = overlap(text["box"], other["box"])
            # Boxes have room above and below their letters.
            if across > 1 and down > 3:
                yield f"over each other: {text['says']} and {other['says']}"


@pytest.mark.parametrize("width", [1440, 820, 390])
@pytest.mark.parametrize("path", PAGES)
def test_nothing_of_a_chart_is_cut_off_covered_or_too_small(address: str, page: Page, path: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1000})
    page.goto(f"{address}/{path}")
    expect(page.locator(".js-plotly-plot .modebar-btn")).to_have_count(PAGES[path], timeout=UNTIL_CHARTS)
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    page.wait_for_timeout(500)  # charts are drawn again once their width is known
    charts = page.evaluate(MEASURED)
    assert min(len(chart["texts"]) for chart in charts) > 3
    assert max(chart["whole"][2] for chart in charts) <= width
    assert [defect for chart in charts for defect in defects(chart)] == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_a_chart_is_saved_as_a_picture_from_the_keyboard(
    address: str, browser: Browser, tmp_path: Path, theme: str
) -> None:
    context = browser.new_context(color_scheme="dark" if theme == "dark" else "light")
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(f"{address}/event_overview?event_id=sample-event&span=30+days")
    chart = page.get_by_role("figure").filter(has=page.get_by_text("similarity, 0–100"))
    button = chart.get_by_role("button", name="Save as PNG")
    expect(button).to_be_visible(timeout=UNTIL_CHARTS)
    page.get_by_role("button", name="Square root").focus()
    page.keyboard.press("Tab")
    expect(button).to_be_focused()
    assert button.evaluate("button => getComputedStyle(button).outlineWidth") == "2px"
    with page.expect_download() as downloading:
        page.keyboard.press("Enter")
    assert downloading.value.suggested_filename == "facedesk_similarity.png"
    downloading.value.save_as(tmp_path / "chart.png")
    context.close()
    picture = Image.open(tmp_path / "chart.png").convert("RGBA")
    ground = bytes.fromhex(THEME[theme]["backgroundColor"].removeprefix("#")) + b"\xff"
    corners = [(0, 0), (picture.width - 1, 0), (0, picture.height - 1), (picture.width - 1, picture.height - 1)]
    assert {picture.getpixel(corner) for corner in corners} == {tuple(ground)}
    assert picture.getextrema()[3] == (255, 255)  # nothing is transparent
    assert len(picture.getcolors(picture.width * picture.height)) > 3
