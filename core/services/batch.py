"""Batches: validate all photos of an event that have not passed yet.

A batch keeps to the engine's quota, can be stopped and resumed, and records one attempt per photo.
"""

from __future__ import annotations

import threading
import unicodedata
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from enum import StrEnum
from itertools import repeat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from core.domain.errors import Conflict, PhotoNotFound, PhotoRefused, RegistrationNotFound
from core.domain.records import Attempt, Status, ValidationRecord, isoformat
from core.domain.worklists import Item, Mark, Run
from core.flow.crew import PATIENCE_SECONDS, Crew, End, Progress
from core.ports import Registrations, ValidationRecords, Worklist, Worklists
from core.services.photo_sources import FolderSource
from core.services.validation import Submitter, Validation

if TYPE_CHECKING:  # half a second to load, and only frames need it
    from pandas import DataFrame

#: Files with these suffixes count as photos of a folder. The sanitiser checks their content.
PHOTO_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".heic", ".heif", ".hif", ".avif")
#: The most problems that a summary lists.
MAX_PROBLEMS = 500

_MARKS: Mapping[Status, Mark] = {
    Status.SUCCESS: Mark.PASSED,
    Status.PENDING: Mark.WAITING,
    Status.FAILED: Mark.FAILED,
    Status.UNKNOWN: Mark.WAITING,
}


class Choice(StrEnum):
    """Which people's photos a batch validates. People who have passed are never included."""

    ALL = "all"
    NEVER_TRIED = "never-tried"
    FAILED = "failed"
    PENDING = "pending"


@dataclass(frozen=True)
class BatchProgress(Progress):
    """The progress of a batch.

    ``marks`` counts the photos by result, including those of earlier starts. ``problems`` are pairs of a registration
    id and the reason why its photo could not be used, and ``people`` the user ids of these; only a summary has them.
    An unfinished batch ``goes_on`` if no person has to continue it: it is running somewhere, or a process will take
    it over.
    """

    marks: Mapping[Mark, int] = field(default_factory=dict)
    goes_on: bool = False
    problems: tuple[tuple[str, str], ...] = ()
    people: frozenset[str] = frozenset()


class PhotoValidation(Protocol):
    """The methods of ``ValidationService`` that a batch uses."""

    def validate_upload(
        self, registration_id: str, upload: bytes, attempt_id: str, submitter: Submitter
    ) -> Validation: ...

    def validate_stored(
        self, registration_id: str, key: str, attempt_id: str, submitter: Submitter
    ) -> Validation: ...


