"""The command line: ``python -m core``. Every command has ``--help``; an error is one line, never a trace."""

from __future__ import annotations

import getpass
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from core.domain.errors import FacedeskError, InvalidInput, SettingsError, Unavailable
from core.domain.records import Source, isoformat
from core.domain.roles import Role
from core.domain.text import is_text
from core.flow.crew import End
from core.flow.crew import Progress as Work
from core.services.batch import BatchProgress, Choice
from core.services.importing import MAX_TABLE_BYTES, FolderSource, PhotoSource, ZipSource, import_registrations
from core.services.validation import Submitter
from core.services.worklist import MARK_WORDS
from core.settings import Backend, load_settings

if TYPE_CHECKING:
    from core.ports import RegistrationImport
    from core.runtime.maintenance import Backfill
    from core.runtime.services import Services

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

#: ``(done, total)``; a total of None is not known.
Counting = Callable[[int, int | None], None]
#: Time between two lines about a long job where there is no terminal.
LINE_SECONDS = 10

_out, _err = Console(highlight=False), Console(stderr=True, highlight=False)


@app.callback()
def facedesk() -> None:
    """Facedesk: the operations desk for event face verification.

    Settings are read from the environment and .env; the README lists them.
    """


@app.command()
def sample(
    registrations: Annotated[int, typer.Option(min=1, max=100_000, help="How many registrations.")] = 300,
) -> None:
    """Load the sample event: made-up people, and validations of the last 30 days.

    Loading it again changes nothing. sample-0001 and sample-0002 have real portraits (public domain) to try with.
    """
    from core.services.sample import EVENT_ID, load

    with _services() as services, _bar("Registrations") as progress:
        load(
            services.records,
            _importer(services),
            services.photos,
            services.sanitiser,
            services.clock(),
            count=registrations,
            policy=services.settings.policy,
            ttl=services.settings.record_ttl,
            progress=progress,
        )
    _out.print(f"Loaded the event {EVENT_ID} with {registrations:,} registrations.")


@app.command("import-registrations")
def import_command(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV (UTF-8) with the columns registrationId, userId, eventId, name, email, photo; "
            "cells of the last three may be empty. A column submittedPhoto may name photos to be validated."
        ),
    ],
    photos: Annotated[
        Path | None, typer.Option(help="Folder or zip archive with the photos that the table names.")
    ] = None,
) -> None:
    """Import registrations. Bad lines are named and left out; the rest goes in.

    A registration that exists is replaced.
    """
    with _services() as services, ExitStack() as stack:
        importer = _importer(services)
        table = _read(file)
        source = _source(photos, services.settings.max_upload_bytes, stack) if photos else None
        progress = stack.enter_context(_bar("Lines"))
        report = import_registrations(
            table,
            source,
            registrations=importer,
            photos=services.photos,
            sanitiser=services.sanitiser,
            progress=progress,
        )
    for problem in report.problems:
        _err.print(str(problem), markup=False, soft_wrap=True)
    _out.print(f"{report.imported:,} registrations imported, {len(report.problems):,} lines left out.")
    if report.problems:
        raise typer.Exit(1)


@app.command("validate-event")
def validate_command(
    event: Annotated[str, typer.Argument(help="The event's id.")],
    only: Annotated[
        Choice, typer.Option(help="Whose photos: of those who have not passed, all or only these.")
    ] = Choice.ALL,
    photos: Annotated[
        Path | None,
        typer.Option(help="Folder of photos named by registration id, e.g. reg-1.jpg; they go before stored ones."),
    ] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Drop a batch of this event that is not done.")] = False,
    operator: Annotated[
        str | None,
        typer.Option(help="Who is named with each attempt; without it your user name.", show_default=False),
    ] = None,
) -> None:
    """Validate the photos of an event that wait: of people who never tried, who failed, and who wait.

    Stopped (Ctrl-C) or killed, it goes on where it was when it is run again; no photo is judged twice.

    Nobody who has passed is validated again, and nobody whom a person decided on.

    Ends with 0 if all were judged, 1 if photos are left or could not be used, 130 if it was stopped.
    """
    with _services() as services, _stopping() as stop:
        submitter = Submitter(Source.BATCH, operator or _user_name())
        with closing(services.batches.open(event, only, photos, anew=anew)) as batch:
            before = batch.progress()
            if batch.resumed:
                _say(f"Going on: {before.done:,} of {before.total:,} were done before.")
            with _working("Photos", before) as report:
                summary = batch.run(submitter, stop, report)
    for registration_id, why in summary.problems:
        _err.print(f"Registration {registration_id}: {why}", markup=False, soft_wrap=True)
    _say(_marks_line(summary) if summary.total else "No photo of this event waits to be validated.")
    _end(summary, "Run the same command to go on with them.")
    if summary.problems:
        raise typer.Exit(1)


