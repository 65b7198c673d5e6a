"""How quick pages stay while a batch runs in the same process, by the cores that the face engine may use.

The embedded backend with its own engine, a batch of photos of which no two are alike, and meanwhile reruns of the
Event overview in Streamlit's own test harness. No batch, one core and all cores take turns in one process, so that
the machine's other work weighs on all of them. Run as ``python -m benchmarks.beside_batch``.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import count, islice
from pathlib import Path

import cv2
from PIL import Image

from benchmarks import data, ours
from benchmarks.results import publish, table
from core.domain.records import Registration, Source
from core.runtime.services import Services
from core.services.batch import Choice
from core.services.validation import Submitter
from dashboard.services import shared
from tests.support.portraits import astronaut

RECORDS = 6_000
#: Pixels on each side of the batch's photos.
SIDE = 1280
#: Photos of one batch: more than it gets through while it is measured.
PHOTOS = 30


@dataclass
class Measured:
    """Seconds of each rerun of the page; photos that were validated meanwhile, and the seconds of all reruns."""

    reruns: list[float] = field(default_factory=list)
    photos: int = 0
    seconds: float = 0.0


def portraits() -> Iterator[bytes]:
    """JPEGs of one person, no two alike."""
    portrait = Image.open(io.BytesIO(astronaut())).convert("RGB").resize((SIDE, SIDE))
    for number in count():
        portrait.paste((number * 37 % 256, number // 7 * 11 % 256, number // 256), (0, 0, 16, 16))
        out = io.BytesIO()
        portrait.save(out, "JPEG", quality=92)
        yield out.getvalue()


def register(services: Services, event: str, photos: Iterator[bytes]) -> None:
    """People with a reference photo and a submitted one."""
    registered = []
    for number in range(PHOTOS):
        keys = [f"{folder}/{event}-{number}.jpg" for folder in ("reference-faces", "face-images")]
        for key, photo in zip(keys, islice(photos, 2), strict=True):
            services.photos.put(key, photo)
        name = f"{event}-{number}"
        person = Registration(registration_id=name, user_id=name, event_id=event)
        registered.append(person.model_copy(update={"reference_photo_key": keys[0], "submitted_photo_key": keys[1]}))
    if services.importer is None:
        raise SystemExit("The benchmark fills the embedded backend.")
    services.importer.import_many(registered)


@contextmanager
def running(services: Services, event: str | None) -> Iterator[Callable[[], int]]:
    """A batch of the event, if any, in the background; yields how many photos it has validated."""
    if event is None:
        yield lambda: 0
        return
    stop = threading.Event()
    with closing(services.batches.open(event, Choice.ALL, Submitter(Source.BATCH))) as batch:
        thread = threading.Thread(target=batch.run, args=(stop,))
        thread.start()
        try:
            while batch.progress().done < 2:  # until all of it is warm
                time.sleep(0.01)
            yield lambda: batch.progress().done
        finally:
            stop.set()
            thread.join()


def measure(rounds: int, reruns: int, folder: str) -> dict[str, Measured]:
    page = ours.page(folder, "event_overview", warm=True)
    services = shared().services
    services.engine.ping()
    photos = portraits()
    cores = {"no batch": None, "a batch, 1 core": 1, f"a batch, all {cv2.getNumberOfCPUs()}": cv2.getNumberOfCPUs()}
    found: dict[str, Measured] = defaultdict(Measured)
    for number in range(rounds):
        for name, threads in cores.items():
            event = f"batch-{number}-{threads}" if threads else None
            if event:
                register(services, event, photos)
            cv2.setNumThreads(threads or -1)
            with running(services, event) as validated:
                before, began = validated(), time.perf_counter()
                for _ in range(reruns):
                    start = time.perf_counter()
                    page()
                    found[name].reruns.append(time.perf_counter() - start)
                found[name].photos += validated() - before
                found[name].seconds += time.perf_counter() - began
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description="Pages beside a batch.")
    parser.add_argument("--rounds", type=int, default=12, help="turns of each (default: 12)")
    parser.add_argument("--reruns", type=int, default=6, help="reruns of the page in a turn (default: 6)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data.embedded(Path(folder), RECORDS, registered=RECORDS)
        found = measure(given.rounds, given.reruns, folder)
    rows = []
    for name, measured in found.items():
        times = sorted(1000 * seconds for seconds in measured.reruns)
        figures = (statistics.median(times), times[int(0.95 * len(times))], times[-1])
        photos = f"{measured.photos / measured.seconds:.1f}" if measured.photos else ""
        rows.append([name, *(f"{value:,.0f}" for value in figures), photos])
    publish(
        "Pages beside a batch",
        f"A rerun of the Event overview ({RECORDS:,} records) in a process in which a batch runs, by the cores that "
        f"the face engine may use (`ENGINE_CORES`); photos of {SIDE} pixels. {given.rounds} turns of {given.reruns} "
        f"reruns each:\n\n{table(['', 'median, ms', 'p95, ms', 'longest, ms', 'photos a second'], rows)}",
    )


if __name__ == "__main__":
    main()
