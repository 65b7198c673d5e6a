"""DynamoDB to test with: a real local server, moto, and a proxy that plays the faults of a network."""

from __future__ import annotations

import http.client
import json
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
from boto3.dynamodb.types import TypeSerializer
from moto import mock_aws

from core.adapters.aws import clients
from core.adapters.aws import table as definition

REGION = "ap-south-1"
_ROOT = Path(__file__).parents[2]
_START_SECONDS = 20


def create_table(client: Any) -> str:
    """Make a table as in production, with the index by event, and return its name, a fresh one."""
    name = f"face-verifications-{uuid4().hex}"
    client.create_table(**{**definition.create_table(name), "DeletionProtectionEnabled": False})
    return name


def create_audit_table(client: Any) -> str:
    """Make a table for the audit trail and return its name, a fresh one."""
    name = f"facedesk-audit-{uuid4().hex}"
    client.create_table(**{**definition.create_audit_table(name), "DeletionProtectionEnabled": False})
    return name


def put_item(client: Any, table: str, item: Mapping[str, Any]) -> None:
    """Write ``item`` as another service does, past our own code; may hold sets, bytes, Decimals and None."""
    exact = {name: _without_floats(value) for name, value in item.items()}
    client.put_item(TableName=table, Item={name: TypeSerializer().serialize(value) for name, value in exact.items()})


def _without_floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_floats(inner) for name, inner in value.items()}
    return Decimal(str(value)) if isinstance(value, float) else value


def stored_item(client: Any, table: str, user_id: str = "user-1", registration_id: str = "reg-1") -> dict[str, Any]:
    """The item as the table has it, in the API's typed form."""
    key = {"userId": {"S": user_id}, "registrationId": {"S": registration_id}}
    item: dict[str, Any] = client.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]
    return item


def client_of(url: str, **config: Any) -> Any:
    """The production client against ``url``, with credentials that only a local server takes."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL_DYNAMODB", url)
        environment.setenv("AWS_ACCESS_KEY_ID", "local")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "local")
        return clients.client("dynamodb", REGION, **config)


@contextmanager
def serving(binary: str, database: Path) -> Iterator[tuple[str, int]]:
    """The address and the process of a real DynamoDB server on the loopback, with its tables in ``database``."""
    port, log_file = _free_port(), database.with_suffix(".log")
    with log_file.open("wb") as log:
        server = subprocess.Popen(
            [binary, "serve", "--port", str(port), "--db-path", str(database)], stdout=log, stderr=log
        )
    try:
        _wait_until_it_answers(server, port, log_file)
        yield f"http://127.0.0.1:{port}", server.pid
    finally:
        server.terminate()
        server.wait(timeout=10)


@contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """The address of a real DynamoDB server that keeps its tables in the SQLite file ``tables.db`` of ``folder``.

    Without such a server on this machine the test is skipped, and in CI fails.
    """
    binary = server_binary()
    if binary is None:
        missing = "no DynamoDB server: `npm install @dynoxide/linux-x64`, or name the binary in DYNOXIDE"
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(missing)
    with serving(binary, folder / "tables.db") as (url, _):
        yield url


@pytest.fixture(scope="session")
def dynamodb_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where a real DynamoDB server listens on the loopback."""
    with running_server(tmp_path_factory.mktemp("dynamodb")) as url:
        yield url


@pytest.fixture(scope="session")
def dynamodb(dynamodb_url: str) -> Iterator[Any]:
    """The production client, talking to the real server."""
    client = client_of(dynamodb_url)
    yield client
    client.close()


@pytest.fixture
def moto_dynamodb() -> Iterator[Any]:
    """The production client, answered by moto inside this process. Not for races: moto loses updates there."""
    with mock_aws():
        client = clients.client("dynamodb", REGION)
        yield client
        client.close()


class Proxy:
    """A loopback HTTP proxy before a DynamoDB server; ``fault`` decides about each request.

    ``fault`` gets the operation (``"GetItem"``, ...) and returns None to let it through, ``LOSE`` to let it through
    and hang up instead of answering, ``HANG`` to do the same without hanging up, or an error code with its HTTP
    status, answered in the server's place.
    """

    LOSE = ("lose", 0)
    HANG = ("hang", 0)

    def __init__(self, upstream: str) -> None:
        self.fault: Callable[[str], tuple[str, int] | None] = lambda operation: None
        self.seen: list[str] = []
        self._upstream = urlsplit(upstream).netloc
        self._stopping = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                operation = self.headers["X-Amz-Target"].partition(".")[2]
                proxy.seen.append(operation)
                fault = proxy.fault(operation)
                if fault in (None, Proxy.LOSE, Proxy.HANG):
                    status, answer = self._forwarded(body)
                else:
                    code, status = fault
                    answer = json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{code}"}).encode()
                if fault in (Proxy.LOSE, Proxy.HANG):
                    if fault == Proxy.HANG:
                        proxy._stopping.wait()
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def _forwarded(self, body: bytes) -> tuple[int, bytes]:
                connection = http.client.HTTPConnection(proxy._upstream, timeout=10)
                try:
                    connection.request("POST", self.path, body, dict(self.headers))
                    answer = connection.getresponse()
                    return answer.status, answer.read()
                finally:
                    connection.close()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def first(count: int, operation: str, fault: Any) -> Callable[[str], Any]:
    """A fault for the first ``count`` calls of ``operation``; a callable one is called and lets the call through.

    Calls that come together each take one of ``count``: the server answers each in a thread of its own.
    """
    faults = iter([fault] * count)

    def decide(called: str) -> Any:
        fault = next(faults, None) if called == operation else None
        return fault() if callable(fault) else fault

    return decide


@pytest.fixture
def dynamodb_proxy(dynamodb_url: str) -> Iterator[Proxy]:
    proxy = Proxy(dynamodb_url)
    yield proxy
    proxy.close()


def server_binary() -> str | None:
    carried = str(_ROOT / "node_modules" / "@dynoxide" / "linux-x64" / "dynoxide")
    return shutil.which(os.environ.get("DYNOXIDE") or carried) or shutil.which("dynoxide")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_answers(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < give_up:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    server.kill()
    raise RuntimeError(f"the DynamoDB server did not start: {log.read_text(errors='replace')}")
