"""A loopback server that speaks Rekognition's protocol (AWS JSON 1.1), and can be told to misbehave.

It judges the pictures that it receives by a face engine: the local one, so that whole flows get true verdicts, or
``SameFace`` where only the traffic matters. Boto3 finds it through ``AWS_ENDPOINT_URL_REKOGNITION``.
"""

from __future__ import annotations

import base64
import json
import random
import socket
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any

import pytest
from pydantic.alias_generators import to_snake

from core.adapters.embedded.engine import LocalEngine
from core.domain.errors import Refused
from core.domain.records import Provenance
from core.ports import Answer, FaceEngine
from tests.support.face_collections import FaceCollections, NoSuchThing

_BOX = {"Left": 0.25, "Top": 0.25, "Width": 0.5, "Height": 0.5}
_MAX_BYTES = 5 * 1024 * 1024
_DEFAULT_ATTRIBUTES = frozenset({"BoundingBox", "Confidence", "Landmarks", "Pose", "Quality"})


@dataclass(frozen=True)
class Faults:
    """Shares (0-1, together at most 1) of the calls that meet each fault; the rest is answered."""

    throttle: float = 0
    overload: float = 0  #: ProvisionedThroughputExceededException
    too_many: float = 0  #: 429
    error: float = 0  #: 500 with AWS's own body
    bad_gateway: float = 0  #: 502 with the HTML of a load balancer
    stall: float = 0  #: nothing for ``stall_seconds``, then the answer
    hang_up: float = 0
    garbage: float = 0  #: 200 with ``garbage_body``
    deny: float = 0
    garbage_body: bytes = b"\x00\xff not JSON {{{"
    #: Far longer than any caller waits; a fault that ends (``heal``, ``stop``) lets go of the stalled calls.
    stall_seconds: float = 60

    def chosen(self, luck: float) -> str | None:
        """The fault that ``luck`` (0-1, evenly spread) falls on."""
        for name in (
            "throttle",
            "overload",
            "too_many",
            "error",
            "bad_gateway",
            "stall",
            "hang_up",
            "garbage",
            "deny",
        ):
            luck -= getattr(self, name)
            if luck < 0:
                return name
        return None


class SameFace:
    """A ``FaceEngine`` that sees one good face in everything, at no cost."""

    provenance = Provenance(engine="same-face")

    def __init__(self, similarity: float = 99.0) -> None:
        self._similarity = similarity

    def detect(self, photo: bytes) -> Answer:
        quality = {"Brightness": 80.0, "Sharpness": 90.0}
        return {"FaceDetails": [{"BoundingBox": _BOX, "Confidence": 99.9, "Quality": quality}]}

    def compare(self, submitted: bytes, reference: bytes) -> Answer:
        face = {"BoundingBox": _BOX, "Confidence": 99.9}
        match = {"Similarity": self._similarity, "Face": face}
        return {"SourceImageFace": face, "FaceMatches": [match], "UnmatchedFaces": []}

    def ping(self) -> None:
        return None

    def close(self) -> None:
        return None


