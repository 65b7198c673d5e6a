"""What is exported, whatever the file's format: columns, and rows that come in batches.

``core.services.export`` writes CSV and Parquet, ``core.services.workbook`` Excel. The columns are public: see
``docs/csv.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice

import pandas as pd

from core.domain.audit import AuditEntry
from core.domain.columns import UNREADABLE
from core.domain.duplicates import Candidate
from core.domain.records import ValidationRecord
from core.services.lists.tables import Problem
from core.services.reference_check import ReferenceProblem

#: One row for each outcome: an attempt, or the record itself where it lists none.
OUTCOME_COLUMNS = (
    "userId",
    "registrationId",
    "eventId",
    "attempt",
    "timestamp",
    "status",
    "confidence",
    "quality",
    "similarity",
    "reasons",
    "faceImageKey",
    "source",
    "operator",
    "decision",
    "decidedAt",
    "reviewer",
    "engine",
    "model",
    "rules",
)
#: One row for each reference photo that will not do: whom to ask, and what for.
REFERENCE_COLUMNS = ("registrationId", "userId", "name", "email", "problems", "message")
#: One row for each pair that a search for duplicates found.
PAIR_COLUMNS = (
    "firstRegistrationId",
    "firstUserId",
    "firstName",
    "secondRegistrationId",
    "secondUserId",
    "secondName",
    "similarity",
    "answer",
)
#: One row for each line of a list that is not imported.
PROBLEM_COLUMNS = ("line", "problem")
#: One row for each entry of the audit trail.
AUDIT_COLUMNS = (
    "at",
    "who",
    "action",
    "outcome",
    "user",
    "registration",
    "eventId",
    "ipAddress",
    "details",
    "entryId",
)
#: One row for each record. This order is public: it is written out, so that a change of the frames' columns does not
#: change the files that people's scripts read.
RECORD_EXPORT = (
    "userId",
    "registrationId",
    "eventId",
    "status",
    "confidence",
    "quality",
    "similarity",
    "threshold",
    "attempts",
    "timestamp",
    "updatedAt",
    "expiresAt",
    "source",
    "reasons",
    "decision",
    "reviewer",
    "decidedAt",
    "faceImageKey",
    "storedFaceKey",
    "age",
    "gender",
    "smile",
    "engine",
    "model",
    "rules",
)
#: Columns behind those of a file of records, for those who ask for them.
CONTACT_COLUMNS = ("name", "email")
#: One row for each registration; as public as ``RECORD_EXPORT``.
REGISTRATION_EXPORT = (
    "registrationId",
    "userId",
    "eventId",
    "name",
    "email",
    "referencePhotoKey",
    "submittedPhotoKey",
)

#: One row for each registration, with what came of it; as public as ``RECORD_EXPORT``.
PEOPLE_EXPORT = (
    "registrationId",
    "userId",
    "eventId",
    "name",
    "email",
    "status",
    "reasons",
    "why",
    "attempts",
    "timestamp",
    "expiresAt",
    "message",
)

#: Text, a number, a truth value, a moment, or None for a missing value, in each column.
Row = Sequence[object]
Batch = pd.DataFrame | list[Row]
#: Rows of a batch, where they come one by one.
_BATCH_ROWS = 500
#: Rows of a batch of a frame that is in memory as a whole.
_CHUNK_ROWS = 5000


@dataclass(frozen=True)
class Table:
    """Rows that are read while they are written. Frames may have more columns than are written.

    An empty batch is a place to stop at.
    """

    columns: Sequence[str]
    batches: Iterable[Batch]


def of_frame(frame: pd.DataFrame, columns: Sequence[str] = (), chunk_rows: int = _CHUNK_ROWS) -> Table:
    """The frame's ``columns``: by default all but what could not be read, which is in files of its own."""
    chosen = list(columns) or [name for name in frame.columns if name != UNREADABLE.name]
    return Table(chosen, chunks(frame, chunk_rows))


def chunks(frame: pd.DataFrame, rows: int = _CHUNK_ROWS) -> Iterator[pd.DataFrame]:
    return (frame.iloc[start : start + rows] for start in range(0, len(frame), rows))


def outcomes(records: Iterable[ValidationRecord]) -> Table:
    """A row for each outcome: ``OUTCOME_COLUMNS``."""
    return Table(OUTCOME_COLUMNS, _batches(row for record in records for row in _outcomes_of(record)))


def references(problems: Iterable[ReferenceProblem]) -> Table:
    """A row for each problem: ``REFERENCE_COLUMNS``."""
    return Table(REFERENCE_COLUMNS, _batches(map(_problem, problems)))


def pairs(found: Iterable[Candidate]) -> Table:
    """A row for each pair: ``PAIR_COLUMNS``."""
    return Table(PAIR_COLUMNS, _batches(map(_pair, found)))


def refused_lines(problems: Iterable[Problem]) -> Table:
    """A row for each line of a list that is not imported: ``PROBLEM_COLUMNS``."""
    return Table(PROBLEM_COLUMNS, _batches((problem.line, problem.message) for problem in problems))


def audit_trail(entries: Iterable[AuditEntry]) -> Table:
    """A row for each entry: ``AUDIT_COLUMNS``."""
    return Table(AUDIT_COLUMNS, _batches(map(_entry, entries)))


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    left = iter(rows)
    while batch := list(islice(left, _BATCH_ROWS)):
        yield batch


def _pair(pair: Candidate) -> Row:
    people = ((side.registration_id, side.user_id, side.name) for side in pair.sides)
    return *chain.from_iterable(people), round(pair.similarity, 1), pair.answer.answer if pair.answer else None


def _outcomes_of(record: ValidationRecord) -> Iterator[Row]:
    for outcome in reversed(record.outcomes):
        review, made_by = outcome.review, outcome.provenance
        yield (
            record.user_id,
            record.registration_id,
            record.event,
            outcome.number,
            outcome.timestamp,
            outcome.status,
            outcome.confidence,
            outcome.quality,
            outcome.similarity,
            " ".join(outcome.reasons),
            outcome.face_image_key,
            outcome.source,
            outcome.operator,
            review.decision if review else None,
            review.decided_at if review else None,
            review.reviewer if review else None,
            made_by.engine if made_by else None,
            made_by.model if made_by else None,
            made_by.rules if made_by else None,
        )


def _problem(problem: ReferenceProblem) -> Row:
    person = problem.person
    whose = (person.registration_id, person.user_id, person.name, person.email)
    return (*whose, " ".join(problem.codes), problem.message)


def _entry(entry: AuditEntry) -> Row:
    details = " ".join(f"{name}={value}" for name, value in sorted(entry.details.items()))
    done = (entry.at, entry.who, entry.action, entry.outcome)
    return (
        *done,
        entry.user,
        entry.registration,
        entry.event_id,
        entry.ip_address,
        details,
        entry.entry_id,
    )
