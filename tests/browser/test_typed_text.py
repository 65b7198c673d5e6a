"""Whatever anybody typed is text on every page: no link, no image, no request to anywhere else, in a real browser."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import quote, urlencode

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from core.domain.audit import AuditEntry
from core.domain.clock import utc_now
from core.domain.records import Decision, Registration, Review
from core.domain.roles import PAGES, Role
from core.runtime.bootstrap import build
from core.services.importing import keep_reference
from core.settings import Settings
from tests.api.conftest import BARE
from tests.support import signin
from tests.support.browser import PATIENCE, armed, dashboard
from tests.support.portraits import astronaut
from tests.support.records import an_outcome
from tests.support.servers import free_port

pytestmark = pytest.mark.browser

#: Each stands for a way in which markdown, HTML or a chart could take text for something else; all say evil.
HOSTILE = (
    "www.evil.example/x http://evil.example/i.png a@evil.example mailto:b@evil.example ftp://evil.example/x "
    "xmpp:c@evil.example/x https://evil.example",
    "![x](http://evil.example/i.png) [x](javascript:alert(1)) [x](/auth/logout) <http://evil.example> "
    "<img src=http://evil.example/i.png> <a href='http://evil.example'>x</a> <iframe src=//evil.example>",
    ":red[evil] :material/home: :material_home: :streamlit: :cat: $evil^2$ ~~evil~~ **evil** `evil` # evil -> x "
    "&lt;evil&gt; &amp; \\evil \u202eevil\u202c zero\u200bwidth %{evil} evil::[x]{y}",
)
REGISTERED, WAITING, DECIDED, UNTRIED = range(4)
PAGE_NAMES = ("", *PAGES)

#: What on the page came of text, and ought not to have.
FOUND = """(pages) => {
    const found = [];
    const known = (url) => url.origin === location.origin
        && (pages.includes(url.pathname.slice(1)) || url.pathname.startsWith('/api/exports/'));
    for (const link of document.querySelectorAll('a, area')) {
        const href = link.getAttribute('href') ?? link.getAttribute('xlink:href');
        if (href !== null && !known(new URL(href, location))) found.push(`link ${href}`);
    }
    for (const image of document.querySelectorAll('img, image')) {
        const source = image.getAttribute('src') ?? image.getAttribute('href') ?? '';
        const own = source.startsWith('data:') || new URL(source, location).origin === location.origin;
        if (!own || image.alt === 'Streamlit logo') found.push(`image ${source.slice(0, 80)}`);
    }
    for (const other of document.querySelectorAll('iframe, object, embed, video, .katex')) {
        if (!other.closest('[data-testid=stCameraInput]')) found.push(other.outerHTML.slice(0, 80));
    }
    // Nothing that was typed is where markdown is rendered, whether that did harm or not.
    const markdown = '[data-testid=stMarkdownContainer], [data-testid=stCaptionContainer]';
    for (const place of document.querySelectorAll(markdown)) {
        if (/evil|zero/.test(place.textContent)) found.push(`markdown ${place.textContent.slice(0, 80)}`);
    }
    return found;
}"""


#: The middle of a chart's largest bar, and its area.
LARGEST_BAR = """(chart) => [...chart.querySelectorAll('.bars path')]
    .map((bar) => bar.getBoundingClientRect())
    .map((box) => [box.x + box.width / 2, box.y + box.height / 2, box.width * box.height])
    .reduce((one, other) => one[2] > other[2] ? one : other)"""


@dataclass(frozen=True)
class Site:
    address: str
    context: BrowserContext


@dataclass(frozen=True)
class Person:
    """Somebody each of whose fields is another hostile text; which one, goes round."""

    text: int
    number: int

    @property
    def event_id(self) -> str:
        return HOSTILE[self.text]

    @property
    def registration_id(self) -> str:
        return f"{HOSTILE[self.text - 1]} r{self.text}{self.number}"

    @property
    def user_id(self) -> str:
        return f"{HOSTILE[self.text - 2]} u{self.text}{self.number}"

    @property
    def name(self) -> str:
        return HOSTILE[self.text - 1]

    @property
    def email(self) -> str:
        return f"{self.number} {HOSTILE[self.text - 2]}"


PEOPLE = [Person(text, number) for text in range(len(HOSTILE)) for number in range(4)]


def table() -> bytes:
    """Everybody, and somebody whose photo is not there."""
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(("registrationId", "userId", "eventId", "name", "email", "photo"))
    for each in PEOPLE:
        photo = "evil.jpg" if each.number == REGISTERED else ""
        rows.writerow((each.registration_id, each.user_id, each.event_id, each.name, each.email, photo))
    rows.writerow((f"{HOSTILE[0]} lost", HOSTILE[0], HOSTILE[0], HOSTILE[0], "", HOSTILE[2]))
    return out.getvalue().encode()


def archive(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as photos:
        photos.writestr(name, astronaut())
    return out.getvalue()


def fill(folder: Path) -> None:
    """Registrations and records with whatever another service or a person may have written.

    They do not come from a list, of which the import takes invisible characters off ids.
    """
    services = build(Settings(data_dir=folder))
    now = utc_now()
    assert services.importer
    key = keep_reference(astronaut(), services.photos, services.sanitiser)
    services.importer.import_many(
        Registration(
            registration_id=each.registration_id,
            user_id=each.user_id,
            event_id=each.event_id,
            name=each.name,
            email=each.email,
            reference_photo_key=key if each.number == REGISTERED else None,
        )
        for each in PEOPLE
    )
    for each in PEOPLE:
        text = HOSTILE[each.text]
        if each.number != UNTRIED:
            failed = each.number == REGISTERED
            record = services.records.record_attempt(
                an_outcome(
                    f"a{each.number}",
                    user_id=each.user_id,
                    registration_id=each.registration_id,
                    event_id=each.event_id,
                    timestamp=now - timedelta(hours=1 + each.number),
                    status="failed" if failed else "pending",
                    reasons=(text.replace(" ", "_"), text) if failed else (),
                    comparison_result={"similarity": 75.0, "threshold": 80.0, "is_match": False},
                    attributes={"age": text, "gender": text, "smile": True, text: text},
                    face_image_key=f"face-images/{text}.jpg",
                    stored_face_key=f"reference-faces/{text}.jpg" if failed else None,
                    source=text,
                    operator=text,
                    ip_address=text,
                ),
                timedelta(days=6),
            )
        if each.number == DECIDED:
            decision = Review(decision=Decision.REJECTED, reason=text, note=text, reviewer=text, decided_at=now)
            services.records.decide(each.user_id, each.registration_id, decision, record.version)
    for text in HOSTILE:
        told = {"who": text, "event_id": text, "ip_address": text, "outcome": text, "details": {text: text}}
        services.audit.append(AuditEntry(entry_id=text, at=now, action="export", **told))
    services.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Site]:
    """One server and one window's cookies: of somebody with every role, whose name and address are hostile."""
    folder = tmp_path_factory.mktemp("typed")
    fill(folder / "data")
    port = free_port()
    settings = {**BARE, "FACEDESK_BACKEND": "embedded", "FACEDESK_DATA_DIR": str(folder / "data")}
    with dashboard(settings | signin.settings(f"http://localhost:{port}"), folder / "log", port) as address:
        context = browser.new_context(viewport={"width": 1440, "height": 1000})
        yield Site(address, context)
        context.close()


