"""S3 to test with: moto inside this process, and moto as a server that anything with an endpoint can reach."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pytest
from moto import mock_aws
from moto.server import ThreadedMotoServer

from core.adapters.aws import clients

REGION = "ap-south-1"


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
    _use_test_credentials(monkeypatch)


@pytest.fixture(scope="session")
def s3_client() -> Any:
    """One client for many tests, to stub or to use inside ``mock_aws``."""
    # Making one takes longer than most tests do.
    with pytest.MonkeyPatch.context() as environment:
        _use_test_credentials(environment)
        return clients.client("s3", REGION)


@pytest.fixture
def s3_bucket(s3_client: Any, s3_credentials: None) -> Iterator[Bucket]:
    """A bucket in this process: quick, no connection."""
    with mock_aws():
        yield _made(s3_client)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """The address of an S3 server on loopback."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_server_bucket(s3_server: str, s3_credentials: None, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A bucket on the server; the environment points every S3 client of this test and its children there."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", s3_server)
    return _made(clients.client("s3", REGION))


def _use_test_credentials(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("AWS_ACCESS_KEY_ID", "testing")
    environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    for name in ("AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        environment.delenv(name, raising=False)


def _made(client: Any) -> Bucket:
    name = f"faces-{uuid4().hex}"
    client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    return Bucket(client, name)
