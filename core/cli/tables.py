"""The commands for the DynamoDB tables: ``provision``, ``backfill-index`` and ``shard-event``."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from core.cli.console import complain, say
from core.cli.failures import line, one_line_errors
from core.cli.progress import bar_or_lines, status
from core.domain.errors import InvalidInput, Unavailable

if TYPE_CHECKING:
    from core.runtime.maintenance import PassCounts, TablePass


WriteUnits = Annotated[float, typer.Option(min=1, help="Write units to consume per second, at most.")]
ReadUnits = Annotated[float, typer.Option(min=1, help="Read units to consume per second, at most.")]


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
    yes: Annotated[
        bool, typer.Option("--yes", help="Add the index even if records have values that it does not take.")
    ] = False,
    repair_ttl: Annotated[
        bool,
        typer.Option(
            "--repair-ttl",
            help="Also make records expire whose expiresAt DynamoDB ignores, which would stay for ever. "
            "With --dry-run they are only counted.",
        ),
    ] = False,
    write_units: WriteUnits = 100,
    read_units: ReadUnits = 1000,
) -> None:
    """Create the DynamoDB tables, or check existing ones and correct their settings, without downtime.

    Needs DYNAMODB_FACE_VALIDATION_TABLE, AWS_REGION and AWS credentials. DYNAMODB_AUDIT_TABLE names the table of the
    audit trail, DYNAMODB_STATE_TABLE that of Facedesk's own state.

    Before the index is added, the table is read once for values that the index does not take: other services that
    still write such values could not write those records any more. If there are any, --yes is needed.

    --repair-ttl reads the table once for records whose expiresAt is absent, not a number, in milliseconds, or more
    than five years in the past. It becomes the same moment in seconds; if it says none that DynamoDB acts on,
    RECORD_TTL_DAYS after the last attempt. The replaced value is kept in originalExpiresAt. A record that changes
    meanwhile is left as it is. If the command is stopped or killed, run it again to continue.

    Exit code: 0 if the tables are as they should be, 1 if a difference is left (also after a dry run). Features that
    the server does not support do not count.
    """
    from core.runtime.maintenance import provisioning

    with one_line_errors(), _ended_by_ctrl_c(130):
        if add_index and _refused_by_index(read_units) and not (yes or dry_run):
            complain("Nothing was changed. To add the index nevertheless, repeat the command with --yes.")
            raise typer.Exit(1)
        with status() as report:
            right = [each.run(say, add_index=add_index, dry_run=dry_run) for each in provisioning(report)]
        if repair_ttl:
            right.append(_expiry_is_right(dry_run, write_units, read_units))
    if not all(right):
        raise typer.Exit(1)


def _expiry_is_right(dry_run: bool, write_units: float, read_units: float) -> bool:
    """Whether no record is left whose expiry DynamoDB ignores; repairs them, or only counts them in a dry run."""
    from core.runtime.maintenance import repairing_ttl

    repair = repairing_ttl(dry_run=dry_run, write_units=write_units, read_units=read_units)
    with bar_or_lines("Records") as progress:
        counts = repair.run(progress)
    done = (
        "would be repaired"
        if dry_run
        else (
            f"{counts.set:,} repaired, {counts.changed:,} changed meanwhile, {counts.refused:,} refused by DynamoDB"
        )
    )
    say(f"Records whose expiresAt DynamoDB ignores: {counts.scanned:,} records read, {done}; {_units(counts)}.")
    _say_kinds(counts)
    return not (counts.refused or (dry_run and counts.kinds))


def _refused_by_index(read_units: float) -> bool:
    """Whether records have values that the index to be added does not take; lists them by kind."""
    from core.runtime.maintenance import refused_by_index

    search = refused_by_index(read_units=read_units)
    if search is None:
        return False
    with bar_or_lines("Records") as progress:
        counts = search.run(progress)
    if not counts.kinds:
        say(f"{counts.scanned:,} records read: the index takes all of their values.")
        return False
    say(f"{counts.scanned:,} records read. The index takes only text in eventId and timestamp, and no empty one:")
    for kind, number in sorted(counts.kinds.items()):
        say(f"  {kind}: {number:,}, such as {', '.join(map(repr, counts.examples[kind]))}")
    say(
        "With the index, DynamoDB refuses every write of such a record. A service that still writes such values "
        "would lose its writes: change it first. The records that are stored stay, but are missing from the index "
        "until `python -m core backfill-index` has repaired them."
    )
    return True


def backfill_index(
    write_units: WriteUnits = 100,
    read_units: ReadUnits = 1000,
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

    Also notes, in the table of Facedesk's own state, which records name photos that lie in no upload folder, so that
    an erasure need not read the whole table. photosNoted in the record says that it was done.

    A pass reads the whole table once. If the command is stopped or killed, run it again to continue. With
    EVENT_INDEX_STREAM one pass is enough, and --watch is not heeded.
    """
    from core.runtime.maintenance import backfilling, is_followed

    with one_line_errors(), _ended_by_ctrl_c(0 if watch else 130):
        if watch and is_followed():
            say("EVENT_INDEX_STREAM is set: what is written is repaired at once. This is one pass, without a watch.")
            watch = False
        backfill = backfilling(write_units=write_units, read_units=read_units, segments=segments, state=state)
        while True:
            refused = _pass(backfill, repeats=watch)
            if not watch:
                break
            time.sleep(every)
    if refused:
        raise typer.Exit(1)


