"""Which servers the suite speaks to: variables choose one that is started here, or one elsewhere by its URL."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn
from uuid import uuid4

import boto3
import pytest

ROOT = Path(__file__).parents[2]
REGION = "ap-south-1"
_START_SECONDS = 60
#: Part of every name that this process gives away, so that it can remove what it made in a real account.
_RUN = uuid4().hex[:12]


@dataclass(frozen=True)
class Service:
    """A service of AWS, and the choice of the server that plays it."""

    name: str
    variable: str
    #: Servers that can be started here, the everyday one first.
    ours: tuple[str, ...]
    #: The fixtures by which a test reaches the server; ``aws`` as a parameter is production on it.
    reached_by: frozenset[str]

    @property
    def chosen(self) -> str:
        choice = os.environ.get(self.variable) or self.ours[0]
        if choice in self.ours or self.elsewhere_as(choice):
            return choice
        known = ", ".join(self.ours)
        raise pytest.UsageError(f"{self.variable} is {choice!r}: give one of {known}, account or a URL.")

    @property
    def elsewhere(self) -> str | None:
        """The URL of a server that is not started here."""
        return self.elsewhere_as(self.chosen)

    def elsewhere_as(self, choice: str) -> str | None:
        if choice == "account":
            return f"https://{self.name}.{REGION}.amazonaws.com"
        return choice if choice.startswith(("http://", "https://")) else None

    def missing(self, what_to_do: str) -> NoReturn:
        """Skip the test, or fail it where the server is not optional: in CI, and if somebody chose it."""
        message = f"no server of {self.name} ({self.chosen}): {what_to_do}"
        if os.environ.get("CI") == "true" or os.environ.get(self.variable):
            pytest.fail(message)
        pytest.skip(message)


DYNAMODB = Service(
    "dynamodb", "FACEDESK_TEST_DYNAMODB", ("dynoxide", "amazon"), frozenset({"dynamodb", "dynamodb_url", "aws"})
)
S3 = Service("s3", "FACEDESK_TEST_S3", ("moto", "ministack"), frozenset({"s3_bucket", "s3_server", "aws"}))


def _credentials() -> Mapping[str, str]:
    if not (DYNAMODB.elsewhere or S3.elsewhere):
        return {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
    found = boto3.session.Session().get_credentials()
    if found is None:
        raise pytest.UsageError("A server elsewhere needs AWS credentials, and none are set up on this machine.")
    # Fixed for the run: whoever uses temporary ones needs them to last as long.
    frozen = found.get_frozen_credentials()
    given = {
        "AWS_ACCESS_KEY_ID": frozen.access_key,
        "AWS_SECRET_ACCESS_KEY": frozen.secret_key,
        "AWS_SESSION_TOKEN": frozen.token,
    }
    return {name: value for name, value in given.items() if value}


#: Variables with credentials for the chosen servers: for those elsewhere the machine's own, found before a test
#: replaces the environment.
CREDENTIALS = _credentials()


def require_our_servers(why: str) -> None:
    """Skip the test if a server is not started here."""
    if DYNAMODB.elsewhere or S3.elsewhere:
        pytest.skip(f"a server is elsewhere: {why}")


def fresh_name(kind: str) -> str:
    return f"{kind}-{_RUN}-{uuid4().hex}"


def is_of_this_run(name: str) -> bool:
    return f"-{_RUN}-" in name


@pytest.hookimpl(tryfirst=True)  # before -m chooses by the markers
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that speak to a chosen server: by their fixtures, or by a parameter that names one."""
    for item in items:
        words = set(getattr(item, "fixturenames", ()))
        if parameters := getattr(item, "callspec", None):
            texts = [value for value in parameters.params.values() if isinstance(value, str)]
            words |= {word for text in texts for word in text.split()}
        for service in (DYNAMODB, S3):
            if words & service.reached_by:
                item.add_marker(f"{service.name}_server")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def started(command: Sequence[str], port: int, log_file: Path, **variables: str) -> Iterator[int]:
    """The process of a server that listens on ``port``, until the end."""
    with log_file.open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **variables})
    try:
        _wait_until_it_listens(server, port, log_file)
        yield server.pid
    finally:
        server.terminate()
        server.wait(timeout=10)


def _wait_until_it_listens(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    give_up = time.monotonic() + _START_SECONDS
    while server.poll() is None and time.monotonic() < give_up:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.02)
    server.kill()
    raise RuntimeError(f"the server did not start: {log.read_text(errors='replace')}")