@pytest.fixture
def page(site: Site) -> Iterator[Page]:
    """A window that fails its test if it asked anything of anybody else."""
    sign_in(site, [str(role) for role in Role])
    opened = site.context.new_page()
    opened.set_default_timeout(PATIENCE)
    outside: list[str] = []
    own = (f"{site.address}/", "data:", "blob:")
    opened.on("request", lambda request: request.url.startswith(own) or outside.append(request.url))
    opened.on("dialog", lambda dialog: outside.append(dialog.message))
    yield opened
    opened.close()
    assert outside == []


def sign_in(site: Site, roles: list[str]) -> None:
    said = signin.claims("support", site.address, name=HOSTILE[1], email=HOSTILE[0], roles=roles)
    cookies = signin.cookie(said)
    site.context.add_cookies([{"name": name, "value": value, "url": site.address} for name, value in cookies.items()])


def settled(page: Page) -> None:
    # By its tag: while a list is open, the rest of the page has no roles.
    expect(page.locator("h1").first).to_be_visible()
    expect(page.get_by_test_id("stApp")).to_have_attribute("data-test-script-state", "notRunning")
    expect(page.get_by_test_id("stSkeleton")).to_have_count(0)


def only_text(page: Page) -> None:
    settled(page)
    assert page.evaluate(FOUND, list(PAGE_NAMES)) == []


