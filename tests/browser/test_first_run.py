"""The first five minutes in a real browser: an empty installation, the sample event, photos good and bad."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, Route, expect
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from dashboard.parts.look import TOP
from tests.support.browser import dashboard, file_link
from tests.support.portraits import as_jpeg, astronaut, hopper, landscape

pytestmark = pytest.mark.browser


@dataclass(frozen=True)
class Installation:
    address: str
    data: Path

    @property
    def photos(self) -> set[Path]:
        return set((self.data / "photos" / "face-images").glob("*"))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """A fresh installation; its tests run in the order of this file."""
    folder = tmp_path_factory.mktemp("desk")
    data = folder / "data"
    bare = {name: "" for name in os.environ if name.startswith(("AWS_", "MONGODB_", "FACEDESK_"))}
    with dashboard(
        {**bare, "FACEDESK_BACKEND": "embedded", "FACEDESK_DATA_DIR": str(data)}, folder / "log"
    ) as address:
        yield Installation(address, data)


@pytest.fixture
def installation(empty: Installation, page: Page) -> Installation:
    """With the sample event, loaded on the page as a newcomer does."""
    if not list((empty.data / "photos").glob("reference-faces/*")):
        page.goto(empty.address)
        page.get_by_role("button", name="Load the sample event").click()
        expect(page.get_by_text("The sample event is loaded.")).to_be_visible()
    return empty


def give(page: Page, name: str, photo: bytes, mime: str = "image/jpeg") -> None:
    with page.expect_response(lambda response: "upload_file" in response.url):
        page.locator("input[type=file]").set_input_files({"name": name, "mimeType": mime, "buffer": photo})
    button = page.get_by_role("button", name="Validate")
    expect(button).to_be_enabled()
    button.click()


def headline(page: Page, text: str) -> None:
    expect(page.get_by_role("heading", name=text)).to_be_visible()


def test_an_empty_installation_offers_the_sample_and_the_import(empty: Installation, page: Page) -> None:
    page.goto(empty.address)
    expect(page.get_by_text("Facedesk is empty.")).to_be_visible()
    expect(page.get_by_role("button", name="Load the sample event")).to_be_visible()
    expect(page.get_by_text("Import your registrations")).to_be_visible()


def test_after_the_sample_is_loaded_each_role_is_led_on(installation: Installation, page: Page) -> None:
    page.goto(f"{installation.address}/start")
    page.get_by_role("button", name="Load the sample event").click()
    page.get_by_role("link", name="See who is not ready").click()
    page.wait_for_url("**/event_overview?event_id=sample-event**")
    headline(page, "Event overview")


def test_the_sample_loads_on_the_page(installation: Installation, page: Page) -> None:
    page.goto(f"{installation.address}/validate?registration_id=sample-0001")
    expect(page.get_by_text("Eileen Collins")).to_be_visible()


def test_the_search_has_the_cursor_on_arrival(installation: Installation, page: Page) -> None:
    page.goto(f"{installation.address}/validate")
    expect(page.get_by_label("Registration", exact=True)).to_be_focused()


def test_a_search_that_loads_late_has_the_cursor_too(installation: Installation, page: Page) -> None:
    held: list[Route] = []
    page.route("**/TextInput.*.js", lambda route: held.append(route))
    page.goto(f"{installation.address}/validate")
    # The script that gives the cursor is in the page and has run: it found no field.
    page.locator("[data-testid=stHtml] script").wait_for(state="attached")
    expect(page.get_by_label("Registration", exact=True)).not_to_be_attached()
    for route in held:
        route.continue_()
    expect(page.get_by_label("Registration", exact=True)).to_be_focused()


def test_enter_searches_and_the_link_then_names_the_case(installation: Installation, page: Page) -> None:
    page.goto(f"{installation.address}/validate")
    page.get_by_label("Registration", exact=True).fill("collins")
    page.keyboard.press("Enter")
    expect(page.get_by_text("sample-0001@example.com")).to_be_visible()
    page.wait_for_url("**registration_id=sample-0001**")


def test_the_portrait_passes_with_its_similarity(installation: Installation, page: Page) -> None:
    page.goto(f"{installation.address}/validate?registration_id=sample-0001")
    give(page, "me.png", astronaut(), "image/png")
    headline(page, "Passed")
    expect(page.get_by_text("80 or more passes")).to_be_visible()


def test_another_photo_after_a_pass_takes_its_place_and_the_next_person_begins_anew(
    installation: Installation, page: Page
) -> None:
    page.goto(f"{installation.address}/validate?registration_id=sample-0001")
    give(page, "me.png", astronaut(), "image/png")
    headline(page, "Passed")
    expect(page.get_by_text("Passed · Eileen Collins")).to_be_visible()
    page.locator("input[type=file]").set_input_files(
        {"name": "other.jpg", "mimeType": "image/jpeg", "buffer": hopper()}
    )
    headline(page, "Not validated yet")
    expect(page.get_by_alt_text("Chosen photo")).to_be_visible()
    expect(page.get_by_role("heading", name="Passed")).to_have_count(0)
    page.get_by_role("button", name="Next person").click()
    headline(page, "Whose photo?")
    expect(page.get_by_label("Registration", exact=True)).to_be_focused()
    page.keyboard.type("sample-0002")
    page.keyboard.press("Enter")
    headline(page, "No photo validated yet")


def test_on_a_telephone_the_verdict_comes_into_view(installation: Installation, page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 844})
    page.goto(f"{installation.address}/validate?registration_id=sample-0003")
    give(page, "rocket.jpg", landscape())
    headline(page, "Failed: no face")
    expect(page.get_by_role("heading", name="Failed: no face")).to_be_in_viewport()


@pytest.mark.parametrize(("width", "height"), [(1440, 900), (1024, 768), (390, 844)])
def test_what_is_said_for_a_moment_covers_nothing(
    installation: Installation, page: Page, width: int, height: int
) -> None:
    page.set_viewport_size({"width": width, "height": height})
    page.goto(f"{installation.address}/validate?registration_id=sample-0003")
    give(page, "rocket.jpg", landscape())
    message = page.locator(".st-key-toast")
    message.wait_for()
    box = message.bounding_box()
    assert box
    assert box["y"] >= 0
    assert box["x"] + box["width"] <= width
    # The page scrolls below the bar at the top, and a message ends with it, but for a shadow.
    assert box["y"] + box["height"] <= TOP + 2


def test_another_person_fails_with_both_faces_and_a_sentence(installation: Installation, page: Page) -> None:
    page.goto(f"{installation.address}/validate?registration_id=sample-0001")
    give(page, "other.jpg", hopper())
    headline(page, "Failed: not the same person")
    expect(page.get_by_text("does not look like the one you registered with")).to_be_visible()
    for name in ("Submitted photo", "Reference photo"):
        assert page.get_by_alt_text(name).last.get_attribute("src").startswith("data:image/jpeg;base64,")


def test_a_landscape_fails_for_no_face(installation: Installation, page: Page) -> None:
    page.goto(f"{installation.address}/validate?registration_id=sample-0001")
    give(page, "rocket.jpg", landscape())
    headline(page, "Failed: no face")


def test_twelve_megapixels_lying_on_their_side_are_judged_upright(installation: Installation, page: Page) -> None:
    page.goto(f"{installation.address}/validate?registration_id=sample-0002")
    give(page, "phone.jpg", as_jpeg(hopper(), size=(3464, 3464), orientation=6))
    headline(page, "Passed")
    shown = page.get_by_alt_text("Submitted photo")
    assert shown.evaluate("image => image.naturalWidth >= 600")


def test_a_text_named_jpg_is_one_sentence_and_stores_nothing(installation: Installation, page: Page) -> None:
    before = installation.photos
    page.goto(f"{installation.address}/validate?registration_id=sample-0001")
    give(page, "me.jpg", b"not a photo at all")
    expect(page.get_by_text("Nothing was recorded.")).to_have_count(1)
    assert installation.photos == before


def test_a_photo_is_taken_whatever_it_is_called(installation: Installation, page: Page) -> None:
    page.goto(f"{installation.address}/validate?registration_id=sample-0001")
    give(page, "photo", as_jpeg(landscape()), mime="")
    headline(page, "Failed: no face")


def test_beside_a_photo_that_is_too_large_is_what_to_do(installation: Installation, page: Page) -> None:
    page.goto(f"{installation.address}/validate?registration_id=sample-0001")
    large = {"name": "large.jpg", "mimeType": "image/jpeg", "buffer": bytes(16 * 1024 * 1024)}
    page.locator("input[type=file]").set_input_files(large)
    expect(page.get_by_text("File must be 15.0MB or smaller.")).to_be_visible()
    expect(page.get_by_text("If yours is larger, send it in a smaller size")).to_be_visible()


def test_a_photo_from_the_camera_is_validated(installation: Installation, page: Page) -> None:
    page.goto(f"{installation.address}/validate?registration_id=sample-0001")
    page.get_by_role("radio", name="Camera").click()
    take, clear = (page.get_by_role("button", name=name) for name in ("Take Photo", "Clear photo"))
    # Streamlit starts its camera anew when it knows its width. A press meanwhile takes no photo: one presses again.
    with page.expect_response(lambda response: "upload_file" in response.url):
        while not clear.is_visible():
            with suppress(PlaywrightTimeout):
                take.click(timeout=2000)
            page.wait_for_timeout(500)
    button = page.get_by_role("button", name="Validate")
    expect(button).to_be_enabled()
    button.click()
    # Chromium's pretended camera shows a test picture: nobody is in it.
    headline(page, "Failed: no face")


def test_a_case_is_decided_by_keyboard_alone(installation: Installation, page: Page) -> None:
    page.goto(f"{installation.address}/validate?registration_id=sample-0001")
    opener = page.get_by_role("button", name="Approve anyway…")
    opener.focus()
    page.keyboard.press("Enter")
    approve = page.get_by_role("button", name="Approve", exact=True)
    expect(approve).to_be_visible()
    page.get_by_label("Why").focus()
    page.keyboard.type("same passport")
    approve.focus()
    page.keyboard.press("Enter")
    headline(page, "Passed: approved by a person")


def test_the_history_is_looked_up_and_exported(installation: Installation, page: Page) -> None:
    page.goto(f"{installation.address}/user_lookup?user_id=sample-user-0001")
    expect(page.get_by_text("Eileen Collins")).to_be_visible()
    link = file_link(page, "CSV").get_attribute("href")
    answer = page.request.get(f"{installation.address}{link}")
    assert answer.headers["content-type"].startswith("text/csv")
    assert "sample-user-0001" in answer.text()


def test_an_unknown_api_path_is_json(installation: Installation, page: Page) -> None:
    answer = page.request.get(f"{installation.address}/api/none")
    assert answer.status == 404
    assert json.loads(answer.text())["status"] == "error"


def test_a_foreign_host_is_refused(installation: Installation, page: Page) -> None:
    path = "/api/exports/users/sample-user-0001/history.csv"
    assert page.request.get(installation.address + path, headers={"Host": "evil.example"}).status == 400


def test_a_name_is_kept_over_a_reload_and_goes_into_the_record(installation: Installation, page: Page) -> None:
    name = "Zoë ![x](http://evil.example/i.png); path=/x </script>"
    page.goto(f"{installation.address}/validate?registration_id=sample-0004")
    field = page.get_by_label("Your name", exact=True)
    field.fill(name)
    field.press("Enter")
    page.wait_for_function("() => document.cookie.includes('facedesk_name=Zo')")
    page.reload()
    expect(field).to_have_value(name)
    give(page, "rocket.jpg", landscape())
    headline(page, "Failed: no face")
    page.goto(f"{installation.address}/audit")
    who = page.get_by_label("Who", exact=True)
    who.fill(name)
    who.press("Enter")
    expect(page.get_by_text("1 to 2")).to_be_visible()  # the faces were shown, and the photo was validated
    field.fill("")
    field.press("Enter")
    page.wait_for_function("() => !document.cookie.includes('facedesk_name')")
    page.reload()
    expect(field).to_have_value("")


@pytest.mark.parametrize("path", ["validate", "user_lookup", "start"])
@pytest.mark.parametrize("width", [1440, 1024, 820])
def test_no_page_is_wider_than_its_window(installation: Installation, page: Page, path: str, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{installation.address}/{path}?registration_id=sample-0001&user_id=sample-user-0001")
    page.wait_for_selector("h1")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
