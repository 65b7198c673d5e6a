"""Searching an event of 10,000 people for duplicates: the comparison alone, and a whole search from kept templates.

The faces are made up: directions drawn at random, with some people planted twice. Each must be found. Run as
``python -m benchmarks.duplicates``.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Event

import numpy as np
import orjson
from numpy.typing import NDArray

from benchmarks.measure import cost
from benchmarks.results import publish, table
from core.adapters.embedded.calibration import FALSE_MATCHES
from core.adapters.embedded.model import MODEL
from core.adapters.embedded.photos import FolderPhotos
from core.adapters.embedded.registrations import SqliteRegistrations
from core.domain.duplicates import MAX_PAIRS
from core.domain.face_pairs import ONE_FALSE_PAIR, pairs_above
from core.domain.records import Registration
from core.files.disk import DATABASE, PHOTOS
from core.runtime.bootstrap import build
from core.settings import Settings

PEOPLE, TWICE = 10_000, 40
EVENT = "large-event"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--people", type=int, default=PEOPLE)
    given = parser.parse_args()
    compared = cost("benchmarks.duplicates:comparison", given.runs, people=given.people)
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), given.people)
        searched = cost("benchmarks.duplicates:whole_search", given.runs, folder=folder)
    rows = [
        [name, f"{each.wall:.2f}", f"{each.cpu:.2f}", f"{each.peak:.0f}", f"{each.counted:.0f} of {TWICE}"]
        for name, each in (("comparing all faces", compared), ("a search, all templates kept", searched))
    ]
    publish(
        "Duplicates",
        f"""
{given.people:,} people with made-up faces, {TWICE} of them twice: {given.people * (given.people - 1) // 2:,} pairs,
compared in blocks. The peak is the whole process's. A template that is not kept yet takes as long as the face engine
needs for a photo besides.

{table(["", "wall, s", "CPU, s", "peak memory, MB", "found"], rows)}
""",
    )


def comparison(people: int) -> Callable[[], int]:
    """The work of comparing as many faces; it counts the planted pairs that were found."""
    made, planted = faces(people)
    cosine = FALSE_MATCHES.cosine_at(ONE_FALSE_PAIR)

    def work() -> int:
        found = pairs_above(made, cosine, MAX_PAIRS)
        return len(planted & set(zip(found.first.tolist(), found.second.tolist(), strict=True)))

    return work


def whole_search(folder: str) -> Callable[[], int]:
    """The work of one search of the event in the data folder; it counts the pairs that were found."""
    services = build(Settings(data_dir=Path(folder), operation_log="off", _env_file=None))
    services.duplicates.set_switch(EVENT, True, "benchmark", "benchmark")
    return lambda: len(services.duplicates.search(EVENT, Event()).pairs)


def fill(folder: Path, people: int) -> None:
    """An event whose people have templates of photos, which nobody will read."""
    made, _ = faces(people)
    registrations = SqliteRegistrations(folder / DATABASE)
    registrations.import_many(
        Registration(
            registration_id=f"reg-{number:06}",
            user_id=f"user-{number:06}",
            event_id=EVENT,
            reference_photo_key=f"reference-faces/{number:06}.jpg",
        )
        for number in range(people)
    )
    registrations.close()
    photos = FolderPhotos(folder / PHOTOS)
    for number, vector in enumerate(made):
        key = f"reference-faces/{number:06}.jpg"
        photos.put(key, b"a photo")
        template = orjson.dumps([{"detail": {}, "vector": vector}], option=orjson.OPT_SERIALIZE_NUMPY)
        photos.templates.put(key, MODEL, photos.templates.mark(key) or "", template)
    photos.close()


def faces(people: int) -> tuple[NDArray[np.float32], set[tuple[int, int]]]:
    """Vectors of length 1, and the rows of those who are there twice: as alike as two photos of one person."""
    random = np.random.default_rng(17)
    made = _of_length_1(random.standard_normal((people, 128), dtype=np.float32))
    planted = [(number, people - 1 - number * (people // (3 * TWICE))) for number in range(TWICE)]
    for first, second in planted:
        other = _of_length_1(random.standard_normal((1, 128), dtype=np.float32))[0]
        made[second] = _of_length_1((made[first] + 0.8 * other)[None, :])[0]
    return made, set(planted)


def _of_length_1(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


if __name__ == "__main__":
    main()
