"""What a validation costs, and what ValidationService adds on top of the face engine.

The embedded backend in a temporary folder; a 12-megapixel JPEG made from a public-domain portrait. The local engine
remembers photos, so every run has photos of its own. A person's first attempt, which makes the template of their
reference photo, a later one, which uses it, and one without templates are measured in turn. Times are milliseconds;
processor time counts the photo worker's too, in steps of 10 ms. Run as ``python -m benchmarks.validate``.
"""

from __future__ import annotations

import argparse
import io
import os
import resource
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks import results
from core.adapters.embedded.engine import LocalEngine
from core.adapters.embedded.networks import Floats
from core.adapters.embedded.photos import FolderPhotos
from core.domain.clock import utc_now
from core.domain.policy import judge
from core.domain.records import Outcome, Registration, Source
from core.files.disk import PHOTOS
from core.ports import Answer
from core.runtime.bootstrap import build
from core.runtime.services import Services
from core.services.importing import keep_reference
from core.services.reference_photos import ReferenceTemplates
from core.services.validation import Submitter, ValidationService
from core.settings import Backend, Settings
from tests.support.portraits import as_jpeg, astronaut
from tests.support.production import validation_by

#: Sides in pixels: 12.0 megapixels, and the two sizes at which the engine is measured.
UPLOAD_SIDE = 3464
ENGINE_SIDES = (512, 1920)

ANYBODY = Submitter(Source.BATCH)

T = TypeVar("T")


@dataclass(frozen=True)
class Time:
    wall: float
    cpu: float


@dataclass
class TimedEngine:
    """The local engine, which notes when each of its calls began and ended."""

    engine: LocalEngine
    calls: list[tuple[float, float]]

    def __post_init__(self) -> None:
        self.provenance = self.engine.provenance
        self.false_matches = self.engine.false_matches

    def detect(self, photo: bytes) -> Answer:
        return self._timed(lambda: self.engine.detect(photo))

    def compare(self, submitted: bytes, reference: bytes) -> Answer:
        return self._timed(lambda: self.engine.compare(submitted, reference))

    def template(self, photo: bytes) -> bytes:
        return self._timed(lambda: self.engine.template(photo))

    def compare_template(self, submitted: bytes, template: bytes) -> Answer:
        return self._timed(lambda: self.engine.compare_template(submitted, template))

    def vector(self, template: bytes) -> Floats | None:
        return self.engine.vector(template)

    def similarity_of(self, cosine: Floats) -> NDArray[np.float64]:
        return self.engine.similarity_of(cosine)

    def ping(self) -> None:
        self.engine.ping()

    def close(self) -> None:
        self.engine.close()

    def busy(self) -> float:
        """Seconds in which at least one call was under way since the last ask."""
        total, until = 0.0, 0.0
        for begin, end in sorted(self.calls):
            total += max(0.0, end - max(begin, until))
            until = max(until, end)
        self.calls.clear()
        return total

    def _timed(self, call: Callable[[], T]) -> T:
        begin = time.perf_counter()
        try:
            return call()
        finally:
            self.calls.append((begin, time.perf_counter()))


def portraits(side: int) -> Iterator[bytes]:
    """JPEGs of one person, ``side`` pixels square, no two alike: one patch of the background differs."""
    portrait = Image.open(io.BytesIO(astronaut())).convert("RGB")
    for number in count():
        portrait.paste((number * 37 % 256, number * 11 % 256, 128), (0, 0, 8, 8))
        out = io.BytesIO()
        portrait.save(out, "PNG", compress_level=1)
        yield as_jpeg(out.getvalue(), size=(side, side))


def take(photos: Iterator[bytes], runs: int) -> list[bytes]:
    return [next(photos) for _ in range(runs)]


def workers() -> list[Path]:
    """The photo worker's entry in /proc; none where there is no /proc."""
    own = str(os.getpid())
    entries = [entry for entry in Path("/proc").glob("[0-9]*/stat") if _fields(entry)[1] == own]
    return [entry.parent for entry in entries]


def _fields(stat: Path) -> list[str]:
    """State, parent and so on: all that follows the program's name, which may have spaces."""
    try:
        return stat.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return ["", ""]


