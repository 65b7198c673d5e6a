"""The commands that fill the desk: ``sample`` and ``import-registrations``."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from core.cli.console import complain, out, say
from core.cli.context import importer, open_services, user_name
from core.cli.progress import bar
from core.domain.errors import InvalidInput
from core.domain.roles import local
from core.services.lists.events import ProfilePlan, said_of
from core.services.lists.headers import Choices
from core.services.lists.meanings import KEYS, Meaning, normal
from core.services.lists.people import MAX_LIST_BYTES, read_people
from core.services.lists.plan import Plan, first_rows
from core.services.lists.tables import Problem
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
            "photo and submittedPhoto (photos to validate). Other usual names of these columns are understood too. "
            "The columns eventName, timeZone, startsAt, endsAt and photoDeadline complete the settings of events."
        ),
    ],
    photos: Annotated[
        Path | None, typer.Option(help="Folder or zip archive that contains the photos named in the list.")
    ] = None,
    event: Annotated[str, typer.Option(help="Event id for all lines, if the list has no column for it.")] = "",
    column: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COLUMN",
            help="Column that is to be read as registrationId, userId, eventId, name, firstName, lastName, email, "
            "photo, submittedPhoto, eventName, timeZone, startsAt, endsAt or photoDeadline, such as "
            'registrationId="Ticket ID". Nothing after = is no column. Repeatable.',
        ),
    ] = None,
    time_zone: Annotated[
        str, typer.Option(help="Time zone of dates that name none, such as Europe/Berlin, for new events.")
    ] = "",
    repair_ids: Annotated[
        bool, typer.Option("--repair-ids", help='Import ids such as 1001.0 and ="00123" as 1001 and 00123.')
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be imported.")] = False,
    problems: Annotated[Path | None, typer.Option(help="CSV file to write the skipped lines to.")] = None,
) -> None:
    """Import registrations from a list.

    Lines with errors are reported and skipped; all others are imported. A registration whose id exists is replaced.

    Exit code: 0 if every line was imported, 1 if any was skipped.
    """
    # Imported only now: it takes a while, and --help does not need it.
    from core.runtime.facades.guard import Guard

    with open_services() as services, ExitStack() as stack:
        importer(services)  # or else the error says what to do
        guarded = Guard(services).acting_as(local(f"command line: {user_name()}"))
        assert guarded.loading
        people = read_people(_read(file), Choices(_columns(column or []), event, time_zone, repair_ids))
        source = _source(photos, services.settings.max_upload_bytes, stack) if photos else None
        notices: tuple[object, ...] = people.notices
        if dry_run:
            plan = guarded.loading.plan(people, with_photos=source is not None)
            skipped, profiles, done = plan.problems, plan.profiles, _summary(plan)
        else:
            report = guarded.loading.registrations(people, source, stack.enter_context(bar("Lines")))
            skipped, profiles = report.problems, report.profiles
            notices += report.notices
            done = [f"{report.imported:,} registrations imported, {len(skipped):,} lines skipped."]
            for each in profiles.filled:
                if each.is_dated:
                    guarded.profiles.redate(each.profile.event_id, threading.Event())
        notices += profiles.notices
        done += _of_events(profiles)
        if problems:
            _write(problems, skipped)
    for text in (*notices, *skipped):
        complain(str(text))
    for text in done:
        say(text)
    if skipped or people.lacking:
        raise typer.Exit(1)


def _columns(given: list[str]) -> dict[Meaning, str]:
    meanings = {normal(meaning): meaning for meaning in Meaning if meaning not in KEYS}
    columns = {}
    for each in given:
        name, equals, column = each.partition("=")
        if not equals or normal(name) not in meanings:
            known = ", ".join(meanings.values())
            raise InvalidInput(f"--column {each}: write NAME=COLUMN, where NAME is one of {known}.")
        columns[meanings[normal(name)]] = column.strip()
    return columns


def _summary(plan: Plan) -> list[str]:
    people = plan.people
    columns = [f"{meaning}: column “{name}”" for meaning in Meaning if (name := people.columns.name_of(meaning))]
    names, rows = first_rows(people)
    shown = [" | ".join(row) for row in (names, *rows)]
    if people.lacking:
        end = [
            f"Nothing can be imported yet: no column is known for {', '.join(people.lacking)}.",
            "Name it with --column, or name one event for all lines with --event.",
        ]
    else:
        end = [f"{plan.new:,} new, {plan.replaced:,} replaced, {len(plan.problems):,} refused. Nothing was stored."]
    return [*columns, *shown, *end]


def _of_events(plan: ProfilePlan) -> list[str]:
    """What profiles get of the list, a line each."""
    said = [f"The list says something of events, which is not stored. {plan.refusal}"] if plan.refusal else []
    for each in plan.filled:
        values = ", ".join(f"{meaning} {said_of(each.profile, meaning)}" for meaning in each.added)
        said.append(f"Settings of the event {each.profile.event_id!r}: {values}.")
    return said


def _write(file: Path, problems: Iterable[Problem]) -> None:
    from core.services.export import as_csv
    from core.services.tables import refused_lines

    try:
        file.write_bytes(b"".join(as_csv(refused_lines(problems))))
    except OSError as error:
        raise InvalidInput(f"Cannot write {file}: {error.strerror}.") from error


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
