"""What a page sends to the browser: photos inside the session alone, and nobody's text as markdown."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from PIL import Image
from streamlit.testing.v1 import AppTest

from core.domain.duplicates import Answer
from core.domain.errors import Refused
from core.domain.records import Box, Decision, Source, ValidationRecord
from core.runtime.services import Services
from core.services.validation import Submitter
from core.settings import Settings
from dashboard import services as dashboard_services
from dashboard.parts import photos
from tests.pages.test_validate import down, press, text_of
from tests.support.app import RunPage
from tests.support.desk import REFERENCE_KEY, REGISTERED, Desk
from tests.support.records import a_foreign_item

ANYBODY = Submitter(Source.API)
DATA_URI = "data:image/jpeg;base64,"
MAX_THUMBNAIL_BYTES = 15 * 1024
BLUE = "#0000ff"

#: A text that would link, load, draw and run something if it were read as markdown, and what would do it.
HOSTILE = '=HYPERLINK("http://x") ![](http://x/y.png) :material/x: <img src=x onerror=1>'
DANGEROUS = ("http://", "![", ":material/x:", "<img")
#: Where the browser shows text as it is (message, field): whatever else is text may be read as markdown.
PLAIN = {
    ("Text", "body"),
    ("Code", "code_text"),
    ("TextInput", "default"),
    ("TextInput", "value"),
    ("Selectbox", "options"),
    ("Selectbox", "raw_value"),
    ("MultiSelect", "options"),
    ("MultiSelect", "raw_values"),
    ("LinkButton", "url"),
    ("PageLink", "query_string"),
}
IDS = {"id", "form_id", "element_hash"}
_ESCAPED = re.compile(r"\\.")


def messages(app: AppTest) -> Iterator[Message]:
    """All that the page sent, element by element."""

    def walk(node: Any) -> Iterator[Message]:
        if isinstance(proto := getattr(node, "proto", None), Message):
            yield proto
        for child in getattr(node, "children", {}).values():
            yield from walk(child)

    return walk(app._tree)


def texts(message: Message) -> Iterator[tuple[str, str, str]]:
    """(message, field, text) of every text in ``message``, nested ones included; tables are bytes, not text."""
    for field, value in message.ListFields():
        values = list(value) if field.is_repeated else [value]
        for each in values:
            if field.type == FieldDescriptor.TYPE_MESSAGE:
                if isinstance(each, Message):
                    yield from texts(each)
            elif field.type == FieldDescriptor.TYPE_STRING:
                yield message.DESCRIPTOR.name, field.name, each


def read_as_markdown(app: AppTest) -> list[tuple[str, str, str]]:
    """The texts that may be rendered as markdown with something dangerous in them, not escaped."""
    return [
        (message, field, text)
        for proto in messages(app)
        for message, field, text in texts(proto)
        if (message, field) not in PLAIN and field not in IDS
        if any(dangerous in _ESCAPED.sub("", text) for dangerous in DANGEROUS)
    ]


def photo_in(uri: str) -> Image.Image:
    assert uri.startswith(DATA_URI)
    return Image.open(io.BytesIO(base64.b64decode(uri.removeprefix(DATA_URI)))).convert("RGB")


def noise(side: int) -> bytes:
    """What no compression makes small; a JPEG."""
    out = io.BytesIO()
    Image.frombytes("RGB", (side, side), os.urandom(3 * side * side)).save(out, "JPEG", quality=95)
    return out.getvalue()


@pytest.fixture
def validated(desk: Desk, astronaut_jpeg: bytes) -> None:
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)


@pytest.mark.usefixtures("validated")
@pytest.mark.parametrize(
    ("page", "query"), [("validate", {"registration_id": "reg-1"}), ("user_lookup", {"user_id": "user-1"})]
)
def test_no_photo_has_an_address_that_others_could_open(run_page: RunPage, page: str, query: dict[str, str]) -> None:
    sent = [message.SerializeToString() for message in messages(run_page(page, **query))]
    assert sum(message.count(DATA_URI.encode()) for message in sent) >= 3
    assert not [message for message in sent if b"/media/" in message]


def test_a_photo_given_as_bytes_would_have_such_an_address(astronaut_jpeg: bytes) -> None:
    def script(photo: bytes) -> None:
        import streamlit as st

        st.image(photo)

    app = AppTest.from_function(script, args=(astronaut_jpeg,)).run()
    assert any(b"/media/" in message.SerializeToString() for message in messages(app))


@pytest.fixture
def boxed(run_page: RunPage, desk: Desk) -> Image.Image:
    """A grey photo of 200x200 pixels with a blue box from (50, 50) to (150, 150)."""
    out = io.BytesIO()
    Image.new("RGB", (400, 400), "#808080").save(out, "JPEG")
    desk.photos.put("grey.jpg", out.getvalue())
    return photo_in(photos.data_uri("grey.jpg", 200, Box(left=0.25, top=0.25, width=0.5, height=0.5), BLUE))


@pytest.mark.parametrize("place", [(50, 100), (149, 100), (100, 50), (100, 149)])
def test_the_box_is_drawn_on_its_place_in_its_colour(boxed: Image.Image, place: tuple[int, int]) -> None:
    red, green, blue = boxed.getpixel(place)
    assert max(red, green) < 40
    assert blue > 100


def test_what_the_box_surrounds_stays_visible(boxed: Image.Image) -> None:
    assert all(
        abs(value - 0x80) < 8 for low_high in boxed.crop((68, 68, 140, 140)).getextrema() for value in low_high
    )


@pytest.mark.usefixtures("boxed")
def test_the_faces_of_others_are_drawn_in_thin_white_lines() -> None:
    other = Box(left=0.5, top=0.1, width=0.25, height=0.25)
    uri = photos.data_uri("grey.jpg", 400, Box(left=0.1, top=0.1, width=0.25, height=0.25), BLUE, others=(other,))
    image = photo_in(uri)
    assert min(image.getpixel((250, 40))) > 180
    assert max(image.getpixel((90, 40))[:2]) < 60


@pytest.mark.usefixtures("run_page")
@pytest.mark.parametrize(
    "box",
    [
        Box(left=-0.2, top=-0.3, width=1.5, height=1.8),
        Box(left=0.5, top=0.5, width=0, height=0),
        Box(left=2, top=2, width=0.5, height=0.5),
    ],
    ids=["beyond every edge", "a point", "outside"],
)
def test_a_box_that_does_not_fit_spoils_nothing(desk: Desk, box: Box) -> None:
    assert photo_in(photos.data_uri(REFERENCE_KEY, 200, box, BLUE)).size == (200, 200)


@pytest.mark.usefixtures("run_page")
def test_a_photo_on_a_page_is_no_larger_than_asked(desk: Desk) -> None:
    assert max(photo_in(photos.data_uri(REFERENCE_KEY, 300)).size) == 300


@pytest.mark.usefixtures("run_page")
@pytest.mark.parametrize("side", [100, 1920])
def test_a_thumbnail_is_small_whatever_the_photo(desk: Desk, side: int) -> None:
    desk.photos.put("noise.jpg", noise(side))
    uri = photos.thumbnail("noise.jpg", blurred=False)
    assert uri is not None
    assert len(uri) < MAX_THUMBNAIL_BYTES


@pytest.mark.usefixtures("validated")
def test_the_history_has_a_thumbnail_for_each_record(run_page: RunPage) -> None:
    (uri,) = run_page("user_lookup", user_id="user-1").dataframe[0].value["Photo"]
    assert max(photo_in(uri).size) == photos.THUMBNAIL_SIDE


@pytest.mark.usefixtures("run_page")
def test_no_key_is_no_thumbnail() -> None:
    assert photos.thumbnail(None, blurred=False) is None


@pytest.mark.usefixtures("run_page")
def test_a_missing_photo_is_no_thumbnail() -> None:
    assert photos.thumbnail("none.jpg", blurred=False) is None


def test_a_photo_that_came_back_is_shown(run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as outage:
        outage.setattr(desk.photos, "get", down("photos"))
        run_page("validate", registration_id="reg-1")
    assert run_page("validate", registration_id="reg-1").get("image")


def test_a_registration_without_a_reference_photo_says_so(run_page: RunPage) -> None:
    assert "Reference photo: none" in text_of(run_page("validate", registration_id="reg-2"))


def test_a_missing_file_is_a_sentence(run_page: RunPage, desk: Desk) -> None:
    desk.registrations.import_many([REGISTERED.model_copy(update={"reference_photo_key": "none.jpg"})])
    assert [warning.value for warning in run_page("validate", registration_id="reg-1").warning] == [
        "Reference photo: the file is missing or is not a photo"
    ]


def test_a_file_that_is_no_photo_is_a_sentence(run_page: RunPage, desk: Desk) -> None:
    desk.photos.put(REFERENCE_KEY, b"only text")
    assert [warning.value for warning in run_page("validate", registration_id="reg-1").warning] == [
        "Reference photo: the file is missing or is not a photo"
    ]


def test_photos_out_of_reach_are_a_sentence(run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.photos, "get", down("photos"))
    assert [warning.value for warning in run_page("validate", registration_id="reg-1").warning] == [
        "Reference photo: the photo store cannot be reached"
    ]


class Session:
    """Stands for Streamlit's session of a page that is being drawn; ``reruns`` has the link of each further run."""

    def __init__(self) -> None:
        self._scriptrunner: object | None = object()
        self._client_state = ""
        self.reruns: list[str] = []

    def has_been_drawn(self) -> None:
        self._scriptrunner, self._client_state = None, "user_id=user-1"

    def request_rerun(self, client_state: str) -> None:
        self.reruns.append(client_state)


