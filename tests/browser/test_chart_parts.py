"""Parts of charts, clicked in a real browser: as many people are listed as were clicked, and their file has them."""

from __future__ import annotations

import csv
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from core.domain.clock import utc_now
from core.domain.reasons import Reason
from core.domain.records import Registration, Status
from core.runtime.bootstrap import build
from core.runtime.services import Services
from core.settings import Backend, Settings
from tests.support.browser import ROOT, dashboard, file_link
from tests.support.records import an_outcome

pytestmark = pytest.mark.browser

OVERVIEW = "event_overview?event_id=sample-event&span=30+days"
SECOND = "second & co"
STATISTICS = "statistics?event_id=sample-event&event_id=second+%26+co"
#: The parts of a chart that a pointer can hit: the middle of each, and how many people it counts. Thinner ones are
#: in the field below the chart.
PARTS = """plot => {
    const found = [];
    plot.data.forEach((trace, number) => {
        if (!trace.customdata) return;
        const marks = trace.type === 'bar'
            ? plot.querySelectorAll('.barlayer .trace.bars')[number].querySelectorAll('.point > path')
            : plot.querySelectorAll('.scatterlayer .trace')[number].querySelectorAll('path.point');
        trace.customdata.forEach(([name, words, count], place) => {
            const box = marks[place]?.getBoundingClientRect();
            if (count && box && box.width >= 3 && box.height >= 3)
                found.push({ name, count, x: box.left + box.width / 2, y: box.top + box.height / 2 });
        });
    });
    return found;
}"""


@dataclass(frozen=True)
class Case:
    path: str
    chart: str
    #: What the link has once a part was chosen.
    named: str = "only"
    #: The group of a split that the chart is about.
    group: str = ""

    def __str__(self) -> str:
        path, _, query = self.path.partition("?")
        return f"{path}-{self.chart}-{self.group or query.count('&')}"


CASES = [
    Case(OVERVIEW, "readiness", "people"),
    *(
        Case(OVERVIEW, chart)
        for chart in (
            *("validations", "reasons", "similarity", "failure_rate_by_quality"),
            "attempts_until_passed",
        )
    ),
    Case(f"{OVERVIEW}&look=Zoom+in&look=Square+root", "similarity"),
    *(
        Case(STATISTICS, chart)
        for chart in (
            *("confidence", "similarity", "failure_rate_by_quality", "success_rate", "events_compared"),
            *("failure_rate_by_age", "failure_rate_by_gender", "failure_rate_by_smile"),
        )
    ),
    Case(f"{STATISTICS}&scale=Zoom+in", "confidence"),
    Case(f"{STATISTICS}&split=Source", "similarity", group="batch"),
    Case(f"{STATISTICS}&split=Event", "failure_rate_by_quality", group="sample-event"),
]


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("parts")
    settings = {"FACEDESK_BACKEND": "embedded", "FACEDESK_DATA_DIR": str(folder / "data")}
    load = [sys.executable, "-m", "core", "sample", "--registrations", "300"]
    subprocess.run(load, cwd=ROOT, env={**os.environ, **settings}, check=True)
    add(folder / "data")
    with dashboard(settings, folder / "log") as running:
        yield running


def add(folder: Path) -> None:
    """An event of few people, and somebody who has a record in the first one, but is not registered there."""
    services = build(Settings(backend=Backend.EMBEDDED, data_dir=folder, _env_file=None))
    assert services.importer
    for number in range(7):
        who = {"registration_id": f"second-{number}", "user_id": f"user-{number}", "event_id": SECOND}
        services.importer.import_many([Registration(**who)])
        record(services, who, number, Status.FAILED if number < 2 else Status.SUCCESS)
    record(services, {"registration_id": "gone", "user_id": "gone", "event_id": "sample-event"}, 9, Status.FAILED)
    services.close()


def record(services: Services, who: dict[str, str], number: int, status: Status) -> None:
    reasons = (Reason.FACE_MISMATCH,) if status is Status.FAILED else ()
    made = an_outcome(
        f"made-{number}", **who, timestamp=utc_now() - timedelta(days=2, hours=number), status=status, reasons=reasons
    )
    services.records.record_attempt(made, timedelta(days=60))


def settled(page: Page) -> None:
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def plot(page: Page, case: Case) -> Locator:
    """The chart, once it stands still."""
    found = page.locator(f".st-key-chart-card-{case.chart}-{case.group} .js-plotly-plot")
    settled(page)
    expect(found.locator(".modebar-btn")).to_have_count(1)  # while the page changes, there may be the one before, too
    settled(page)
    return found


def heading(page: Page) -> Locator:
    return page.locator(".st-key-people p").first


def in_file(page: Page, folder: Path) -> int:
    with page.expect_download() as downloading:
        file_link(page, "CSV", "These people").click()
    path = folder / downloading.value.suggested_filename
    downloading.value.save_as(path)
    page.keyboard.press("Escape")
    with path.open(encoding="utf-8-sig", newline="") as file:
        return len(list(csv.DictReader(file)))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_click_on_a_part_lists_its_people_and_back_undoes_it(
    address: str, page: Page, tmp_path: Path, case: Case
) -> None:
    page.goto(f"{address}/{case.path}")
    for size in (max, min):
        shown = plot(page, case)
        shown.scroll_into_view_if_needed()
        before = page.url
        part = size(shown.evaluate(PARTS), key=lambda each: each["count"])
        page.mouse.move(part["x"], part["y"])
        page.mouse.click(part["x"], part["y"])
        page.wait_for_url(f"**{case.named}=**")
        expect(heading(page)).to_have_text(re.compile(rf" · {part['count']:,}$"))
        expect(page.locator(".st-key-people table")).to_have_attribute("aria-rowcount", str(part["count"] + 1))
        assert in_file(page, tmp_path) == part["count"]
        page.go_back()
        expect(page.locator(".st-key-people")).to_have_count(0)
        assert page.url == before
