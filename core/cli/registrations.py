"""The commands that fill the desk: ``sample`` and ``import-registrations``."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from core.cli.console import complain, out
from core.cli.context import importer, open_services
from core.cli.progress import bar
from core.domain.errors import InvalidInput
from core.services.importing import import_registrations
from core.services.lists.people import MAX_LIST_BYTES, read_people
from core.services.photo_sources import FolderSource, PhotoSource, ZipSource


def sample(
    registrations: Annotated[int, typer.Option(min=1, max=100_000, help="Number of registrations to create.")] = 300,
) -> None:
    """Load a sample event: invented people with validations from the last 30 days.

    Loading it again changes nothing. The registrations sample-0001 and sample-0002 have real reference photos (in the
    public domain), so that you can validate photos against them.
    """
    from core.services.sample import EVENT_ID, load

    with open_services() as services, bar("Registrations") as progress:
        load(
            services.records,
            importer(services),
            services.photos,
            services.sanitiser,
            services.clock(),
            count=registrations,
            policy=services.settings.policy,
            ttl=services.settings.record_ttl,
            progress=progress,
        )
    out.print(f"Loaded the event {EVENT_ID} with {registrations:,} registrations.")


def import_table(
    file: Annotated[
        Path,
        typer.Argument(
            help="CSV or .xlsx file with the columns registrationId, userId and eventId, and perhaps name, email, "
            "photo and submittedPhoto (photos to validate). Other usual names of these columns are understood too."
        ),
    ],
    photos: Annotated[
        Path | None, typer.Option(help="Folder or zip archive that contains the photos named in the list.")
    ] = None,
) -> None:
    """Import registrations from a list.

    Lines with errors are reported and skipped; all others are imported. A registration whose id exists is replaced.

    Exit code: 0 if every line was imported, 1 if any was skipped.
    """
    with open_services() as services, ExitStack() as stack:
        store = importer(services)
        people = read_people(_read(file))
        source = _source(photos, services.settings.max_upload_bytes, stack) if photos else None
        progress = stack.enter_context(bar("Lines"))
        report = import_registrations(
            people,
            source,
            registrations=store,
            photos=services.photos,
            sanitiser=services.sanitiser,
            progress=progress,
        )
    for problem in report.problems:
        complain(str(problem))
    out.print(f"{report.imported:,} registrations imported, {len(report.problems):,} lines skipped.")
    if report.problems:
        raise typer.Exit(1)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as table:
            # One byte more than is allowed: the import then refuses the list as too large.
            return table.read(MAX_LIST_BYTES + 1)
    except OSError as error:
        raise InvalidInput(f"Cannot read {file}: {error.strerror}.") from error


def _source(photos: Path, max_bytes: int, stack: ExitStack) -> PhotoSource:
    if photos.is_dir():
        return FolderSource(photos, max_bytes)
    try:
        return ZipSource(stack.enter_context(photos.open("rb")), max_bytes)
    except OSError as error:
        raise InvalidInput(f"Cannot read {photos}: {error.strerror}.") from error
