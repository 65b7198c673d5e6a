"""CSV text as a table. Which separator it has, and where its header is, is found by reading it with each."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator
from itertools import islice

from core.domain.errors import InvalidInput
from core.services.lists.tables import (
    HEADER_LINES,
    Header,
    Problem,
    Row,
    Table,
    is_separator_line,
    likeliest_header,
    passed_over,
)

SEPARATORS = ",;\t|"
#: Characters in which the header is looked for.
_START = 64 * 1024


def read_csv(text: str, wanted: Collection[str] = (), notices: tuple[str, ...] = ()) -> Table:
    """The table. ``wanted`` are names of columns that must be there. Raises ``InvalidInput`` where there is none."""
    separator, header, before = _header(text, wanted)
    line, cells = header
    rows: list[Row] = []
    problems: list[Problem] = []
    for found in _rows(text, separator):
        if isinstance(found, Problem):
            if found.line > line:
                problems.append(found)
        elif found[0] > line and any(cell.strip() for cell in found[1]):
            rows.append(found)
    return Table(tuple(cells), rows, tuple(problems), notices + passed_over(line, (row for _, row in before)))


def _header(text: str, wanted: Collection[str]) -> tuple[str, Row, list[Row]]:
    """The separator, the header, and the rows before it."""
    best: tuple[Header, str, list[Row]] | None = None
    widest: tuple[int, str, list[Row]] = (0, "", [])
    for separator in SEPARATORS:
        rows = [row for row in _first_rows(text, separator) if any(cell.strip() for cell in row[1])]
        found = likeliest_header((cells for _, cells in rows), wanted)
        if found and (best is None or found > best[0]):
            best = (found, separator, rows)
        named = [row for row in rows if not is_separator_line(row[1])]
        if named and len(named[0][1]) > widest[0]:
            widest = (len(named[0][1]), separator, named)
    if best:
        found, separator, rows = best
        return separator, rows[found.place], rows[: found.place]
    # No name is known. Whoever imports the list says what the columns mean.
    width, separator, rows = widest
    if not width or "\0" in text[:_START]:
        raise InvalidInput(
            "The file is no list that can be read, or it is empty. Save the list as “CSV UTF-8” or .xlsx, with the "
            "names of its columns in the first line."
        )
    return separator, rows[0], []


def _first_rows(text: str, separator: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text[:_START], newline=""), delimiter=separator)
    end = 0
    try:
        for cells in islice(reader, HEADER_LINES):
            yield end + 1, cells
            end = reader.line_num
    except csv.Error:
        return


def _rows(text: str, separator: str) -> Iterator[Row | Problem]:
    """All lines in order, each as what it says or as what is wrong with it."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            lost = f"; lines {line} to {reader.line_num} are lost with it" if reader.line_num > line else ""
            yield Problem(line, f"the line is not CSV ({error}){lost}.")
