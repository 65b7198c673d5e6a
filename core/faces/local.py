"""The face engine that runs on this machine: no network, nothing to configure."""

from __future__ import annotations

import hashlib
import math
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock

import cv2
import numpy as np

from core.errors import Refused
from core.faces.analysis import Face, examine
from core.faces.networks import Image, Networks
from core.ports import Answer

#: How many photos' results are remembered.
_REMEMBERED = 64

#: Cosine of two faces -> similarity: 0.35 is 50, 0.40 is 80. Of 684 pairs of one person none fell below 80, of 23,626
#: pairs of two people 3 reached it; optimistic, as the numbers were chosen on the same photos.
_COSINE_EVEN = 0.35
_COSINE_STEEPNESS = 28


class LocalEngine:
    """``FaceEngine`` with OpenCV. A photo takes about 60 ms on two cores, the weights about 400 MB once in use."""

    def __init__(self) -> None:
        self._networks: Networks | None = None
        # OpenCV's networks keep their state between layers: one at a time. They use all cores by themselves, so a
        # set of networks for each thread would take more memory and give no more photos a second.
        self._turn = Lock()
        self._seen = _Memory(_REMEMBERED)

    def detect(self, photo: bytes) -> Answer:
        return {"FaceDetails": [face.detail for face in self._faces(photo)]}

    def compare(self, submitted: bytes, reference: bytes) -> Answer:
        """As the port says; an unclear face in ``reference`` is nothing to compare with."""
        faces = self._faces(submitted)
        if not faces:
            return {"FaceMatches": [], "UnmatchedFaces": []}
        examined = faces[0]
        matches = [
            {
                "Similarity": _similarity(examined, other),
                "Face": {
                    name: other.detail[name]
                    for name in ("BoundingBox", "Confidence", "Landmarks", "Pose", "Quality", "Smile")
                    if name in other.detail
                },
            }
            for other in self._faces(reference)
            if other.clear
        ]
        return {
            "SourceImageFace": {name: examined.detail[name] for name in ("BoundingBox", "Confidence")},
            "FaceMatches": sorted(matches, key=lambda match: match["Similarity"], reverse=True),
            "UnmatchedFaces": [],
        }

    def ping(self) -> None:
        """Load the weights; raises ``NotConfigured`` where they are missing or not the pinned ones."""
        with self._turn:
            self._load()

    def close(self) -> None:
        with self._turn:
            self._networks = None
        self._seen.clear()

    def _faces(self, photo: bytes) -> tuple[Face, ...]:
        # detect and compare ask for the same photo at the same time: the second waits for the first one's result.
        return self._seen.get(hashlib.sha256(photo).digest(), lambda: self._examine(photo))

    def _examine(self, photo: bytes) -> tuple[Face, ...]:
        image = _decode(photo)
        with self._turn:
            return examine(self._load(), image)

    def _load(self) -> Networks:
        # On first use and not at the start, which must stay quick; the caller holds the lock, or two first photos
        # would load everything twice.
        if self._networks is None:
            self._networks = Networks()
        return self._networks


class _Memory:
    """The results of the last few photos by the hash of their bytes; the photos themselves are not kept."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._results: OrderedDict[bytes, Future[tuple[Face, ...]]] = OrderedDict()
        self._lock = Lock()

    def get(self, key: bytes, compute: Callable[[], tuple[Face, ...]]) -> tuple[Face, ...]:
        """The remembered result; ``compute`` runs once however many threads ask. A failure is not remembered."""
        with self._lock:
            result = self._results.get(key)
            if first := result is None:
                result = Future()
                self._results[key] = result
                if len(self._results) > self._size:
                    self._results.popitem(last=False)
            self._results.move_to_end(key)
        if first:
            try:
                result.set_result(compute())
            except BaseException as error:
                with self._lock:
                    self._results.pop(key, None)
                result.set_exception(error)
                raise
        return result.result()

    def clear(self) -> None:
        with self._lock:
            self._results.clear()


def _decode(photo: bytes) -> Image:
    try:
        image = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise Refused("face engine", "InvalidImageFormat")
    return np.asarray(image, np.uint8)


def _similarity(one: Face, other: Face) -> float:
    cosine = float(one.vector @ other.vector)
    return 100 / (1 + math.exp(-_COSINE_STEEPNESS * (cosine - _COSINE_EVEN)))