class RekognitionServer:
    """Serves from ``start`` to ``stop``, on the same port each time. ``seed`` decides who meets a fault.

    Without a ``port`` it takes a free one.
    """

    def __init__(self, engine: FaceEngine, seed: int = 0, host: str = "127.0.0.1", port: int = 0) -> None:
        self.engine = engine
        #: Calls received per action, those that met a fault included.
        self.calls: Counter[str] = Counter()
        #: Access keys whose session has expired; all others are good.
        self.expired: set[str] = set()
        self.collections = FaceCollections(lambda: self.engine)
        #: Called with each action before it is answered: what happens meanwhile.
        self.on_call: Callable[[str], None] = lambda action: None
        self._faults = Faults()
        self._healed = Event()
        self._luck = random.Random(seed)
        self._lock = Lock()
        self._connections: set[socket.socket] = set()
        self._http: _Server | None = None
        self._host = host
        self._port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def start(self) -> None:
        self._http = _Server(self, self._host, self._port)
        self._port = self._http.server_port
        Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """Refuse connections, and end those that are open."""
        self.heal()
        if self._http is not None:
            self._http.shutdown()
            self._http.server_close()
        with self._lock:
            self._http = None
            for connection in self._connections:
                _hang_up(connection)

    def misbehave(self, faults: Faults) -> None:
        self.heal()
        with self._lock:
            self._faults, self._healed = faults, Event()

    def heal(self) -> None:
        with self._lock:
            self._faults = Faults()
            self._healed.set()

    def opened(self, connection: socket.socket) -> None:
        """One accepted just before ``stop`` may get its thread after it: it would be served on and on."""
        with self._lock:
            self._connections.add(connection)
            if self._http is None:
                _hang_up(connection)

    def closed(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.discard(connection)

    def received(self, action: str) -> tuple[str | None, Faults, Event]:
        """Count the call; the fault it meets, the faults it is one of, and the event that ends them."""
        with self._lock:
            self.calls[action] += 1
            return self._faults.chosen(self._luck.random()), self._faults, self._healed

    def answer(self, action: str, request: Mapping[str, Any]) -> dict[str, Any]:
        """Raises ``_Error`` as the service would."""
        match action:
            case "DetectFaces":
                return self._detect(request)
            case "CompareFaces":
                return self._compare(request)
            case "IndexFaces":
                return self._asked(lambda: self.collections.index(request, _picture(request["Image"])))
            case _:
                if action not in self.collections.answers:
                    raise _Error(400, "UnknownOperationException")
                return self._asked(lambda: self.collections.answers[action](request))

    def _detect(self, request: Mapping[str, Any]) -> dict[str, Any]:
        answer = self._asked(lambda: self.engine.detect(_picture(request["Image"])))
        wanted = request.get("Attributes", ())
        return {
            "FaceDetails": [
                {
                    name: value
                    for name, value in face.items()
                    if "ALL" in wanted or name in _DEFAULT_ATTRIBUTES or to_snake(name).upper() in wanted
                }
                for face in answer["FaceDetails"]
            ]
        }

    def _compare(self, request: Mapping[str, Any]) -> dict[str, Any]:
        source, target = _picture(request["SourceImage"]), _picture(request["TargetImage"])
        answer = self._asked(lambda: self.engine.compare(source, target))
        if "SourceImageFace" not in answer:
            raise _Error(400, "InvalidParameterException")
        threshold = request.get("SimilarityThreshold", 80)
        matches = [match for match in answer["FaceMatches"] if match["Similarity"] >= threshold]
        others = [match["Face"] for match in answer["FaceMatches"] if match["Similarity"] < threshold]
        return {"SourceImageFace": answer["SourceImageFace"], "FaceMatches": matches, "UnmatchedFaces": others}

    @staticmethod
    def _asked(call: Any) -> dict[str, Any]:
        try:
            return call()  # type: ignore[no-any-return]
        except Refused as error:
            raise _Error(400, f"{error.code}Exception") from error
        except NoSuchThing as error:
            raise _Error(400, error.code) from error


class _Error(Exception):
    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


def _picture(image: Mapping[str, Any]) -> bytes:
    if "Bytes" not in image:
        raise _Error(400, "InvalidParameterException")
    data = base64.b64decode(image["Bytes"])
    if len(data) > _MAX_BYTES:
        raise _Error(400, "ImageTooLargeException")
    if not data.startswith((b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n")):
        raise _Error(400, "InvalidImageFormatException")
    return data


_ERRORS = {
    "throttle": _Error(400, "ThrottlingException"),
    "overload": _Error(400, "ProvisionedThroughputExceededException"),
    "too_many": _Error(429, "TooManyRequestsException"),
    "error": _Error(500, "InternalServerError"),
    "deny": _Error(400, "AccessDeniedException"),
}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def __init__(self, rekognition: RekognitionServer, host: str, port: int) -> None:
        self.rekognition = rekognition
        super().__init__((host, port), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hung up, mostly at its own deadline, is nothing to write about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # One packet for head and body: with two, the second waits for the first one's delayed acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.rekognition.opened(self.connection)

    def finish(self) -> None:
        self.server.rekognition.closed(self.connection)
        super().finish()

    def do_POST(self) -> None:
        rekognition = self.server.rekognition
        body = self.rfile.read(int(self.headers["Content-Length"]))
        action = self.headers["X-Amz-Target"].removeprefix("RekognitionService.")
        fault, faults, healed = rekognition.received(action)
        match fault:
            case "hang_up":
                self.close_connection = True
                _hang_up(self.connection)
                return
            case "bad_gateway":
                self._send(502, b"<html><body><h1>502 Bad Gateway</h1></body></html>", "text/html")
                return
            case "garbage":
                self._send(200, faults.garbage_body)
                return
            case "stall":
                healed.wait(faults.stall_seconds)
        try:
            if fault in _ERRORS:
                raise _ERRORS[fault]
            if any(f"Credential={key}/" in self.headers["Authorization"] for key in rekognition.expired):
                raise _Error(400, "ExpiredTokenException")
            rekognition.on_call(action)
            self._send(200, json.dumps(rekognition.answer(action, json.loads(body))).encode())
        except _Error as error:
            refusal = {"__type": error.code, "Message": f"{error.code} from the loopback server"}
            self._send(error.status, json.dumps(refusal).encode())

    def _send(self, status: int, body: bytes, kind: str = "application/x-amz-json-1.1") -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


def _hang_up(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the other side was first


@pytest.fixture(scope="session")
def local_engine() -> Iterator[LocalEngine]:
    """One for the whole run: its weights take most of a second to load. It reports all that it can measure."""
    engine = LocalEngine(infer=True)
    yield engine
    engine.close()


@pytest.fixture
def rekognition_server(local_engine: LocalEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[RekognitionServer]:
    """Running, judging by the local engine, and where boto3 looks for Rekognition."""
    server = RekognitionServer(local_engine)
    server.start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_REKOGNITION", server.url)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    yield server
    server.stop()