def open_page(site: Site, page: Page, name: str, **query: str | list[str]) -> None:
    page.goto(f"{site.address}/{name}?{urlencode(query, doseq=True)}")
    settled(page)


def shown(page: Page, text: str) -> None:
    """As it was typed, to the last character."""
    page.wait_for_function(
        "text => [...document.querySelectorAll('[data-testid=stText]')].some(e => e.textContent.includes(text))",
        arg=text,
    )


def test_the_desk_shows_people_as_they_are_written(site: Site, page: Page) -> None:
    for each in (Person(0, REGISTERED), Person(2, UNTRIED)):
        open_page(site, page, "validate", registration_id=each.registration_id)
        shown(page, each.name)
        shown(page, each.email)
        if each.number != UNTRIED:
            page.get_by_text("Details", exact=True).click()
        only_text(page)
    each = Person(1, DECIDED)
    open_page(site, page, "user_lookup", user_id=each.user_id)
    shown(page, each.user_id)
    shown(page, each.name)
    page.get_by_text("Details", exact=True).click()
    only_text(page)


def test_a_decision_and_its_note_are_text(site: Site, page: Page) -> None:
    each = Person(0, WAITING)
    open_page(site, page, "review", event_id=each.event_id)
    shown(page, each.registration_id)
    only_text(page)
    page.get_by_role("button", name="Reason and note").click()
    page.get_by_label("Note (optional)").fill(HOSTILE[0])
    page.keyboard.press("Escape")
    armed(page)
    page.get_by_role("button", name="Reject").click()
    expect(page.locator(".st-key-toast")).to_contain_text("Rejected")
    only_text(page)
    open_page(site, page, "validate", registration_id=each.registration_id)
    shown(page, HOSTILE[0])
    only_text(page)


def test_the_event_pages_show_events_as_they_are_named(site: Site, page: Page) -> None:
    open_page(site, page, "event_overview", event_id=HOSTILE[1], people="registered")
    expect(page.locator(".js-plotly-plot")).to_have_count(5)
    expect(page.locator(".st-key-people table")).to_be_attached()
    page.get_by_text("Records that expire").click()
    hover_bars(page)
    for title, ask, begin in (
        ("Run the checks on photos already sent", "Check these photos…", "batch-start"),
        ("Check the reference photos", "Start the check…", "check-start"),
    ):
        page.get_by_text(title).click()
        page.get_by_role("button", name=ask).click()
        expect(page.get_by_role("dialog").get_by_test_id("stText")).to_have_text(HOSTILE[1])
        only_text(page)
        page.locator(f".st-key-{begin} button").click()
        expect(page.get_by_role("dialog")).to_have_count(0)
        expect(page.get_by_role("button", name="Close").first).to_be_visible()
        only_text(page)


def test_the_statistics_show_groups_as_they_are_named(site: Site, page: Page) -> None:
    open_page(site, page, "statistics", event_id=list(HOSTILE), split="Source")
    for text in HOSTILE:
        shown(page, text)
    # Of gender and smile: what is no age is not shown as one.
    expect(page.get_by_text("too few to judge by")).to_have_count(2)
    only_text(page)
    hover_bars(page)


def hover_bars(page: Page) -> None:
    """What a chart says of its bars is text too."""
    for chart in page.locator(".js-plotly-plot:has(.bars path)").all():
        chart.scroll_into_view_if_needed()
        across, down, area = chart.evaluate(LARGEST_BAR)
        if area:
            page.mouse.move(across, down)
            expect(chart.locator(".hoverlayer text").first).to_be_attached()
    only_text(page)