@app.command("audit-references")
def audit_command(
    event: Annotated[str, typer.Argument(help="The event's id.")],
    out: Annotated[
        Path | None, typer.Option(help="CSV file of whom to ask for another photo; without it stdout.")
    ] = None,
) -> None:
    """Judge every reference photo of an event by the rules, before anybody is compared with it.

    The CSV has a line for each one that is missing, unreadable or would fail, with the words to send. Nothing is
    written to any record.

    Ends with 0 if all were judged, whatever came of it, 1 if some could not be, 130 if it was stopped.
    """
    from core.services.export import references_csv

    with _services() as services, _stopping() as stop, _working("Reference photos") as report:
        audit = services.references.run(event, stop, report)
    lines = b"".join(references_csv(audit.problems))
    if out is None:
        typer.echo(lines, nl=False)
    else:
        try:
            out.write_bytes(lines)
        except OSError as error:
            _err.print(f"Cannot write {out}: {error.strerror}.", markup=False, soft_wrap=True)
            raise typer.Exit(1) from None
    _err.print(f"{audit.progress.done:,} people looked at, {len(audit.problems):,} to ask for another photo.")
    _end(audit.progress, "Run it again to judge all.")


@app.command()
def token(
    name: Annotated[str, typer.Argument(help="Whose token it is, as the audit trail will name them.")],
    role: Annotated[list[Role], typer.Option(help="What it is good for; may be repeated.")],
    event: Annotated[
        list[str] | None, typer.Option(help="An event's id; without any the token is good for all. May be repeated.")
    ] = None,
) -> None:
    """Make a token for the API: the token itself on the first line, what API_TOKENS lists of it on the second.

    The token is shown this once and kept nowhere.
    """
    from core.services.tokens import new_token, setting

    made, hashed = new_token()
    listed = setting(name, hashed, role, event or ())
    _say(made)
    _say(listed)


@app.command()
def provision(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what differs, and change nothing.")] = False,
    add_index: Annotated[
        bool,
        typer.Option(
            "--add-index",
            help="Also add the event index to a table that lacks it, and wait until it is built. "
            "Building costs write units by the size of what it holds.",
        ),
    ] = False,
) -> None:
    """Make the DynamoDB tables, or verify them and put right what differs, without stopping anything.

    Needs DYNAMODB_FACE_VALIDATION_TABLE, AWS_REGION and credentials; DYNAMODB_AUDIT_TABLE names the audit trail's.

    Ends with 0 if the tables are as they should be (but for what the server does not have), else with 1:
    a dry run, too.
    """
    from core.runtime.maintenance import provisioning

    with _one_line_errors(), _waiting() as report:
        right = [each.run(_say, add_index=add_index, dry_run=dry_run) for each in provisioning(report)]
    if not all(right):
        raise typer.Exit(1)


