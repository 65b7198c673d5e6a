"""AWS Rekognition as the face engine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from pydantic.alias_generators import to_snake

from core.adapters.aws.clients import translated
from core.adapters.aws.quota_shares import QuotaShares
from core.adapters.aws.rekognition import Calls, pace_of
from core.domain.errors import Refused, Service
from core.domain.policy import FAILING, INFERRED
from core.domain.records import Provenance
from core.flow.pace import Pace
from core.flow.retry import Retry
from core.ports import Answer

_SERVICE = Service.ENGINE
_NO_FACE_IN_SOURCE = "InvalidParameterException"
#: How Rekognition refuses a request without a picture after it has accepted the credentials and the permission.
_PICTURE_MISSING = frozenset({"InvalidParameterException", "InvalidImageFormatException", "ValidationException"})


@dataclass(frozen=True)
class Quota:
    """The account's Rekognition quota in the region, separately for each of the two operations.

    ``join`` is called before each call: where several instances share the quota, this one takes its share.
    """

    detect: Pace
    compare: Pace
    join: Callable[[], None] = lambda: None

    @classmethod
    def of(cls, calls_per_second: float) -> Quota:
        """The whole quota."""
        return cls(pace_of(calls_per_second), pace_of(calls_per_second))

    @classmethod
    def shared(cls, shares: QuotaShares, calls_per_second: float) -> Quota:
        """The share of this instance."""
        return cls(shares.pace(calls_per_second), shares.pace(calls_per_second), shares.join)


class RekognitionEngine:
    """``FaceEngine`` with DetectFaces and CompareFaces; needs only the permissions of these two names.

    ``client`` comes from ``core.adapters.aws.clients.client("rekognition", region)``, which makes one attempt per
    call; ``retry`` makes the others. Engines share the ``quota``, and every try counts. An engine that is ``patient``
    waits for its turn before each try. The others call at once, because a person waits for their answer, and the
    patient ones make room.

    It asks for the attributes that the rules need, and for age, gender and smile only with ``infer``.
    """

    def __init__(
        self, client: Any, retry: Retry, quota: Quota, *, patient: bool = False, infer: bool = False
    ) -> None:
        # Only answers of other operations, which have to do with collections of faces, name a model. Amazon may
        # change the one behind these without notice, so the version of the API is all that can be said.
        api_version = client.meta.service_model.api_version
        self.provenance = Provenance(engine="rekognition", model=f"api-{api_version}")
        # In Rekognition's requests an attribute is called differently from what it is called in the answers.
        wanted = (*FAILING, *(INFERRED if infer else ()))
        self._attributes = ["DEFAULT", *(to_snake(name).upper() for name in wanted)]
        self._client = client
        self._retry = retry
        self._quota = quota
        self._asked = Calls(retry, _SERVICE, patient, quota.join)

    def detect(self, photo: bytes) -> Answer:
        answer: Answer = self._asked(
            self._quota.detect,
            ["FaceDetails"],
            self._client.detect_faces,
            Image={"Bytes": photo},
            Attributes=self._attributes,
        )
        return answer

    def compare(self, submitted: bytes, reference: bytes) -> Answer:
        try:
            answer: Answer = self._asked(
                self._quota.compare,
                ["FaceMatches"],
                self._client.compare_faces,
                SourceImage={"Bytes": submitted},
                TargetImage={"Bytes": reference},
                # The rules apply their own threshold. Below Rekognition's, a face comes without a similarity.
                SimilarityThreshold=0,
                QualityFilter="NONE",
            )
            return answer
        except Refused as error:
            if error.code != _NO_FACE_IN_SOURCE:
                raise
            return {"FaceMatches": [], "UnmatchedFaces": []}

    def ping(self) -> None:
        """Sends a signed request without a picture, which tests the connection, the credentials and the permission.

        Rekognition refuses it before it analyses anything, and charges only for pictures that it analyses. A passing
        fault is reported at once, but credentials that have been replaced are not.
        """

        def once() -> None:
            with translated(_SERVICE):
                self._client.detect_faces(Image={})

        try:
            replace(self._retry, tries=1)(once)
        except Refused as error:
            if error.code not in _PICTURE_MISSING:
                raise

    def close(self) -> None:
        self._client.close()