def test_a_page_that_is_being_drawn_keeps_its_address_after_an_erasure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session = Session()
    info = SimpleNamespace(session=session)

    async def erased_meanwhile() -> None:
        objects = SimpleNamespace(eventloop=asyncio.get_running_loop())
        sessions = SimpleNamespace(get_active_session_info={"open": info}.get)
        instance = SimpleNamespace(_session_mgr=sessions, _get_async_objs=lambda: objects)
        monkeypatch.setattr(photos.runtime, "exists", lambda: True)
        monkeypatch.setattr(photos.runtime, "get_instance", lambda: instance)
        monkeypatch.setattr(photos, "_showing", {"open", "closed"})
        photos.forget()
        await asyncio.sleep(2 * photos.DRAWN_AFTER)
        assert session.reruns == []
        session.has_been_drawn()
        while not session.reruns:
            await asyncio.sleep(photos.DRAWN_AFTER)

    asyncio.run(asyncio.wait_for(erased_meanwhile(), 30))
    assert session.reruns == ["user_id=user-1"]


@pytest.fixture
def hostile(desk: Desk, astronaut_jpeg: bytes) -> None:
    """``HOSTILE`` stands wherever people, files and other services can put a text; of one person a waiting, a failed
    and a decided case.
    """
    person = REGISTERED.model_copy(
        update={"user_id": HOSTILE, "event_id": HOSTILE, "name": HOSTILE, "email": HOSTILE}
    )
    submitter = Submitter(HOSTILE, HOSTILE, HOSTILE)  # type: ignore[arg-type]
    for case, similarity in (("waiting", 75), ("failed", 12), ("decided", 75)):
        desk.registrations.import_many([person.model_copy(update={"registration_id": HOSTILE + case})])
        desk.photos.put(HOSTILE + case, astronaut_jpeg)
        desk.engine.similarity = similarity
        record = desk.validation.validate_stored(HOSTILE + case, HOSTILE + case, case, submitter).record
    desk.validation.decide(record, Decision.REJECTED, HOSTILE, "FACE_MISMATCH", HOSTILE)


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("case", ["waiting", "failed", "decided"])
@pytest.mark.parametrize("page", ["validate", "user_lookup"])
def test_nobodys_text_in_a_case_is_read_as_markdown(run_page: RunPage, page: str, case: str) -> None:
    app = run_page(page, user_id=HOSTILE, registration_id=HOSTILE + case)
    assert app.get("plotly_chart")
    assert read_as_markdown(app) == []


