"""A batch against an engine that allows so many calls a second: the share of them that is used, and of those refused.

The engine listens on loopback, answers after a while as Rekognition does, and allows ``--rate`` calls of each
operation in any second, not only on average. What is beyond is throttled. The same photos are validated

* by ``core.services.batch``, with everything as in production (one retry loop, every try paced) but over the embedded
stores;
* by threads with botocore's adaptive retries, which is what boto3 offers for it: both calls of each photo, and no
  store, no rules and no photo check to slow it down.

Run as ``python -m benchmarks.batch``; with 2,000 photos and 25 calls a second each takes a minute and a half.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from benchmarks.results import publish, table
from core.adapters.aws import clients
from core.adapters.aws.engine import Quota, RekognitionEngine
from core.adapters.aws.rekognition import QUOTA_SHARE
from core.adapters.embedded.worklists import SqliteWorklists
from core.domain.policy import Policy
from core.domain.records import Registration, Source
from core.flow.retry import Retry
from core.runtime.backends import BATCH_CALL_DEADLINE
from core.runtime.bootstrap import BATCH_DEADLINE, build
from core.services.batch import Batches, Choice
from core.services.importing import keep_submitted
from core.services.validation import Submitter
from core.settings import Backend, Settings
from tests.support.portraits import as_jpeg, astronaut
from tests.support.production import validation_by
from tests.support.rekognition import SameFace

EVENT = "bench"
REGION = "ap-south-1"
#: What an answer takes, seconds.
ANSWER_SECONDS = 0.4
#: Threads of the alternative: as many photos in hand as ours has.
THREADS = 38
#: Its attempts a call: enough that none is given up.
ATTEMPTS = 100


class Allowance:
    """Allows ``rate`` calls in any second."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._allowed: deque[float] = deque()
        self._lock = threading.Lock()

    def allows(self) -> bool:
        with self._lock:
            now = time.monotonic()
            while self._allowed and self._allowed[0] <= now - 1:
                self._allowed.popleft()
            if len(self._allowed) >= self._rate:
                return False
            self._allowed.append(now)
            return True


class Engine(ThreadingHTTPServer):
    """Speaks Rekognition's protocol; sees the same good face in everything."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, rate: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.quotas = {"DetectFaces": Allowance(rate), "CompareFaces": Allowance(rate)}
        self.answered: Counter[str] = Counter()
        self.throttled: Counter[str] = Counter()
        self._lock = threading.Lock()
        face = SameFace()
        self.answers = {
            "DetectFaces": json.dumps(face.detect(b"")).encode(),
            "CompareFaces": json.dumps(face.compare(b"", b"")).encode(),
        }

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def asked(self, action: str) -> bool:
        """Whether the call is answered; counted either way."""
        allowed = self.quotas[action].allows()
        with self._lock:
            (self.answered if allowed else self.throttled)[action] += 1
        return allowed


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1
    disable_nagle_algorithm = True
    server: Engine

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        action = self.headers["X-Amz-Target"].removeprefix("RekognitionService.")
        if self.server.asked(action):
            time.sleep(ANSWER_SECONDS)
            status, body = 200, self.server.answers[action]
        else:
            status, body = 400, b'{"__type": "ProvisionedThroughputExceededException", "Message": "too much"}'
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Quiet."""


@dataclass(frozen=True)
class Figures:
    seconds: float
    answered: int
    throttled: int
    failed: int
    cpu_seconds: float

    def row(self, name: str, rate: int) -> list[str]:
        photos = self.answered / 2 / self.seconds
        refused = self.throttled / (self.answered + self.throttled)
        figures = (f"{self.seconds:.1f} s", f"{photos:.2f}", f"{photos / rate:.1%}", f"{refused:.2%}")
        return [name, *figures, str(self.failed), f"{self.cpu_seconds:.0f}"]


@contextmanager
def engine(rate: int) -> Iterator[Engine]:
    """Running, and where boto3 looks for Rekognition."""
    server = Engine(rate)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    os.environ |= {
        "AWS_ENDPOINT_URL_REKOGNITION": server.url,
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
    }
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


