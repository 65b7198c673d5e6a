"""The face engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from core.domain.face_pairs import FalseMatches
from core.domain.records import Provenance

if TYPE_CHECKING:  # only engines that make templates need it
    import numpy as np
    from numpy.typing import NDArray

#: An answer in the form of Rekognition's DetectFaces or CompareFaces.
Answer = Mapping[str, Any]


class FaceEngine(Protocol):
    """Finds and compares faces in upright JPEG photos.

    Answers have Rekognition's form and units: boxes are shares of width and height; confidence, brightness, sharpness
    and similarity are 0-100; angles are in degrees. What an engine cannot measure is absent, never guessed. Age,
    gender and smile (``core.domain.policy.INFERRED``) are absent unless the engine was set up to infer them.
    """

    #: What its answers come from: ``engine``, a name that stays, and ``model``, all that it knows of the version that
    #: answers, as another one may see the same face differently.
    provenance: Provenance

    def detect(self, photo: bytes) -> Answer:
        """``{"FaceDetails": [...]}``; an empty list if there is no face.

        Then an engine that can measure it adds the quality of the whole photo,
        ``"PhotoQuality": {"Brightness": ..., "Sharpness": ...}``.
        """
        ...

    def compare(self, submitted: bytes, reference: bytes) -> Answer:
        """Compares the largest face of ``submitted`` with all faces of ``reference``, without a threshold:
        ``{"SourceImageFace": {...}, "FaceMatches": [{"Similarity", "Face": {"BoundingBox", ...}}, ...]}``,
        most similar first.

        ``SourceImageFace`` is absent if ``submitted`` shows no face; ``FaceMatches`` is empty if ``reference`` shows
        none.
        """
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


class TemplateEngine(FaceEngine, Protocol):
    """An engine that makes templates of photos, so that it need not examine a reference photo twice.

    A template is of use to the engine's model alone (``provenance.model``), and holds the clear faces of its photo.
    """

    #: How often two people's faces have some cosine, as far as that was measured.
    false_matches: FalseMatches

    def template(self, photo: bytes) -> bytes:
        """The template of an upright JPEG photo. Its bytes mean nothing to anybody but this engine."""
        ...

    def compare_template(self, submitted: bytes, template: bytes) -> Answer:
        """What ``compare`` answers for ``submitted`` and the photo of which ``template`` was made."""
        ...

    def vector(self, template: bytes) -> NDArray[np.float32] | None:
        """The largest clear face: 128 numbers of length 1; None if there is none.

        The scalar product of two vectors is the cosine of their faces.
        """
        ...

    def similarity_of(self, cosine: NDArray[np.float32]) -> NDArray[np.float64]:
        """The similarity (0-100) of faces with these cosines, as ``compare`` gives it."""
        ...
