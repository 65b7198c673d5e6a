"""The commands for the photos of a whole event: ``validate-event``, ``audit-references``, ``find-duplicates``."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from core.cli.console import complain, say
from core.cli.context import open_services, stop_on_signals, user_name
from core.cli.progress import crew_progress
from core.domain.records import Source
from core.domain.roles import local
from core.domain.worklists import MARK_WORDS
from core.flow.crew import End, Progress
from core.services.batch import BatchProgress, Choice
from core.services.batch_jobs import BATCH
from core.services.validation import Submitter


def validate_event(
    event: Annotated[str, typer.Argument(help="Id of the event.")],
    only: Annotated[Choice, typer.Option(help="Whose photos to validate; everyone who passed is skipped.")] = (
        Choice.ALL
    ),
    photos: Annotated[
        Path | None,
        typer.Option(
            help="Folder of photos named by registration id, such as reg-1.jpg. They are used instead of stored ones."
        ),
    ] = None,
    start_over: Annotated[
        bool, typer.Option("--start-over", help="Discard an unfinished batch of this event.")
    ] = False,
    operator: Annotated[
        str | None,
        typer.Option(help="Name to record with each attempt. Default: your user name.", show_default=False),
    ] = None,
) -> None:
    """Validate the photos of everyone at an event who has not passed: never tried, failed or pending.

    People who passed, and people a reviewer has decided on, are skipped.

    If the command is stopped (Ctrl-C) or killed, run it again to continue; no photo is judged twice.

    Exit code: 0 if every photo was judged, 1 if some are left or were unusable, 130 if the command was stopped.
    """
    with open_services() as services, stop_on_signals() as stop:
        by = Submitter(Source.BATCH, operator or user_name())
        with closing(services.batches.open(event, only, by, photos, start_over=start_over)) as batch:
            before = batch.progress()
            if batch.resumed:
                say(f"Resuming the batch: {before.done:,} of {before.total:,} photos were done before.")
            with crew_progress("Photos", before) as show:

                def work(stop: threading.Event, tell: Callable[[Progress], None]) -> BatchProgress:
                    def report(progress: BatchProgress) -> None:
                        show(progress)
                        tell(progress)

                    return batch.run(stop, report)

                summary = services.jobs.run(BATCH, event, work, by.operator, stop)
    for registration_id, why in summary.problems:
        complain(f"Registration {registration_id}: {why}")
    say(_counts(summary) if summary.total else "This event has no photos to validate.")
    _exit_unless_done(summary, "Run the same command again to continue.")
    if summary.problems:
        raise typer.Exit(1)


def audit_references(
    event: Annotated[str, typer.Argument(help="Id of the event.")],
    out: Annotated[
        Path | None,
        typer.Option(help="CSV file to write: the people to ask for another photo. Default: standard output."),
    ] = None,
) -> None:
    """Check every reference photo of an event against the rules, before anyone is compared with it.

    Writes a CSV of the people to ask for another photo, because theirs is missing, unreadable or would fail; each
    line has the message to send. No record is changed.

    Exit code: 0 if every photo was checked, whatever the result; 1 if some could not be; 130 if the command was
    stopped.
    """
    from core.services.export import as_csv
    from core.services.tables import references

    with open_services() as services, stop_on_signals() as stop, crew_progress("Reference photos") as report:
        check = services.references.run(event, stop, report)
    lines = b"".join(as_csv(references(check.problems)))
    if out is None:
        typer.echo(lines, nl=False)
    else:
        try:
            out.write_bytes(lines)
        except OSError as error:
            complain(f"Cannot write {out}: {error.strerror}.")
            raise typer.Exit(1) from None
    complain(f"{check.progress.done:,} people checked, {len(check.problems):,} need another photo.")
    _exit_unless_done(check.progress, "Run the command again to check all of them.")


def find_duplicates(event: Annotated[str, typer.Argument(help="Id of the event.")]) -> None:
    """Find the registrations of an event whose reference photos show similar faces.

    Writes a CSV of the pairs, the most similar first, with what people have said about them. No record is changed.
    An administrator must have switched searches on for the event, on the page Duplicates; the audit trail has each
    search.

    Exit code: 0 if all faces were compared, 1 if some could not be, 130 if the command was stopped.
    """
    from core.runtime.facades.guard import Guard
    from core.services.export import as_csv
    from core.services.tables import pairs

    with open_services() as services, stop_on_signals() as stop, crew_progress("Faces") as report:
        guarded = Guard(services).acting_as(local(f"command line: {user_name()}"))
        found = guarded.duplicates.search(event, stop, report)
    typer.echo(b"".join(as_csv(pairs(found.pairs))), nl=False)
    complain(f"{found.compared:,} faces compared, {len(found.pairs):,} pairs{' and more' if found.capped else ''}.")
    if found.expected_false:
        estimate, low, high = found.expected_false
        complain(f"False pairs to expect: {estimate:,.2f} (between {low:,.2f} and {high:,.2f}).")
    if found.without_face or found.without_photo:
        complain(f"{found.without_photo:,} have no usable photo, {found.without_face:,} one without a clear face.")
    if found.failed:
        complain(f"{found.failed:,} could not be examined. Run the command again to examine them.")
    if stop.is_set():
        complain("Stopped before all faces were compared.")
        raise typer.Exit(130)
    if found.failed or not found.finished:
        raise typer.Exit(1)


def _counts(summary: BatchProgress) -> str:
    counts = [f"{summary.marks.get(mark, 0):,} {words}" for mark, words in MARK_WORDS.items()]
    return f"{summary.done:,} of {summary.total:,} photos: {', '.join(counts)}."


def _exit_unless_done(progress: Progress, advice: str) -> None:
    """Print what is left and why, and exit with the code for it; return if nothing is left."""
    for kind, count in progress.errors.items():
        complain(f"{count:,} failed ({kind}).")
    match progress.end:
        case End.DONE:
            return
        case End.STOPPED:
            complain(f"Stopped: {progress.left:,} left. {advice}")
            raise typer.Exit(130)
        case End.GAVE_UP:
            complain(f"Gave up: {progress.paused} {progress.left:,} left. {advice}")
        case _:
            complain(f"{progress.left:,} left. {advice}")
    raise typer.Exit(1)
