"""All photos of an event that wait to be validated, validated at once: paced, stoppable, and each of them once."""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from itertools import repeat
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from core.domain.errors import Conflict, PhotoNotFound, PhotoRefused, RegistrationNotFound
from core.domain.records import Attempt, Status, ValidationRecord, isoformat
from core.flow.crew import PATIENCE_SECONDS, Crew, Progress
from core.ports import Registrations, ValidationRecords
from core.services.importing import FolderSource
from core.services.validation import Submitter, Validation
from core.services.worklist import Item, Mark, Run, Worklist, unfinished

if TYPE_CHECKING:  # half a second to load, and only frames need it
    from pandas import DataFrame

#: Files of these kinds in a folder are taken for photos; their content decides.
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif")
#: Problems that a summary names.
MAX_PROBLEMS = 500

_MARKS: Mapping[Status, Mark] = {
    Status.SUCCESS: Mark.PASSED,
    Status.PENDING: Mark.WAITING,
    Status.FAILED: Mark.FAILED,
}


class Choice(StrEnum):
    """Whose photos: of those who have not passed, all or only these."""

    ALL = "all"
    NEVER_TRIED = "never-tried"
    FAILED = "failed"
    PENDING = "pending"


@dataclass(frozen=True)
class BatchProgress(Progress):
    """``marks`` counts what came of the photos, by mark, earlier starts included.

    ``problems`` are registration ids and why their photos could not be used; of a summary alone.
    """

    marks: Mapping[Mark, int] = field(default_factory=dict)
    problems: tuple[tuple[str, str], ...] = ()


class PhotoValidation(Protocol):
    """What a batch needs of ``ValidationService``."""

    def validate_upload(
        self, registration_id: str, upload: bytes, attempt_id: str, submitter: Submitter
    ) -> Validation: ...

    def validate_stored(
        self, registration_id: str, key: str, attempt_id: str, submitter: Submitter
    ) -> Validation: ...


