"""AWS Rekognition as the face engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from core.aws import translated
from core.errors import Refused, Unavailable
from core.ports import Answer
from core.retry import Retry

_SERVICE = "face engine"
_NO_FACE_IN_SOURCE = "InvalidParameterException"
#: What Rekognition says to a request without a picture once it has accepted who asks, and from where.
_PICTURE_MISSING = frozenset({"InvalidParameterException", "InvalidImageFormatException", "ValidationException"})


class RekognitionEngine:
    """``FaceEngine`` with DetectFaces and CompareFaces; needs the permissions of these two names and no more.

    ``client`` comes from ``core.aws.client("rekognition", region)``, which makes one attempt a call; ``retry`` makes
    the others.
    """

    def __init__(self, client: Any, retry: Retry) -> None:
        self._client = client
        self._retry = retry

    def detect(self, photo: bytes) -> Answer:
        return self._retry(
            lambda: _asked(
                "FaceDetails", lambda: self._client.detect_faces(Image={"Bytes": photo}, Attributes=["ALL"])
            )
        )

    def compare(self, submitted: bytes, reference: bytes) -> Answer:
        try:
            return self._retry(
                lambda: _asked(
                    "FaceMatches",
                    lambda: self._client.compare_faces(
                        SourceImage={"Bytes": submitted},
                        TargetImage={"Bytes": reference},
                        # Ours is applied by the rules: below Rekognition's own a face comes without its similarity.
                        SimilarityThreshold=0,
                        QualityFilter="NONE",
                    ),
                )
            )
        except Refused as error:
            if error.code != _NO_FACE_IN_SOURCE:
                raise
            return {"FaceMatches": [], "UnmatchedFaces": []}

    def ping(self) -> None:
        """One signed request without a picture: it shows the way, the credentials and the permission to be good.

        Rekognition refuses it before it looks at anything, and charges by pictures looked at.
        """
        try:
            with translated(_SERVICE):
                self._client.detect_faces(Image={})
        except Refused as error:
            if error.code not in _PICTURE_MISSING:
                raise

    def close(self) -> None:
        self._client.close()


def _asked(essential: str, call: Callable[[], dict[str, Any]]) -> Answer:
    """The answer without botocore's metadata; one that has not even ``essential`` did not come from Rekognition."""
    with translated(_SERVICE):
        answer = call()
    if essential not in answer:
        raise Unavailable(_SERVICE, "UnreadableAnswer")
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}
