"""The reference check: judges an event's reference photos before photos are compared with them."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from core.domain.errors import PhotoNotFound, PhotoRefused
from core.domain.policy import Policy, judge
from core.domain.reasons import advice
from core.flow.crew import PATIENCE_SECONDS, Crew, Progress
from core.ports import Registrations
from core.services.forgetting import IsErased
from core.services.reference_photos import ReferencePhotos

#: Events whose last check is kept in memory.
_REMEMBERED = 16
#: Codes in addition to those of ``core.domain.reasons``, and the sentence to send to the person.
NO_REFERENCE = "NO_REFERENCE"
PHOTO_MISSING = "PHOTO_MISSING"
PHOTO_UNREADABLE = "PHOTO_UNREADABLE"
_ASK_FOR_ONE = (
    "We have no photo of you to compare with. Please send one of your face, taken from the front, "
    "with no one else in the picture."
)


@dataclass(frozen=True)
class Person:
    """The fields of a registration that are needed to ask the person for another photo."""

    registration_id: str
    user_id: str
    name: str
    email: str
    key: str | None


@dataclass(frozen=True)
class ReferenceProblem:
    """A person to ask for another photo: ``codes`` say what is wrong with theirs, ``message`` is the text to send."""

    person: Person
    codes: tuple[str, ...]
    message: str


@dataclass(frozen=True)
class CheckedReferences:
    """The outcome of a check: the problems, ordered by registration id, and the progress that it made."""

    problems: tuple[ReferenceProblem, ...]
    progress: Progress


class ReferenceCheck:
    """Judges reference photos by the rules for submitted photos. Keeps nothing but templates, if the engine makes
    them.
    """

    def __init__(
        self,
        registrations: Registrations,
        references: ReferencePhotos,
        policy: Policy,
        *,
        workers: int,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """``references`` examines the photos and keeps to the engine's quota. The rest are arguments of ``Crew``."""
        self._registrations = registrations
        self._references = references
        self._policy = policy
        self._workers = workers
        self._patience = patience
        self._latest: OrderedDict[str, CheckedReferences] = OrderedDict()

    def count(self, event_id: str) -> int:
        """Returns how many reference photos the engine would examine."""
        return int(self._registrations.event_frame(event_id)["referencePhotoKey"].notna().sum())

    def run(
        self, event_id: str, stop: threading.Event, report: Callable[[Progress], None] = lambda progress: None
    ) -> CheckedReferences:
        """Judges all reference photos of the event. Memory use depends on the number of problems alone.

        Once ``stop`` is set, the photos in progress are finished and no others are started. Raises ``ServiceError``
        if the registrations cannot be read. The progress counts photos that could not be judged as ``errors``.
        """
        registered = self._registrations.event_frame(event_id)
        problems: list[ReferenceProblem] = []

        def keep(person: Person, problem: ReferenceProblem | None) -> None:
            if problem:
                problems.append(problem)

        crew = Crew(self._workers, self._judged, keep, patience=self._patience)
        progress = crew.run(_people(registered), len(registered), stop, report)
        checked = CheckedReferences(tuple(sorted(problems, key=lambda each: each.person.registration_id)), progress)
        self._latest[event_id] = checked
        self._latest.move_to_end(event_id)
        if len(self._latest) > _REMEMBERED:
            self._latest.popitem(last=False)
        return checked

    def latest(self, event_id: str) -> CheckedReferences | None:
        """Returns the last check of the event in this process; None if there was none."""
        return self._latest.get(event_id)

    def forget(self, is_erased: IsErased) -> None:
        """Removes the problems of erased people from the checks in memory."""
        for event_id, checked in list(self._latest.items()):
            left = tuple(problem for problem in checked.problems if not is_erased(problem.person.user_id))
            if len(left) < len(checked.problems):
                self._latest[event_id] = replace(checked, problems=left)

    def _judged(self, person: Person) -> ReferenceProblem | None:
        if person.key is None:
            return ReferenceProblem(person, (NO_REFERENCE,), _ASK_FOR_ONE)
        try:
            photo, detected = self._references.examine(person.key)
        except PhotoNotFound:
            return ReferenceProblem(person, (PHOTO_MISSING,), _ASK_FOR_ONE)
        except PhotoRefused as error:
            return ReferenceProblem(person, (PHOTO_UNREADABLE,), str(error))
        verdict = judge(self._policy, detected, (photo.width, photo.height), None)
        if not verdict.reasons:
            return None
        message = " ".join(dict.fromkeys(map(advice, verdict.reasons)))
        return ReferenceProblem(person, verdict.reasons, message)


def _people(registered: Any) -> Iterator[Person]:
    """Yields a person for each row of a frame of registrations."""
    from core.domain.frames import optional  # loads pandas

    columns = [registered[name] for name in ("registrationId", "userId", "name", "email")]
    return (Person(*row) for row in zip(*columns, optional(registered["referencePhotoKey"]), strict=True))
