"""No page has a serious or critical defect that axe-core finds, in the light and in the dark theme."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core.domain.records import Registration, Source
from core.domain.roles import PAGES
from core.runtime.bootstrap import build
from core.services.validation import Submitter
from core.settings import Backend, Settings
from dashboard.access.plain_pages import CLOSED_PAGES
from tests.support.browser import PATIENCE, ROOT, armed, dashboard
from tests.support.portraits import as_jpeg, astronaut

pytestmark = pytest.mark.browser

#: Rules that Streamlit's own markup breaks, in which element, and why nothing of ours can mend it.
STREAMLITS = {
    "list": ("[data-testid=stSidebarNavItems]", "the navigation's list has a div for each section"),
    "listitem": ("[data-testid=stSidebarNavItems] li", "the navigation's items lie in these divs"),
}
#: What each page shows, by its address and query; a page may stand here more than once.
SHOWN = {
    "validate": ("validate", "Whose photo?"),
    "validate, passed": ("validate?registration_id=sample-0001", "Passed"),
    "validate, failed": ("validate?registration_id=sample-0002", "Failed: not the same person"),
    "validate, unknown": ("validate?registration_id=nobody", "unknown registration"),
    "user_lookup": ("user_lookup", "Who?"),
    "user_lookup, a person": ("user_lookup?user_id=sample-user-0001", "Similarity of attempts"),
    "user_lookup, unknown": ("user_lookup?user_id=nobody", "This user is unknown"),
    "review": ("review", "Are these the same person?"),
    "all_events": ("all_events", "without a date"),
    "event_overview": ("event_overview", "Ready to enter"),
    "event_overview, unknown": ("event_overview?event_id=nobody", "unknown event"),
    "duplicates": ("duplicates", "Switched off for this event"),
    "event_profile": ("event_profile", "Rules of this event"),
    "statistics": ("statistics?threshold=99", "Who would change"),
    "operations": ("operations", "Every service answers"),
    "audit": ("audit", "Audit trail"),
    "erasure": ("erasure", "Which person?"),
    "erasure, a person": ("erasure?user_id=sample-user-0003", "This cannot be undone"),
    "start": ("start", "Import your registrations"),
    "tokens": ("tokens", "Tokens are in the settings here"),
}
#: The reference photo of somebody who registered twice.
TWICE = "reference-faces/twice.jpg"
FOUND = """async (streamlits) => {
    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
    const own = (rule, node) => rule in streamlits
        && document.querySelector(node.target[0])?.matches(streamlits[rule]);
    return violations.filter(each => ['serious', 'critical'].includes(each.impact)).flatMap(each => each.nodes
        .filter(node => !own(each.id, node))
        .map(node => `${each.id}: ${node.html.slice(0, 120)} (${node.failureSummary.split('\\n').at(-1).trim()})`));
}"""


@pytest.fixture(scope="module")
def axe() -> str:
    carried = ROOT / "node_modules" / "axe-core" / "axe.min.js"
    script = Path(os.environ.get("AXE") or carried)
    if not script.exists():
        message = "there is no axe-core: `npm install --no-save axe-core@4.14.1`, or name its axe.min.js in AXE"
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return script.read_text()


@pytest.fixture(scope="module")
def address(axe: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The sample event, of its portraits one that passed and one that failed; and a face that is registered twice."""
    folder = tmp_path_factory.mktemp("accessibility")
    data = folder / "data"
    bare = {name: "" for name in os.environ if name.startswith(("AWS_", "MONGODB_", "FACEDESK_"))}
    settings = {**bare, "FACEDESK_BACKEND": "embedded", "FACEDESK_DATA_DIR": str(data)}
    load = [sys.executable, "-m", "core", "sample", "--registrations", "120"]
    subprocess.run(load, cwd=ROOT, env={**os.environ, **settings}, check=True)
    services = build(Settings(backend=Backend.EMBEDDED, data_dir=data, _env_file=None))
    for number, photo in enumerate((astronaut(), astronaut()), 1):
        services.validation.validate_upload(f"sample-000{number}", photo, f"a{number}", Submitter(Source.DASHBOARD))
    services.photos.put(TWICE, as_jpeg(astronaut()))
    assert services.importer
    services.importer.import_many(
        Registration(registration_id=each, user_id=each, event_id="twice", reference_photo_key=TWICE)
        for each in ("twice-1", "twice-2")
    )
    services.close()
    with dashboard(settings, folder / "log") as running:
        yield running


