"""``python -m core``: the commands and the way they end. Each has ``--help``."""

from __future__ import annotations

import sys
import threading
from io import TextIOWrapper
from pathlib import Path

import typer

from core.cli import backups, erasures, photos, registrations, tables, tokens
from core.cli.failures import report, report_unexpected
from core.domain.errors import InvalidInput
from core.domain.text import is_text

# Help is markdown, so that its paragraphs are wrapped to the width of the terminal.
app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, rich_markup_mode="markdown"
)


@app.callback()
def facedesk() -> None:
    """Facedesk: the operations desk for event face verification.

    Settings are read from the environment and from the file .env; the documentation lists them.
    """


# In the order in which --help lists them.
app.command("sample")(registrations.sample)
app.command("import-registrations")(registrations.import_table)
app.command("validate-event")(photos.validate_event)
app.command("audit-references")(photos.audit_references)
app.command("find-duplicates")(photos.find_duplicates)
app.command("token")(tokens.create)
app.command("tokens")(tokens.list_all)
app.command("revoke-token")(tokens.revoke)
app.command("provision")(tables.provision)
app.command("backfill-index")(tables.backfill_index)
app.command("shard-event")(tables.shard_event)
app.command("erase")(erasures.erase)
app.command("erase-again")(erasures.erase_again)
app.command("sweep")(erasures.sweep)
app.command("backup")(backups.backup)
app.command("restore")(backups.restore)


def main() -> None:
    """Run the command that the arguments name.

    A failure is one line on stderr. Exit code: 2 for a wrong command line or bad settings, 130 if the command was
    stopped, 1 for any other failure.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that cannot show a character shows its escape sequence.
            stream.reconfigure(errors="backslashreplace")
    threading.excepthook = lambda failure: report_unexpected(failure.exc_value)
    try:
        _require_text(sys.argv[1:])
        app(prog_name="python -m core")
    except Exception as error:  # noqa: BLE001 - a traceback does not help at a command line, and may contain ids
        sys.exit(report(error))


def _require_text(arguments: list[str]) -> None:
    """Raises ``InvalidInput`` for an argument that is not UTF-8, unless it names a file, which may be any bytes."""
    for number, argument in enumerate(arguments, 1):
        if not (is_text(argument) or Path(argument).exists()):
            raise InvalidInput(f"Argument {number} is not valid UTF-8.")
