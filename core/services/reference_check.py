"""The reference check: judges an event's reference photos before photos are compared with them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pydantic import TypeAdapter

from core.domain.clock import Clock
from core.domain.errors import PhotoNotFound, PhotoRefused
from core.domain.findings import Findings, Row
from core.domain.policy import Policy, judge
from core.domain.reasons import advice
from core.flow.crew import PATIENCE_SECONDS, Crew, Progress
from core.ports import FindingsStore, Registrations
from core.services.erased_meanwhile import Erased, ErasedMeanwhile
from core.services.findings import KeptFindings
from core.services.reference_photos import ReferencePhotos

#: The kind of the findings.
KIND = "reference-check"
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
    """The outcome of a check that ended ``at`` this time: the problems, ordered by registration id, and the progress
    that it made.
    """

    problems: tuple[ReferenceProblem, ...]
    progress: Progress
    at: datetime


#: The form in which a check without its problems is kept.
_SUMMARY = TypeAdapter(CheckedReferences)


class ReferenceCheck:
    """Judges reference photos by the rules for submitted photos. Keeps its outcome, and templates if the engine makes
    them.
    """

    def __init__(
        self,
        registrations: Registrations,
        references: ReferencePhotos,
        policy: Policy,
        store: FindingsStore,
        erased: Erased,
        clock: Clock,
        *,
        workers: int,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """``references`` examines the photos and keeps to the engine's quota. The last two are arguments of
        ``Crew``.
        """
        self._registrations = registrations
        self._references = references
        self._policy = policy
        self._workers = workers
        self._patience = patience
        self._erased = erased
        self._clock = clock
        self._kept = KeptFindings(KIND, store, clock, self._read)

    def count(self, event_id: str) -> int:
        """Returns how many reference photos the engine would examine."""
        return int(self._registrations.event_frame(event_id)["referencePhotoKey"].notna().sum())

    def run(
        self, event_id: str, stop: threading.Event, report: Callable[[Progress], None] = lambda progress: None
    ) -> CheckedReferences:
        """Judges all reference photos of the event. Memory use depends on the number of problems alone.

        Once ``stop`` is set, the photos in progress are finished and no others are started. Raises ``ServiceError``
        if the registrations cannot be read or the outcome cannot be kept. The progress counts photos that could not
        be judged as ``errors``.
        """
        meanwhile = ErasedMeanwhile(self._erased)
        registered = self._registrations.event_frame(event_id)
        problems: list[ReferenceProblem] = []

        def keep(person: Person, problem: ReferenceProblem | None) -> None:
            if problem:
                problems.append(problem)

        crew = Crew(self._workers, self._judged, keep, patience=self._patience)

        def told(progress: Progress) -> None:
            meanwhile.look()
            report(progress)

        progress = crew.run(_people(registered), len(registered), stop, told)
        summary = CheckedReferences((), progress, self._clock())
        problems.sort(key=lambda each: each.person.registration_id)
        kept = _SUMMARY.dump_json(summary).decode()
        erased = self._kept.keep(event_id, kept, list(map(_row, problems)), meanwhile)
        left = (problem for problem in problems if problem.person.user_id not in erased)
        return replace(summary, problems=tuple(left))

    def latest(self, event_id: str) -> CheckedReferences | None:
        """Returns the event's last check by any process, with the people as they are registered; those who are
        registered no more are left out. None if there was none, or if it has expired. Raises ``ServiceError``.
        """
        return self._kept.latest(event_id)

    def forget_all(self) -> None:
        """Removes all checks from memory."""
        self._kept.forget_all()

    def _read(self, event_id: str, findings: Findings) -> CheckedReferences:
        rows = [json.loads(row.text) for row in findings.rows]
        registered = self._registrations.event_frame(event_id)
        wanted = registered[registered["registrationId"].isin([registration_id for registration_id, *_ in rows])]
        people = {person.registration_id: person for person in _people(wanted)}
        problems = (
            ReferenceProblem(people[registration_id], tuple(codes), message)
            for registration_id, codes, message in rows
            if registration_id in people
        )
        return replace(_SUMMARY.validate_json(findings.summary), problems=tuple(problems))

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


def _row(problem: ReferenceProblem) -> Row:
    person = problem.person
    return Row((person.user_id,), json.dumps([person.registration_id, problem.codes, problem.message]))


def _people(registered: Any) -> Iterator[Person]:
    """Yields a person for each row of a frame of registrations."""
    from core.domain.frames import optional  # loads pandas

    columns = [registered[name] for name in ("registrationId", "userId", "name", "email")]
    return (Person(*row) for row in zip(*columns, optional(registered["referencePhotoKey"]), strict=True))
