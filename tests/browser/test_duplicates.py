"""Somebody who registered twice is found by the face engine: switched on with a reason, searched, answered, kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from core.domain.records import Registration
from core.runtime.bootstrap import build
from core.settings import Settings
from tests.support.app import OPERATOR
from tests.support.browser import dashboard
from tests.support.portraits import as_jpeg, astronaut, hopper, landscape

pytestmark = pytest.mark.browser

REASON = "The terms that everybody accepted name this check"
#: The photos of the people who are registered: the first and the last show the same person.
PHOTOS = {
    "reg-1": as_jpeg(astronaut()),
    "reg-2": as_jpeg(hopper()),
    "reg-3": as_jpeg(landscape()),
    "reg-4": as_jpeg(astronaut(), (450, 450)),
}


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("duplicates")
    services = build(Settings(data_dir=folder / "data", _env_file=None))
    assert services.importer
    for registration_id, photo in PHOTOS.items():
        services.photos.put(f"reference-faces/{registration_id}.jpg", photo)
    services.importer.import_many(
        Registration(
            registration_id=registration_id,
            user_id=f"user-{registration_id}",
            event_id="expo",
            name=f"Person of {registration_id}",
            reference_photo_key=f"reference-faces/{registration_id}.jpg",
        )
        for registration_id in PHOTOS
    )
    services.close()
    settings = {"FACEDESK_BACKEND": "embedded", "FACEDESK_DATA_DIR": str(folder / "data")}
    with dashboard(settings, folder / "log") as running:
        yield running


def which(page: Page, words: str) -> Locator:
    """The part of the filter that lists these pairs."""
    return page.get_by_role("radio", name=words)


def faces(page: Page) -> Locator:
    return page.locator("[data-testid=stImage] img[src^='data:']")


def searched(page: Page, address: str) -> None:
    """The page of the event with the pairs of a search; switches it on before, if it is off."""
    page.goto(f"{address}/duplicates?event_id=expo")
    look = page.get_by_role("button", name="Look for duplicates").or_(page.get_by_role("button", name="Look again"))
    off = page.get_by_role("button", name="Switch on for this event")
    expect(look.or_(off)).to_be_visible()
    if off.is_visible():
        page.get_by_role("textbox", name="Reason (legal basis)").fill(REASON)
        off.click()
    look.click()
    expect(page.get_by_text("1 pair looks alike.")).to_be_visible()
    expect(page.get_by_role("button", name="Look again")).to_be_visible()


def test_the_same_face_is_found_and_an_answer_is_kept(address: str, page: Page) -> None:
    searched(page, address)
    expect(page.get_by_text("reg-1 · user-reg-1")).to_be_visible()
    expect(page.get_by_text("reg-4 · user-reg-4")).to_be_visible()
    expect(page.get_by_text("3 compared with each other · 1 without a clear face")).to_be_visible()
    expect(faces(page)).to_have_count(2)
    page.get_by_role("textbox", name="Note (optional)").fill("Same badge on the suit")
    page.get_by_role("button", name="Same person", exact=True).click()
    expect(page.get_by_text(f"{OPERATOR}, just now")).to_be_visible()
    page.reload()
    expect(page.get_by_text("No such pair.")).to_be_visible()
    which(page, "Same person · 1").click()
    expect(page.get_by_text("Same badge on the suit")).to_be_visible()
    expect(page).to_have_url(f"{address}/duplicates?event_id=expo&answers=same")
    page.go_back()
    expect(page.get_by_text("No such pair.")).to_be_visible()
    expect(page).to_have_url(f"{address}/duplicates?event_id=expo")


def test_the_window_is_named_after_the_page_and_the_event(address: str, page: Page) -> None:
    page.goto(f"{address}/duplicates?event_id=expo")
    expect(page).to_have_title("expo · Duplicates · Facedesk")


def test_both_faces_stand_side_by_side_in_one_size_on_a_phone(address: str, browser: Browser, page: Page) -> None:
    searched(page, address)
    which(page, "All · 1").click()
    page.set_viewport_size({"width": 390, "height": 844})
    expect(faces(page)).to_have_count(2)
    page.wait_for_function("""() => {
        const [left, right] = [...document.querySelectorAll("[data-testid=stImage] img")]
            .map(image => image.getBoundingClientRect());
        return left.width > 100 && Math.abs(left.width - right.width) < 2 && Math.abs(left.height - right.height) < 2
            && Math.abs(left.top - right.top) < 2 && left.right <= right.left && right.right <= innerWidth;
    }""")
    overflow = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert overflow <= 0


def test_a_look_from_the_events_page(address: str, page: Page) -> None:
    page.goto(f"{address}/event_overview?event_id=expo")
    page.get_by_role("link", name="Look for people who registered twice").click()
    expect(page).to_have_url(f"{address}/duplicates?event_id=expo")
    expect(page.get_by_role("heading", name="Duplicates", exact=True)).to_be_visible()


def test_who_is_erased_leaves_the_list_at_once(address: str, browser: Browser, page: Page) -> None:
    searched(page, address)
    which(page, "All · 1").click()
    expect(faces(page)).to_have_count(2)
    context = browser.new_context()
    second = context.new_page()
    second.goto(f"{address}/erasure?user_id=user-reg-4")
    second.get_by_label("Type the user id to erase all of this").fill("user-reg-4")
    second.get_by_label("Type the user id to erase all of this").press("Enter")
    second.get_by_role("button", name="Erase for good").click()
    expect(page.get_by_text("No pair looks alike.")).to_be_visible()
    expect(faces(page)).to_have_count(0)
    context.close()
