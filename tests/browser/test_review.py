"""The review queue in a real browser: seen before decided, one press for one case, all of it in sight."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from core.domain.clock import utc_now
from core.domain.reasons import Reason
from core.domain.records import Box, Registration, ValidationRecord
from core.runtime.bootstrap import build
from core.runtime.services import Services
from core.services.importing import keep_reference
from core.settings import Backend, Settings
from dashboard.access import names
from dashboard.parts.faces import SEEN_FOR
from dashboard.parts.look import TOP
from tests.support.browser import armed, dashboard
from tests.support.portraits import astronaut, hopper
from tests.support.records import an_outcome

pytestmark = pytest.mark.browser

BARE = {name: "" for name in os.environ if name.startswith(("AWS_", "MONGODB_", "FACEDESK_"))}
ASTRONAUT, HOPPER = (
    Box(left=0.36, top=0.13, width=0.16, height=0.26),
    Box(left=0.33, top=0.13, width=0.33, height=0.38),
)
#: Events, and how many cases wait in each. Each test decides in an event of its own.
EVENTS = {
    "presses": 20,
    "held": 3,
    "mouse": 3,
    "early": 1,
    "sizes": 3,
    "tops": 2,
    "doubts": 2,
    "undone": 2,
    "phone": 2,
    "keys": 5,
    "clicks": 5,
    "taps": 5,
    "team": 3,
}
#: Notes when the faces of each case were first in the page, all of them loaded, by the word that the page has for it.
WATCH = """
window.painted = {};
const look = () => {
    for (const place of document.querySelectorAll('.facedesk-faces')) {
        const faces = [...place.querySelectorAll('img')];
        if (faces.length === 2 && faces.every(face => face.complete && face.naturalWidth && face.clientHeight))
            window.painted[place.dataset.case] ??= Date.now();
    }
    requestAnimationFrame(look);
};
requestAnimationFrame(look);
"""


def opened(folder: Path) -> Services:
    return build(Settings(backend=Backend.EMBEDDED, data_dir=folder, _env_file=None))


def fill(folder: Path) -> None:
    services = opened(folder)
    assert services.importer
    keys = [keep_reference(photo, services.photos, services.sanitiser) for photo in (astronaut(), hopper())]
    for event, count in EVENTS.items():
        for number in range(count):
            alone, untried = (event == "doubts" and number == each for each in (0, 1))
            who = {"registration_id": f"{event}-{number:02}", "user_id": f"user-{event}-{number:02}"}
            name = f"Ada Example {number}"
            services.importer.import_many(
                [
                    Registration(
                        **who,
                        event_id=event,
                        name=name,
                        email=f"ada{number}@example.com",
                        reference_photo_key=None if alone else keys[0],
                    )
                ]
            )
            services.records.record_attempt(
                an_outcome(
                    f"{event}{number}",
                    **who,
                    event_id=event,
                    timestamp=utc_now() - timedelta(days=28, minutes=-number),
                    status="pending",
                    reasons=(Reason.ENGINE_UNAVAILABLE,) if untried else (),
                    comparison_result=None if alone or untried else {"similarity": 72.6, "threshold": 80.0},
                    face_image_key=keys[number % 2],
                    stored_face_key=None if alone else keys[0],
                    face_box=(ASTRONAUT, HOPPER)[number % 2],
                    stored_face_box=None if alone else ASTRONAUT,
                ),
                timedelta(days=60),
            )
    services.close()


@dataclass(frozen=True)
class Site:
    address: str
    data: Path

    def records(self, event: str) -> list[ValidationRecord]:
        services = opened(self.data)
        try:
            return sorted(services.records.event_records(event, 100), key=lambda record: record.registration_id)
        finally:
            services.close()

    def free(self) -> None:
        """Nobody has a case any more, as some seconds after the pages of earlier tests were closed."""
        services = opened(self.data)
        try:
            for claim in services.claims.standing():
                services.claims.release(claim.user_id, claim.registration_id, claim.holder)
        finally:
            services.close()

    def wait_until_free(self, registration_id: str) -> None:
        """Returns when nobody has the case any more. Raises ``AssertionError`` if somebody keeps it for long."""
        services = opened(self.data)
        try:
            for _ in range(120):
                if registration_id not in {claim.registration_id for claim in services.claims.standing()}:
                    return
                time.sleep(0.5)
        finally:
            services.close()
        raise AssertionError(f"somebody still has {registration_id}")

    def decided(self, event: str) -> list[ValidationRecord]:
        return [record for record in self.records(event) if record.review]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("review")
    fill(folder / "data")
    settings = {**BARE, "FACEDESK_BACKEND": "embedded", "FACEDESK_DATA_DIR": str(folder / "data")}
    with dashboard(settings, folder / "log") as address:
        yield Site(address, folder / "data")


@pytest.fixture
def watched(page: Page) -> Page:
    page.add_init_script(WATCH)
    return page


def queue(site: Site, page: Page, event: str) -> None:
    """The queue of an event, with its first case armed."""
    site.free()
    page.goto(f"{site.address}/review?event_id={event}")
    armed(page)


def settled(page: Page) -> None:
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")


def on_case(page: Page, registration_id: str) -> None:
    expect(page.get_by_text(f"{registration_id} · ")).to_be_visible()


@pytest.mark.parametrize("size", [(1440, 900), (1024, 768)])
def test_the_whole_card_is_seen_without_scrolling(site: Site, page: Page, size: tuple[int, int]) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    queue(site, page, "sizes")
    for name in ("Reference photo", "Submitted photo"):
        expect(page.get_by_alt_text(name, exact=True)).to_be_in_viewport(ratio=1)
    for name in ("Approve", "Reject", "Skip", "Reason and note", "Run again", "Whole photos"):
        expect(page.get_by_role("button", name=name)).to_be_in_viewport(ratio=1)
    for text in ("Ada Example 0", "Waits 28 days", "Similarity 72.6"):
        expect(page.get_by_text(text)).to_be_in_viewport(ratio=1)


def test_both_faces_are_of_one_size(site: Site, page: Page) -> None:
    queue(site, page, "sizes")
    boxes = [page.get_by_alt_text(name, exact=True).bounding_box() for name in ("Reference photo", "Submitted photo")]
    reference, submitted = (box and (box["y"], box["width"], box["height"]) for box in boxes)
    assert reference == submitted


def test_on_a_phone_the_faces_come_above_the_bar_and_the_bar_stays(site: Site, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    queue(site, page, "sizes")
    approve = page.get_by_role("button", name="Approve")
    expect(approve).to_be_in_viewport(ratio=1)
    bar = page.locator(".st-key-case-bar").bounding_box()
    for name in ("Reference photo", "Submitted photo"):
        face = page.get_by_alt_text(name, exact=True).bounding_box()
        assert face
        assert bar
        assert 0 <= face["y"] < face["y"] + face["height"] <= bar["y"]
    page.get_by_test_id("stMain").evaluate("main => main.scrollTo(0, main.scrollHeight)")
    expect(approve).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_whole_photos_are_one_press_away(site: Site, page: Page) -> None:
    queue(site, page, "sizes")
    page.get_by_role("button", name="Whole photos").click()
    for name in ("Whole reference photo", "Whole submitted photo"):
        expect(page.get_by_alt_text(name)).to_be_in_viewport()


def test_each_case_starts_at_the_top_of_the_page(site: Site, page: Page) -> None:
    queue(site, page, "tops")
    on_case(page, "tops-00")
    main = page.get_by_test_id("stMain")
    main.evaluate("main => main.scrollTo(0, main.scrollHeight)")
    assert main.evaluate("main => main.scrollTop") > 0
    page.keyboard.press("y")
    on_case(page, "tops-01")
    armed(page)
    assert main.evaluate("main => main.scrollTop") == 0


def test_a_doubtful_case_is_approved_only_on_purpose(site: Site, page: Page) -> None:
    queue(site, page, "doubts")
    for number, why in enumerate(("There is no reference photo", "This photo was never examined")):
        on_case(page, f"doubts-{number:02}")
        armed(page)
        page.keyboard.press("y")
        dialog = page.get_by_role("dialog")
        expect(dialog.get_by_text(why)).to_be_visible()
        assert len(site.decided("doubts")) == number
        dialog.get_by_role("button", name="Approve all the same").click()
        expect(dialog).to_have_count(0)
    expect(page.get_by_text("Nothing waits")).to_be_visible()
    assert len(site.decided("doubts")) == 2


def test_no_press_decides_a_case_whose_faces_were_not_yet_seen(site: Site, watched: Page) -> None:
    rhythm = random.Random(20)
    watched.goto(f"{site.address}/review?event_id=presses")
    for _ in range(2000):
        watched.keyboard.press("y")
        if watched.get_by_text("Nothing waits").is_visible():
            break
        watched.wait_for_timeout(rhythm.randint(50, 1000))
    decisions = sorted(record.review.decided_at for record in site.decided("presses") if record.review)
    painted = sorted(watched.evaluate("Object.values(window.painted)"))
    assert len(decisions) == EVENTS["presses"]
    # A case whose answer took long may have been shown twice.
    assert len(painted) >= len(decisions)
    for seen, decided in zip(painted, decisions, strict=False):
        assert decided.timestamp() * 1000 - seen >= SEEN_FOR


def test_a_key_that_is_held_decides_once(site: Site, page: Page) -> None:
    queue(site, page, "held")
    page.keyboard.down("y")
    on_case(page, "held-01")
    for _ in range(30):
        page.keyboard.down("y")  # what a browser does while a key is held
        page.wait_for_timeout(50)
    page.keyboard.up("y")
    armed(page)
    on_case(page, "held-01")
    assert [record.registration_id for record in site.decided("held")] == ["held-00"]


def test_a_press_that_the_page_did_not_hear_can_be_made_again(site: Site, page: Page) -> None:
    queue(site, page, "held")
    first = page.get_by_text("held-", exact=False).first.inner_text()
    # The last to hear of a key is Streamlit, which listens some time after the page is there.
    page.evaluate(
        "addEventListener('keydown', event => event.stopImmediatePropagation(), {capture: true, once: true})"
    )
    page.keyboard.press("y")
    armed(page)
    page.keyboard.press("y")
    expect(page.get_by_text(first)).to_have_count(0)


def test_a_press_of_the_mouse_that_is_made_twice_decides_once(site: Site, page: Page) -> None:
    queue(site, page, "mouse")
    page.get_by_role("button", name="Approve").dblclick()
    on_case(page, "mouse-01")
    armed(page)
    assert [record.registration_id for record in site.decided("mouse")] == ["mouse-00"]


def test_a_press_before_the_faces_are_seen_does_nothing(site: Site, page: Page) -> None:
    page.add_init_script("HTMLImageElement.prototype.decode = () => new Promise(done => window.decoded = done)")
    page.goto(f"{site.address}/review?event_id=early")
    on_case(page, "early-00")
    expect(page.get_by_alt_text("Submitted photo", exact=True)).to_be_visible()
    page.get_by_role("button", name="Approve").click()
    page.get_by_role("button", name="Reject").click()
    for key in "ynsa":
        page.keyboard.press(key)
    settled(page)
    on_case(page, "early-00")
    assert site.decided("early") == []


def test_a_decision_is_taken_back_by_its_key_and_the_case_comes_back(site: Site, page: Page) -> None:
    queue(site, page, "undone")
    page.keyboard.press("y")
    on_case(page, "undone-01")
    toast = page.locator(".st-key-toast")
    expect(toast).to_contain_text("Approved · Ada Example 0")
    expect(toast.get_by_role("button", name="Undo")).to_be_in_viewport(ratio=1)
    page.keyboard.press("z")
    on_case(page, "undone-00")
    expect(toast).to_contain_text("Waiting · Ada Example 0")
    assert site.decided("undone") == []


def test_on_a_phone_the_offer_to_undo_covers_nothing(site: Site, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    queue(site, page, "phone")
    page.get_by_role("button", name="Approve").click()
    undo = page.get_by_role("button", name="Undo")
    expect(undo).to_be_in_viewport(ratio=1)
    on_case(page, "phone-01")
    placed = page.locator(".st-key-toast").bounding_box()
    assert placed
    assert placed["x"] >= 0
    assert placed["y"] + placed["height"] <= TOP + 2
    undo.click()
    on_case(page, "phone-00")


def test_what_was_approved_is_rejected_later_from_its_link(site: Site, page: Page) -> None:
    page.set_viewport_size({"width": 1024, "height": 768})
    queue(site, page, "undone")
    page.keyboard.press("y")
    on_case(page, "undone-01")
    page.goto(f"{site.address}/review?event_id=undone&user_id=user-undone-00&registration_id=undone-00")
    page.get_by_role("button", name="Reject after all").click()
    page.get_by_label("Why").fill("it is the sister")
    page.get_by_role("button", name="Reject", exact=True).click()
    expect(page.locator(".st-key-toast")).to_contain_text("Rejected · Ada Example 0")
    (record,) = site.decided("undone")
    assert record.validation_status == "failed"


def review_all(site: Site, page: Page, event: str, press: Callable[[str], None]) -> None:
    """Approve one case and reject the next, and so on, until nothing waits."""
    queue(site, page, event)
    for number in range(EVENTS[event]):
        on_case(page, f"{event}-{number:02}")
        armed(page)
        press(("Approve", "Reject")[number % 2])
    expect(page.get_by_text("Nothing waits")).to_be_visible()
    statuses = [record.validation_status for record in site.decided(event)]
    assert statuses == ["success", "failed", "success", "failed", "success"]


def test_a_whole_queue_is_reviewed_by_keyboard(site: Site, page: Page) -> None:
    review_all(site, page, "keys", lambda button: page.keyboard.press({"Approve": "y", "Reject": "n"}[button]))


def test_a_whole_queue_is_reviewed_by_mouse(site: Site, page: Page) -> None:
    review_all(site, page, "clicks", lambda button: page.get_by_role("button", name=button).click())


def test_a_whole_queue_is_reviewed_by_touch(site: Site, browser: Browser) -> None:
    with browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True) as context:
        context.add_cookies([{"name": names.COOKIE, "value": "Grace", "url": "http://localhost"}])
        page = context.new_page()
        review_all(site, page, "taps", lambda button: page.get_by_role("button", name=button).tap())


def test_two_reviewers_get_two_cases_and_the_case_of_a_closed_page_comes_back(site: Site, browser: Browser) -> None:
    with browser.new_context() as grace, browser.new_context() as bob:
        first, second = grace.new_page(), bob.new_page()
        queue_of(site, first, "team")
        on_case(first, "team-00")
        queue_of(site, second, "team")
        on_case(second, "team-01")
        armed(second)
        first.close()
        site.wait_until_free("team-00")
        second.get_by_role("button", name="Skip").click()
        on_case(second, "team-00")


def queue_of(site: Site, page: Page, event: str) -> None:
    page.goto(f"{site.address}/review?event_id={event}")
    expect(page.get_by_alt_text("Submitted photo", exact=True)).to_be_visible()