@app.command("backfill-index")
def backfill_command(
    write_units: Annotated[float, typer.Option(min=1, help="Write units to consume a second, at most.")] = 100,
    read_units: Annotated[float, typer.Option(min=1, help="Read units to consume a second, at most.")] = 1000,
    segments: Annotated[int, typer.Option(min=1, max=64, help="Parts of the table that are read at once.")] = 4,
    state: Annotated[
        Path | None,
        typer.Option(help="File that keeps how far it is; without it one in the data folder.", show_default=False),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Go over the table again and again, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="With --watch: seconds between two passes.")] = 300,
) -> None:
    """Set the top-level eventId, which the event index needs, on records that other services wrote without it.

    Nothing else of a record is touched, and a record that changes meanwhile is left as it is.

    Stopped or killed, it goes on where it was when it is run again. A pass reads the whole table once.
    """
    from core.runtime.maintenance import backfilling

    with _one_line_errors():
        backfill = backfilling(write_units=write_units, read_units=read_units, segments=segments, state=state)
        try:
            while True:
                refused = _pass(backfill, goes_on=watch)
                if not watch:
                    break
                time.sleep(every)
        except KeyboardInterrupt:
            _say("Stopped.")
            raise typer.Exit(0 if watch else 130) from None
    if refused:
        raise typer.Exit(1)


@app.command()
def erase(
    user_id: Annotated[str, typer.Argument(help="The person's user id.", show_default=False)],
    confirm: Annotated[
        str | None, typer.Option(help="The user id once more; without it you are asked.", show_default=False)
    ] = None,
    receipt: Annotated[
        Path | None, typer.Option(help="File to write the receipt to, as JSON.", show_default=False)
    ] = None,
) -> None:
    """Erase a person: records, attempts, submitted photos and, where they are Facedesk's own, registrations.

    Shows first what there is. One that was cut off goes on. The audit trail and the receipt hold a hash of the id.
    """
    from core.domain.roles import local

    with _services() as services:
        found = services.erasures.preview(user_id)
        counts = found.counts
        _say(
            f"{counts.records:,} records with {counts.attempts:,} attempts, {counts.photos:,} photos, "
            f"{counts.registrations:,} registrations; {counts.shared_photos:,} photos stay, as others have them too."
        )
        typed = typer.prompt("Type the user id to erase all of it") if confirm is None else confirm
        done = services.erasures.erase(user_id, typed, local(f"command line: {_user_name()}"))
        text = done.model_dump_json(by_alias=True, exclude_none=True, indent=2)
        if receipt:
            _write(receipt, text)
        _say(text)


@app.command()
def sweep(
    trust_clock: Annotated[
        bool, typer.Option(help="Clear away at once though the clock has jumped: you have checked that it is right.")
    ] = False,
) -> None:
    """Go on with erasures that were cut off, and clear away what has expired. The server does both by itself."""
    with _services() as services:
        ended = services.erasures.resume()
        _say(f"{len(ended):,} erasures ended.")
        if services.retention is None:
            _say("What expires is cleared away by DynamoDB's TTL and the bucket's lifecycle.")
            return
        swept = services.retention.sweep(trust_clock=trust_clock)
        _say(f"{swept.records:,} expired records and {swept.photos:,} photos taken away.")


@app.command("backup")
def backup_command(
    file: Annotated[Path, typer.Argument(help="New file to write, readable by its owner alone.")],
) -> None:
    """Back up the database, the photos and the key of this machine's installation. The server may go on meanwhile."""
    from core.runtime.backup import backup

    with _one_line_errors(), _bar("Photos") as progress:
        made = backup(_data_dir(), file, progress)
    _say(f"Backed up the database and {made.photos:,} photos to {file}.")


@app.command("restore")
def restore_command(
    file: Annotated[Path, typer.Argument(help="A file that the command backup wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Set the installation that is there aside, in its data folder.")
    ] = False,
) -> None:
    """Put the installation of a backup into the data folder. The server must be stopped.

    Whoever was erased after the backup was made is back then: erase them again.
    """
    from core.runtime.backup import restore

    with _one_line_errors(), _bar("Photos") as progress:
        manifest, aside = restore(file, _data_dir(), progress, replace=replace)
    _say(f"Restored the database and {manifest.photos:,} photos of {isoformat(manifest.made_at)}.")
    if aside:
        _say(f"What was there before is in {aside}. Delete it when you no longer need it: it holds faces.")


def _data_dir() -> Path:
    settings = load_settings()
    if settings.backend is not Backend.EMBEDDED:
        raise InvalidInput(
            "With FACEDESK_BACKEND=aws the data lies in DynamoDB, S3 and MongoDB: use point-in-time recovery, the "
            "bucket's versions and MongoDB's own backups."
        )
    return settings.data_dir


