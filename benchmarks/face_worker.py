"""What one checkout's engine sees in photos: the process that ``benchmarks.face_answers`` starts.

It imports that checkout's ``core`` and nothing of ``benchmarks``, for the other checkout may be older than both. It
reads its order (JSON) from its input and writes its answers to a file. What the engine saw is kept in the cache; the
rules judge it each time.
"""

from __future__ import annotations

import hashlib
import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from core.adapters.embedded import engine as engines
from core.adapters.embedded import face_analysis, networks
from core.adapters.embedded.model import MODEL
from core.domain.policy import Policy, judge

#: Photos between two times that the cache is written.
BATCH = 200
VECTOR = 128

Seen = dict[str, Any]


def main() -> None:
    order = json.load(sys.stdin)
    folder = Path(order["cache"]) / _version() if order["cache"] else None
    known = _cached(folder) if folder else {}
    engine: Any = engines.LocalEngine()
    engine.ping()
    if order["threads"]:
        cv2.setNumThreads(order["threads"])
    examined = []
    fresh: dict[str, Seen] = {}
    for path in order["photos"]:
        photo = Path(path).read_bytes()
        key = hashlib.sha256(photo).hexdigest()
        if key not in known:
            known[key] = fresh[key] = _seen(engine, photo)
            if len(fresh) == BATCH and folder:
                _keep(folder, fresh)
                fresh = {}
        examined.append(known[key])
    if fresh and folder:
        _keep(folder, fresh)
    _write(Path(order["out"]), engine, examined)
    engine.close()


def _version() -> str:
    """The model, and the code that runs it: a change that is under way may not have raised the model's version."""
    sources = [Path(str(importlib.import_module(module.__name__).__file__)) for module in (networks, face_analysis)]
    return f"{MODEL}-{hashlib.sha256(b''.join(path.read_bytes() for path in sources)).hexdigest()[:8]}"


def _seen(engine: Any, photo: bytes) -> Seen:
    begin = time.perf_counter()
    answer = engine.detect(photo)
    seconds = time.perf_counter() - begin
    picture: Any = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    height, width = picture.shape[:2]
    return {"answer": answer, "size": (width, height), "seconds": seconds, "vector": _vector(engine, photo)}


def _vector(engine: Any, photo: bytes) -> list[float] | None:
    """Of the largest clear face, which the engine remembers; None if there is none."""
    if hasattr(engine, "vector"):
        vector = engine.vector(engine.template(photo))
        return None if vector is None else vector.tolist()
    faces = engine._faces(photo)  # of before templates
    return faces[0].vector.tolist() if faces and faces[0].clear else None


def _cached(folder: Path) -> dict[str, Seen]:
    return {key: seen for part in sorted(folder.glob("*.json")) for key, seen in json.loads(part.read_text()).items()}


def _keep(folder: Path, fresh: dict[str, Seen]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    part = folder / f"{time.time_ns()}-{os.getpid()}"
    part.write_text(json.dumps(fresh, default=float))
    part.rename(part.with_suffix(".json"))


def _write(out: Path, engine: Any, examined: list[Seen]) -> None:
    cosines = np.linspace(-1, 1, 20_001, dtype=np.float32)
    np.savez(
        out,
        model=np.array(MODEL),
        reasons=np.array(["+".join(_reasons(seen)) for seen in examined]),
        boxes=np.array([_box(seen) for seen in examined], np.float32),
        seconds=np.array([seen["seconds"] for seen in examined]),
        clear=np.array([seen["vector"] is not None for seen in examined]),
        vectors=np.array([seen["vector"] or [0] * VECTOR for seen in examined], np.float32),
        cosines=cosines,
        similarities=_similarities(engine, cosines),
    )


def _reasons(seen: Seen) -> tuple[str, ...]:
    return judge(Policy(), seen["answer"], tuple(seen["size"]), None).reasons


def _box(seen: Seen) -> tuple[float, float, float, float]:
    """Left, top, width, height of the examined face in pixels; zeros without one."""
    faces = seen["answer"]["FaceDetails"]
    if not faces:
        return 0, 0, 0, 0
    width, height = seen["size"]
    box = faces[0]["BoundingBox"]
    return box["Left"] * width, box["Top"] * height, box["Width"] * width, box["Height"] * height


def _similarities(engine: Any, cosines: Any) -> Any:
    if hasattr(engine, "similarity_of"):
        return engine.similarity_of(cosines)
    of_faces: Any = face_analysis.similarity  # before templates
    one = face_analysis.Face({}, np.array([1, 0], np.float32), True)
    pairs = np.column_stack([cosines, np.sqrt(1 - np.minimum(cosines**2, 1))])
    return np.array([of_faces(one, face_analysis.Face({}, vector, True)) for vector in pairs])


if __name__ == "__main__":
    main()