@pytest.mark.usefixtures("hostile")
def test_nobodys_text_on_a_pair_is_read_as_markdown(run_page: RunPage, desk: Desk, services: Services) -> None:
    pair = HOSTILE + "decided", HOSTILE + "failed"
    desk.faces.pairs = [(*pair, 97.5)]
    services.duplicates.set_switch(HOSTILE, True, HOSTILE, HOSTILE)
    services.duplicates.search(HOSTILE, threading.Event())
    services.duplicates.answer(HOSTILE, *pair, Answer.SAME, HOSTILE, HOSTILE)
    app = run_page("duplicates", event_id=HOSTILE, answers="all")
    assert len(app.get("image")) == 2
    assert text_of(app).count(HOSTILE) > 6
    assert read_as_markdown(app) == []


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize("page", ["validate", "user_lookup"])
def test_nobodys_text_among_the_matches_is_read_as_markdown(run_page: RunPage, desk: Desk, page: str) -> None:
    other = REGISTERED.model_copy(update={"user_id": "other", "registration_id": "other", "email": HOSTILE})
    desk.registrations.import_many([other])
    app = run_page(page)
    app.text_input(key="q").input(HOSTILE).run()
    assert len(app.selectbox(key="match").options) > 1
    assert read_as_markdown(app) == []


