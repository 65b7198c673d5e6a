"""Tables -> CSV and Parquet, as streams of bytes."""

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

from core.domain.columns import MOMENT, NEVER_ABSENT, RECORD_DTYPES, REGISTRATION_DTYPES, UNREADABLE
from core.domain.formulas import BREAKS, SIGNS, neutral, restored
from core.domain.frames import record_frame
from core.domain.records import isoformat
from core.services.tables import RECORD_EXPORT, REGISTRATION_EXPORT, Batch, Table


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


#: ``as_stored(pandas.read_csv(file, **READ_CSV))`` gives the frame back that ``as_csv`` wrote: values and dtypes.
#: What the file does not say: that a time column without any value has a zone, and that categories which all look
#: like numbers are text.
READ_CSV = _read_csv(RECORD_EXPORT, RECORD_DTYPES)
#: The same for registrations.
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


def as_csv(table: Table) -> Iterator[bytes]:
    """A header line and the lines of each batch; memory does not grow with the rows.

    UTF-8 with a byte order mark, lines end with CR LF; times are ISO-8601 in UTC with milliseconds, what is absent is
    empty, text is neutralised (``core.domain.formulas.neutral``).

    The header comes with the first batch, so that a failure to read that batch is raised before the first byte.
    """
    header = BOM + _line(table.columns)
    for batch in table.batches:
        yield header + _lines(table.columns, batch)
        header = b""
    if header:
        yield header


def as_parquet(table: Table) -> Iterator[bytes]:
    """Frames of records as one Parquet file: values, columns and dtypes are theirs when pandas reads it, but that
    categories are those which occur.

    A part for each frame, often an empty one: they are written ``GROUP_ROWS`` at a time, and no more than these are
    in memory. Text is as it is: whatever reads Parquet takes no text for a formula.
    """
    sink, held, rows = _Sink(), list[pd.DataFrame](), 0
    schema = _schema(table.columns)
    with parquet.ParquetWriter(sink, schema, compression="zstd") as writer:
        for frame in table.batches:
            assert isinstance(frame, pd.DataFrame)
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


def _schema(columns: Sequence[str]) -> pa.Schema:
    """A file's schema: columns of records, and of text behind them. By its metadata pandas finds the dtypes."""
    frame = record_frame({}).drop(columns=UNREADABLE.name)
    texts = {name: pd.Series(dtype="str") for name in columns if name not in frame}
    schema = pa.Schema.from_pandas(frame.assign(**texts), preserve_index=False)
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


def _lines(columns: Sequence[str], batch: Batch) -> bytes:
    return b"".join(map(_line, batch)) if isinstance(batch, list) else _rows(batch[list(columns)])


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
    if isinstance(value, datetime):
        return isoformat(value)
    if not isinstance(value, str):
        return str(value)
    text = neutral(value)
    return '"' + text.replace('"', '""') + '"' if _QUOTED.search(text) else text
