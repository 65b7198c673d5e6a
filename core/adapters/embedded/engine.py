"""The face engine that runs on this machine. It needs no network and no settings."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from threading import Lock
from typing import Any

import cv2
import numpy as np
import orjson
from numpy.typing import NDArray

from core.adapters.embedded.calibration import FALSE_MATCHES
from core.adapters.embedded.face_analysis import Seen, examine, similarity
from core.adapters.embedded.model import MODEL
from core.adapters.embedded.networks import Floats, Image, Networks
from core.domain.errors import Refused, Service
from core.domain.policy import INFERRED
from core.domain.records import Provenance
from core.ports import Answer

#: Photos whose results are remembered.
_REMEMBERED = 64
#: What a comparison says of a face of the reference photo.
_COMPARED = ("BoundingBox", "Confidence", "Landmarks", "Pose", "Quality")


class LocalEngine:
    """``TemplateEngine`` with OpenCV. A photo takes about 100 ms on two cores; the process grows by about 180 MB."""

    provenance = Provenance(engine="facedesk-opencv", model=MODEL)
    false_matches = FALSE_MATCHES

    def __init__(self, *, infer: bool = False, cores: int | None = None) -> None:
        """With ``infer`` it also reports smiles; age and gender it cannot tell.

        ``cores`` is how many it may use at once; None is all but one. OpenCV has one such number for the whole
        process: of several engines the last one that loads its weights decides for all of them.
        """
        self._cores = cores or max(1, cv2.getNumberOfCPUs() - 1)
        self._hidden: frozenset[str] = frozenset() if infer else frozenset(INFERRED)
        self._networks: Networks | None = None
        # OpenCV's networks keep state between layers, so they examine one photo at a time. A single thread does it
        # rather than a lock, because OpenCV and malloc keep memory for each thread that ever worked: three times as
        # much in all. Within a network OpenCV works on several cores by itself.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="faces")
        self._remembered: OrderedDict[bytes, Future[Seen]] = OrderedDict()
        self._lock = Lock()

    def detect(self, photo: bytes) -> Answer:
        seen = self._seen_in(photo)
        details = {"FaceDetails": [face.detail for face in seen.faces]}
        return details if seen.quality is None else {**details, "PhotoQuality": seen.quality}

    def compare(self, submitted: bytes, reference: bytes) -> Answer:
        """As the port says; unclear faces in ``reference`` are not compared."""
        return self.compare_template(submitted, self.template(reference))

    def template(self, photo: bytes) -> bytes:
        """As the port says: JSON, a list of faces."""
        faces = [
            {"detail": {name: face.detail[name] for name in _COMPARED if name in face.detail}, "vector": face.vector}
            for face in self._seen_in(photo).faces
            if face.clear
        ]
        return orjson.dumps(faces, option=orjson.OPT_SERIALIZE_NUMPY)

    def compare_template(self, submitted: bytes, template: bytes) -> Answer:
        faces = self._seen_in(submitted).faces
        if not faces:
            return {"FaceMatches": [], "UnmatchedFaces": []}
        examined = faces[0]
        matches = [
            {"Similarity": float(similarity(examined.vector @ _vector(other))), "Face": other["detail"]}
            for other in orjson.loads(template)
        ]
        return {
            "SourceImageFace": {name: examined.detail[name] for name in ("BoundingBox", "Confidence")},
            "FaceMatches": sorted(matches, key=lambda match: match["Similarity"], reverse=True),
            "UnmatchedFaces": [],
        }

    def vector(self, template: bytes) -> Floats | None:
        faces = orjson.loads(template)
        return _vector(faces[0]) if faces else None

    def similarity_of(self, cosine: Floats) -> NDArray[np.float64]:
        return similarity(cosine)

    def ping(self) -> None:
        """Load the weights; raises ``NotConfigured`` if they are missing or not the pinned ones."""
        self._worker.submit(self._load).result()

    def close(self) -> None:
        self._worker.shutdown(cancel_futures=True)

    def _seen_in(self, photo: bytes) -> Seen:
        """What is in the photo. It is remembered by the hash of the photo, without the photo itself."""
        key = hashlib.sha256(photo).digest()
        with self._lock:
            # detect and compare ask for the same photo at the same time: the second waits for the result of the
            # first.
            examined = self._remembered.get(key)
            if examined is None:
                examined = self._remembered[key] = self._worker.submit(self._examine, photo)
                if len(self._remembered) > _REMEMBERED:
                    self._remembered.popitem(last=False)
            self._remembered.move_to_end(key)
        try:
            return examined.result()
        except BaseException:
            # Do not remember the failure: missing weights may be there the next time.
            with self._lock:
                self._remembered.pop(key, None)
            raise

    def _examine(self, photo: bytes) -> Seen:
        seen = examine(self._load(), _decode(photo))
        return replace(seen, faces=tuple(replace(face, detail=self._reported(face.detail)) for face in seen.faces))

    def _reported(self, detail: Mapping[str, Any]) -> dict[str, Any]:
        return {name: value for name, value in detail.items() if name not in self._hidden}

    def _load(self) -> Networks:
        # On first use, to keep the start quick. Needs no lock: only the worker's single thread calls this.
        if self._networks is None:
            cv2.setNumThreads(self._cores)
            self._networks = Networks()
        return self._networks


def _vector(face: Mapping[str, Any]) -> Floats:
    """The vector of a template's face."""
    return np.array(face["vector"], np.float32)


def _decode(photo: bytes) -> Image:
    try:
        image = cv2.imdecode(np.frombuffer(photo, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        image = None
    if image is None:
        raise Refused(Service.ENGINE, "InvalidImageFormat")
    return np.asarray(image, np.uint8)
