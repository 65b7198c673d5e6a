"""Records and frames -> CSV, as a stream of encoded bytes. Columns are documented in the README and stay so."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from core.audit import AuditEntry
from core.frames import NEVER_ABSENT, RECORD_DTYPES, REGISTRATION_DTYPES
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

#: One row for each record: the columns of ``core.frames.record_frame``.
RECORD_EXPORT = tuple(RECORD_DTYPES)

_TIMES = [column for column, dtype in RECORD_DTYPES.items() if isinstance(dtype, pd.DatetimeTZDtype)]


def _read_csv(dtypes: Mapping[str, Any], times: list[str]) -> Mapping[str, Any]:
    return {
        "dtype": {column: dtype for column, dtype in dtypes.items() if column not in times},
        "parse_dates": times,
        "date_format": "ISO8601",
        # By default pandas takes a person called NA for nobody.
        "keep_default_na": False,
        "na_values": {column: [""] for column in dtypes if column not in NEVER_ABSENT},
    }


#: ``pandas.read_csv(file, **READ_CSV)`` gives the frame back that ``frame_csv`` wrote: values and dtypes, text as it
#: was neutralised. What the text does not tell: that a time column without any value has a zone, and that categories
#: which all look like numbers are text.
READ_CSV = _read_csv(RECORD_DTYPES, _TIMES)
#: The same for ``registrations_csv``.
READ_REGISTRATIONS_CSV = _read_csv(REGISTRATION_DTYPES, [])

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


def audit_csv(entries: Iterable[AuditEntry]) -> Iterator[bytes]:
    """As ``outcomes_csv``, of the audit trail. The header comes with the first entry, or at the end where there is
    none: a failure to read comes before the first byte.
    """
    header = BOM + _line(AUDIT_COLUMNS)
    for entry in entries:
        details = " ".join(f"{name}={value}" for name, value in sorted(entry.details.items()))
        texts = (entry.user, entry.registration, entry.event_id, entry.ip_address, details, entry.entry_id)
        told = (neutral(entry.who), entry.action, neutral(entry.outcome), *(neutral(text or "") for text in texts))
        yield header + _line((isoformat(entry.at), *told))
        header = b""
    if header:
        yield header


def frame_csv(frame: pd.DataFrame, chunk_rows: int = 5000) -> Iterator[bytes]:
    """The frame's columns and rows (``RECORD_EXPORT`` for records), ``chunk_rows`` rows at a time.

    UTF-8 with a byte order mark, lines end with CR LF; times are ISO-8601 in UTC with milliseconds, what is absent is
    empty, text is neutralised.
    """
    chunks = (frame.iloc[start : start + chunk_rows] for start in range(0, len(frame), chunk_rows))
    return frames_csv(frame.columns, chunks)


def frames_csv(columns: Iterable[str], frames: Iterable[pd.DataFrame]) -> Iterator[bytes]:
    """As ``frame_csv``, of many frames with the same ``columns``: a part for each, and one header.

    The header comes with the first frame, so that a failure to read that one comes before the first byte.
    """
    header = BOM + _line(map(neutral, columns))
    for frame in frames:
        yield header + _rows(frame)
        header = b""
    if header:
        yield header


def registrations_csv(frame: pd.DataFrame) -> Iterator[bytes]:
    """As ``frame_csv``, of registrations: the columns of ``core.frames.registration_frame``."""
    return frame_csv(frame[list(REGISTRATION_DTYPES)])


def _rows(frame: pd.DataFrame) -> bytes:
    if frame.empty:
        return b""
    cells = pd.DataFrame({name: _cells(column) for name, column in frame.items()})
    return cells.to_csv(index=False, header=False, lineterminator="\r\n").encode()


def _cells(column: pd.Series[Any]) -> pd.Series[Any]:
    """The column as a spreadsheet may have it."""
    if isinstance(column.dtype, pd.DatetimeTZDtype):
        moments = column.dt.tz_convert(None).to_numpy()
        texts = np.char.add(np.datetime_as_string(moments, unit="ms"), "Z")
        return pd.Series(texts, index=column.index).mask(column.isna())
    if isinstance(column.dtype, pd.CategoricalDtype):
        column = column.astype("str")
    if pd.api.types.is_string_dtype(column.dtype):
        return column.mask(column.str.match(_FORMULA, na=False), "'" + column)
    return column


def _line(cells: Iterable[object]) -> bytes:
    out = io.StringIO()
    csv.writer(out, lineterminator="\r\n").writerow(cells)
    return out.getvalue().encode()
