"""Rekognition's collections of faces, as the loopback server keeps them: in memory, judged by the server's engine."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from operator import itemgetter
from threading import RLock
from typing import Any
from uuid import uuid4

from core.domain.records import Provenance
from core.ports import Answer, FaceEngine

MODEL = "7.0"
#: What Rekognition's filter is stricter with in truth; here a face below it is one of low quality.
LEAST_SHARPNESS = 5.0
_COLLECTION_ID = re.compile(r"[a-zA-Z0-9_.\-]{1,255}")
_IMAGE_ID = re.compile(r"[a-zA-Z0-9_.\-:]{1,255}")
_BOX = {"Left": 0.25, "Top": 0.25, "Width": 0.5, "Height": 0.5}


class NoSuchThing(Exception):
    """``code`` is Rekognition's name of the error."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True)
class Face:
    """``photo`` stands for the vector that Rekognition would keep."""

    face_id: str
    image_id: str
    photo: bytes
    box: Mapping[str, float]
    confidence: float

    def described(self) -> dict[str, Any]:
        return {
            "FaceId": self.face_id,
            "ExternalImageId": self.image_id,
            "BoundingBox": dict(self.box),
            "Confidence": self.confidence,
            "IndexFacesModelVersion": MODEL,
        }


class FaceCollections:
    """``engine`` is looked up for each call, as tests change it. ``page_size`` limits the pages of lists."""

    def __init__(self, engine: Callable[[], FaceEngine]) -> None:
        self.page_size = 4096
        #: Collection id -> face id -> face.
        self.kept: dict[str, dict[str, Face]] = {}
        self._engine = engine
        self._similarities: dict[tuple[bytes, bytes], float] = {}
        self._lock = RLock()

    @property
    def answers(self) -> Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]]:
        """The operations by name."""
        return {
            "CreateCollection": self._create,
            "DeleteCollection": self._delete,
            "DeleteFaces": self._delete_faces,
            "ListCollections": self._list_collections,
            "ListFaces": self._list,
            "SearchFaces": self._search,
        }

    def index(self, request: Mapping[str, Any], photo: bytes) -> dict[str, Any]:
        """IndexFaces. The same face of the same photo with the same id is kept once, as Amazon says."""
        with self._lock:
            faces, image_id = self._faces(request), request["ExternalImageId"]
            if not _IMAGE_ID.fullmatch(image_id):
                raise NoSuchThing("InvalidParameterException")
        found = sorted(self._engine().detect(photo)["FaceDetails"], key=_area, reverse=True)
        chosen: list[dict[str, Any]] = []
        left_out: list[dict[str, Any]] = []
        for detail in found:
            if request.get("QualityFilter") != "NONE" and detail["Quality"]["Sharpness"] < LEAST_SHARPNESS:
                left_out.append({"Reasons": ["LOW_SHARPNESS"], "FaceDetail": detail})
            elif len(chosen) >= request.get("MaxFaces", 100):
                left_out.append({"Reasons": ["EXCEEDS_MAX_FACES"], "FaceDetail": detail})
            else:
                chosen.append(detail)
        with self._lock:
            records = [
                {"Face": _kept(faces, image_id, photo, detail).described(), "FaceDetail": detail} for detail in chosen
            ]
        return {"FaceRecords": records, "UnindexedFaces": left_out, "FaceModelVersion": MODEL}

    def _create(self, request: Mapping[str, Any]) -> dict[str, Any]:
        name = request["CollectionId"]
        if not _COLLECTION_ID.fullmatch(name):
            raise NoSuchThing("InvalidParameterException")
        with self._lock:
            if name in self.kept:
                raise NoSuchThing("ResourceAlreadyExistsException")
            self.kept[name] = {}
        arn = f"aws:rekognition:eu-west-1:123456789012:collection/{name}"
        return {"StatusCode": 200, "CollectionArn": arn, "FaceModelVersion": MODEL}

    def _delete(self, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            self._faces(request)
            del self.kept[request["CollectionId"]]
        return {"StatusCode": 200}

    def _delete_faces(self, request: Mapping[str, Any]) -> dict[str, Any]:
        if not 1 <= len(request["FaceIds"]) <= 4096:
            raise NoSuchThing("InvalidParameterException")
        with self._lock:
            faces = self._faces(request)
            there = [face_id for face_id in request["FaceIds"] if faces.pop(face_id, None)]
        missing = [face_id for face_id in request["FaceIds"] if face_id not in there]
        unsuccessful = [{"FaceId": face_id, "Reasons": ["FACE_NOT_FOUND"]} for face_id in missing]
        return {"DeletedFaces": there, "UnsuccessfulFaceDeletions": unsuccessful}

    def _list_collections(self, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            names = sorted(self.kept)
        page, token = self._page(names, request)
        return {"CollectionIds": page, "FaceModelVersions": [MODEL] * len(page), **token}

    def _list(self, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            faces = dict(self._faces(request))
        page, token = self._page(sorted(faces), request)
        return {"Faces": [faces[face_id].described() for face_id in page], "FaceModelVersion": MODEL, **token}

    def _page(self, ids: Sequence[str], request: Mapping[str, Any]) -> tuple[list[str], dict[str, str]]:
        """The next page of the ids, which are sorted, and the token with which to ask for the one after it.

        It goes on after an id that may be deleted meanwhile: no other one is repeated or left out.
        """
        after = request.get("NextToken", "")
        if after and not after.startswith("after:"):
            raise NoSuchThing("InvalidPaginationTokenException")
        rest = [each for each in ids if each > after.removeprefix("after:")]
        page = rest[: min(self.page_size, request.get("MaxResults", 4096))]
        return page, {"NextToken": f"after:{page[-1]}"} if len(page) < len(rest) else {}

    def _search(self, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            faces = dict(self._faces(request))
        searched = faces.pop(request["FaceId"], None)
        if searched is None:
            raise NoSuchThing("InvalidParameterException")
        threshold = request.get("FaceMatchThreshold", 80)
        matches = [
            {"Similarity": similarity, "Face": face.described()}
            for face in faces.values()
            if (similarity := self._similarity(searched.photo, face.photo)) >= threshold
        ]
        matches.sort(key=itemgetter("Similarity"), reverse=True)
        return {
            "SearchedFaceId": searched.face_id,
            "FaceMatches": matches[: request.get("MaxFaces", 80)],
            "FaceModelVersion": MODEL,
        }

    def _similarity(self, one: bytes, other: bytes) -> float:
        first, second = sorted((one, other))
        pair = sha256(first).digest(), sha256(second).digest()
        if pair not in self._similarities:
            answer = self._engine().compare(first, second)
            self._similarities[pair] = max((match["Similarity"] for match in answer["FaceMatches"]), default=0.0)
        return self._similarities[pair]

    def _faces(self, request: Mapping[str, Any]) -> dict[str, Face]:
        try:
            return self.kept[request["CollectionId"]]
        except KeyError:
            raise NoSuchThing("ResourceNotFoundException") from None


class FacesByName:
    """A ``FaceEngine`` at no cost: a photo shows the face that it names, and no face if it names none.

    ``photo_of("ada", 2)`` is her second photo. Two photos of one name are similar at 99, others at 10.
    """

    provenance = Provenance(engine="faces-by-name")

    def detect(self, photo: bytes) -> Answer:
        if not _name(photo):
            return {"FaceDetails": []}
        quality = {"Brightness": 80.0, "Sharpness": 0.0 if b"blurred" in photo else 90.0}
        return {"FaceDetails": [{"BoundingBox": _BOX, "Confidence": 99.9, "Quality": quality}]}

    def compare(self, submitted: bytes, reference: bytes) -> Answer:
        face = {"BoundingBox": _BOX, "Confidence": 99.9}
        similarity = 99.0 if _name(submitted) == _name(reference) else 10.0
        return {"SourceImageFace": face, "FaceMatches": [{"Similarity": similarity, "Face": face}]}

    def ping(self) -> None:
        return None

    def close(self) -> None:
        return None


def photo_of(name: str, number: int = 1, *, blurred: bool = False) -> bytes:
    """A photo for ``FacesByName``; one of nobody if ``name`` is empty."""
    return b"\xff\xd8\xff|" + b"|".join([name.encode(), b"blurred" if blurred else b"sharp", str(number).encode()])


def _name(photo: bytes) -> bytes:
    return photo.split(b"|")[1]


def _area(detail: Mapping[str, Any]) -> float:
    return float(detail["BoundingBox"]["Width"] * detail["BoundingBox"]["Height"])


def _kept(faces: dict[str, Face], image_id: str, photo: bytes, detail: Mapping[str, Any]) -> Face:
    for face in faces.values():
        if (face.image_id, face.photo, face.box) == (image_id, photo, detail["BoundingBox"]):
            return face
    face = Face(str(uuid4()), image_id, photo, detail["BoundingBox"], detail["Confidence"])
    faces[face.face_id] = face
    return face
