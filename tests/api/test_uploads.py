"""Uploading files to pages: from whom, to which address, and how much is kept for how long."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from starlette.types import Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.uploaded_file_manager import UploadedFileRec

from core.domain.roles import Principal, Role
from core.settings import Settings
from dashboard.access import gate as gates
from dashboard.access import uploads
from dashboard.access.gate import Gate
from dashboard.access.uploads import Refused, Uploads
from tests.api.test_websocket import ORIGIN, SIGN_IN, Streamlit, cookie_of, scope, use
from tests.support import signin

pytestmark = pytest.mark.usefixtures("shared_services")
MB = 1024 * 1024
FILE = ("page", "file-1")
PATH = "/_stcore/upload_file/page/file-1"


class Pages(Streamlit):
    """Streamlit with its store of files, where the gate stands before it."""

    def __init__(self) -> None:
        super().__init__()
        self.files = MemoryUploadedFileManager("/_stcore/upload_file")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await super().__call__(scope, receive, send)
            return
        *_, page, file_id = scope["path"].split("/")
        body = b""
        while (message := await receive())["type"] == "http.request":
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if scope["method"] == "PUT":
            self.files.add_file(page, UploadedFileRec(file_id, "x.jpg", "image/jpeg", body))
        else:
            self.files.remove_file(page, file_id)
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    @property
    def kept(self) -> list[str]:
        return [file_id for page in self.files.file_storage.values() for file_id in page]


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Pages:
    made = Pages()
    monkeypatch.setattr(gates, "_files", lambda: made.files)
    return made


def ask_addresses(*names: str) -> bytes:
    asked = BackMsg()
    asked.file_urls_request.file_names.extend(names)
    return asked.SerializeToString()


def issue(gate: Gate, cookies: dict[str, str], *names: str) -> None:
    """Have the gate see that these addresses are handed out to the owner of the cookies."""
    asyncio.run(use(gate, scope(cookies), ask_addresses(*names)))


def put(gate: Gate, cookies: dict[str, str], data: bytes = b"photo", method: str = "PUT", **more: Any) -> int:
    async def ask() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(gate), base_url=ORIGIN, cookies=cookies) as client:
            return (await client.request(method, PATH, content=data or None, **more)).status_code

    return asyncio.run(ask())


def test_a_file_is_taken_at_an_address_of_the_callers_own(pages: Pages) -> None:
    gate, cookies = Gate(pages, SIGN_IN), cookie_of("support")
    issue(gate, cookies, "file-1")
    assert put(gate, cookies) == 204
    assert pages.kept == ["file-1"]
    assert put(gate, cookies, b"", "DELETE") == 204
    assert pages.kept == []


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_another_persons_address_is_closed(pages: Pages, method: str) -> None:
    gate, mine = Gate(pages, SIGN_IN), cookie_of("support")
    issue(gate, mine, "file-1")
    assert put(gate, mine) == 204
    assert put(gate, cookie_of("admin"), b"other", method) == 403
    assert put(gate, signin.cookie(signin.claims("support", ORIGIN) | {"nonce": "again"}), b"other", method) == 403
    assert pages.files.get_files(*FILE[:1], ["file-1"])[0].data == b"photo"


def test_an_address_that_was_never_handed_out_is_closed(pages: Pages) -> None:
    assert put(Gate(pages, SIGN_IN), cookie_of("support")) == 403


@pytest.mark.parametrize("person", ["manager", "analyst", "nobody"])
def test_a_role_without_an_uploader_uploads_nothing(pages: Pages, person: str) -> None:
    gate, cookies = Gate(pages, SIGN_IN), cookie_of(person)
    issue(gate, cookies, "file-1")
    assert put(gate, cookies) == 403
    assert pages.kept == []


def test_a_stranger_uploads_nothing(pages: Pages) -> None:
    assert put(Gate(pages, SIGN_IN), {}) == 401


def test_without_its_length_no_file_is_taken(pages: Pages) -> None:
    async def parts() -> Any:
        yield b"photo"

    gate, cookies = Gate(pages, SIGN_IN), cookie_of("support")
    issue(gate, cookies, "file-1")
    assert put(gate, cookies, parts()) == 411  # type: ignore[arg-type]


def test_another_method_is_refused(pages: Pages) -> None:
    assert put(Gate(pages, Settings()), {}, b"", "GET") == 405


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class TestBudgets:
    support = Principal(id="s", name=None, roles=frozenset({Role.SUPPORT}))
    admin = Principal(id="a", name=None, roles=frozenset({Role.ADMIN}))

    def of(self, *, uploads_mb: int = 1024) -> Uploads:
        settings = Settings(max_upload_mb=10, uploads_mb=uploads_mb)
        made = Uploads(settings, 100 * MB, lambda: None)
        made.issue("mine", [("p", str(number)) for number in range(100)])
        made.issue("theirs", [("q", str(number)) for number in range(100)])
        return made

    def test_a_photo_has_the_limit_of_photos_and_a_list_that_of_lists(self) -> None:
        budget = self.of()
        with pytest.raises(Refused) as refused:
            budget.reserve("mine", self.support, ("p", "0"), 11 * MB)
        assert refused.value.status == 413
        budget.reserve("mine", self.admin, ("p", "0"), 90 * MB)

    def test_one_person_fills_their_own_budget_alone(self) -> None:
        budget = self.of()
        for number in range(uploads.PHOTOS_AT_ONCE):
            budget.reserve("mine", self.support, ("p", str(number)), 10 * MB)
        with pytest.raises(Refused):
            budget.reserve("mine", self.support, ("p", "99"), 10 * MB)
        assert budget.bytes == uploads.PHOTOS_AT_ONCE * 10 * MB
        budget.reserve("theirs", self.support, ("q", "0"), 10 * MB)

    def test_all_together_fill_that_of_the_process(self) -> None:
        budget = self.of(uploads_mb=15)
        budget.reserve("mine", self.support, ("p", "0"), 10 * MB)
        with pytest.raises(Refused) as refused:
            budget.reserve("theirs", self.support, ("q", "0"), 10 * MB)
        assert refused.value.status == 503

    def test_what_is_deleted_or_failed_is_given_back(self) -> None:
        budget = self.of(uploads_mb=15)
        budget.reserve("mine", self.support, ("p", "0"), 10 * MB)
        budget.release(("p", "0"))
        assert budget.bytes == 0
        budget.reserve("theirs", self.support, ("q", "0"), 10 * MB)

    def test_a_file_put_again_counts_once(self) -> None:
        budget = self.of()
        for _ in range(20):
            budget.reserve("mine", self.support, ("p", "0"), 10 * MB)
        assert budget.bytes == 10 * MB


class TestUnused:
    @pytest.fixture
    def time(self) -> Time:
        return Time()

    @pytest.fixture
    def kept(self, time: Time, pages: Pages) -> Uploads:
        """One uploaded file."""
        made = Uploads(Settings(), 100 * MB, lambda: pages.files, time)
        made.issue("mine", [FILE])
        made.reserve("mine", TestBudgets.support, FILE, 5)
        pages.files.add_file(FILE[0], UploadedFileRec(FILE[1], "x.jpg", "image/jpeg", b"photo"))
        return made

    def after(self, kept: Uploads, time: Time, seconds: float, *, open_: bool = True) -> int:
        time.now += seconds
        kept.sweep(lambda _page: open_)
        return kept.bytes

    def test_a_file_that_a_field_holds_stays(self, kept: Uploads, time: Time, pages: Pages) -> None:
        kept.hold("mine", {"file-1"})
        assert self.after(kept, time, 100_000) == 5
        assert pages.kept == ["file-1"]

    def test_a_file_that_no_field_holds_any_more_is_dropped(self, kept: Uploads, time: Time, pages: Pages) -> None:
        kept.hold("mine", {"file-1"})
        kept.hold("mine", set(), {"file-1"})
        assert self.after(kept, time, uploads.UNUSED_SECONDS / 2) == 5
        assert self.after(kept, time, uploads.UNUSED_SECONDS) == 0
        assert pages.kept == []

    def test_a_file_of_a_form_that_is_never_sent_is_dropped(self, kept: Uploads, time: Time) -> None:
        assert self.after(kept, time, uploads.UNSENT_SECONDS - 1) == 5
        assert self.after(kept, time, 2) == 0

    def test_the_files_of_a_page_that_was_left_are_dropped(self, kept: Uploads, time: Time) -> None:
        kept.hold("mine", {"file-1"})
        assert self.after(kept, time, 100_000, open_=False) == 5
        assert self.after(kept, time, uploads.UNUSED_SECONDS + 1, open_=False) == 0

    def test_a_page_that_comes_back_in_time_keeps_its_files(self, kept: Uploads, time: Time) -> None:
        self.after(kept, time, 10, open_=False)
        self.after(kept, time, uploads.UNUSED_SECONDS / 2)
        kept.hold("mine", {"file-1"})
        assert self.after(kept, time, 100_000) == 5

    def test_nobody_holds_another_persons_files(self, kept: Uploads, time: Time) -> None:
        kept.hold("theirs", {"file-1"})
        assert self.after(kept, time, uploads.UNSENT_SECONDS + 1) == 0

    def test_an_address_that_was_not_used_is_forgotten(self, time: Time) -> None:
        made = Uploads(Settings(), 100 * MB, lambda: None, time)
        made.issue("mine", [FILE])
        self.after(made, time, uploads.ADDRESS_SECONDS + 1)
        with pytest.raises(Refused):
            made.of("mine", FILE)
