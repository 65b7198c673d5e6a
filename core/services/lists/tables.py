"""A list as a table: the names of its columns, and its lines as text."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from core.services.lists.meanings import BY_NAME, normal

#: Lines among which the one with the names of the columns is looked for.
HEADER_LINES = 30

Row = tuple[int, Sequence[str]]


@dataclass(frozen=True)
class Problem:
    """A line of the file that does not go in, and why, in one sentence."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.message}"


@dataclass(frozen=True)
class Notice(Problem):
    """A line that goes in otherwise than it says, and how, in one sentence."""


@dataclass(frozen=True)
class Table:
    """``header`` is as the file writes it; ``rows`` are those below it that have something, each with its line;
    ``problems`` are lines that are no row.
    """

    header: tuple[str, ...]
    rows: Sequence[Row]
    problems: tuple[Problem, ...] = ()
    notices: tuple[str, ...] = ()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the columns in one line each; one that is empty or there already is told by its place."""
        names: list[str] = []
        for place, cell in enumerate(self.header, start=1):
            name = " ".join(cell.split()) or f"Column {place}"
            names.append(f"{name} (column {place})" if name in names else name)
        return tuple(names)


@dataclass(frozen=True, order=True)
class Header:
    """A row that may have the names of the columns; the greatest is the likeliest."""

    score: int
    #: Its place among the rows, counted backwards: of equals the first is the header.
    earliness: int

    @property
    def place(self) -> int:
        return -self.earliness


def likeliest_header(rows: Iterable[Sequence[str]], wanted: Collection[str] = ()) -> Header | None:
    """The row that has most of what is understood (``BY_NAME``) or ``wanted``; None if there is no such row."""
    others = {normal(name) for name in wanted}
    best: Header | None = None
    for place, cells in enumerate(rows):
        names = {normal(cell) for cell in cells}
        score = len({BY_NAME[name][0] for name in names & BY_NAME.keys()}) + len(names & others - BY_NAME.keys())
        if score and (best is None or Header(score, -place) > best):
            best = Header(score, -place)
    return best


def passed_over(line: int, before: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """A notice that the names stand on ``line``, if the rows before it say more than which separator there is."""
    told = [cells for cells in before if any(cells) and not is_separator_line(cells)]
    return (f"The names of the columns are on line {line}. What stands before them was passed over.",) if told else ()


def is_separator_line(cells: Sequence[str]) -> bool:
    """Whether it is the line ``sep=;`` with which Excel is told the separator."""
    return cells[0].casefold().startswith("sep=") and len("".join(cells)) <= len("sep=;")
