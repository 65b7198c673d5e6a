"""The answers of the local engine of this checkout, or of another one, for many photos."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
_WORKER = Path(__file__).with_name("face_worker.py")


@dataclass(frozen=True)
class Answers:
    """A row for each photo, in the order in which they were given."""

    model: str
    #: Why the rules refuse the photo, by itself; joined by "+", empty if they accept it.
    reasons: NDArray[np.str_]
    #: Left, top, width, height of the examined face, in pixels; zeros if none was found.
    boxes: NDArray[np.float32]
    seconds: NDArray[np.float64]
    #: Whether there is a clear face, which can be compared.
    clear: NDArray[np.bool_]
    #: 128 numbers a photo, together of length 1; zeros without a clear face.
    vectors: NDArray[np.float32]
    #: What the engine makes of cosines, ascending: 0-100.
    cosines: NDArray[np.float64]
    similarities: NDArray[np.float64]

    @property
    def accepted(self) -> NDArray[np.bool_]:
        return np.asarray(self.reasons == "", np.bool_)

    def cosine_at(self, similarity: float) -> float:
        return float(np.interp(similarity, self.similarities, self.cosines))

    def similarity_at(self, cosine: float) -> float:
        return float(np.interp(cosine, self.cosines, self.similarities))


def answers(checkout: Path, photos: Sequence[Path], cache: Path | None, *, processes: int, threads: int) -> Answers:
    """What the engine of ``checkout`` says of ``photos``; only of those that are not yet in ``cache`` is it asked.

    Each of the ``processes`` uses ``threads`` threads (0: as many as the engine chooses). Raises
    ``subprocess.CalledProcessError`` if one of them fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        parts = [Path(folder) / f"{number}.npz" for number in range(processes)]
        workers = [
            subprocess.Popen(
                [sys.executable, "-P", str(_WORKER)],
                stdin=subprocess.PIPE,
                cwd=checkout,
                env={**os.environ, "PYTHONPATH": str(checkout)},
            )
            for _ in parts
        ]
        for number, worker in enumerate(workers):
            share = [str(path.resolve()) for path in photos[number::processes]]
            order = {"photos": share, "cache": str(cache.resolve()) if cache else "", "threads": threads}
            assert worker.stdin is not None
            worker.stdin.write(json.dumps({**order, "out": str(parts[number])}).encode())
            worker.stdin.close()
        for worker in workers:
            if worker.wait():
                raise subprocess.CalledProcessError(worker.returncode, worker.args)
        return _joined([dict(np.load(part)) for part in parts])


def _joined(parts: list[dict[str, NDArray[Any]]]) -> Answers:
    """Puts the rows of the parts back into the order of the photos, which were dealt out in turn."""
    shared = ("model", "cosines", "similarities")
    count = sum(len(part["clear"]) for part in parts)
    rows = {}
    for name in parts[0]:
        if name not in shared:
            whole = np.concatenate([part[name] for part in parts])  # of one type, whatever texts a part has
            dealt = np.concatenate([np.arange(number, count, len(parts)) for number in range(len(parts))])
            rows[name] = whole[np.argsort(dealt)]
    return Answers(
        model=str(parts[0]["model"]),
        cosines=parts[0]["cosines"],
        similarities=parts[0]["similarities"],
        **rows,
    )