def processor_seconds(worker_entries: list[Path]) -> float:
    ticks = sum(sum(map(int, _fields(entry / "stat")[11:13])) for entry in worker_entries)
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def timed(call: Callable[[], object], worker_entries: list[Path]) -> Time:
    cpu, wall = processor_seconds(worker_entries), time.perf_counter()
    call()
    wall = time.perf_counter() - wall
    return Time(wall, processor_seconds(worker_entries) - cpu)


class Bench:
    """The parts of a validation and the whole, each measured ``runs`` times after one warm-up."""

    def __init__(self, services: Services, runs: int) -> None:
        self._services = services
        self._engine = TimedEngine(LocalEngine(), [])
        templates = FolderPhotos(services.settings.data_dir / PHOTOS).templates
        references = ReferenceTemplates(services.photos, services.sanitiser, self._engine, templates)
        self._validation = validation_by(self._engine, services, references=references)
        self._without = validation_by(self._engine, services)
        self._runs = runs
        self._ids = count()
        self._threads = ThreadPoolExecutor(2)
        services.engine.ping()
        self._engine.ping()
        services.sanitiser.clean(as_jpeg(astronaut()))
        self.workers = workers()

    def close(self) -> None:
        self._validation.close()
        self._without.close()
        self._engine.close()
        self._threads.shutdown()

    def measure(self, step: Callable[[bytes], object], photos: list[bytes]) -> list[Time]:
        return [timed(partial(step, photo), self.workers) for photo in photos][1:]

    def sanitise(self, uploads: list[bytes]) -> list[Time]:
        return self.measure(self._services.sanitiser.clean, uploads)

    def keep(self, cleaned: list[bytes]) -> list[Time]:
        return self.measure(
            lambda photo: self._services.photos.put(f"face-images/{next(self._ids)}.jpg", photo), cleaned
        )

    def detect(self, photos: list[bytes]) -> list[Time]:
        return self.measure(self._services.engine.detect, photos)

    def detect_and_compare(self, photos: list[bytes], references: Iterator[bytes]) -> list[Time]:
        """Both calls at once, as the service makes them."""
        engine = self._services.engine

        def ask(photo: bytes) -> None:
            both = (
                self._threads.submit(engine.detect, photo),
                self._threads.submit(engine.compare, photo, next(references)),
            )
            for call in both:
                call.result()

        return self.measure(ask, photos)

    def write(self, photo: bytes) -> list[Time]:
        """What the service writes for ``photo``, for a registration of its own each time."""
        detected = self._services.engine.detect(photo)
        compared = self._services.engine.compare(photo, photo)
        verdict = judge(self._services.settings.policy, detected, (1920, 1920), compared)

        def record(_photo: bytes) -> None:
            number = f"write-{next(self._ids)}"
            self._services.records.record_attempt(
                Outcome(
                    attempt_id=number,
                    user_id=number,
                    registration_id=number,
                    event_id="bench",
                    timestamp=utc_now(),
                    face_image_key=f"face-images/{number}.jpg",
                    **verdict.as_outcome(),
                ),
                self._services.settings.record_ttl,
            )

        return self.measure(record, [photo] * (self._runs + 1))

    def validate(
        self, uploads: Iterator[bytes], stored: Iterator[bytes], references: Iterator[bytes]
    ) -> dict[str, list[tuple[Time, float]]]:
        """Validations of ``uploads``, and of photos that are ``stored`` already, as those of a batch: in each way, in
        turn, with the share of the time in which the engine was not at work (0-1).
        """
        found = defaultdict(list)
        for _ in range(self._runs + 1):
            for call, photos in ((self._validate_upload, uploads), (self._validate_stored, stored)):
                one, other = (self._register(next(references)) for _ in range(2))
                for way, service, name in (
                    ("without templates", self._without, one),
                    ("a person's first", self._validation, other),
                    ("a later one", self._validation, other),
                ):
                    validate = call(service, name, next(photos))
                    took = timed(partial(validate, f"attempt-{next(self._ids)}", ANYBODY), self.workers)
                    found[f"{call.__name__[1:]}, {way}"].append((took, 1 - self._engine.busy() / took.wall))
        return {way: times[1:] for way, times in found.items()}

    def _validate_upload(self, service: ValidationService, name: str, upload: bytes) -> Callable[..., object]:
        return partial(service.validate_upload, name, upload)

    def _validate_stored(self, service: ValidationService, name: str, photo: bytes) -> Callable[..., object]:
        key = f"face-images/{next(self._ids)}.jpg"
        self._services.photos.put(key, photo)
        return partial(service.validate_stored, name, key)

    def _register(self, reference: bytes) -> str:
        importer = self._services.importer
        if importer is None:
            raise SystemExit("The benchmark fills the embedded backend.")
        name = f"bench-{next(self._ids)}"
        registration = Registration(registration_id=name, user_id=name, event_id="bench")
        key = keep_reference(reference, self._services.photos, self._services.sanitiser)
        importer.import_many([registration.model_copy(update={"reference_photo_key": key})])
        return name