def main() -> None:
    """Run the command that the arguments name. Whatever fails is one line on stderr, with an exit code of its kind:
    2 for a wrong command line or bad settings, 130 if it was stopped, else 1.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that lacks a letter shows its code in its place.
            stream.reconfigure(errors="backslashreplace")
    threading.excepthook = lambda failure: _tell_unforeseen(failure.exc_value)
    try:
        _require_arguments(sys.argv[1:])
        app(prog_name="python -m core")
    except Exception as error:  # noqa: BLE001 - a trace helps nobody at a command line, and may hold ids
        sys.exit(_told(error))


def _require_arguments(arguments: list[str]) -> None:
    """Raises ``InvalidInput`` if one is no text; but for names of files, which may be any bytes."""
    for number, argument in enumerate(arguments, 1):
        if not (is_text(argument) or Path(argument).exists()):
            raise InvalidInput(f"Argument {number} is no valid UTF-8.")


def _told(error: Exception) -> int:
    """Say in one line what failed; the exit code that goes with it."""
    if isinstance(error, FacedeskError):
        _err.print(str(error), markup=False, soft_wrap=True)
        return 2 if isinstance(error, SettingsError) else 1
    if isinstance(error, OSError) and error.strerror:
        place = f" ({error.filename})" if error.filename else ""
        _err.print(f"This did not work: {error.strerror}{place}.", markup=False, soft_wrap=True)
    else:
        _tell_unforeseen(error)
    return 1


def _tell_unforeseen(error: BaseException | None) -> None:
    """Say where it happened, not the error's own words: they may hold ids."""
    frames = traceback.extract_tb(error.__traceback__) if error else []
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(Path(__file__).parent)]
    place = f" at {Path(ours[-1].filename).name}, line {ours[-1].lineno}" if ours else ""
    _err.print(f"Something unforeseen happened: {type(error).__name__}{place}.", markup=False, soft_wrap=True)


@contextmanager
def _services() -> Iterator[Services]:
    """The services that the settings name; errors as in ``_one_line_errors``."""
    # Only now: the adapters' libraries take a second to load, and --help needs none of them.
    from core.runtime.bootstrap import build

    with _one_line_errors():
        services = build(load_settings())
        try:
            yield services
        finally:
            services.close()


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """An error ends the command with one line (exit code 2: settings, 1: all others)."""
    try:
        yield
    except FacedeskError as error:
        raise typer.Exit(_told(error)) from None


def _pass(backfill: Backfill, *, goes_on: bool) -> int:
    """One pass, and its counts; returns how many records DynamoDB refused.

    Where another pass follows, a service that is out of reach is only told.
    """
    try:
        with _counting("Records") as progress:
            counts = backfill.run(progress)
    except Unavailable as error:
        if not goes_on:
            raise
        _err.print(str(error), markup=False, soft_wrap=True)
        return 0
    _say(
        f"{counts.scanned:,} records read, {counts.set:,} set, {counts.changed:,} changed meanwhile, "
        f"{counts.without_event:,} without any event, {counts.refused:,} refused by DynamoDB; "
        f"{counts.read_units:,.0f} read units, {counts.write_units:,.0f} write units."
    )
    return counts.refused


@contextmanager
def _stopping() -> Iterator[threading.Event]:
    """Ctrl-C, or the end that a container is told of, sets the event; a second one ends the command at once."""
    stop = threading.Event()

    def on_signal(number: int, _frame: Any) -> None:
        stop.set()
        _err.print("Stopping: what is in hand is finished. Press Ctrl-C again to end at once.", soft_wrap=True)
        signal.signal(number, signal.SIG_DFL)

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _marks_line(summary: BatchProgress) -> str:
    counts = [f"{summary.marks.get(mark, 0):,} {words}" for mark, words in MARK_WORDS.items()]
    return f"{summary.done:,} of {summary.total:,} photos: {', '.join(counts)}."


