"""S3 to test with: moto inside this process, and a server that anything with an endpoint can reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from moto.server import ThreadedMotoServer

from core.adapters.aws import clients
from tests.support.servers import CREDENTIALS, REGION, ROOT, S3, free_port, fresh_name, is_of_this_run, started


@dataclass(frozen=True)
class Bucket:
    """A bucket of one test's own, and a client to it as in production."""

    client: Any
    name: str

    def keys(self) -> list[str]:
        return [entry["Key"] for entry in self.client.list_objects_v2(Bucket=self.name).get("Contents", [])]


@pytest.fixture
def s3_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that open nothing, and no endpoint but those that a test names."""
    _use(monkeypatch, _TEST_CREDENTIALS)


@pytest.fixture(scope="session")
def s3_client() -> Any:
    """One client for many tests, to stub or to use inside ``mock_aws``."""
    # Making one takes longer than most tests do.
    with pytest.MonkeyPatch.context() as environment:
        _use(environment, _TEST_CREDENTIALS)
        return clients.client("s3", REGION)


@pytest.fixture
def s3_bucket(request: pytest.FixtureRequest) -> Iterator[Bucket]:
    """A bucket in this process (quick, no connection), or on the server that is chosen instead of moto."""
    if S3.chosen == "moto":
        request.getfixturevalue("s3_credentials")
        with mock_aws():
            yield _made(request.getfixturevalue("s3_client"))
    else:
        yield request.getfixturevalue("s3_server_bucket")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the chosen S3 server."""
    if url := S3.elsewhere:
        yield url
        with pytest.MonkeyPatch.context() as environment:
            _use(environment, {**CREDENTIALS, "AWS_ENDPOINT_URL_S3": url})
            _delete_buckets(clients.client("s3", REGION))
    else:
        with serving_moto() if S3.chosen == "moto" else _serving_ministack(tmp_path_factory.mktemp("s3")) as url:
            yield url


@pytest.fixture
def s3_server_bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket on the server; the environment points every S3 client of this test and its children there."""
    _use(monkeypatch, {**CREDENTIALS, "AWS_ENDPOINT_URL_S3": s3_server})
    return _made(clients.client("s3", REGION))


_TEST_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}


def _use(environment: pytest.MonkeyPatch, variables: Mapping[str, str]) -> None:
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        environment.delenv(name, raising=False)
    for name, value in variables.items():
        environment.setenv(name, value)


@contextmanager
def serving_moto() -> Iterator[str]:
    """The address of moto as a server in this process."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@contextmanager
def _serving_ministack(folder: Path) -> Iterator[str]:
    binary = ROOT / ".venv-servers" / "bin" / "ministack"
    if not binary.exists():
        S3.missing("`make test-servers` installs it")
    port = free_port()
    variables = {"BIND_HOST": "127.0.0.1", "GATEWAY_PORT": str(port), "SERVICES": "s3,cloudwatch"}
    with started([str(binary)], port, folder / "server.log", **variables):
        yield f"http://127.0.0.1:{port}"


def _delete_buckets(client: Any) -> None:
    for name in [bucket["Name"] for bucket in client.list_buckets()["Buckets"] if is_of_this_run(bucket["Name"])]:
        for page in client.get_paginator("list_object_versions").paginate(Bucket=name):
            for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ())):
                client.delete_object(Bucket=name, Key=entry["Key"], VersionId=entry["VersionId"])
        client.delete_bucket(Bucket=name)


def _made(client: Any) -> Bucket:
    name = fresh_name("faces")
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return Bucket(client, name)
