"""Back, Forward and reload of a real browser: each leads to what was seen, with one press, on every page."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from core.domain.clock import utc_now
from core.domain.reasons import Reason
from core.domain.records import Registration
from core.runtime.bootstrap import build
from core.settings import Backend, Settings
from tests.api.conftest import BARE
from tests.support.browser import dashboard
from tests.support.records import an_outcome

pytestmark = pytest.mark.browser

#: Registrations of each event; of the people only the first is in both.
EVENTS = {"alpha": 3, "beta": 5}
BOTH = "user-both"


def outcome(event: str, number: int) -> dict[str, Any]:
    """The last of an event waits; of the others one failed."""
    if number == EVENTS[event] - 1:
        return {"status": "pending"}
    if (event, number) == ("beta", 0):
        return {"status": "failed", "reasons": (Reason.FACE_MISMATCH,)}
    return {"status": "success"}


def fill(folder: Path) -> None:
    services = build(Settings(backend=Backend.EMBEDDED, data_dir=folder, _env_file=None))
    assert services.importer
    for event, count in EVENTS.items():
        for number in range(count):
            who = {
                "registration_id": f"{event}-{number}",
                "user_id": BOTH if number == 0 else f"user-{event}-{number}",
                "event_id": event,
            }
            services.importer.import_many([Registration(**who, name=f"Ada {event.capitalize()} {number}")])
            services.records.record_attempt(
                an_outcome(
                    f"{event}{number}",
                    **who,
                    timestamp=utc_now() - timedelta(days=2, minutes=number + 10 * (event == "beta")),
                    **outcome(event, number),
                ),
                timedelta(days=60),
            )
    services.close()


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("history")
    fill(folder / "data")
    settings = {**BARE, "FACEDESK_BACKEND": "embedded", "FACEDESK_DATA_DIR": str(folder / "data")}
    with dashboard(settings, folder / "log") as running:
        yield running


def settled(page: Page) -> None:
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def sidebar(page: Page, name: str) -> None:
    page.get_by_test_id("stSidebar").get_by_role("link", name=name).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile(f"^{name}"))
    settled(page)


def choose(page: Page, label: str, option: str) -> None:
    """Chooses in a field with a list."""
    page.get_by_role("combobox", name=label).click()
    page.get_by_role("option", name=option, exact=True).click()
    page.keyboard.press("Escape")  # a field for several stays open, and the rest of the page waits


def segment(page: Page, option: str) -> None:
    page.get_by_role("radio", name=option, exact=True).or_(
        page.get_by_test_id("stButtonGroup").get_by_text(option, exact=True)
    ).first.click()


def search(page: Page, label: str, text: str) -> None:
    field = page.get_by_role("textbox", name=label)
    field.fill(text)
    field.press("Enter")


def follow(page: Page, name: str) -> None:
    page.get_by_test_id("stMain").get_by_role("link", name=name).click()


def row(page: Page, number: int) -> None:
    """Chooses a row of the history, counted from 0."""
    table = page.get_by_test_id("stDataFrame").first.bounding_box()
    assert table
    page.mouse.click(table["x"] + 17, table["y"] + 37 + 56 * number + 28)


@dataclass(frozen=True)
class Step:
    """Something that a person does, and what the page then shows."""

    act: Callable[[Page], None]
    shows: Callable[[Page], list[Locator]]
    path: str
    #: What the field for the event has, on pages that show one.
    event: str | None = None

    def is_shown(self, page: Page) -> None:
        expect(page).to_have_url(re.compile(rf"/{self.path}(\?|$)"))
        settled(page)
        for each in self.shows(page):
            expect(each).to_be_visible()
        if self.event:
            expect(page.get_by_role("combobox", name="Event", exact=True)).to_have_value(self.event)
        settled(page)


def text(*words: str) -> Callable[[Page], list[Locator]]:
    return lambda page: [
        page.get_by_test_id("stMain").get_by_text(re.compile(word)).locator("visible=true").first for word in words
    ]


#: What a person does one after the other. The first is opened by its address.
WALK = [
    Step(lambda page: None, text("3 registered", "The last 7 days"), "event_overview", "alpha"),
    Step(
        lambda page: choose(page, "Event", "beta"), text("5 registered", "The last 7 days"), "event_overview", "beta"
    ),
    Step(lambda page: segment(page, "24 h"), text("5 registered", "The last 24 h"), "event_overview", "beta"),
    Step(lambda page: sidebar(page, "Statistics"), text("^beta$", "^5$"), "statistics"),
    Step(lambda page: choose(page, "Outcome", "Passed"), text("^beta$", "^3$"), "statistics"),
    Step(lambda page: choose(page, "Events", "alpha"), text("^beta$", "^alpha$", "^5$"), "statistics"),
    Step(lambda page: sidebar(page, "Review queue"), text("beta-4 · beta"), "review", "beta"),
    Step(lambda page: choose(page, "Event", "All events"), text("2 waiting"), "review", "All events"),
    Step(lambda page: segment(page, "List"), text("2 waiting"), "review", "All events"),
    Step(lambda page: choose(page, "Event", "alpha"), text("1 waiting"), "review", "alpha"),
    Step(lambda page: segment(page, "One by one"), text("alpha-2 · alpha"), "review", "alpha"),
    Step(
        lambda page: sidebar(page, "Event overview"),
        text("3 registered", "The last 7 days"),
        "event_overview",
        "alpha",
    ),
    Step(lambda page: sidebar(page, "User lookup"), text("Who?"), "user_lookup"),
    Step(lambda page: search(page, "User", BOTH), text("Ada Beta 0", "^Passed$"), "user_lookup"),
    Step(lambda page: row(page, 1), text("Ada Beta 0", "Failed: not the same person"), "user_lookup"),
    Step(lambda page: follow(page, "Erase this person"), text("This cannot be undone"), "erasure"),
    Step(lambda page: sidebar(page, "Validate"), text("Whose photo?"), "validate"),
    Step(lambda page: search(page, "Registration", "alpha-1"), text("Ada Alpha 1"), "validate"),
    Step(lambda page: follow(page, "Open user"), text("user-alpha-1"), "user_lookup"),
    Step(lambda page: sidebar(page, "Audit trail"), text("are hashes"), "audit"),
    Step(lambda page: segment(page, "30 days"), text("are hashes"), "audit"),
    Step(lambda page: sidebar(page, "Operations"), text("Operations"), "operations"),
    Step(lambda page: segment(page, "3 h"), text("Operations"), "operations"),
    Step(lambda page: sidebar(page, "Load data"), text("Load data"), "start"),
]
#: The titles of the pages of the walk, in their order.
TITLES = [
    *["alpha · Event overview · Facedesk", "beta · Event overview · Facedesk", "beta · Event overview · Facedesk"],
    *["beta · Statistics · Facedesk", "beta · Statistics · Facedesk", "2 events · Statistics · Facedesk"],
    *["beta · Review queue · Facedesk", "Review queue · Facedesk", "Review queue · Facedesk"],
    *["alpha · Review queue · Facedesk", "alpha · Review queue · Facedesk", "alpha · Event overview · Facedesk"],
    *["User lookup · Facedesk"] * 3,
    "Erase a person · Facedesk",
    *["Validate · Facedesk"] * 2,
    "User lookup · Facedesk",
    *["Audit trail · Facedesk"] * 2,
    *["Operations · Facedesk"] * 2,
    "Load data · Facedesk",
]


def entries(page: Page) -> int:
    return int(page.evaluate("history.length"))


def take(page: Page, step: Step, seen: list[str]) -> None:
    """Does a step and notes its link, which differs from the one before: what the page shows may be the same."""
    step.act(page)
    if seen:
        expect(page).not_to_have_url(seen[-1])
    step.is_shown(page)
    seen.append(page.url)


def test_back_and_forward_show_what_was_seen_with_one_press_each(address: str, page: Page) -> None:
    page.goto(f"{address}/event_overview")
    seen: list[str] = []
    before = entries(page) - 1
    for number, step in enumerate(WALK):
        take(page, step, seen)
        assert entries(page) == before + number + 1, f"entries in the history after step {number}: {seen[-2:]}"
        expect(page).to_have_title(TITLES[number])
    there_and_back = [*range(len(WALK) - 2, -1, -1), *range(1, len(WALK))]
    for turn, number in enumerate(there_and_back):
        (page.go_back if turn < len(WALK) - 1 else page.go_forward)()
        WALK[number].is_shown(page)
        assert page.url == seen[number]
        expect(page).to_have_title(TITLES[number])
    assert entries(page) == before + len(WALK)


def test_a_reload_keeps_what_is_shown_and_what_was_seen(address: str, page: Page) -> None:
    page.goto(f"{address}/event_overview")
    walk = [step for number, step in enumerate(WALK) if number < 15]
    seen: list[str] = []
    for number, step in enumerate(walk):
        take(page, step, seen)
        if number in (2, 5, 8, 14):
            before = entries(page)
            page.reload()
            step.is_shown(page)
            assert (page.url, entries(page)) == (seen[-1], before)
            expect(page).to_have_title(TITLES[number])
    for number in range(len(walk) - 2, -1, -1):
        page.go_back()
        walk[number].is_shown(page)
        assert page.url == seen[number]


def test_the_address_of_the_product_is_no_page_that_back_leads_to(address: str, page: Page) -> None:
    page.goto("about:blank")
    before = entries(page)
    page.goto(address)
    expect(page.get_by_text("Whose photo?")).to_be_visible()
    settled(page)
    assert entries(page) == before + 1
    page.go_back()
    assert page.url == "about:blank"


def test_what_a_page_does_by_itself_makes_no_entry(address: str, page: Page) -> None:
    page.goto(f"{address}/user_lookup?user_id={BOTH}")
    before = entries(page)
    expect(page).to_have_url(re.compile("registration_id=alpha-0"))
    settled(page)
    assert entries(page) == before


def test_the_browser_remembers_the_event(address: str, page: Page) -> None:
    page.goto(f"{address}/event_overview")
    choose(page, "Event", "beta")
    expect(page.get_by_text("5 registered")).to_be_visible()
    settled(page)
    tab = page.context.new_page()
    tab.goto(f"{address}/review")
    expect(tab.get_by_text("beta-4 · beta")).to_be_visible()
    beside = tab.get_by_test_id("stSidebar")
    expect(beside.get_by_text("beta", exact=True)).to_be_visible()
    assert beside.get_by_test_id("stSidebarLogo").get_attribute("src")


def test_an_event_that_nobody_knows_is_said_to_be_unknown_until_one_is_chosen(address: str, page: Page) -> None:
    page.goto(f"{address}/statistics?event_id=gamma")
    said = page.get_by_text("The link names an unknown event")
    expect(said).to_be_visible()
    page.reload()
    expect(said).to_be_visible()
    settled(page)
    choose(page, "Outcome", "Passed")
    settled(page)
    expect(said).to_be_visible()
    choose(page, "Events", "beta")
    expect(said).to_have_count(0)
