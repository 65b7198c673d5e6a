"""Facedesk as an operator has it: services built from settings alone, for either backend, over real connections.

``production`` is ``FACEDESK_BACKEND=aws`` on loopback: servers of DynamoDB, S3 and MongoDB, and one that speaks
Rekognition's protocol. ``Gate`` takes any of them away.
"""

from __future__ import annotations

import os
import select
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import boto3
import pymongo
import pytest

from core.adapters.aws import clients
from core.adapters.embedded.engine import LocalEngine
from core.domain.clock import Clock, utc_now
from core.domain.records import Registration
from core.files.disk import NO_PHOTOS
from core.ports import FaceEngine
from core.runtime.backends import photos_at_once
from core.runtime.bootstrap import build
from core.runtime.services import Services
from core.services.reference_photos import ReferencePhotos
from core.services.validation import ValidationService
from core.settings import Backend, Settings
from tests.support.dynamodb import create_audit_table, create_state_table, create_table
from tests.support.rekognition import RekognitionServer
from tests.support.servers import CREDENTIALS, REGION, fresh_name

#: Starts of the names of all variables that a developer's shell may have and that a test must not see.
_FOREIGN = ("AWS_", "MONGODB_", "FACEDESK_", "DYNAMODB_", "FACE_IMAGES_")
#: The shortest that the settings take: an outage is sat through in many tests.
DEADLINE_SECONDS = 5
QUICK = {"ENGINE_DEADLINE_SECONDS": str(DEADLINE_SECONDS), "STORE_DEADLINE_SECONDS": str(DEADLINE_SECONDS)}


@dataclass(frozen=True)
class Site:
    """Services of one backend, and the hands of those who fill its stores from outside."""

    services: Services
    #: What the services were built from; a child process can be given the same.
    environment: Mapping[str, str]
    add: Callable[[list[Registration]], None]
    #: Keys of all photos in the store, by a way that is not ours.
    photo_keys: Callable[[], set[str]]

    def register(self, reference: bytes | None = None, **changes: Any) -> Registration:
        """A registration of a person of its own, with ``reference`` as its photo where given."""
        name = uuid4().hex
        registration = Registration(
            **{
                "registration_id": f"reg-{name}",
                "user_id": f"user-{name}",
                "event_id": "event-1",
                "name": "Ada Example",
                "email": f"{name}@example.com",
                "reference_photo_key": f"reference-faces/{name}.jpg" if reference else None,
                **changes,
            }
        )
        if reference and registration.reference_photo_key:
            self.services.photos.put(registration.reference_photo_key, reference)
        self.add([registration])
        return registration


def validation_by(engine: FaceEngine, services: Services, **changes: Any) -> ValidationService:
    """Validation as ``services`` have it, but by ``engine``, and without templates."""
    settings = services.settings
    references = ReferencePhotos(services.photos, services.sanitiser, engine)
    parts = {
        "references": references,
        "records": services.records,
        "registrations": services.registrations,
        "photos": services.photos,
        "sanitiser": services.sanitiser,
        "policy": settings.policy,
        "clock": services.clock,
        "record_ttl": settings.record_ttl,
        "engine_deadline": settings.engine_deadline_seconds,
        "at_once": photos_at_once(settings),
        **changes,
    }
    return ValidationService(engine=engine, **parts)


@dataclass(frozen=True)
class Servers:
    """Where the four services listen; a test puts something else in the place of one."""

    dynamodb: str
    s3: str
    mongodb: str
    rekognition: str


