"""Connections of clients that stand still, and of too many clients."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from uvicorn.protocols.http.h11_impl import H11Protocol
from websockets.sync.client import connect as connect_websocket

from dashboard.access import connections
from dashboard.access.connections import LEAST_BYTES, watched
from tests.api.conftest import BARE, MakeApi, serving
from tests.api.test_exports import RECORDS, PutBatches, batch
from tests.api.test_json_api import HISTORY, RECORD, VALIDATE
from tests.support.browser import ROOT
from tests.support.desk import Desk
from tests.support.servers import free_port

HANG_SECONDS = 30
#: So that a busy machine does not take a client that moves for one that stands still.
STILL_SECONDS = 1.0
PATIENT = watched(H11Protocol, seconds=STILL_SECONDS)

POST_HEAD = f"POST {VALIDATE} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
HALF_HEAD = POST_HEAD[:-5].encode()


def connected(address: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(address).port or 0), HANG_SECONDS)


def rest_of(connection: socket.socket) -> bytes:
    """All that comes until the server ends the connection."""
    received = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(65536):
            received += part
    return received


def is_too_slow(answer: bytes) -> bool:
    head, _, body = answer.partition(b"\r\n\r\n")
    said = json.loads(body)
    return head.startswith(b"HTTP/1.1 408 ") and (said["status"], said["statusCode"]) == ("error", 408)


@pytest.fixture
def patient(make_api: MakeApi) -> Iterator[str]:
    with serving(make_api(api_exports=1), http=PATIENT) as address:
        yield address


def test_a_connection_on_which_nothing_is_asked_is_closed(patient: str) -> None:
    with connected(patient) as connection:
        assert rest_of(connection) == b""


def test_half_a_head_is_too_slow(patient: str) -> None:
    with connected(patient) as connection:
        connection.sendall(HALF_HEAD)
        assert is_too_slow(rest_of(connection))


def test_a_head_that_comes_byte_by_byte_is_too_slow(patient: str) -> None:
    with connected(patient) as connection:
        ended = threading.Event()

        def trickle() -> None:
            connection.sendall(POST_HEAD.encode() + b"X: ")
            with suppress(OSError):
                while not ended.wait(STILL_SECONDS / 20):
                    connection.sendall(b"x")

        trickling = threading.Thread(target=trickle)
        trickling.start()
        # The answer itself may be lost: bytes that come after it break the connection.
        rest_of(connection)
        ended.set()
        trickling.join()


@pytest.mark.parametrize("length", ["Content-Length: 1000", "Transfer-Encoding: chunked"])
@pytest.mark.parametrize("sent", ["", "{"])
def test_half_a_body_is_too_slow(
    patient: str, desk: Desk, caplog: pytest.LogCaptureFixture, length: str, sent: str
) -> None:
    part = f"{len(sent):x}\r\n{sent}\r\n" if sent and "chunked" in length else sent
    with connected(patient) as connection:
        connection.sendall(f"{POST_HEAD}{length}\r\n\r\n{part}".encode())
        assert httpx.get(patient + HISTORY).status_code == 200
        assert is_too_slow(rest_of(connection))
    assert desk.engine.calls == []
    assert caplog.records == []


def test_a_body_that_moves_is_waited_for(patient: str) -> None:
    parts = 25
    with connected(patient) as connection:
        connection.sendall(f"{POST_HEAD}Content-Length: {parts * LEAST_BYTES}\r\n\r\n".encode())
        for _ in range(parts):
            connection.sendall(b" " * LEAST_BYTES)
            time.sleep(STILL_SECONDS / 10)
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")


def test_an_answer_that_takes_long_is_waited_for(patient: str, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.records, "get", lambda user_id, registration_id: time.sleep(3 * STILL_SECONDS))
    assert httpx.get(patient + RECORD, timeout=HANG_SECONDS).status_code == 404


def asking(address: str, path: str) -> socket.socket:
    connection = connected(address)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return connection


def test_a_download_that_nobody_takes_is_cut_off_and_its_place_is_free(patient: str, batches: PutBatches) -> None:
    endless = True

    def made() -> Iterator[object]:
        yield from map(batch, count() if endless else [0])

    batches(made)  # type: ignore[arg-type]
    with asking(patient, RECORDS) as stalled:
        assert stalled.recv(100).startswith(b"HTTP/1.1 200 ")
        assert httpx.get(patient + RECORDS).status_code == 503
        assert httpx.get(patient + HISTORY).status_code == 200
        endless = False
        end = time.monotonic() + HANG_SECONDS
        while httpx.get(patient + RECORDS).status_code == 503:
            assert time.monotonic() < end
            time.sleep(0.1)
        assert not rest_of(stalled).endswith(b"0\r\n\r\n")


def test_an_answer_of_any_other_path_that_nobody_takes_is_cut_off() -> None:
    ended = threading.Event()

    class Large(PlainTextResponse):
        async def __call__(self, scope: object, receive: object, send: object) -> None:
            await super().__call__(scope, receive, send)  # type: ignore[arg-type]
            await receive()  # type: ignore[operator]
            ended.set()

    with serving(Large("x" * 50_000_000), http=PATIENT) as address, asking(address, "/"):
        assert ended.wait(HANG_SECONDS)


def test_a_download_that_moves_is_not_cut_off(patient: str, batches: PutBatches) -> None:
    batches(lambda: [batch(20_000, first) for first in range(3)])
    with asking(patient, RECORDS) as slow:
        received = b""
        while not received.endswith(b"0\r\n\r\n"):
            part = slow.recv(32 * 1024)
            assert part
            received += part
            time.sleep(STILL_SECONDS / 50)


def test_a_websocket_that_stands_still_is_not_ended() -> None:
    async def echo(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            await websocket.send_text(await websocket.receive_text())

    app = Starlette(routes=[WebSocketRoute("/", echo)])
    with (
        serving(app, http=PATIENT, ws="websockets-sansio") as address,
        connect_websocket(address.replace("http", "ws")) as websocket,
    ):
        time.sleep(3 * STILL_SECONDS)
        websocket.send("still here")
        assert websocket.recv(HANG_SECONDS) == "still here"


def test_a_request_is_answered_however_many_connections_ask_for_nothing(make_api: MakeApi) -> None:
    few = watched(H11Protocol, most=5)
    with serving(make_api(), http=few) as address, ExitStack() as opened:
        idle = [opened.enter_context(connected(address)) for _ in range(20)]
        assert httpx.get(address + HISTORY).status_code == 200
        closed = 0
        for connection in idle:
            connection.settimeout(0.2)
            with suppress(TimeoutError):
                closed += rest_of(connection) == b""
        assert closed >= len(idle) - 5


def test_the_process_itself_ends_what_stands_still(tmp_path: Path) -> None:
    port = free_port()
    program = (
        "from dashboard.access import connections; connections.STILL_SECONDS = 1;"
        f"from dashboard.server import serve; serve({{'server_port': {port}}})"
    )
    environment = {**os.environ, **BARE, "FACEDESK_DATA_DIR": str(tmp_path), "PYTHONPATH": str(ROOT)}
    output = subprocess.DEVNULL
    running = subprocess.Popen(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, stdout=output, stderr=output
    )
    try:
        end = time.monotonic() + 2 * HANG_SECONDS
        while True:
            with suppress(httpx.TransportError):
                httpx.get(f"http://localhost:{port}/api/health")
                break
            assert running.poll() is None
            assert time.monotonic() < end
        for begun in (
            HALF_HEAD,
            f"{POST_HEAD}Content-Length: 9\r\n\r\n".replace("Host: x", "Host: localhost").encode(),
        ):
            with connected(f"http://localhost:{port}") as connection:
                connection.sendall(begun)
                assert is_too_slow(rest_of(connection))
    finally:
        running.kill()
        running.wait()


def test_the_process_may_have_as_many_descriptors_as_it_takes_connections() -> None:
    assert connections.allowed_connections() >= 1
