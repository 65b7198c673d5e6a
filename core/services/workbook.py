"""Tables -> Excel workbooks (.xlsx), made in a folder of their own on the disk and read from there."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from math import isfinite
from pathlib import Path

import pandas as pd
import pyarrow as pa
from xlsxwriter import Workbook
from xlsxwriter.worksheet import Worksheet

from core.domain.columns import MOMENT, RECORD_DTYPES
from core.domain.records import isoformat
from core.services.tables import AUDIT_COLUMNS, Batch, Row, Table

#: Rows that a sheet holds below its header. What is more is on further sheets.
SHEET_ROWS = 1_048_575
#: Columns of times: their header names the zone, which a cell cannot.
TIMES = frozenset(name for name, dtype in RECORD_DTYPES.items() if dtype is MOMENT) | {AUDIT_COLUMNS[0]}
#: Times from here on mean the same moment in every spreadsheet; Excel has a 29 February 1900.
FIRST_DATE = datetime(1900, 3, 1)
#: Bytes of a file that are handed on at once.
_PART = 256 * 1024
#: Rows by which the width of a column is chosen, and its least and greatest.
_MEASURED_ROWS, _NARROWEST, _WIDEST = 200, 8, 50
_DAY_ZERO, _DAY = datetime(1899, 12, 30), timedelta(days=1) / timedelta(milliseconds=1)
#: What XML cannot hold and XlsxWriter does not escape.
_IMPOSSIBLE = re.compile("[\ud800-\udfff\ufffe\uffff]")


def as_xlsx(table: Table) -> Iterator[bytes]:
    """A sheet with a header that stays in sight, and a row for each row; memory does not grow with the rows.

    Text is text, whatever it looks like; numbers, truth values and times in UTC have cells of their kind, what is
    absent has none. While the rows are read, each batch is an empty part: a place to stop at.
    """
    with tempfile.TemporaryDirectory(prefix="facedesk-") as folder:
        file = Path(folder) / "export.xlsx"
        options = {"constant_memory": True, "tmpdir": folder, "use_zip64": True}
        book = Workbook(str(file), options)
        sheets = _Sheets(book, table.columns)
        try:
            for batch in table.batches:
                sheets.write(_rows(table.columns, batch))
                yield b""
            book.close()
        finally:
            sheets.close()
        with file.open("rb") as made:
            while part := made.read(_PART):
                yield part


class _Sheet(Worksheet):  # type: ignore[misc]
    """XlsxWriter takes a text between <r> and </r> for XML of its own, and writes it as it is."""

    def _xml_rich_inline_string(self, string: str, attributes: list[tuple[str, object]] = []) -> None:  # noqa: B006
        self._xml_inline_string(string, False, attributes)


class _Sheets:
    """The sheets of a book, one after the other."""

    def __init__(self, book: Workbook, columns: Sequence[str]) -> None:
        self._book = book
        self._header = [f"{name} (UTC)" if name in TIMES else name for name in columns]
        self._widths = list(map(_width, self._header))
        self._bold = book.add_format({"bold": True, "num_format": "@"})
        # A cell of text stays text when a person edits it.
        self._text = book.add_format({"num_format": "@"})
        self._time = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss.000"})
        self._made: list[_Sheet] = []
        self._begin()

    def write(self, rows: Sequence[Row]) -> None:
        if self._row == 1:
            self._widen(rows[:_MEASURED_ROWS])
        for row in rows:
            if self._row > SHEET_ROWS:
                self._begin()
            for column, value in enumerate(row):
                self._write(column, value)
            self._row += 1

    def close(self) -> None:
        """Closes the files in which the rows wait for the end of the book."""
        for sheet in self._made:
            sheet.row_data_fh.close()

    def _begin(self) -> None:
        self._sheet = self._book.add_worksheet(worksheet_class=_Sheet)
        self._made.append(self._sheet)
        self._sheet.freeze_panes(1, 0)
        # Else Excel marks every id that looks like a number.
        self._sheet.ignore_errors({"number_stored_as_text": "A1:XFD1048576"})
        for column, name in enumerate(self._header):
            self._sheet.write_string(0, column, _fitting(name), self._bold)
        self._row = 1
        self._widen([])

    def _widen(self, rows: Sequence[Row]) -> None:
        """Gives each column room for what these rows have in it."""
        for row in rows:
            self._widths = [max(width, _width(value)) for width, value in zip(self._widths, row, strict=True)]
        for column, width in enumerate(self._widths):
            self._sheet.set_column(column, column, width)

    def _write(self, column: int, value: object) -> None:
        match value:
            case None | "":
                pass
            case str():
                self._sheet.write_string(self._row, column, _fitting(value), self._text)
            case bool():
                self._sheet.write_boolean(self._row, column, value)
            case datetime():
                moment = (value.astimezone(UTC) if value.tzinfo else value).replace(tzinfo=None)
                if moment >= FIRST_DATE:
                    self._sheet.write_number(self._row, column, _serial(moment), self._time)
                else:
                    self._write(column, isoformat(moment.replace(tzinfo=UTC)))
            case int() | float() if isfinite(value):
                self._sheet.write_number(self._row, column, value)
            case _:
                self._write(column, str(value))


def _rows(columns: Sequence[str], batch: Batch) -> Sequence[Row]:
    if isinstance(batch, list):
        return batch
    return list(zip(*(_values(batch[name]) for name in columns), strict=True))


def _values(column: pd.Series) -> list[object]:
    values = pa.Array.from_pandas(column)
    if pa.types.is_timestamp(values.type):
        values = values.cast(pa.timestamp("ms"), safe=False)  # with their zone it takes thirty times as long
    found: list[object] = values.to_pylist()
    return found


def _serial(moment: datetime) -> float:
    """The days from ``_DAY_ZERO``, to the millisecond, as spreadsheets count time."""
    return (moment - _DAY_ZERO) // timedelta(milliseconds=1) / _DAY


def _fitting(text: str) -> str:
    return _IMPOSSIBLE.sub("\ufffd", text)


def _width(value: object) -> int:
    """Characters of a column with room for the value and the margins."""
    return 0 if value is None else min(max(len(str(value)) + 2, _NARROWEST), _WIDEST)
