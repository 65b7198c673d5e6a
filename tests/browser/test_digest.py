"""The morning digest in a real browser: a finding leads to its people with one click, and Back returns."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from playwright.sync_api import Page, expect

from core.domain.clock import utc_now
from core.runtime.bootstrap import build
from core.runtime.operation_log import LOG_FILE
from core.settings import load_settings
from tests.support.browser import ROOT, dashboard

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("digest")


@pytest.fixture(scope="module")
def address(folder: Path) -> Iterator[str]:
    """The sample event, which starts in three days."""
    settings = {"FACEDESK_BACKEND": "embedded", "FACEDESK_DATA_DIR": str(folder / "data")}
    load = [sys.executable, "-m", "core", "sample", "--registrations", "100"]
    subprocess.run(load, cwd=ROOT, env={**os.environ, **settings}, check=True)
    services = build(load_settings(data_dir=folder / "data", _env_file=None))
    profile = services.profile_service.get("sample-event")
    starts = utc_now() + timedelta(days=3)
    services.profile_service.save(profile.model_copy(update={"starts_at": starts, "ends_at": None}), "Grace")
    services.close()
    with dashboard({**settings, "DIGEST_READY_PERCENT": "99"}, folder / "log") as running:
        yield running


def test_a_finding_leads_to_its_people_and_back_returns(address: str, page: Page) -> None:
    page.goto(f"{address}/all_events")
    finding = page.get_by_role("link", name=re.compile(r"% are ready, with 3 days to go"))
    expect(finding).to_be_visible()
    missing = re.search(r": (\d+) of 100 are not", finding.inner_text())
    assert missing
    finding.click()
    expect(page.get_by_text(f"Not ready · {missing[1]}")).to_be_visible()
    page.go_back()
    expect(page.get_by_role("heading", name="All events")).to_be_visible()
    expect(finding).to_be_visible()


def test_on_the_overview_a_finding_opens_the_list_below_it(address: str, page: Page) -> None:
    page.goto(f"{address}/event_overview?event_id=sample-event")
    page.get_by_role("link", name=re.compile(r"% are ready, with 3 days to go")).click()
    expect(page.get_by_text(re.compile(r"^Not ready · \d+$"))).to_be_visible()
    assert "people=not-ready" in page.url


def test_the_server_alerts_by_itself(address: str, folder: Path, page: Page) -> None:
    page.goto(f"{address}/all_events")
    log = folder / "data" / LOG_FILE

    def alerts() -> list[str]:
        operations = [orjson.loads(line)["operation"] for line in log.read_bytes().splitlines()]
        return [operation for operation in operations if operation.startswith("alert.")]

    for _ in range(300):
        if "alert.few-ready" in alerts():
            break
        page.wait_for_timeout(100)
    assert alerts().count("alert.few-ready") == 1


@pytest.mark.parametrize("path", ["all_events", "event_overview"])
@pytest.mark.parametrize("width", [1024, 820, 390])
def test_no_sentence_is_cut_off(address: str, page: Page, path: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{address}/{path}")
    finding = page.get_by_role("link", name=re.compile(r"% are ready, with 3 days to go"))
    expect(finding).to_be_visible()
    fits = "part => part.scrollWidth <= part.clientWidth || getComputedStyle(part).display === 'inline'"
    assert finding.evaluate(f"link => [link, ...link.querySelectorAll('*')].every({fits})")