def _end(work: Work, go_on: str) -> None:
    """Say what is left and why, and exit with what says so."""
    for kind, count in work.errors.items():
        _err.print(f"{count:,} failed ({kind}).", markup=False, soft_wrap=True)
    match work.end:
        case End.DONE:
            return
        case End.STOPPED:
            _err.print(f"Stopped: {work.left:,} left. {go_on}", markup=False, soft_wrap=True)
            raise typer.Exit(130)
        case End.GAVE_UP:
            _err.print(f"Gave up: {work.paused} {work.left:,} left. {go_on}", markup=False, soft_wrap=True)
        case _:
            _err.print(f"{work.left:,} left. {go_on}", markup=False, soft_wrap=True)
    raise typer.Exit(1)


def _user_name() -> str:
    """Who runs the command, as the machine knows them."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):  # a container may run as a number that has no name
        name = f"user {os.getuid()}"
    return name.encode(errors="replace").decode()


def _importer(services: Services) -> RegistrationImport:
    if services.importer is None:
        raise InvalidInput(
            f"With FACEDESK_BACKEND={services.settings.backend} registrations are only read, from MongoDB: "
            "load them there, or use FACEDESK_BACKEND=embedded."
        )
    return services.importer


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as table:
            return table.read(MAX_TABLE_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"Cannot read {file}: {error.strerror}.") from error


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        # What was done is done: the receipt must not be lost with the file.
        _err.print(f"Cannot write {file}: {error.strerror}.", markup=False, soft_wrap=True)


def _source(photos: Path, max_bytes: int, stack: ExitStack) -> PhotoSource:
    if photos.is_dir():
        return FolderSource(photos, max_bytes)
    try:
        return ZipSource(stack.enter_context(photos.open("rb")), max_bytes)
    except OSError as error:
        raise InvalidInput(f"Cannot read {photos}: {error.strerror}.") from error


@contextmanager
def _bar(what: str) -> Iterator[Counting]:
    """A progress bar on stderr; it leaves nothing behind, and is silent where stderr is no terminal."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_err, transient=True, disable=not _err.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def _working(what: str, before: Work | None = None) -> Iterator[Callable[[Work], None]]:
    """A progress bar on stderr with rate and remaining time; where it is no terminal, a line from time to time.

    ``before`` is where the work begins.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[pace]}"),
        TimeRemainingColumn(),
    )
    next_line = time.monotonic() + LINE_SECONDS
    with Progress(*columns, console=_err, transient=True, disable=not _err.is_terminal) as bar:
        task = bar.add_task(
            what, total=before.total if before else None, completed=before.done if before else 0, pace=""
        )

        def report(work: Work) -> None:
            nonlocal next_line
            pace = f"{work.rate:.1f} a second" if work.rate else ""
            state = f"waiting: {work.paused}" if work.paused else pace
            bar.update(task, completed=work.done, total=work.total, pace=state)
            if not _err.is_terminal and time.monotonic() >= next_line:
                next_line = time.monotonic() + LINE_SECONDS
                about = f", about {work.remaining:,.0f} s left" if work.remaining and not work.paused else ""
                line = f"{what}: {work.done:,} of {work.total:,}" + (f", {state}" if state else "") + about
                _err.print(line, markup=False, soft_wrap=True)

        yield report


@contextmanager
def _counting(what: str) -> Iterator[Counting]:
    """``_bar``; where stderr is no terminal, a line from time to time."""
    if _err.is_terminal:
        with _bar(what) as report:
            yield report
        return
    next_line = time.monotonic() + LINE_SECONDS

    def line(done: int, total: int | None) -> None:
        nonlocal next_line
        if time.monotonic() >= next_line:
            next_line = time.monotonic() + LINE_SECONDS
            _err.print(f"{what}: {done:,}" + (f" of about {total:,}" if total else ""), soft_wrap=True)

    yield line


@contextmanager
def _waiting() -> Iterator[Callable[[str], None]]:
    """Shows what is being waited for; where stdout is no terminal, a line each time that changes."""
    if _out.is_terminal:
        with _out.status("Looking at the table.") as status:
            yield status.update
        return
    shown = ""

    def line(text: str) -> None:
        nonlocal shown
        if text != shown:
            shown = text
            _say(text)

    yield line


def _say(text: str) -> None:
    _out.print(text, markup=False, soft_wrap=True)