def test_the_audit_trail_shows_what_it_was_told(site: Site, page: Page) -> None:
    open_page(site, page, "audit", who=HOSTILE[1], span="7 days")
    table = page.get_by_test_id("stDataFrame").bounding_box()
    assert table
    cells = []
    for across in range(200, 1100, 150):
        page.mouse.dblclick(table["x"] + across, table["y"] + 60)
        cells += [cell.input_value() for cell in page.locator(".gdg-style textarea").all()]
        only_text(page)
        page.keyboard.press("Escape")
    assert HOSTILE[1] in cells


@pytest.mark.parametrize("name", PAGE_NAMES)
def test_no_page_makes_anything_of_its_address_or_its_fields(site: Site, page: Page, name: str) -> None:
    parameters = ("registration_id", "user_id", "event_id", "q", "span", "split", "days", "threshold", "since", "who")
    text = HOSTILE[len(name) % len(HOSTILE)]
    open_page(site, page, name, **dict.fromkeys((*parameters, "person", "action", "result", "number"), text))
    only_text(page)
    for field in page.locator("input[type=text]:visible, textarea:visible").all():
        if field.is_editable():
            field.fill(HOSTILE[0][:80])
            if field.get_attribute("role") != "combobox":  # those search among what there is
                field.press("Enter")
            only_text(page)
            field.press("Escape")


def test_an_address_without_a_page_is_said_as_text(site: Site, page: Page) -> None:
    page.goto(f"{site.address}/{quote(HOSTILE[1], safe='')}")
    only_text(page)


def test_whoever_has_no_role_sees_text_too(site: Site, page: Page) -> None:
    sign_in(site, ["visitor"])
    open_page(site, page, "validate", registration_id=HOSTILE[0], q=HOSTILE[1])
    shown(page, HOSTILE[1])
    only_text(page)


def test_the_sign_in_page_has_nothing_of_the_address(site: Site, page: Page) -> None:
    site.context.clear_cookies()
    page.goto(f"{site.address}/validate?{urlencode({'registration_id': HOSTILE[0], 'q': HOSTILE[1]})}")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    assert page.evaluate(FOUND, list(PAGE_NAMES)) == []
    assert "evil" not in page.content()


def test_files_and_what_is_wrong_with_them_are_said_as_text(site: Site, page: Page) -> None:
    named = "www.evil.example a@evil.example ![x](evil) <img src=evil> :cat: $evil$"
    open_page(site, page, "start")
    give = page.locator("input[type=file]")
    photos = {"name": f"{named}.zip", "mimeType": "application/zip", "buffer": archive(named)}
    with page.expect_response(lambda response: "upload_file" in response.url):
        give.nth(1).set_input_files(photos)
    give.nth(0).set_input_files({"name": f"{named}.csv", "mimeType": "text/csv", "buffer": table()})
    page.get_by_role("button", name=re.compile("^Import .* registrations$")).click()
    expect(page.get_by_text("These lines were not imported")).to_be_visible()
    only_text(page)
    unknown = f"{named},name,name\n1".encode()
    give.nth(0).set_input_files({"name": f"{named}.txt", "mimeType": "text/plain", "buffer": unknown})
    expect(page.get_by_text("Choose below which column has the user id")).to_be_visible()
    only_text(page)
    open_page(site, page, "validate", registration_id=Person(0, UNTRIED).registration_id)
    page.locator("input[type=file]").set_input_files(
        {"name": f"{named}.jpg", "mimeType": "image/jpeg", "buffer": b"not a photo at all"}
    )
    page.get_by_role("button", name="Validate").click()
    expect(page.get_by_text("Nothing was recorded.")).to_be_visible()
    only_text(page)
    page.get_by_text("Photo already in the store").click()
    page.get_by_label("Its key in the photo store").fill(HOSTILE[1])
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Validate").click()
    expect(page.get_by_text("There is no photo under this key")).to_be_visible()
    only_text(page)


def test_an_erasure_is_receipted_as_text(site: Site, page: Page) -> None:
    person = Person(2, UNTRIED).user_id
    open_page(site, page, "erasure", user_id=person)
    page.get_by_label("Type the user id to erase all of this").fill(person)
    page.keyboard.press("Enter")
    only_text(page)
    page.get_by_role("button", name="Erase for good").click()
    shown(page, f"by {HOSTILE[0]}")
    only_text(page)
