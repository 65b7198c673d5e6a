"""The command line: ``python -m core``. Every command has ``--help``; an error is one line, never a trace."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from core.errors import FacedeskError, InvalidInput, SettingsError
from core.importing import MAX_TABLE_BYTES, FolderSource, PhotoSource, ZipSource, import_registrations
from core.importing import Progress as Report
from core.settings import load_settings

if TYPE_CHECKING:
    from core.bootstrap import Services
    from core.ports import RegistrationImport

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
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
    from core.sample import EVENT_ID, load

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
            "cells of the last three may be empty."
        ),
    ],
    photos: Annotated[
        Path | None, typer.Option(help="Folder or zip archive with the reference photos that the column photo names.")
    ] = None,
) -> None:
    """Import registrations. Bad lines are named and left out; the rest goes in.

    A registration that exists is replaced.
    """
    with _services() as services, ExitStack() as stack:
        importer = _importer(services)
        table = _read(file)
        source = _source(photos, services.settings.max_upload_mb * 1024 * 1024, stack) if photos else None
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


def main() -> None:
    app(prog_name="python -m core")


@contextmanager
def _services() -> Iterator[Services]:
    """The services that the settings name; an error ends the command with one line (2: settings, 1: all others)."""
    # Only now: the adapters' libraries take a second to load, and --help needs none of them.
    from core.bootstrap import build

    try:
        services = build(load_settings())
        try:
            yield services
        finally:
            services.close()
    except FacedeskError as error:
        _err.print(str(error), markup=False, soft_wrap=True)
        raise typer.Exit(2 if isinstance(error, SettingsError) else 1) from None


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


def _source(photos: Path, max_bytes: int, stack: ExitStack) -> PhotoSource:
    if photos.is_dir():
        return FolderSource(photos, max_bytes)
    try:
        return ZipSource(stack.enter_context(photos.open("rb")), max_bytes)
    except OSError as error:
        raise InvalidInput(f"Cannot read {photos}: {error.strerror}.") from error


@contextmanager
def _bar(what: str) -> Iterator[Report]:
    """A progress bar on stderr; it leaves nothing behind, and is silent where stderr is no terminal."""
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=_err, transient=True, disable=not _err.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
