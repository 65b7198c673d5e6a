"""The commands for the DynamoDB tables: ``provision`` and ``backfill-index``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.cli.console import complain, say
from core.cli.failures import one_line_errors
from core.cli.progress import bar_or_lines, status
from core.domain.errors import Unavailable

if TYPE_CHECKING:
    from core.runtime.maintenance import TablePass


def provision(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Report the differences, but change nothing.")] = False,
    add_index: Annotated[
        bool,
        typer.Option(
            "--add-index",
            help="Also add the event index to a table that lacks it, and wait until it is built. "
            "Building it consumes write units in proportion to the table's size.",
        ),
    ] = False,
) -> None:
    """Create the DynamoDB tables, or check existing ones and correct their settings, without downtime.

    Needs DYNAMODB_FACE_VALIDATION_TABLE, AWS_REGION and AWS credentials. DYNAMODB_AUDIT_TABLE names the table of the
    audit trail.

    Exit code: 0 if the tables are as they should be, 1 if a difference is left (also after a dry run). Features that
    the server does not support do not count.
    """
    from core.runtime.maintenance import provisioning

    with one_line_errors(), status() as report:
        right = [each.run(say, add_index=add_index, dry_run=dry_run) for each in provisioning(report)]
    if not all(right):
        raise typer.Exit(1)


def backfill_index(
    write_units: Annotated[float, typer.Option(min=1, help="Write units to consume per second, at most.")] = 100,
    read_units: Annotated[float, typer.Option(min=1, help="Read units to consume per second, at most.")] = 1000,
    segments: Annotated[
        int, typer.Option(min=1, max=64, help="Number of segments of the table to scan in parallel.")
    ] = 4,
    state: Annotated[
        Path | None,
        typer.Option(help="File to keep the position in. Default: a file in the data folder.", show_default=False),
    ] = None,
    watch: Annotated[bool, typer.Option("--watch", help="Repeat the pass until you press Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(min=0.1, help="Seconds between two passes, with --watch.")] = 300,
) -> None:
    """Bring records that other services wrote without a text in eventId or timestamp into the event index.

    eventId becomes the event that the record names, also in metadata. A timestamp that is absent or not text becomes
    the moment that it says, else that of updatedAt, else the present; timestampSource then says "updatedAt" or
    "backfill". Replaced values are kept in originalEventId and originalTimestamp. Nothing else is changed. A record
    that changes during the pass is left as it is.

    A pass reads the whole table once. If the command is stopped or killed, run it again to continue.
    """
    from core.runtime.maintenance import backfilling

    with one_line_errors():
        backfill = backfilling(write_units=write_units, read_units=read_units, segments=segments, state=state)
        try:
            while True:
                refused = _pass(backfill, repeats=watch)
                if not watch:
                    break
                time.sleep(every)
        except KeyboardInterrupt:
            say("Stopped.")
            raise typer.Exit(0 if watch else 130) from None
    if refused:
        raise typer.Exit(1)


def _pass(backfill: TablePass, *, repeats: bool) -> int:
    """One pass, with its counts printed; returns how many records DynamoDB refused.

    A service that is out of reach ends the command, unless the pass ``repeats``.
    """
    try:
        with bar_or_lines("Records") as progress:
            counts = backfill.run(progress)
    except Unavailable as error:
        if not repeats:
            raise
        complain(str(error))
        return 0
    say(
        f"{counts.scanned:,} records read, {counts.set:,} set, {counts.changed:,} changed meanwhile, "
        f"{counts.left:,} without any event, {counts.refused:,} refused by DynamoDB; "
        f"{counts.read_units:,.0f} read units, {counts.write_units:,.0f} write units."
    )
    for kind, number in sorted(counts.kinds.items()):
        say(f"  {kind}: {number:,}")
    return counts.refused
