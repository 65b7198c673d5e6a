"""Rekognition's collections of faces: one for each event whose people are searched for duplicates.

A collection holds what Rekognition makes of faces, not the photos. Each of its faces has a text of ours (Amazon's
``ExternalImageId``), a ``Tag``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from hashlib import sha256
from typing import Any, NamedTuple

from core.adapters.aws.quota_shares import QuotaShares
from core.adapters.aws.rekognition import Calls, pace_of
from core.domain.duplicates import SERVICE
from core.domain.errors import NotConfigured, Refused, SettingsError
from core.flow.pace import Pace
from core.flow.retry import Retry

#: The most faces that one request lists or deletes, and that one search can find.
MOST_FACES = 4096
#: The longest name of a collection.
_LONGEST_NAME = 255
#: 128 bits: no two of all ids that there will ever be have the same hash.
_HASH_CHARACTERS = 32
#: Why a face was not deleted that is not there.
_NOT_THERE = ["FACE_NOT_FOUND"]
_DENIED = "AccessDeniedException"
_NOT_ALLOWED = (
    "AWS does not let this role use Rekognition's collections (AccessDeniedException). Apply infra/ with "
    "find_duplicates=true, or give the role the same statements, and search again."
)
_DELETED_MEANWHILE = "What was kept of the faces of the event was deleted during the search, so the search ended."


class Tag(NamedTuple):
    """Whose face it is and of which photo: hashes of the user id, of the registration id and of the photo's mark.

    Hashes, because Rekognition takes only some characters, and because an erasure knows no more than the user id.
    """

    user: str
    registration: str
    photo: str

    @classmethod
    def of(cls, user_id: str, registration_id: str, mark: str) -> Tag:
        return cls(hashed(user_id), hashed(registration_id), hashed(mark))

    @classmethod
    def read(cls, text: str) -> Tag | None:
        """The tag that was written as ``text``; None if that is none of ours."""
        parts = text.split(":")
        return cls(*parts) if len(parts) == len(cls._fields) else None

    @property
    def owner(self) -> tuple[str, str]:
        return self.user, self.registration

    def __str__(self) -> str:
        return ":".join(self)


class Match(NamedTuple):
    """A face that is similar (0-100) to the one that was searched for."""

    tag: Tag
    similarity: float


def hashed(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()[:_HASH_CHARACTERS]


class _NoCollection(Refused):
    """There is no such collection."""


class FaceCollections:
    """The collections of one installation, by names that begin with that of its table of records.

    ``client`` makes one attempt per call (``core.adapters.aws.clients.client("rekognition", region)``); ``retry``
    makes the others. Calls wait for their turn: IndexFaces, SearchFaces and all others at ``calls_per_second`` each;
    with ``shares``, at this instance's share of that. The methods raise ``ServiceError``. Raises ``SettingsError`` if
    the table's name is too long.
    """

    def __init__(
        self, client: Any, table: str, retry: Retry, calls_per_second: float, shares: QuotaShares | None = None
    ) -> None:
        self._prefix = f"{table}-"
        if len(self.name_of("")) > _LONGEST_NAME:
            raise SettingsError(
                f"DYNAMODB_FACE_VALIDATION_TABLE has more than {_LONGEST_NAME - _HASH_CHARACTERS - 1} characters, "
                "which is too many for the names of Rekognition's collections."
            )
        self._ours = re.compile(re.escape(self._prefix) + f"[0-9a-f]{{{_HASH_CHARACTERS}}}")
        self._client = client
        self._calls = Calls(retry, SERVICE, True, shares.join) if shares else Calls(retry, SERVICE, True)
        pace = shares.pace if shares else pace_of
        self._index, self._search, self._other = (pace(calls_per_second) for _ in range(3))

    def name_of(self, event_id: str) -> str:
        return f"{self._prefix}{hashed(event_id)}"

    def names(self) -> Iterator[str]:
        """The names of all collections of this installation that there are."""
        request: dict[str, Any] = {}
        while True:
            answer = self._ask(self._other, ["CollectionIds"], self._client.list_collections, **request)
            yield from filter(self._ours.fullmatch, answer["CollectionIds"])
            if "NextToken" not in answer:
                return
            request = {"NextToken": answer["NextToken"]}

    def create(self, name: str) -> None:
        """Creates the collection if there is none."""
        try:
            self._ask(self._other, ["StatusCode"], self._client.create_collection, CollectionId=name)
        except Refused as error:
            if error.code != "ResourceAlreadyExistsException":
                raise

    def faces(self, name: str) -> Iterator[tuple[str, Tag | None]]:
        """The id of each face in the collection, and its tag if that is one of ours. None if there is no such
        collection.
        """
        request: dict[str, Any] = {"CollectionId": name, "MaxResults": MOST_FACES}
        while True:
            try:
                answer = self._ask(self._other, ["Faces"], self._client.list_faces, **request)
            except _NoCollection:
                return
            for face in answer["Faces"]:
                yield face["FaceId"], Tag.read(face.get("ExternalImageId", ""))
            if "NextToken" not in answer:
                return
            request["NextToken"] = answer["NextToken"]

    def add(self, name: str, tag: Tag, photo: bytes) -> str | None:
        """Adds the largest face of the photo, a JPEG; returns its id. None if the photo shows no clear face.

        Amazon keeps the same face of the same photo with the same tag only once, so a retry adds nothing.
        """
        answer = self._ask(
            self._index,
            ["FaceRecords"],
            self._client.index_faces,
            CollectionId=name,
            Image={"Bytes": photo},
            ExternalImageId=str(tag),
            MaxFaces=1,
            QualityFilter="AUTO",
        )
        return next((record["Face"]["FaceId"] for record in answer["FaceRecords"]), None)

    def similar(self, name: str, face_id: str, threshold: float, limit: int) -> list[Match] | None:
        """The faces that are at least as similar to this one as ``threshold``, at most ``limit`` of them, the most
        similar first. None if there is no such face any more.
        """
        try:
            answer = self._ask(
                self._search,
                ["FaceMatches"],
                self._client.search_faces,
                CollectionId=name,
                FaceId=face_id,
                FaceMatchThreshold=threshold,
                MaxFaces=limit,
            )
        except Refused as error:
            if error.code != "InvalidParameterException":
                raise
            return None
        found = ((Tag.read(each["Face"].get("ExternalImageId", "")), each) for each in answer["FaceMatches"])
        return [Match(tag, each["Similarity"]) for tag, each in found if tag]

    def delete(self, name: str, face_ids: Sequence[str]) -> None:
        """Deletes those of the faces that are there."""
        for start in range(0, len(face_ids), MOST_FACES):
            chunk = list(face_ids[start : start + MOST_FACES])
            try:
                answer = self._ask(
                    self._other,
                    ["DeletedFaces", "UnsuccessfulFaceDeletions"],
                    self._client.delete_faces,
                    CollectionId=name,
                    FaceIds=chunk,
                )
            except _NoCollection:
                return
            left = [each for each in answer.get("UnsuccessfulFaceDeletions", ()) if each["Reasons"] != _NOT_THERE]
            if left:
                raise Refused(SERVICE, "FacesNotDeleted", f"Rekognition did not delete {len(left)} faces.")

    def drop(self, name: str) -> None:
        """Deletes the collection with all its faces if there is one."""
        try:
            self._ask(self._other, ["StatusCode"], self._client.delete_collection, CollectionId=name)
        except _NoCollection:
            return

    def close(self) -> None:
        self._client.close()

    def _ask(self, pace: Pace, essential: Collection[str], call: Callable[..., Any], **request: Any) -> Any:
        try:
            return self._calls(pace, essential, call, **request)
        except NotConfigured as error:
            raise _NoCollection(SERVICE, error.code, _DELETED_MEANWHILE) from error
        except Refused as error:
            if error.code != _DENIED:
                raise
            raise Refused(SERVICE, error.code, _NOT_ALLOWED) from error
