"""A face engine whose answers the test chooses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from core.domain.records import Provenance

GOOD_FACE: Mapping[str, Any] = {
    "BoundingBox": {"Left": 0.3, "Top": 0.2, "Width": 0.4, "Height": 0.5},
    "Confidence": 99.9,
    "Pose": {"Yaw": 2.0, "Pitch": -1.0, "Roll": 0.5},
    "Quality": {"Brightness": 80.0, "Sharpness": 90.0},
    "EyesOpen": {"Value": True, "Confidence": 99.0},
}


@dataclass
class ChosenEngine:
    """Sees one good face, at the given similarity (0-100); raises ``error`` or waits for ``stalled`` where set."""

    similarity: float = 95.0
    faces: tuple[Mapping[str, Any], ...] = (GOOD_FACE,)
    reference_faces: int = 1
    error: Exception | None = None
    stalled: Event | None = None
    calls: list[str] = field(default_factory=list)
    provenance: Provenance = field(default_factory=lambda: Provenance(engine="chosen", model="m1"))

    def detect(self, photo: bytes) -> Mapping[str, Any]:
        self._called("detect")
        return {"FaceDetails": list(self.faces)}

    def compare(self, submitted: bytes, reference: bytes) -> Mapping[str, Any]:
        self._called("compare")
        if not self.faces:
            return {"FaceMatches": []}
        match = {"Similarity": self.similarity, "Face": {"BoundingBox": self.faces[0]["BoundingBox"]}}
        return {"SourceImageFace": self.faces[0], "FaceMatches": [match] * self.reference_faces}

    def ping(self) -> None:
        self._called("ping")

    def close(self) -> None:
        pass

    def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.stalled:
            self.stalled.wait(30)
        if self.error:
            raise self.error
