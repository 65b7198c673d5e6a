"""The search for pairs of similar faces among the people of an event, with Rekognition's collections."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from hashlib import sha256
from typing import TypeVar

from core.adapters.aws.face_collections import FaceCollections, Match, Tag, hashed
from core.domain.duplicates import MAX_PAIRS, Expected, Found, Pair, Reference
from core.domain.errors import PhotoNotFound, PhotoRefused, Refused, ServiceError
from core.flow.crew import PATIENCE_SECONDS, Crew, End, Progress
from core.ports import ReadPhoto

T = TypeVar("T")
R = TypeVar("R")

#: Amazon's advice where a match has consequences for a person. Nobody has measured what it means for such searches.
DEFAULT_THRESHOLD = 99.0
#: What Rekognition says of a photo that it cannot examine. It says nothing about other photos.
_OF_THE_PHOTO = frozenset({"ImageTooLargeException", "InvalidImageFormatException", "InvalidParameterException"})


class RekognitionFaceSearch:
    """``FaceSearch``. What it keeps of faces are Rekognition's collections.

    A search adds the faces that are not in the event's collection yet, then asks for each face which others are
    similar. So the next search continues one that was stopped or killed: it adds what is missing.
    """

    default_threshold = DEFAULT_THRESHOLD

    def __init__(
        self,
        collections: FaceCollections,
        mark: Callable[[str], str | None],
        *,
        workers: int,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """``mark`` returns what identifies the photo that is now under a key, None if there is none under the key as
        it is written. ``workers`` and ``patience`` (seconds) are those of ``Crew``.
        """
        self._collections = collections
        self._mark = mark
        self._workers = workers
        self._patience = patience

    def false_match_rate(self, threshold: float) -> Expected | None:
        """None: Amazon publishes no rates, and nobody has measured any."""
        return None

    def search(
        self,
        event_id: str,
        references: Sequence[Reference],
        read: ReadPhoto,
        threshold: float,
        stop: threading.Event,
        report: Callable[[Progress], None],
    ) -> Found:
        """Each reference counts twice in the progress: its face is added, then compared.

        Rekognition keeps nothing of a photo without a clear face, so each search examines it again.
        """
        found = _Search(self._collections, self._collections.name_of(event_id), self._mark, read, threshold)
        crews = _Crews(self._workers, self._patience, stop, report, total=2 * len(references))
        found.begin(references)
        crews.run(found.added, found.keep_face, references, done=0)
        found.delete_replaced()
        if crews.may_continue:
            faces = list(found.faces)
            crews.run(found.similar, found.keep_matches, faces, done=crews.total - len(faces))
        if crews.last_error and not found.compared and not found.without:
            raise crews.last_error
        return Found(
            pairs=found.pairs.best(),
            compared=found.compared,
            without_face=found.without[_Without.FACE],
            without_photo=found.without[_Without.PHOTO],
            failed=found.without[_Without.ANSWER] + crews.failed,
            capped=found.pairs.capped,
            finished=crews.may_continue,
        )

    def forget(self, user_id: str) -> int:
        user, registrations = hashed(user_id), 0
        for name in self._collections.names():
            theirs = {face_id: tag for face_id, tag in self._collections.faces(name) if tag and tag.user == user}
            self._collections.delete(name, list(theirs))
            registrations += len({tag.registration for tag in theirs.values()})
        return registrations

    def drop(self, event_id: str) -> None:
        self._collections.drop(self._collections.name_of(event_id))

    def close(self) -> None:
        self._collections.close()


class _Without(Enum):
    """What a reference lacks so that it is not compared: a clear face, a photo, or an answer of Rekognition's."""

    FACE = auto()
    PHOTO = auto()
    ANSWER = auto()


