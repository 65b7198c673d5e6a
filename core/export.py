"""Records -> CSV, as a stream of encoded lines. Columns are documented in the README and stay as they are."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator

from core.records import ValidationRecord, isoformat

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
)

#: A byte order mark: without it Excel reads UTF-8 as the machine's own code page.
BOM = b"\xef\xbb\xbf"
# What spreadsheets take for the start of a formula, also in full width.
_FORMULA = re.compile(r"[=+\-@\t\r\0\uFF1D\uFF0B\uFF0D\uFF20]")


def neutral(text: str) -> str:
    """``text`` so that no spreadsheet runs it: one that begins like a formula gets an apostrophe in front."""
    return f"'{text}" if _FORMULA.match(text) else text


def outcomes_csv(records: Iterable[ValidationRecord]) -> Iterator[bytes]:
    """A header line, then a line for each outcome; memory does not grow with the rows."""
    yield BOM + _line(OUTCOME_COLUMNS)
    for record in records:
        for outcome in reversed(record.outcomes):
            review = outcome.review
            yield _line(
                (
                    neutral(record.user_id),
                    neutral(record.registration_id),
                    neutral(record.event or ""),
                    outcome.number,
                    isoformat(outcome.timestamp),
                    outcome.status,
                    outcome.confidence,
                    outcome.quality,
                    outcome.similarity,
                    " ".join(neutral(reason) for reason in outcome.reasons),
                    neutral(outcome.face_image_key or ""),
                    neutral(outcome.source or ""),
                    neutral(outcome.operator or ""),
                    review.decision if review else "",
                    isoformat(review.decided_at) if review else "",
                    neutral(review.reviewer) if review else "",
                )
            )


def _line(cells: Iterable[object]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue().encode()
