"""MongoDB over a real connection: ``MONGODB_TEST_URI``'s server, or our own on free ports: ``nx-27017``, SecantusDB.

``mongo_faults`` is a server that plays what a real one does at its worst: hang-ups, hangs, not being primary.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import mockupdb
import pymongo
import pytest
from pymongo.collection import Collection
from pymongo.errors import PyMongoError

from tests.support.servers import free_port

START_SECONDS = 20


def _missing(message: str) -> None:
    """A skip on a developer's machine, a failure where everything should be there."""
    if os.environ.get("CI") == "true":
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def _serving(name: str, folder: Path, *options: str | Path) -> Iterator[str]:
    """Runs the server of this name, which is installed beside Python; gives its URI."""
    binary = Path(sys.executable).with_name(name)
    if not binary.exists():
        _missing(f"{name} is not installed and MONGODB_TEST_URI is not set")
    port = free_port()
    address = ("--host", "127.0.0.1", "--port", str(port))
    with (folder / "output").open("wb") as output:
        server = subprocess.Popen([binary, *options, *address], stdout=output, stderr=output, cwd=folder)
        try:
            uri = f"mongodb://127.0.0.1:{port}"
            try:
                with pymongo.MongoClient(uri, serverSelectionTimeoutMS=1000 * START_SECONDS) as client:
                    client.admin.command("ping")
            except PyMongoError as error:
                pytest.fail(f"{name} did not start: {error}\n{(folder / 'output').read_text()}")
            yield uri
        finally:
            server.terminate()
            server.wait(10)


@contextmanager
def serving_nx(folder: Path) -> Iterator[str]:
    """The URI of the everyday server, with its files in ``folder``."""
    files = ("--db", folder / "db", "--log-file", folder / "log", "--pid-file", folder / "pid")
    with _serving("nx-27017", folder, *files) as uri:
        yield uri


@contextmanager
def _empty_collection(uri: str) -> Iterator[Collection[Any]]:
    """A collection of the test's own, to write to with the driver as another system would."""
    with pymongo.MongoClient(uri) as client:
        collection = client["facedesk_tests"][f"registrations_{uuid4().hex}"]
        yield collection
        collection.drop()


@pytest.fixture(scope="session")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if given := os.environ.get("MONGODB_TEST_URI"):
        yield given
        return
    with serving_nx(tmp_path_factory.mktemp("mongodb")) as uri:
        yield uri


@pytest.fixture(scope="session")
def secantusdb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if given := os.environ.get("MONGODB_TEST_URI"):
        yield given
        return
    folder = tmp_path_factory.mktemp("secantusdb")
    with _serving("secantusd-py", folder, "--storage-path", folder / "db", "--standalone") as uri:
        yield uri


@pytest.fixture(scope="session")
def replica_set_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """SecantusDB as a replica set of one, which has change streams as MongoDB's have them."""
    folder = tmp_path_factory.mktemp("replica-set")
    with _serving("secantusd-py", folder, "--storage-path", folder / "db") as uri:
        yield uri


@pytest.fixture
def replica_set_collection(replica_set_uri: str) -> Iterator[Collection[Any]]:
    with _empty_collection(replica_set_uri) as collection:
        yield collection


@pytest.fixture
def mongodb_collection(mongodb_uri: str) -> Iterator[Collection[Any]]:
    with _empty_collection(mongodb_uri) as collection:
        yield collection


@pytest.fixture
def secantusdb_collection(secantusdb_uri: str) -> Iterator[Collection[Any]]:
    """For documents of every type: SecantusDB compares them as MongoDB does, ``nx-27017`` has only those of JSON."""
    with _empty_collection(secantusdb_uri) as collection:
        yield collection


@pytest.fixture
def mongo_faults() -> Iterator[mockupdb.MockupDB]:
    """A server that introduces itself as a primary and leaves every other answer to the test."""
    # Without helloOk: with it the driver would go on to a command that mockupdb does not answer by itself.
    server = mockupdb.MockupDB(
        auto_ismaster={"ok": 1, "isWritablePrimary": True, "minWireVersion": 0, "maxWireVersion": 21}
    )
    server.run()
    yield server
    server.stop()