@pytest.fixture(scope="module", params=["light", "dark"])
def window(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900}, color_scheme=request.param)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    yield page
    context.close()


def defects(page: Page, axe: str) -> list[str]:
    page.evaluate(axe)
    found: list[str] = page.evaluate(FOUND, {rule: where for rule, (where, _) in STREAMLITS.items()})
    return found


def settled(page: Page) -> None:
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)


def test_every_page_is_looked_at() -> None:
    assert {address.partition("?")[0] for address, _ in SHOWN.values()} == set(PAGES)


@pytest.mark.parametrize("name", SHOWN)
def test_a_page_has_no_serious_defect(address: str, window: Page, axe: str, name: str) -> None:
    path, shown = SHOWN[name]
    window.goto(f"{address}/{path}")
    expect(window.get_by_text(shown).first).to_be_visible()
    settled(window)
    for closed in window.locator("[data-testid=stExpander] summary").all():
        closed.click()
    settled(window)
    assert defects(window, axe) == []


def test_what_opens_over_a_page_has_none(address: str, window: Page, axe: str) -> None:
    window.goto(f"{address}/event_overview")
    settled(window)
    window.get_by_text("Run the checks on photos already sent").click()
    window.get_by_role("button", name="Check these photos…").click()
    expect(window.get_by_role("dialog")).to_be_visible()
    settled(window)
    assert defects(window, axe) == []
    window.goto(f"{address}/review")
    armed(window)
    window.get_by_role("button", name="Reason and note").click()
    expect(window.get_by_label("Note (optional)")).to_be_visible()
    assert defects(window, axe) == []


def test_a_refusal_and_a_list_with_refused_lines_have_none(address: str, window: Page, axe: str) -> None:
    window.goto(f"{address}/validate?registration_id=sample-0001")
    give = {"name": "me.jpg", "mimeType": "image/jpeg", "buffer": b"not a photo at all"}
    window.locator("input[type=file]").set_input_files(give)
    window.get_by_role("button", name="Validate").click()
    expect(window.get_by_text("Nothing was recorded.")).to_be_visible()
    settled(window)
    assert defects(window, axe) == []
    window.goto(f"{address}/start")
    people = b"registrationId,userId,eventId\na1,u1,e1\n,u2,e1\n"
    window.locator("input[type=file]").first.set_input_files(
        {"name": "people.csv", "mimeType": "text/csv", "buffer": people}
    )
    expect(window.get_by_text("These lines would not be imported")).to_be_visible()
    settled(window)
    assert defects(window, axe) == []


def test_the_pairs_of_a_search_have_none(address: str, window: Page, axe: str) -> None:
    window.goto(f"{address}/duplicates?event_id=twice&answers=all")
    off, look = (window.get_by_role("button", name=name) for name in ("Switch on for this event", "Look "))
    name = window.get_by_test_id("stMain").get_by_role("textbox", name="Your name")
    expect(name.or_(off).or_(look).first).to_be_visible()
    if name.is_visible():
        name.fill("Ada")
        name.press("Enter")
        expect(off.or_(look)).to_be_visible()
    if off.is_visible():
        window.get_by_role("textbox", name="Reason (legal basis)").fill("The terms name this check")
        off.click()
    look.click()
    expect(window.get_by_text("1 pair looks alike.")).to_be_visible()
    expect(window.get_by_role("button", name="Relatives", exact=True)).to_be_visible()
    expect(window.locator("[data-testid=stImage] img")).to_have_count(2)
    settled(window)
    window.get_by_role("button", name="Switched on").click()
    expect(window.get_by_text("The terms name this check")).to_be_visible()
    settled(window)
    assert defects(window, axe) == []


@pytest.mark.parametrize("path", CLOSED_PAGES)
def test_a_page_that_was_closed_has_none(address: str, window: Page, axe: str, path: str) -> None:
    window.goto(f"{address}{path}")
    assert defects(window, axe) == []