@pytest.mark.usefixtures("hostile")
@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("event_overview", {}),
        ("statistics", {}),
        ("statistics", {"split": "Event"}),
        ("statistics", {"split": "Source", "threshold": "90"}),
        ("review", {}),
    ],
)
def test_nobodys_text_on_an_events_page_is_read_as_markdown(
    run_page: RunPage, page: str, query: dict[str, str]
) -> None:
    app = run_page(page, event_id=HOSTILE, **query)
    assert app.get("plotly_chart")
    assert read_as_markdown(app) == []


def test_what_another_service_wrote_is_not_read_as_markdown(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = a_foreign_item(
        validationStatus="failed",
        failureReasons=[HOSTILE, HOSTILE],
        attributes={HOSTILE: HOSTILE, "brightness": HOSTILE},
        faceImageKey=HOSTILE,
        metadata={"eventId": HOSTILE, "source": HOSTILE},
    )
    monkeypatch.setattr(desk.records, "get", lambda user_id, registration_id: ValidationRecord.from_item(item))
    app = run_page("validate", registration_id="reg-1")
    assert app.code
    assert read_as_markdown(app) == []


def test_a_failure_that_quotes_a_text_is_not_read_as_markdown(
    run_page: RunPage, desk: Desk, astronaut_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object) -> None:
        raise Refused("validation records", "UnreadableRecord", HOSTILE)

    desk.engine.similarity = 75
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)
    app = run_page("validate", registration_id="reg-1")
    monkeypatch.setattr(desk.records, "decide", refuse)
    press(app, "Approve")
    assert app.error
    assert read_as_markdown(app) == []


def test_what_a_table_says_is_not_read_as_markdown(run_page: RunPage) -> None:
    cell = '"' + HOSTILE.replace('"', '""') + '"'
    table = "registrationId,userId,eventId,name,email,photo\n" + ",".join([cell] * 6)
    app = run_page("start")
    app.file_uploader(key="table").upload("people.csv", table.encode()).run()
    assert len(app.dataframe[1].value) == 1
    assert read_as_markdown(app) == []


def test_what_a_list_calls_its_columns_is_not_read_as_markdown(run_page: RunPage) -> None:
    cell = '"' + HOSTILE.replace('"', '""') + '"'
    app = run_page("start")
    app.file_uploader(key="table").upload("people.csv", f"{cell},{cell},name,name\n1,2,3,4\n".encode()).run()
    assert HOSTILE in app.dataframe[0].value.columns
    assert read_as_markdown(app) == []


def test_a_collections_name_is_not_read_as_markdown(
    run_page: RunPage, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = replace(services, importer=None, settings=Settings(mongodb_collection=HOSTILE))
    monkeypatch.setattr(dashboard_services, "build", lambda _settings: reading)
    assert read_as_markdown(run_page("start")) == []