class Batches:
    """Batches of events over the ports."""

    def __init__(
        self,
        records: ValidationRecords,
        registrations: Registrations,
        validation: PhotoValidation,
        state: Path,
        *,
        workers: int,
        max_file_bytes: int,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """``validation`` keeps the engine's quota, and raises where the engine gives no verdict.

        ``state`` is the folder of the lists; ``workers`` and ``patience`` are as of ``Crew``.
        """
        self._records = records
        self._registrations = registrations
        self._validation = validation
        self._state = state
        self._workers = workers
        self._max_file_bytes = max_file_bytes
        self._patience = patience

    def count(self, event_id: str, choice: Choice) -> int:
        """How many photos a new batch would validate. Reads the event."""
        return sum(1 for _ in self._chosen(event_id, choice, {}))

    def unfinished(self, event_id: str) -> tuple[Choice, BatchProgress] | None:
        """The event's batch that was begun and is not done, whether somebody runs it or nobody does."""
        found = unfinished(self._state, event_id)
        if found is None:
            return None
        run, counts = found
        marks = _marks(counts)
        return Choice(run.chosen), BatchProgress(sum(counts.values()), sum(marks.values()), marks=marks)

    def drop(self, event_id: str) -> None:
        """Forget what is not done; what was done stays. Raises ``Conflict`` where the batch runs."""
        Worklist(self._state, event_id).close(forget=True)

    def open(self, event_id: str, choice: Choice, folder: Path | None = None, *, anew: bool = False) -> Batch:
        """The event's batch: the one that is not done yet, else a new one.

        A file of ``folder`` that is named by a registration id goes before a stored photo. ``anew`` drops what is not
        done. Raises ``Conflict`` where a batch of the event runs, or one with another choice or folder is not done;
        ``InvalidInput`` where there is no such folder; ``ServiceError`` where the event cannot be read.
        """
        files = self._files(folder)
        place = str(folder.resolve()) if folder else None
        with self._held(event_id) as worklist:
            run = None if anew else worklist.run()
            resumed = run is not None
            if run is None:
                by_id = _by_registration(files.names) if files else {}
                run = worklist.begin(choice, place, self._chosen(event_id, choice, by_id))
            elif (run.chosen, run.folder) != (choice, place):
                left = worklist.counts().get(None, 0)
                of = f", photos of {run.folder}" if run.folder else ""
                raise Conflict(
                    f"A batch of this event ({run.chosen}{of}) is not done: {left:,} left. "
                    "Go on with that one, or drop it and begin anew."
                )
            return self._batch(files, worklist, run, resumed=resumed)

    def resume(self, event_id: str) -> Batch:
        """The event's batch that is not done yet, whatever its choice and folder. Raises as ``open``."""
        with self._held(event_id) as worklist:
            run = worklist.run()
            if run is None:
                raise Conflict("This event has no batch to go on with: it is done, or was dropped.")
            return self._batch(self._files(Path(run.folder) if run.folder else None), worklist, run, resumed=True)

    @contextmanager
    def _held(self, event_id: str) -> Iterator[Worklist]:
        """The event's list; let go of where what is inside fails."""
        worklist = Worklist(self._state, event_id)
        try:
            yield worklist
        except BaseException:
            worklist.close()
            raise

    def _files(self, folder: Path | None) -> FolderSource | None:
        return FolderSource(folder, self._max_file_bytes) if folder else None

    def _batch(self, files: FolderSource | None, worklist: Worklist, run: Run, *, resumed: bool) -> Batch:
        crew = self._workers, self._patience
        return Batch(self._records, self._validation, files, worklist, run, crew, resumed=resumed)

    def _chosen(self, event_id: str, choice: Choice, files: Mapping[str, str]) -> Iterator[Item]:
        """The photos to validate; memory grows with the registrations' frame alone.

        Nobody who has passed, and nobody whom a person decided on: a machine does not overrule people.
        """
        import numpy as np
        import pandas as pd

        registered = self._registrations.event_frame(event_id).drop_duplicates("registrationId")
        if registered.empty:
            return
        place, users = pd.Index(registered["registrationId"]), registered["userId"].to_numpy()
        tried = np.zeros(len(registered), bool)
        for batch in self._records.event_batches(event_id):
            at = place.get_indexer(batch["registrationId"])
            known = (at >= 0) & (users[at] == batch["userId"].to_numpy())
            tried[at[known]] = True
            yield from _again(batch[known], choice, files)
        if choice in (Choice.ALL, Choice.NEVER_TRIED):
            yield from _items(registered[~tried], "submittedPhotoKey", repeat(None), files)


class Batch:
    """One start of an event's batch. ``close`` lets others have the event."""

    def __init__(
        self,
        records: ValidationRecords,
        validation: PhotoValidation,
        files: FolderSource | None,
        worklist: Worklist,
        run: Run,
        crew: tuple[int, float],
        *,
        resumed: bool,
    ) -> None:
        """``crew``: its workers and its patience."""
        self.resumed = resumed
        self._records = records
        self._validation = validation
        self._files = files
        self._worklist = worklist
        self._run = run
        self._crew = crew
        counts = worklist.counts()
        self._total = sum(counts.values())
        self._marks = Counter(_marks(counts))

    def progress(self) -> BatchProgress:
        """Before ``run``: what earlier starts did."""
        return self._with_marks(Progress(self._total, sum(self._marks.values())))

    def run(
        self,
        submitter: Submitter,
        stop: threading.Event,
        report: Callable[[BatchProgress], None] = lambda progress: None,
    ) -> BatchProgress:
        """Validate what is left, and return the summary. ``stop``, once set, ends it with what is in hand.

        ``report`` is called after each photo. Raises ``ServiceError`` where the list cannot be kept.
        """
        workers, patience = self._crew
        crew = Crew(workers, lambda item: self._done(item, submitter), self._keep, patience=patience)
        ended = crew.run(
            self._worklist.left(),
            self._total,
            stop,
            lambda progress: report(self._with_marks(progress)),
            done=sum(self._marks.values()),
        )
        return replace(self._with_marks(ended), problems=tuple(self._worklist.problems(MAX_PROBLEMS)))

    def close(self) -> None:
        self._worklist.close(forget=self._total == sum(self._marks.values()))

    def _keep(self, item: Item, result: tuple[Mark, str]) -> None:
        mark, why = result
        self._worklist.keep(item, mark, why)
        self._marks[mark] += 1

    def _with_marks(self, progress: Progress) -> BatchProgress:
        known = {each.name: getattr(progress, each.name) for each in fields(progress)}
        return BatchProgress(**known, marks=dict(self._marks))

    def _done(self, item: Item, submitter: Submitter) -> tuple[Mark, str]:
        """What came of the item, and why where its photo could not be used."""
        # Of the run and the registration alone: whatever of this was done before a kill is done once.
        attempt_id = uuid.uuid5(self._run.id, item.registration_id).hex
        record = self._records.get(item.user_id, item.registration_id)
        attempt = record.attempt(attempt_id) if record else None
        if attempt is None:
            if _changed(item, record):
                return Mark.CHANGED, ""
            try:
                attempt = self._validated(item, attempt_id, submitter)
            except RegistrationNotFound:
                return Mark.CHANGED, ""
            except PhotoNotFound:
                return Mark.MISSING, "There is no photo where there should be one."
            except PhotoRefused as error:
                return Mark.REFUSED, str(error)
        return _MARKS[attempt.status], ""

    def _validated(self, item: Item, attempt_id: str, submitter: Submitter) -> Attempt:
        if item.file is None:
            key = item.key or ""
            return self._validation.validate_stored(item.registration_id, key, attempt_id, submitter).attempt
        if self._files is None:
            raise PhotoNotFound("No folder was given.")
        data = self._files.read(item.file)
        return self._validation.validate_upload(item.registration_id, data, attempt_id, submitter).attempt


def _again(records: DataFrame, choice: Choice, files: Mapping[str, str]) -> Iterator[Item]:
    """Those who failed or wait, and whom no person decided on."""
    statuses = {
        Choice.ALL: [Status.FAILED, Status.PENDING],
        Choice.FAILED: [Status.FAILED],
        Choice.PENDING: [Status.PENDING],
        Choice.NEVER_TRIED: [],
    }[choice]
    chosen = records[records["status"].isin(statuses) & records["decision"].isna()]
    return _items(chosen, "faceImageKey", map(_seen, chosen["timestamp"], chosen["attempts"]), files)


def _items(people: DataFrame, keys: str, seen: Iterable[str | None], files: Mapping[str, str]) -> Iterator[Item]:
    """Those of ``people`` who have a photo: a file, else the one in the column ``keys``."""
    from core.domain.frames import optional

    # ``seen`` may have no end.
    for user_id, registration_id, key, at in zip(
        people["userId"], people["registrationId"], optional(people[keys]), seen, strict=False
    ):
        file = files.get(registration_id)
        if key or file:
            yield Item(user_id, registration_id, None if file else key, file, at)


def _changed(item: Item, record: ValidationRecord | None) -> bool:
    """Whether the record is no longer what was chosen."""
    if record is None:
        return item.seen is not None
    # A list of an earlier version has the time alone.
    same = item.seen in (_seen(record.timestamp, record.verification_attempt), isoformat(record.timestamp))
    return not same or record.review is not None


def _seen(timestamp: datetime, attempts: int) -> str:
    """What tells a record's newest attempt from any other; its time does not if the clock is set back."""
    return f"{isoformat(timestamp)}#{attempts}"


def _by_registration(names: Iterable[str]) -> Mapping[str, str]:
    """Registration id -> the photo file that is named by it; of several the first by name."""
    photos = sorted((name for name in names if name.lower().endswith(PHOTO_SUFFIXES)), reverse=True)
    return {name.rpartition(".")[0]: name for name in photos}


def _marks(counts: Mapping[Mark | None, int]) -> dict[Mark, int]:
    return {mark: count for mark, count in counts.items() if mark is not None}
