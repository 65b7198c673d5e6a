"""The commands that delete personal data: ``erase``, ``erase-again`` and ``sweep``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from core.cli.console import complain, say
from core.cli.context import open_services, user_name
from core.domain.errors import InvalidInput


def erase(
    user_id: Annotated[str, typer.Argument(help="User id of the person.", show_default=False)],
    confirm: Annotated[
        str | None,
        typer.Option(help="The user id again, to confirm. Default: the command asks for it.", show_default=False),
    ] = None,
    receipt: Annotated[
        Path | None, typer.Option(help="File to write the receipt to, as JSON.", show_default=False)
    ] = None,
) -> None:
    """Erase a person: their records, attempts, submitted photos, the notes on their cases and the answers to pairs
    with them, and their registrations if Facedesk keeps them.

    Shows first what would be erased. Run it again to continue an erasure that was interrupted. The audit trail and
    the receipt contain only a hash of the user id.
    """
    from core.domain.roles import local

    with open_services() as services:
        found = services.erasures.preview(user_id)
        counts = found.counts
        say(
            f"{counts.records:,} records with {counts.attempts:,} attempts, {counts.photos:,} photos, "
            f"{counts.registrations:,} registrations, {counts.case_notes:,} notes, answers to {counts.pairs:,} pairs "
            f"of faces; {counts.shared_photos:,} photos stay, because other people's records use them too."
        )
        typed = typer.prompt("Type the user id to erase all of this") if confirm is None else confirm
        done = services.erasures.erase(user_id, typed, local(f"command line: {user_name()}"))
        text = done.model_dump_json(by_alias=True, exclude_none=True, indent=2)
        if receipt:
            _write(receipt, text)
        say(text)


def erase_again(
    since: Annotated[
        str,
        typer.Option(help="The moment to which the tables were restored, such as 2026-11-26T09:00:00Z (UTC)."),
    ],
    audit_table: Annotated[
        str, typer.Option(help="Name of the table with the audit trail up to the end: that of before the restore.")
    ],
    yes: Annotated[bool, typer.Option("--yes", help="Erase them. Otherwise they are only counted.")] = False,
) -> None:
    """Erase again the people who are back because the DynamoDB tables were restored to an earlier moment.

    The settings name the restored tables. The audit trail of before the restore says, by keyed hashes, who was erased
    since that moment; HASH_KEY must be the same as then. Everybody who has a record or a registration is compared
    with it. Run it before the servers start: it knows nothing of people who registered once more after a restore.

    If the command is stopped or killed, run it again within a day to continue.

    Exit code: 0 if nobody is left to be erased, 1 otherwise (also if they were only counted).
    """
    from core.domain.roles import local
    from core.runtime.maintenance import erased_since

    with open_services() as services:
        moment = _moment(since, services.clock())
        hashes = erased_since(services.settings, audit_table, moment, services.clock())
        back = services.erasures.returned(hashes, moment)
        say(f"{len(hashes):,} people were erased since then, of whom {len(back):,} are here again.")
        if back and not yes:
            complain("Nothing was changed. To erase them, repeat the command with --yes.")
            raise typer.Exit(1)
        for user_id in back:
            services.erasures.erase(user_id, user_id, local(f"command line: {user_name()}"))
        say(f"{len(back):,} erased again.")


def sweep(
    trust_clock: Annotated[
        bool,
        typer.Option(help="Delete at once although the clock has jumped. Check first that the clock is right."),
    ] = False,
) -> None:
    """Finish interrupted erasures, and delete expired records with their photos, notes and answers (embedded
    backend).

    The server does both by itself.
    """
    with open_services() as services:
        ended = services.erasures.resume()
        say(f"{len(ended):,} erasures finished.")
        if services.retention is None:
            say("DynamoDB's TTL and the bucket's lifecycle rules delete what has expired.")
            return
        swept = services.retention.sweep(trust_clock=trust_clock)
        say(
            f"{swept.records:,} expired records, {swept.photos:,} photos, {swept.notes:,} notes and the answers to "
            f"{swept.pairs:,} pairs deleted."
        )


def _moment(typed: str, now: datetime) -> datetime:
    """The moment, which is meant in UTC unless it names another zone. Raises ``InvalidInput``."""
    try:
        moment = datetime.fromisoformat(typed)
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInput("--since: this is no moment such as 2026-11-26T09:00:00Z.") from None
    if moment > now:
        raise InvalidInput("--since lies in the future: give the moment to which the tables were restored.")
    return moment


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        # The erasure is done, and the receipt is still printed: only the file is missing.
        complain(f"Cannot write {file}: {error.strerror}.")
