"""Records and frames -> CSV and Parquet, as streams of bytes. The columns are public: see ``docs/csv.md``."""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import parquet

from core.domain.audit import AuditEntry
from core.domain.columns import MOMENT, NEVER_ABSENT, RECORD_DTYPES, REGISTRATION_DTYPES, UNREADABLE
from core.domain.formulas import BREAKS, SIGNS, neutral, restored
from core.domain.frames import record_frame
from core.domain.records import ValidationRecord, isoformat
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
)

#: One row for each reference photo that will not do: whom to ask, and what for.
REFERENCE_COLUMNS = ("registrationId", "userId", "name", "email", "problems", "message")
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
)
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


def _read_csv(columns: Iterable[str], dtypes: Mapping[str, Any]) -> Mapping[str, Any]:
    times = [column for column in columns if dtypes[column] is MOMENT]
    return {
        "dtype": {column: dtypes[column] for column in columns if column not in times},
        "parse_dates": times,
        "date_format": "ISO8601",
        # By default pandas takes a person called NA for nobody.
        "keep_default_na": False,
        "na_values": {column: [""] for column in columns if column not in NEVER_ABSENT},
    }


#: ``as_stored(pandas.read_csv(file, **READ_CSV))`` gives the frame back that ``frame_csv`` wrote: values and dtypes.
#: What the file does not say: that a time column without any value has a zone, and that categories which all look
#: like numbers are text.
READ_CSV = _read_csv(RECORD_EXPORT, RECORD_DTYPES)
#: The same for ``registrations_csv``.
READ_REGISTRATIONS_CSV = _read_csv(REGISTRATION_EXPORT, REGISTRATION_DTYPES)

#: A byte order mark: without it Excel reads UTF-8 as the machine's own code page.
BOM = b"\xef\xbb\xbf"
#: Cells that stand in quotation marks: a spreadsheet that splits by another separator keeps them whole where it can.
_QUOTED = re.compile('[,;|\t"\r\n]')
#: A cell that ``neutral`` changes, as Arrow's expressions say it, which cannot look behind.
_UNSAFE = f"(^|[{BREAKS}])'*[{SIGNS}]"
#: The signs, by their bytes, that change a cell wherever they are: all breaks but the space, which most names have.
_UNUSUAL_BYTES = tuple(sign.encode() for sign in BREAKS if sign != " ")
#: Of each byte whether it begins what changes a cell at the start of a part; of signs in full width others do too.
_FIRST_BYTES = np.isin(np.arange(256), np.frombuffer(b"'=+-@\t\r\0\xef", np.uint8))
#: A whole number has its point, as in every other row: pattern and replacement.
_WHOLE = (r"^(-?\d+)$", r"\1.0")
#: Rows of a part of a Parquet file that is read as a whole.
GROUP_ROWS = 25_000