def measured(server: Engine, work: Callable[[], int]) -> Figures:
    """``work`` returns how many photos got no answer."""
    began, cpu = time.perf_counter(), time.process_time()
    failed = work()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    return Figures(seconds, sum(server.answered.values()), sum(server.throttled.values()), failed, cpu)


def ours(photos: int, rate: int, photo: bytes) -> Figures:
    with engine(rate) as server, tempfile.TemporaryDirectory() as folder:
        rekognition = RekognitionEngine(
            clients.client("rekognition", REGION, pool=2 * THREADS),
            Retry(BATCH_CALL_DEADLINE, clients.CALL_TIMEOUT_SECONDS),
            Quota.of(rate),
            patient=True,
        )
        local = build(Settings(backend=Backend.EMBEDDED, data_dir=Path(folder)))
        validation = validation_by(
            rekognition,
            local,
            policy=Policy(),
            engine_deadline=BATCH_DEADLINE,
            at_once=THREADS,
            engine_must_answer=True,
        )
        batches = Batches(
            local.records,
            local.registrations,
            validation,
            SqliteWorklists(Path(folder)),
            workers=THREADS,
            max_file_bytes=local.settings.max_upload_bytes,
        )
        assert local.importer
        key = keep_submitted("bench", photo, local.photos, local.sanitiser)
        local.importer.import_many(
            Registration(
                registration_id=f"reg-{number}",
                user_id=f"user-{number}",
                event_id=EVENT,
                reference_photo_key=key,
                submitted_photo_key=key,
            )
            for number in range(photos)
        )

        def work() -> int:
            with closing(batches.open(EVENT, Choice.ALL, Submitter(Source.BATCH))) as batch:
                return batch.run(threading.Event()).left

        try:
            return measured(server, work)
        finally:
            validation.close()
            rekognition.close()
            local.close()


def adaptive(photos: int, rate: int, photo: bytes) -> Figures:
    with engine(rate) as server:
        client = boto3.session.Session().client(
            "rekognition",
            region_name=REGION,
            config=Config(
                retries={"mode": "adaptive", "total_max_attempts": ATTEMPTS}, max_pool_connections=2 * THREADS
            ),
        )

        def detect(_number: int) -> bool:
            return _answered(lambda: client.detect_faces(Image={"Bytes": photo}, Attributes=["ALL"]))

        def compare(_number: int) -> bool:
            images = {"SourceImage": {"Bytes": photo}, "TargetImage": {"Bytes": photo}}
            return _answered(lambda: client.compare_faces(**images, SimilarityThreshold=0))

        def work() -> int:
            with ThreadPoolExecutor(THREADS) as of_detect, ThreadPoolExecutor(THREADS) as of_compare:
                detected = of_detect.map(detect, range(photos))
                compared = of_compare.map(compare, range(photos))
                return sum(not (one and other) for one, other in zip(detected, compared, strict=True))

        return measured(server, work)


def _answered(call: Callable[[], Any]) -> bool:
    try:
        call()
    except ClientError:
        return False
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description="A batch under the engine's quota.")
    parser.add_argument("--photos", type=int, default=2000, help="photos of a run (default: 2000)")
    parser.add_argument("--rate", type=int, default=25, help="calls of each operation a second (default: 25)")
    given = parser.parse_args()
    photo = as_jpeg(astronaut(), size=(320, 320))
    ours_name, theirs_name = "`validate-event`", f"{THREADS} + {THREADS} threads, botocore's adaptive retries"
    rows = [
        ours(given.photos, given.rate, photo).row(ours_name, given.rate),
        adaptive(given.photos, given.rate, photo).row(theirs_name, given.rate),
    ]
    head = ["", "time", "photos a second", "of the allowed rate", "throttled calls", "without an answer", "CPU, s"]
    publish(
        "A batch under the engine's quota",
        f"{given.photos:,} photos, DetectFaces and CompareFaces at {given.rate} calls of each in any second, each "
        f"answered after {ANSWER_SECONDS:g} s. Ours keeps to {QUOTA_SHARE:.0%} of the quota, and does all that a "
        f"validation takes beside the calls; the alternative makes the calls alone.\n\n{table(head, rows)}",
    )


if __name__ == "__main__":
    main()
