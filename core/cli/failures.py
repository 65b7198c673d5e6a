"""Errors as the command line shows them: one line on stderr and an exit code, never a traceback."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from core.cli.console import complain
from core.domain import hints
from core.domain.errors import FacedeskError, NotConfigured, ServiceError, SettingsError

#: The code of this project: an unexpected error is located by its last frame in here.
_CODE = Path(__file__).parents[1]


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the command with one line and an exit code if Facedesk raises an error inside."""
    try:
        yield
    except FacedeskError as error:
        raise typer.Exit(report(error)) from None


def report(error: Exception) -> int:
    """Print what failed in one line; returns the exit code: 2 for bad settings, 1 for all else."""
    if isinstance(error, FacedeskError):
        complain(line(error))
        return 2 if isinstance(error, SettingsError) else 1
    if isinstance(error, OSError) and error.strerror:
        place = f" ({error.filename})" if error.filename else ""
        complain(f"The command failed: {error.strerror}{place}.")
    else:
        report_unexpected(error)
    return 1


def line(error: FacedeskError) -> str:
    """What failed and, where the code of the service tells, what to do about it."""
    # An explained error says itself what to do, but one of something missing says only what is missing.
    if not isinstance(error, ServiceError) or (error.explained and not isinstance(error, NotConfigured)):
        return str(error)
    hint = hints.specific(error)
    return f"{str(error).removesuffix('.')}. {hint}" if hint else str(error)


def report_unexpected(error: BaseException | None) -> None:
    """Print the error's class and place, but not its text, which may contain ids."""
    frames = traceback.extract_tb(error.__traceback__) if error else []
    known = [frame for frame in frames if Path(frame.filename).is_relative_to(_CODE)]
    place = f" at {Path(known[-1].filename).name}, line {known[-1].lineno}" if known else ""
    complain(f"Unexpected error: {type(error).__name__}{place}. Please report it with this line.")
