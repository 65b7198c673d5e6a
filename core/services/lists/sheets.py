"""The sheet of a workbook (.xlsx) as a table: values as text, those of formulas as they were last computed."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime, time
from itertools import islice
from typing import Any

from core.domain.errors import InvalidInput
from core.services.lists.tables import (
    HEADER_LINES,
    Row,
    Table,
    likeliest_header,
    passed_over,
)

#: What the workbook's parts may declare to be together when unpacked; no part gives more than it declares.
MAX_UNPACKED_BYTES = 200 * 1024 * 1024
#: The most rows and columns that are looked at: rows are as many as a sheet of Excel has.
MAX_ROWS, MAX_COLUMNS = 1_048_576, 500
#: A sheet with more rows that have something is to be split.
MAX_LINES = 200_000
#: Whole numbers with more digits are not in a workbook: Excel keeps 15.
_MOST_DIGITS = 15
#: A number format that shows leading zeros.
_ZEROS = re.compile("0{2,}")


def read_sheet(data: bytes, wanted: Collection[str] = ()) -> Table:
    """The first sheet that has most of the columns. Raises ``InvalidInput`` where the file is no workbook."""
    # Loaded only now: it takes a moment, and most lists are CSV.
    from openpyxl import load_workbook

    _check(data)
    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        try:
            return _table({sheet.title: sheet for sheet in book.worksheets}, wanted)
        finally:
            book.close()
    except InvalidInput:
        raise
    except Exception as error:
        raise InvalidInput(
            "The workbook is damaged or protected. Open it, save it as .xlsx without a password, and try again."
        ) from error


def _check(data: bytes) -> None:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            parts = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError) as error:
        raise InvalidInput("The workbook is damaged. Open it, save it as .xlsx, and try again.") from error
    if not any(part.filename.startswith("xl/") for part in parts):
        raise InvalidInput("The file is an archive, and no list. Choose the list itself, as CSV or .xlsx.")
    if sum(part.file_size for part in parts) > MAX_UNPACKED_BYTES:
        raise InvalidInput(
            f"The workbook has more than {MAX_UNPACKED_BYTES // 2**20} MB when unpacked. Save its list as CSV."
        )


def _table(sheets: dict[str, Any], wanted: Collection[str]) -> Table:
    score, title, first = -1, "", list[Row]()
    for name, sheet in sheets.items():
        rows = [row for row in islice(_rows(sheet), HEADER_LINES) if any(row[1])]
        header = likeliest_header((cells for _, cells in rows), wanted)
        if rows and (header.score if header else 0) > score:
            # Where no name is known, whoever imports the list says what the columns of the first row mean.
            score, title, first = (header.score, name, rows[: header.place + 1]) if header else (0, name, rows[:1])
    if not first:
        raise InvalidInput("The workbook is empty. Choose a file with a list of people.")
    *before, (line, cells) = first
    below: list[Row] = []
    for row in _rows(sheets[title]):
        if row[0] > line and any(cell.strip() for cell in row[1]):
            below.append(row)
            if len(below) > MAX_LINES:
                raise InvalidInput(f"The list has more than {MAX_LINES:,} lines. Split it.")
    notices = (f"The sheet “{title}” was read; the workbook has {len(sheets)} sheets.",) if len(sheets) > 1 else ()
    # No cell has moved out of its column, so that one without a name does no harm.
    width = max(len(cells), *(len(row) for _, row in below)) if below else len(cells)
    return Table(
        (*cells, *("" for _ in range(width - len(cells)))),
        below,
        notices=notices + passed_over(line, (row for _, row in before)),
    )


def _rows(sheet: Any) -> Iterator[Row]:
    sheet.reset_dimensions()  # they may be stated wrongly
    for line, row in enumerate(sheet.iter_rows(max_row=MAX_ROWS), start=1):
        yield line, _trimmed([_text(cell) for cell in row[:MAX_COLUMNS]])


def _trimmed(cells: list[str]) -> Sequence[str]:
    while cells and not cells[-1]:
        cells.pop()
    return cells


def _text(cell: Any) -> str:
    """A cell's value as the sheet shows it, as far as an id may depend on it."""
    value = cell.value
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return _number(value, str(cell.number_format))
    if isinstance(value, datetime):
        return value.isoformat(" ").removesuffix(" 00:00:00")
    return value.isoformat() if isinstance(value, time) else str(value)


def _number(value: float, shown: str) -> str:
    if value != int(value):
        return f"{value:.{_MOST_DIGITS}g}"
    if abs(value) >= 10**_MOST_DIGITS:
        return f"{value:.{_MOST_DIGITS - 1}E}"  # digits are lost, and are not made up
    text = str(int(value))
    return text.zfill(len(shown)) if _ZEROS.fullmatch(shown) else text