class Batches:
    """Opens, resumes and drops the batches of events."""

    def __init__(
        self,
        records: ValidationRecords,
        registrations: Registrations,
        validation: PhotoValidation,
        worklists: Worklists,
        *,
        workers: int,
        max_file_bytes: int,
        patience: float = PATIENCE_SECONDS,
    ) -> None:
        """``validation`` keeps to the engine's quota, and raises an error if the engine gives no verdict.

        ``workers`` and ``patience`` (seconds) are those of ``Crew``.
        """
        self._records = records
        self._registrations = registrations
        self._validation = validation
        self._worklists = worklists
        self._workers = workers
        self._max_file_bytes = max_file_bytes
        self._patience = patience
        self._ending = threading.Event()

    def count(self, event_id: str, choice: Choice) -> int:
        """Returns how many photos a new batch would validate. Reads the whole event."""
        return sum(1 for _ in self._chosen(event_id, choice, {}))

    def unfinished(self, event_id: str) -> tuple[Choice, BatchProgress] | None:
        """Returns the event's unfinished batch and its progress, whether it is running or not; None without one."""
        found = self._worklists.unfinished(event_id)
        if found is None:
            return None
        run, counts = found
        marks = _marks(counts)
        done = BatchProgress(sum(counts.values()), sum(marks.values()), marks=marks, goes_on=not run.rests)
        return Choice(run.chosen), done

    def abandoned(self) -> list[tuple[str, Run]]:
        """Returns the events whose batch has lost its process, with the batch. Raises ``ServiceError``."""
        return self._worklists.abandoned()

    def drop(self, event_id: str) -> None:
        """Drops the unfinished batch; recorded attempts stay. Raises ``Conflict`` if the batch is running."""
        self._worklists.open(event_id).close(forget=True)

    def end(self) -> None:
        """Says that this process ends: a batch that is stopped from now on goes on in another process, if it can."""
        self._ending.set()

    def close(self) -> None:
        self._worklists.close()

    def open(
        self, event_id: str, choice: Choice, by: Submitter, folder: Path | None = None, *, start_over: bool = False
    ) -> Batch:
        """Opens the event's unfinished batch, or a new one if there is none. Its attempts are those of ``by``.

        If this process is lost from now on, another one continues the batch. A file of ``folder`` whose name is a
        registration id is used instead of the stored photo. ``start_over`` drops an unfinished batch first. Raises
        ``Conflict`` if a batch of the event is running, or if an unfinished one has another choice or folder;
        ``InvalidInput`` if the folder does not exist; ``ServiceError`` if the event cannot be read.
        """
        files = self._files(folder)
        place = str(folder.resolve()) if folder else None
        with self._held(event_id) as worklist:
            run = None if start_over else worklist.run()
            if run and run.listed and (run.chosen, run.folder) != (choice, place):
                left = worklist.counts().get(None, 0)
                of = f", photos of {run.folder}" if run.folder else ""
                raise Conflict(
                    f"A batch of this event ({run.chosen}{of}) is not finished: {left:,} photos are left. "
                    "Resume it, or drop it and start again."
                )
            return self._started(event_id, choice, place, by, run, files, worklist)

    def resume(self, event_id: str, by: Submitter) -> Batch:
        """Opens the event's unfinished batch with its own choice and folder, for ``by``. Raises the errors of
        ``open``.
        """
        with self._held(event_id) as worklist:
            run = worklist.run()
            if run is None:
                raise Conflict("This event has no unfinished batch: it is finished or was dropped. Start a new one.")
            files = self._files(Path(run.folder) if run.folder else None)
            return self._started(event_id, Choice(run.chosen), run.folder, by, run, files, worklist)

    @contextmanager
    def _held(self, event_id: str) -> Iterator[Worklist]:
        """Locks the event's worklist. Closes it if the body raises an error; otherwise the batch closes it."""
        worklist = self._worklists.open(event_id)
        try:
            yield worklist
        except BaseException:
            worklist.close()
            raise

    def _files(self, folder: Path | None) -> FolderSource | None:
        return FolderSource(folder, self._max_file_bytes) if folder else None

    def _started(
        self,
        event_id: str,
        choice: Choice,
        place: str | None,
        by: Submitter,
        run: Run | None,
        files: FolderSource | None,
        worklist: Worklist,
    ) -> Batch:
        """The batch ``run``, or a new one if there is none or its list is not complete."""
        resumed = run is not None and run.listed
        if run and resumed:
            worklist.resume(by.operator, by.ip_address)
        else:
            by_id = _by_registration(files.names) if files else {}
            chosen = self._chosen(event_id, choice, by_id)
            run = worklist.begin(choice, place, chosen, by.operator, by.ip_address)
        crew = self._workers, self._patience
        return Batch(self._records, self._validation, files, worklist, run, by, crew, self._ending, resumed=resumed)

    def _chosen(self, event_id: str, choice: Choice, files: Mapping[str, str]) -> Iterator[Item]:
        """Yields the photos to validate. Memory use depends on the number of registrations alone.

        Leaves out people who have passed, and people whose case a reviewer decided: a machine never overrules a
        reviewer.
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
    """One start of an event's batch. ``close`` releases the event's lock; one that was never run rests then."""

    def __init__(
        self,
        records: ValidationRecords,
        validation: PhotoValidation,
        files: FolderSource | None,
        worklist: Worklist,
        run: Run,
        by: Submitter,
        crew: tuple[int, float],
        ending: threading.Event,
        *,
        resumed: bool,
    ) -> None:
        """``crew`` is the number of workers and their patience in seconds. ``ending`` is set if the process ends."""
        self.resumed = resumed
        self._records = records
        self._validation = validation
        self._files = files
        self._worklist = worklist
        self._run = run
        self._by = by
        self._crew = crew
        self._ending = ending
        self._has_run = False
        counts = worklist.counts()
        self._total = sum(counts.values())
        self._marks = Counter(_marks(counts))

    def progress(self) -> BatchProgress:
        """Returns the progress so far; before ``run``, that of earlier starts."""
        return self._with_marks(Progress(self._total, sum(self._marks.values())))

    def run(
        self, stop: threading.Event, report: Callable[[BatchProgress], None] = lambda progress: None
    ) -> BatchProgress:
        """Validates the photos that are left, and returns the summary.

        Once ``stop`` is set, the photos in progress are finished and no others are started. It is also set if another
        process takes the batch over. ``report`` is called after each photo. Raises ``ServiceError`` if the worklist
        cannot be written, and ``Conflict`` if it is another process's by now.
        """
        self._has_run = True
        self._worklist.stops(stop)
        workers, patience = self._crew
        crew = Crew(workers, self._done, self._keep, patience=patience)
        ended = crew.run(
            self._worklist.left(),
            self._total,
            stop,
            lambda progress: report(self._with_marks(progress)),
            done=sum(self._marks.values()),
        )
        if ended.end is not End.DONE and not self._ending.is_set():
            self._worklist.rest()
        problems = self._worklist.problems(MAX_PROBLEMS)
        return replace(
            self._with_marks(ended),
            problems=tuple((item.registration_id, why) for item, why in problems),
            people=frozenset(item.user_id for item, _ in problems),
        )

    def close(self) -> None:
        try:
            if not self._has_run and not self._ending.is_set():
                self._worklist.rest()
        finally:
            self._worklist.close(forget=self._total == sum(self._marks.values()))

    def _keep(self, item: Item, result: tuple[Mark, str]) -> None:
        mark, why = result
        self._worklist.keep(item, mark, why)
        self._marks[mark] += 1

    def _with_marks(self, progress: Progress) -> BatchProgress:
        known = {each.name: getattr(progress, each.name) for each in fields(progress)}
        return BatchProgress(**known, marks=dict(self._marks))

    def _done(self, item: Item) -> tuple[Mark, str]:
        """Validates one item; returns its result, and the reason if its photo could not be used."""
        # The id depends on the run and the registration alone, so a batch that was killed repeats no attempt.
        attempt_id = uuid.uuid5(self._run.id, item.registration_id).hex
        record = self._records.get(item.user_id, item.registration_id)
        attempt = record.attempt(attempt_id) if record else None
        if attempt is None:
            if _changed(item, record):
                return Mark.CHANGED, ""
            try:
                attempt = self._validated(item, attempt_id)
            except RegistrationNotFound:
                return Mark.CHANGED, ""
            except PhotoNotFound:
                return Mark.MISSING, "There is no photo in the place where this one should be."
            except PhotoRefused as error:
                return Mark.REFUSED, str(error)
        return _MARKS[attempt.status], ""

    def _validated(self, item: Item, attempt_id: str) -> Attempt:
        if item.file is None:
            key = item.key or ""
            return self._validation.validate_stored(item.registration_id, key, attempt_id, self._by).attempt
        if self._files is None:
            raise PhotoNotFound("No folder was given.")
        data = self._files.read(item.file)
        return self._validation.validate_upload(item.registration_id, data, attempt_id, self._by).attempt


def _again(records: DataFrame, choice: Choice, files: Mapping[str, str]) -> Iterator[Item]:
    """Yields the records that failed, are pending or of unknown status, and that no reviewer has decided."""
    from core.domain.frames import optional

    statuses = {
        Choice.ALL: [Status.FAILED, Status.PENDING, Status.UNKNOWN],
        Choice.FAILED: [Status.FAILED],
        Choice.PENDING: [Status.PENDING],
        Choice.NEVER_TRIED: [],
    }[choice]
    chosen = records[records["status"].isin(statuses) & records["decision"].isna()]
    return _items(chosen, "faceImageKey", map(_seen, optional(chosen["timestamp"]), chosen["attempts"]), files)


def _items(people: DataFrame, keys: str, seen: Iterable[str | None], files: Mapping[str, str]) -> Iterator[Item]:
    """Yields the people who have a photo: a file, or else the stored one that the column ``keys`` names."""
    from core.domain.frames import optional

    # ``seen`` may be infinite.
    for user_id, registration_id, key, at in zip(
        people["userId"], people["registrationId"], optional(people[keys]), seen, strict=False
    ):
        file = files.get(registration_id)
        if key or file:
            yield Item(user_id, registration_id, None if file else key, file, at)


def _changed(item: Item, record: ValidationRecord | None) -> bool:
    """Whether the record has changed since the batch was made."""
    if record is None:
        return item.seen is not None
    # Worklists of earlier versions hold the time alone.
    seen = _seen(record.timestamp, record.verification_attempt)
    same = item.seen in (seen, seen.partition("#")[0])
    return not same or record.review is not None


def _seen(timestamp: datetime | None, attempts: int) -> str:
    """Identifies a record's newest attempt. The time alone would not suffice: a clock can be set back."""
    return f"{isoformat(timestamp) if timestamp else ''}#{attempts}"


def _by_registration(names: Iterable[str]) -> Mapping[str, str]:
    """Maps registration ids to the photo files named after them. Of several, those in fewer subfolders come first,
    then the first by name.
    """
    photos = (name for name in names if name.lower().endswith(PHOTO_SUFFIXES))
    ordered = sorted(photos, key=lambda name: (name.count("/"), name), reverse=True)
    return {unicodedata.normalize("NFC", PurePosixPath(name).stem): name for name in ordered}


def _marks(counts: Mapping[Mark | None, int]) -> dict[Mark, int]:
    return {mark: count for mark, count in counts.items() if mark is not None}
