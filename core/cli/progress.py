"""Progress on the terminal: a bar if stderr is a terminal, else a line from time to time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from core.cli.console import complain, err, out, say
from core.flow.crew import Progress as CrewProgress
from core.flow.progress import Counting

#: Seconds between two lines about a long job if there is no terminal.
LINE_SECONDS = 10


@contextmanager
def bar(what: str) -> Iterator[Counting]:
    """A progress bar on stderr, removed at the end; silent if stderr is not a terminal."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as shown:
        task = shown.add_task(what, total=None)
        yield lambda done, total: shown.update(task, completed=done, total=total)


@contextmanager
def bar_or_lines(what: str) -> Iterator[Counting]:
    """Like ``bar``, but prints lines if stderr is not a terminal."""
    if err.is_terminal:
        with bar(what) as counting:
            yield counting
        return
    is_due = _every(LINE_SECONDS)

    def line(done: int, total: int | None) -> None:
        if is_due():
            complain(f"{what}: {done:,}" + (f" of about {total:,}" if total else ""))

    yield line


@contextmanager
def crew_progress(what: str, before: CrewProgress | None = None) -> Iterator[Callable[[CrewProgress], None]]:
    """Shows a crew's progress with its rate and remaining time; ``before`` is the state in which the work begins."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        TimeRemainingColumn(),
    )
    is_due = _every(LINE_SECONDS)
    with Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as shown:
        task = shown.add_task(
            what, total=before.total if before else None, completed=before.done if before else 0, pace=""
        )

        def report(progress: CrewProgress) -> None:
            pace = f"{progress.rate:.1f} a second" if progress.rate else ""
            state = f"waiting: {progress.paused}" if progress.paused else pace
            shown.update(task, completed=progress.done, total=progress.total, pace=state)
            if not err.is_terminal and is_due():
                complain(_line(what, progress, state))

        yield report


@contextmanager
def status() -> Iterator[Callable[[str], None]]:
    """Shows what the command waits for; if stdout is not a terminal, a line whenever that changes."""
    if out.is_terminal:
        with out.status("Reading the table's settings.") as shown:
            yield shown.update
        return
    last = ""

    def line(text: str) -> None:
        nonlocal last
        if text != last:
            last = text
            say(text)

    yield line


def _line(what: str, progress: CrewProgress, state: str) -> str:
    counts = f"{what}: {progress.done:,} of {progress.total:,}"
    left = f"about {progress.remaining:,.0f} s left" if progress.remaining and not progress.paused else ""
    return ", ".join(filter(None, (counts, state, left)))


def _every(seconds: float) -> Callable[[], bool]:
    """A function that answers true at most once in ``seconds``, the first time after that long."""
    next_time = time.monotonic() + seconds

    def is_due() -> bool:
        nonlocal next_time
        if time.monotonic() < next_time:
            return False
        next_time = time.monotonic() + seconds
        return True

    return is_due