def shard_event(
    event: Annotated[str, typer.Argument(help="Id of the event.", show_default=False)],
    count: Annotated[int, typer.Argument(min=0, help="Shards to write to; 0: none from now on.", show_default=False)],
    move: Annotated[
        bool, typer.Option("--move", help="Also move the records that the event has already, one after another.")
    ] = False,
    write_units: WriteUnits = 100,
) -> None:
    """Spread an event over several keys of the event index, each for about 1,000 write units a second.

    Update all servers first: older ones do not find records that are in shards. The servers are told to read the
    shards and, two and a half minutes later, when all of them do, to write to them. Nothing is interrupted. A record
    that is there already goes to its shard with its next attempt or decision, or with --move. Each read of the event
    then asks once for each shard; 8 are enough for about 8,000 write units a second.

    With a lower COUNT no record begins in the shards beyond it. They are read all the same, and what is there stays.

    If the command is stopped, run it again.
    """
    from core.runtime.maintenance import sharding

    if move and not count:
        raise InvalidInput("--move: there are no shards to move records to.")
    with one_line_errors(), _ended_by_ctrl_c(130):
        change, moving = sharding(write_units=write_units)
        with status() as report:
            before = change.set(event, count, report)
        say(f"Written shards of the event: {before.written}, from now on {count}.")
        if move:
            with bar_or_lines("Records") as progress:
                counts = moving.run(event, count, progress)
            say(
                f"{counts.moved:,} records moved, {counts.changed:,} changed meanwhile, {counts.left:,} left whose "
                f"metadata do not name the event; {counts.write_units:,.0f} write units."
            )


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
        complain(line(error))
        return 0
    say(
        f"{counts.scanned:,} records read, {counts.set:,} set, {counts.changed:,} changed meanwhile, "
        f"{counts.left:,} without any event, {counts.refused:,} refused by DynamoDB; {_units(counts)}."
    )
    _say_kinds(counts)
    return counts.refused


def _units(counts: PassCounts) -> str:
    return f"{counts.read_units:,.0f} read units, {counts.write_units:,.0f} write units"


def _say_kinds(counts: PassCounts) -> None:
    for kind, number in sorted(counts.kinds.items()):
        say(f"  {kind}: {number:,}")


@contextmanager
def _ended_by_ctrl_c(code: int) -> Iterator[None]:
    """Ends the command with one word and this exit code if somebody presses Ctrl-C."""
    try:
        yield
    except KeyboardInterrupt:
        say("Stopped.")
        raise typer.Exit(code) from None