def as_stored(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame that was read with ``READ_CSV`` or ``READ_REGISTRATIONS_CSV``, with its text as it is stored: what was
    neutralised is restored (``core.domain.formulas``).
    """
    texts = frame.select_dtypes(["str", "category"]).items()
    return frame.assign(**{str(name): column.map(restored, na_action="ignore") for name, column in texts})


def outcomes_csv(records: Iterable[ValidationRecord]) -> Iterator[bytes]:
    """A header line, then a line for each outcome; memory does not grow with the rows."""
    yield BOM + _line(OUTCOME_COLUMNS)
    for record in records:
        for outcome in reversed(record.outcomes):
            review = outcome.review
            yield _line(
                (
                    record.user_id,
                    record.registration_id,
                    record.event,
                    outcome.number,
                    _time(outcome.timestamp),
                    outcome.status,
                    outcome.confidence,
                    outcome.quality,
                    outcome.similarity,
                    " ".join(outcome.reasons),
                    outcome.face_image_key,
                    outcome.source,
                    outcome.operator,
                    review.decision if review else None,
                    _time(review.decided_at) if review else None,
                    review.reviewer if review else None,
                )
            )


def _time(moment: datetime | None) -> str | None:
    return isoformat(moment) if moment else None


def references_csv(problems: Iterable[ReferenceProblem]) -> Iterator[bytes]:
    """A header line, then a line for each problem: ``REFERENCE_COLUMNS``."""
    yield BOM + _line(REFERENCE_COLUMNS)
    for problem in problems:
        person = problem.person
        whose = (person.registration_id, person.user_id, person.name, person.email)
        yield _line((*whose, " ".join(problem.codes), problem.message))


def problems_csv(problems: Iterable[Problem]) -> Iterator[bytes]:
    """A header line, then a line for each problem of a list: ``PROBLEM_COLUMNS``."""
    yield BOM + _line(PROBLEM_COLUMNS)
    for problem in problems:
        yield _line((problem.line, problem.message))


def audit_csv(entries: Iterable[AuditEntry]) -> Iterator[bytes]:
    """As ``outcomes_csv``, of the audit trail. The header comes with the first entry, or at the end where there is
    none: a failure to read comes before the first byte.
    """
    header = BOM + _line(AUDIT_COLUMNS)
    for entry in entries:
        details = " ".join(f"{name}={value}" for name, value in sorted(entry.details.items()))
        done = (isoformat(entry.at), entry.who, entry.action, entry.outcome)
        of = (entry.user, entry.registration, entry.event_id, entry.ip_address, details, entry.entry_id)
        yield header + _line((*done, *of))
        header = b""
    if header:
        yield header


def frame_csv(frame: pd.DataFrame, chunk_rows: int = 5000) -> Iterator[bytes]:
    """The frame's columns and rows, ``chunk_rows`` rows at a time; what could not be read is in files of its own.

    UTF-8 with a byte order mark, lines end with CR LF; times are ISO-8601 in UTC with milliseconds, what is absent is
    empty, text is neutralised (``core.domain.formulas.neutral``).
    """
    chunks = (frame.iloc[start : start + chunk_rows] for start in range(0, len(frame), chunk_rows))
    return frames_csv([name for name in frame.columns if name != UNREADABLE.name], chunks)


def frames_csv(columns: Sequence[str], frames: Iterable[pd.DataFrame]) -> Iterator[bytes]:
    """The ``columns`` (``RECORD_EXPORT`` for records) of many frames, as ``frame_csv`` writes one: one part for each
    frame, and one header.

    The header comes with the first frame, so that a failure to read that frame is raised before the first byte.
    """
    header = BOM + _line(columns)
    for frame in frames:
        yield header + _rows(frame[list(columns)])
        header = b""
    if header:
        yield header


def registrations_csv(frame: pd.DataFrame) -> Iterator[bytes]:
    """Registrations (``REGISTRATION_EXPORT``), as ``frame_csv`` writes a frame."""
    return frame_csv(frame[list(REGISTRATION_EXPORT)])


def records_parquet(frames: Iterable[pd.DataFrame]) -> Iterator[bytes]:
    """Frames of records as one Parquet file: values, columns and dtypes are theirs when pandas reads it, but that
    categories are those which occur.

    A part for each frame, often an empty one: they are written ``GROUP_ROWS`` at a time, and no more than these are
    in memory. Text is as it is: whatever reads Parquet takes no text for a formula.
    """
    sink, held, rows = _Sink(), list[pd.DataFrame](), 0
    schema = _schema()
    with parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        for frame in frames:
            held.append(frame)
            rows += len(frame)
            if rows >= GROUP_ROWS:
                writer.write_table(_records_table(held, schema))
                held, rows = [], 0
            yield sink.taken()
        if rows:
            writer.write_table(_records_table(held, schema))
    yield sink.taken()


class _Sink(io.RawIOBase):
    """A file that is only written, whose bytes are taken away as they come."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._length = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self._length += len(self._parts[-1])
        return len(self._parts[-1])

    def tell(self) -> int:
        return self._length

    def taken(self) -> bytes:
        parts, self._parts = self._parts, []
        return b"".join(parts)


def _schema() -> pa.Schema:
    """A file's schema: by its metadata pandas finds the dtypes."""
    schema = pa.Schema.from_pandas(record_frame({}).drop(columns=UNREADABLE.name), preserve_index=False)
    for number, field in enumerate(schema):
        if pa.types.is_dictionary(field.type):
            schema = schema.set(number, field.with_type(pa.dictionary(pa.int32(), pa.large_string())))
    return schema


def _records_table(frames: Sequence[pd.DataFrame], schema: pa.Schema) -> pa.Table:
    # Frames have categories of their own: as text they fit together, and one dictionary is made of them.
    tables = [pa.Table.from_pandas(frame, preserve_index=False, nthreads=1) for frame in frames]
    texts = [pa.table({name: _decoded(table[name]) for name in schema.names}) for table in tables]
    whole = pa.concat_tables(texts)
    columns = [
        whole[field.name].dictionary_encode() if pa.types.is_dictionary(field.type) else whole[field.name]
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return column.cast(pa.large_string()) if pa.types.is_dictionary(column.type) else column


def _rows(frame: pd.DataFrame) -> bytes:
    """The lines, made a column at a time: as Python objects they would take four times as long."""
    if frame.empty:
        return b""
    table = pa.Table.from_pandas(frame, preserve_index=False, nthreads=1)
    cells = [_cells(column.combine_chunks()) for column in table.itercolumns()]
    lines = pc.binary_join_element_wise(*cells, _text(","), null_handling="replace", null_replacement="")
    whole = pc.binary_join_element_wise(lines, _text("\r\n"), _text(""))
    # The texts of an array stand one behind the other.
    bytes_of_all: bytes = whole.buffers()[2].to_pybytes()
    return bytes_of_all[: pc.sum(pc.binary_length(whole)).as_py()]


def _text(text: str) -> pa.Scalar:
    return pa.scalar(text, pa.large_string())


def _cells(values: pa.Array) -> pa.Array:
    """The column as a spreadsheet may have it, absent cells as nulls."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _safe(values.dictionary.cast(pa.large_string())).take(values.indices)
    if pa.types.is_timestamp(kind):
        # Without its zone: of one Arrow takes thirty times as long.
        texts = values.cast(pa.timestamp("ms"), safe=False).cast(pa.large_string())
        return pc.binary_join_element_wise(pc.replace_substring(texts, " ", "T"), _text("Z"), _text(""))
    if pa.types.is_boolean(kind):
        return pc.if_else(values, _text("True"), _text("False"))
    texts = values.cast(pa.large_string())
    if pa.types.is_floating(kind):
        whole = pc.fill_null(pc.equal(pc.floor(values), values), False)
        return pc.replace_with_mask(texts, whole, pc.replace_substring_regex(texts.filter(whole), *_WHOLE))
    return texts if pa.types.is_integer(kind) else _safe(texts)


def _safe(texts: pa.Array) -> pa.Array:
    """As ``_cell``, a column at a time: the few texts that are unsafe are neutralised one by one."""
    if not _may_be_unusual(texts):
        return texts
    unsafe = pc.fill_null(pc.match_substring_regex(texts, _UNSAFE), False)
    if pc.any(unsafe).as_py():
        neutralised = pa.array(map(neutral, texts.filter(unsafe).to_pylist()), pa.large_string())
        texts = pc.replace_with_mask(texts, unsafe, neutralised)
    doubled = pc.replace_substring(texts, '"', '""')
    quoted = pc.binary_join_element_wise(_text('"'), doubled, _text('"'), _text(""))
    return pc.if_else(pc.match_substring_regex(texts, _QUOTED.pattern), quoted, texts)


def _may_be_unusual(texts: pa.Array) -> bool:
    """Whether there is a text that ``_cell`` might change.

    By their bytes, all at once: most columns have none, and a pattern takes six times as long to say so.
    """
    _, ends, letters = texts.buffers()
    if letters is None:
        return False
    places = np.frombuffer(ends, np.int64)[texts.offset : texts.offset + len(texts) + 1]
    written = np.frombuffer(letters, np.uint8)[: places[-1]]
    within = written[places[0] :]
    whole = within.tobytes()
    if any(sign in whole for sign in _UNUSUAL_BYTES):
        return True
    firsts = written[places[:-1][places[1:] > places[:-1]]]
    after_spaces = within[np.flatnonzero(within[:-1] == ord(" ")) + 1]
    return bool(_FIRST_BYTES[firsts].any() or _FIRST_BYTES[after_spaces].any())


def _line(cells: Iterable[object]) -> bytes:
    return (",".join(map(_cell, cells)) + "\r\n").encode()


def _cell(value: object) -> str:
    """Text is neutralised, and stands in quotation marks if it holds a separator; numbers are as they are."""
    if value is None:
        return ""
    if not isinstance(value, str):
        return str(value)
    text = neutral(value)
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