def row(name: str, times: list[Time]) -> list[str]:
    walls = [1000 * took.wall for took in times]
    figures = (statistics.median(walls), min(walls), max(walls))
    return [name, *(f"{wall:.1f}" for wall in figures), f"{1000 * cpu(times):.0f}"]


def cpu(times: list[Time]) -> float:
    return statistics.median(took.cpu for took in times)


def peak_megabytes(worker_entries: list[Path]) -> dict[str, float]:
    found = {"this process": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
    for entry in worker_entries:
        status = dict(line.split(":", 1) for line in (entry / "status").read_text().splitlines())
        found["the photo worker"] = int(status["VmHWM"].split()[0]) / 1024
    return found


def run(runs: int, services: Services) -> None:
    each = runs + 1
    photos = portraits(UPLOAD_SIDE)
    # Made before anything is measured: making them takes more time and memory than most of what is.
    # Each row has files of its own: the sanitiser remembers its last ones, as the engine does.
    uploads = [take(photos, each) for _ in range(2)]
    submitted = take(photos, 3 * each)
    sized = {side: take(portraits(side), each) for side in ENGINE_SIDES}
    # The same pictures in another size would be others to the engine; these are compared with each other.
    largest = portraits(max(ENGINE_SIDES) - 8)
    examined, references = (take(largest, each) for _ in range(2))
    more_references, stored = take(largest, 4 * each), take(largest, 3 * each)
    cleaned = [services.sanitiser.clean(upload).jpeg for upload in uploads[0]]
    if len(set(cleaned)) < each:
        raise SystemExit("The runs' photos are alike: the engine would remember them.")

    bench = Bench(services, runs)
    try:
        rows = {f"engine, detect alone, {side} px": bench.detect(photos) for side, photos in sized.items()}
        rows["sanitise 12 megapixels"] = bench.sanitise(uploads[1])
        rows["sanitise the reference photo"] = bench.sanitise(references)
        rows["keep the photo"] = bench.keep(cleaned)
        rows["engine, detect and compare"] = bench.detect_and_compare(examined, iter(references))
        rows["write the record"] = bench.write(cleaned[0])
        validations = bench.validate(iter(submitted), iter(stored), iter(more_references))
        peaks = peak_megabytes(bench.workers)
    finally:
        bench.close()

    rows |= {way: [took for took, _ in found] for way, found in validations.items()}
    shares = (f"{way} {statistics.median(share for _, share in found):.0%}" for way, found in validations.items())
    saved = (
        f"{call} {cpu(rows[f'{call}, a later one']) / cpu(rows[f'{call}, without templates']):.0%}"
        for call in ("validate_upload", "validate_stored")
    )
    megabytes = statistics.median(len(upload) for upload in uploads[0]) / 2**20
    head = ["ms", "median", "min", "max", "CPU, median"]
    results.publish(
        "A validation",
        f"Upload: {UPLOAD_SIDE}x{UPLOAD_SIDE} px, {megabytes:.1f} MB; {runs} runs. Processor time of a later "
        f"validation, of one without templates: {', '.join(saved)}.\n\n"
        f"{results.table(head, [row(name, times) for name, times in rows.items()])}\n\n"
        f"On top of the engine, of the whole (medians): {', '.join(shares)}. "
        f"Peak memory: {', '.join(f'{name} {size:.0f} MB' for name, size in peaks.items())}.",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="What a validation costs.")
    parser.add_argument("--runs", type=int, default=5, help="runs of each step, after one warm-up (default: 5)")
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        services = build(Settings(backend=Backend.EMBEDDED, data_dir=Path(folder)))
        try:
            run(runs, services)
        finally:
            services.close()


if __name__ == "__main__":
    main()
