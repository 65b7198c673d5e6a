"""A running installation where people sign in, while strangers and signed-in people send what no page sends."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import ConnectionClosed, InvalidStatus

from core.services.tokens import new_token, setting
from dashboard.access.websocket import BURST_SECONDS, MESSAGES_A_SECOND
from tests.api.conftest import BARE
from tests.support import knocking, pages_socket, signin
from tests.support.browser import ROOT, dashboard_process
from tests.support.portraits import as_jpeg, astronaut
from tests.support.servers import free_port

MB = 1024 * 1024
#: Messages of each caller: a bit over a thousand in all.
MESSAGES = 180
#: Messages on one websocket: as many as pass at once.
EACH = int(MESSAGES_A_SECOND * BURST_SECONDS) - 2
REGISTRATION = "sample-0001"
CALLERS = ["support", "manager", "analyst", "admin", "nobody"]


@dataclass(frozen=True)
class Desk:
    process: int
    address: str
    token: str

    def cookies(self, person: str) -> dict[str, str]:
        return signin.cookie(signin.claims(person, self.address))

    def validate(self) -> httpx.Response:
        return httpx.post(
            f"{self.address}/api/registrations/{REGISTRATION}/validate-face-image",
            files={"photo": ("me.jpg", as_jpeg(astronaut()), "image/jpeg")},
            headers={"Authorization": f"Bearer {self.token}"},
            timeout=60,
        )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    folder, port = tmp_path_factory.mktemp("strangers"), free_port()
    token, hashed = new_token()
    environment = {
        **BARE,
        **signin.settings(f"http://localhost:{port}"),
        "FACEDESK_DATA_DIR": str(folder / "data"),
        "API_TOKENS": f"[{setting('kiosk', hashed, ['support'], [])}]",
    }
    load = [sys.executable, "-m", "core", "sample", "--registrations", "20"]
    subprocess.run(load, cwd=ROOT, env={**os.environ, **environment}, check=True, stdout=subprocess.DEVNULL)
    with dashboard_process(environment, folder / "log", port) as (process, address):
        started = Desk(process.pid, address, token)
        assert started.validate().json()["status"] == "success"
        yield started


@contextmanager
def asked_meanwhile(desk: Desk) -> Iterator[None]:
    """Validates photos and asks for health until the end of the block; fails if one is not answered as it should."""
    ended = threading.Event()

    def ask() -> None:
        while not ended.is_set():
            assert httpx.get(f"{desk.address}/api/health", timeout=60).status_code == 200
            answer = desk.validate().json()
            # Closed services answered 500, or said that the engine was out of reach.
            assert answer["status"] == "success"
            assert answer["data"]["validationStatus"] == "success"

    with ThreadPoolExecutor(1) as threads:
        asking = threads.submit(ask)
        try:
            yield
        finally:
            ended.set()
        asking.result()


def converse(desk: Desk, person: str, session: str = "", *, seed: int) -> None:
    """Send messages made up by chance, on as many websockets as it takes."""
    made_up = iter(list(knocking.messages(seed, MESSAGES)))
    while batch := list(itertools.islice(made_up, EACH)):
        with pages_socket.opened(desk.address, desk.cookies(person), session) as connection:
            for each in batch:
                connection.send(each)
            pages_socket.heard(connection)


@pytest.mark.parametrize("person", CALLERS)
def test_no_message_of_a_role_closes_what_all_share(desk: Desk, person: str) -> None:
    with asked_meanwhile(desk):
        converse(desk, person, seed=CALLERS.index(person))


def test_nobody_goes_on_with_another_persons_page(desk: Desk) -> None:
    with pages_socket.opened(desk.address, desk.cookies("support")) as theirs:
        session = pages_socket.page_session(theirs)
        with pages_socket.opened(desk.address, desk.cookies("manager"), session) as others:
            assert pages_socket.page_session(others) != session
        with asked_meanwhile(desk):
            converse(desk, "manager", session, seed=99)
        pages_socket.send(theirs, pages_socket.rerun("review"))
        pages_socket.finish(theirs)


def test_strangers_are_refused_and_leave_nothing_behind(desk: Desk) -> None:
    before = knocking.descriptors(desk.process)
    with asked_meanwhile(desk), ThreadPoolExecutor(20) as threads:
        assert not any(threads.map(knocking.knock, itertools.repeat(desk.address, 300)))
    assert_soon(lambda: knocking.descriptors(desk.process) <= before + 10)


def test_memory_does_not_grow_with_messages(desk: Desk) -> None:
    """What more than a thousand of them leave behind; each caller has come before, so that all is loaded."""
    before = knocking.resident_bytes(desk.process)
    for number, person in enumerate([*CALLERS, "support"]):
        converse(desk, person, seed=200 + number)
    assert len(CALLERS) * MESSAGES + MESSAGES > 1000
    assert knocking.resident_bytes(desk.process) - before < 50 * MB


def test_a_message_that_is_never_finished_is_not_kept(desk: Desk) -> None:
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += MB
            yield bytes(MB)

    with pages_socket.opened(desk.address, desk.cookies("support")) as connection, pytest.raises(ConnectionClosed):
        connection.send(endless())
    assert sent < 50 * MB  # what both ends' sockets hold is in it


def test_an_upload_reaches_the_page_that_asked_for_its_address(desk: Desk) -> None:
    cookies = desk.cookies("support")
    with pages_socket.opened(desk.address, cookies) as connection:
        pages_socket.page_session(connection)
        asked = BackMsg()
        asked.file_urls_request.file_names.append("me.jpg")
        pages_socket.send(connection, asked)
        (urls,) = pages_socket.until(connection, "file_urls_response").file_urls_response.file_urls
        token = pages_socket.generate_xsrf_token_string()

        def put(by: dict[str, str]) -> int:
            return httpx.put(
                desk.address + urls.upload_url,
                files={"file": ("me.jpg", b"a photo", "image/jpeg")},
                headers={"X-Xsrftoken": token},
                cookies={**by, pages_socket.XSRF_COOKIE: token},
            ).status_code

        assert put(desk.cookies("admin")) == 403
        assert put({}) == 401
        assert put(cookies) == 204


def test_a_refused_stranger_is_told_nothing(desk: Desk) -> None:
    with pytest.raises(InvalidStatus) as refused, pages_socket.opened(desk.address):
        pass
    assert refused.value.response.status_code == 403
    assert not refused.value.response.body


def assert_soon(condition: object) -> None:
    assert callable(condition)
    for _ in range(600):
        if condition():
            return
        time.sleep(0.1)
    pytest.fail("it did not come about")