@contextmanager
def environment_of(variables: Mapping[str, str]) -> Iterator[None]:
    """``variables`` and nothing else of the kind; AWS clients made inside do not share credentials with others."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(_FOREIGN)]:
            patch.delenv(name)
        for name, value in variables.items():
            patch.setenv(name, value)
        patch.setattr(boto3, "DEFAULT_SESSION", None)
        yield


def built(variables: Mapping[str, str], clock: Clock = utc_now) -> Services:
    with environment_of(variables):
        return build(Settings(_env_file=None), clock)


@contextmanager
def production(servers: Servers, clock: Clock = utc_now, **variables: str) -> Iterator[Site]:
    """Production on ``servers`` with a table, a bucket and a collection of its own; ``variables`` come last."""
    bucket, registrations = fresh_name("faces"), f"registrations_{uuid4().hex}"
    environment = {
        "FACEDESK_BACKEND": "aws",
        "FACEDESK_AUTH": "off",
        "AWS_REGION": REGION,
        **CREDENTIALS,
        "AWS_ENDPOINT_URL_DYNAMODB": servers.dynamodb,
        "AWS_ENDPOINT_URL_S3": servers.s3,
        "AWS_ENDPOINT_URL_REKOGNITION": servers.rekognition,
        "FACE_IMAGES_BUCKET": bucket,
        "MONGODB_URI": servers.mongodb,
        "MONGODB_DATABASE": "facedesk_tests",
        "HASH_KEY": "a key of these tests",
        "MONGODB_REGISTRATIONS_COLLECTION": registrations,
        **variables,
    }
    with environment_of(environment):
        s3, dynamodb = clients.client("s3", REGION), clients.client("dynamodb", REGION)
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    environment.setdefault("DYNAMODB_FACE_VALIDATION_TABLE", create_table(dynamodb))
    environment.setdefault("DYNAMODB_AUDIT_TABLE", create_audit_table(dynamodb))
    environment.setdefault("DYNAMODB_STATE_TABLE", create_state_table(dynamodb))

    def keys() -> set[str]:
        pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        return {entry["Key"] for page in pages for entry in page.get("Contents", ())}

    client: pymongo.MongoClient[dict[str, Any]] = pymongo.MongoClient(servers.mongodb)
    with client as mongodb:
        collection = mongodb["facedesk_tests"][registrations]

        def add(new: list[Registration]) -> None:
            collection.insert_many([_document(registration) for registration in new])

        services = built(environment, clock)
        yield Site(services, environment, add, keys)
        services.close()
        collection.drop()


@contextmanager
def embedded(data: Path, clock: Clock = utc_now, **variables: str) -> Iterator[Site]:
    """The embedded backend on the folder ``data``; ``variables`` come last."""
    environment = {"FACEDESK_DATA_DIR": str(data), **variables}
    services = built(environment, clock)
    importer = services.importer
    assert importer is not None
    photos = data / "photos"

    def register(registrations: list[Registration]) -> None:
        importer.import_many(registrations)

    def keys() -> set[str]:
        files = (path.relative_to(photos) for path in photos.rglob("*") if path.is_file())
        # Templates are made in threads of their own, also while the files are listed.
        return {str(path) for path in files if path.parts[0] not in NO_PHOTOS}

    yield Site(services, environment, register, keys)
    services.close()


@contextmanager
def backend_of(
    request: pytest.FixtureRequest, folders: pytest.TempPathFactory, clock: Clock = utc_now, **variables: str
) -> Iterator[Site]:
    """The backend that the fixture's parameter names, for fixtures of a module: ``params=list(Backend)``."""
    if request.param is Backend.EMBEDDED:
        with embedded(folders.mktemp("embedded"), clock, **variables) as site:
            yield site
    else:
        with production(request.getfixturevalue("servers"), clock, **variables) as site:
            yield site


def _document(registration: Registration) -> dict[str, Any]:
    item = registration.to_dict()
    theirs = {"referencePhotoKey": "storedFaceKey", "submittedPhotoKey": "faceImageKey"}
    keys = {name: item.pop(ours) for ours, name in theirs.items() if ours in item}
    return {"_id": item.pop("registrationId"), **item, **keys}


class Gate:
    """A loopback relay to ``upstream`` (a URL). Shut, it refuses connections and ends those that are open."""

    def __init__(self, upstream: str) -> None:
        address = urlsplit(upstream)
        if address.scheme == "https":
            pytest.skip("a relay before the server would be refused for its certificate")
        self._scheme = address.scheme
        self._upstream = (address.hostname, address.port)
        self._port = 0
        self._listener: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self.open()

    @property
    def url(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._port}"

    def open(self) -> None:
        listener = socket.create_server(("127.0.0.1", self._port), backlog=64)
        self._port = listener.getsockname()[1]
        self._listener = listener
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def shut(self) -> None:
        with self._lock:
            listener, self._listener = self._listener, None
            for connection in self._open:
                _end(connection)
        if listener is not None:
            _end(listener)

    @contextmanager
    def shut_for_a_while(self) -> Iterator[None]:
        self.shut()
        try:
            yield
        finally:
            self.open()

    def _accept(self, listener: socket.socket) -> None:
        with listener, suppress(OSError):
            while True:
                caller, _ = listener.accept()
                threading.Thread(target=self._relay, args=(caller, listener), daemon=True).start()

    def _relay(self, caller: socket.socket, listener: socket.socket) -> None:
        with caller, suppress(OSError), socket.create_connection(self._upstream) as server:
            with self._lock:
                if self._listener is not listener:
                    return
                self._open |= {caller, server}
            try:
                other = {caller: server, server: caller}
                while True:
                    for ready in select.select(list(other), [], [])[0]:
                        if not (data := ready.recv(65_536)):
                            return
                        other[ready].sendall(data)
            finally:
                with self._lock:
                    self._open -= {caller, server}


def _end(connection: socket.socket) -> None:
    """Wakes whoever waits on it, too, which closing would not."""
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module")
def engine_server(local_engine: LocalEngine) -> Iterator[RekognitionServer]:
    """One for the module's tests, judging by the local engine."""
    local_engine.ping()  # its weights load before a deadline runs
    server = RekognitionServer(local_engine)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def servers(dynamodb_url: str, s3_server: str, mongodb_uri: str, engine_server: RekognitionServer) -> Servers:
    return Servers(dynamodb_url, s3_server, mongodb_uri, engine_server.url)