class _Search:
    """One search. ``added`` and ``similar`` are called in several threads, all else in one."""

    def __init__(
        self,
        collections: FaceCollections,
        name: str,
        mark: Callable[[str], str | None],
        read: ReadPhoto,
        threshold: float,
    ) -> None:
        #: The ids of the references' faces.
        self.faces: dict[Tag, str] = {}
        self.without: Counter[_Without] = Counter()
        self.pairs = _Pairs()
        self.compared = 0
        self._collections = collections
        self._name = name
        self._mark = mark
        self._read = read
        self._threshold = threshold
        #: The faces in the collection when the search began.
        self._kept: dict[Tag, str] = {}
        self._owners: dict[Tag, Reference] = {}
        self._examined: set[tuple[str, str]] = set()

    def begin(self, references: Sequence[Reference]) -> None:
        """Creates the collection if there is none, and deletes the faces that are nobody's of ``references``."""
        self._collections.create(self._name)
        owners = {(hashed(each.user_id), hashed(each.registration_id)) for each in references}
        nobodys = []
        for face_id, tag in self._collections.faces(self._name):
            if tag is None or tag.owner not in owners or tag in self._kept:
                nobodys.append(face_id)
            else:
                self._kept[tag] = face_id
        self._collections.delete(self._name, nobodys)

    def added(self, reference: Reference) -> tuple[Tag, str] | _Without:
        """The tag and the id of the reference's face, which is in the collection then."""
        try:
            # The mark comes before the photo: of a photo that is replaced in between, the next search sees that.
            mark, photo = self._mark(reference.key), None
            if mark is None:
                photo = self._read(reference.key)
                mark = sha256(photo).hexdigest()
            tag = Tag.of(reference.user_id, reference.registration_id, mark)
            face_id = self._kept.get(tag)
            if face_id is None:
                face_id = self._collections.add(self._name, tag, photo or self._read(reference.key))
        except (PhotoNotFound, PhotoRefused):
            return _Without.PHOTO
        except Refused as error:
            if error.code not in _OF_THE_PHOTO:
                raise
            return _Without.ANSWER
        return (tag, face_id) if face_id else _Without.FACE

    def keep_face(self, reference: Reference, outcome: tuple[Tag, str] | _Without) -> None:
        self._examined.add((hashed(reference.user_id), hashed(reference.registration_id)))
        if isinstance(outcome, _Without):
            self.without[outcome] += 1
            return
        tag, face_id = outcome
        self.faces[tag] = face_id
        self._owners[tag] = reference

    def delete_replaced(self) -> None:
        """Deletes the faces of photos that are no longer the references' photos."""
        replaced = [
            face_id for tag, face_id in self._kept.items() if tag.owner in self._examined and tag not in self.faces
        ]
        self._collections.delete(self._name, replaced)

    def similar(self, tag: Tag) -> list[Match] | None:
        # With one more than are kept, it shows whether there are more.
        return self._collections.similar(self._name, self.faces[tag], self._threshold, MAX_PAIRS + 1)

    def keep_matches(self, tag: Tag, matches: list[Match] | None) -> None:
        if matches is None:  # somebody else has deleted the face: its owner is being erased
            self.without[_Without.ANSWER] += 1
            return
        self.compared += 1
        for match in matches:
            if match.tag in self.faces and match.tag != tag:
                one, other = self._owners[tag], self._owners[match.tag]
                self.pairs.add(one.registration_id, other.registration_id, match.similarity)


class _Pairs:
    """The ``MAX_PAIRS`` most similar ones of all pairs that are added, each once. ``capped``: there were more."""

    def __init__(self) -> None:
        self.capped = False
        self._similarities: dict[tuple[str, str], float] = {}
        self._least = 0.0

    def add(self, one: str, other: str, similarity: float) -> None:
        """The two directions of a pair may differ a little in similarity; the higher one counts."""
        if similarity < self._least:
            return
        pair = (one, other) if one < other else (other, one)
        self._similarities[pair] = max(similarity, self._similarities.get(pair, 0.0))
        if len(self._similarities) > 10 * MAX_PAIRS:  # so that memory does not grow with the pairs
            self._drop_least_similar()

    def best(self) -> list[Pair]:
        """The most similar first, those of equal similarity by their ids."""
        self._drop_least_similar()
        return [Pair(*pair, similarity) for pair, similarity in self._similarities.items()]

    def _drop_least_similar(self) -> None:
        ordered = sorted(self._similarities.items(), key=lambda each: (-each[1], each[0]))
        if len(ordered) > MAX_PAIRS:
            self.capped = True
            self._least = ordered[MAX_PAIRS - 1][1]
        self._similarities = dict(ordered[:MAX_PAIRS])


@dataclass
class _Crews:
    """Runs the parts of a search one after another, as parts of one progress of ``total``."""

    workers: int
    patience: float
    stop: threading.Event
    report: Callable[[Progress], None]
    total: int
    failed: int = 0
    may_continue: bool = True
    last_error: ServiceError | None = field(default=None, init=False)

    def run(self, do: Callable[[T], R], keep: Callable[[T, R], None], items: Iterable[T], done: int) -> None:
        def tried(item: T) -> R:
            try:
                return do(item)
            except ServiceError as error:
                self.last_error = error
                raise

        crew = Crew(self.workers, tried, keep, patience=self.patience)
        progress = crew.run(iter(items), self.total, self.stop, self.report, done)
        self.failed += sum(progress.errors.values())
        self.may_continue = progress.end not in (End.STOPPED, End.GAVE_UP)
