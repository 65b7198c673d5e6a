"""The commands ``backup`` and ``restore``, for an installation on one machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from core.cli.console import say
from core.cli.context import local_data_folder
from core.cli.failures import one_line_errors
from core.cli.progress import bar
from core.domain.records import isoformat


def backup(
    file: Annotated[Path, typer.Argument(help="New file to write. Only its owner can read it.")],
) -> None:
    """Back up this machine's installation: its database, photos and key. The server may keep running."""
    from core.runtime import backup as backups

    with one_line_errors(), bar("Photos") as progress:
        made = backups.backup(local_data_folder(), file, progress)
    say(f"Backed up the database and {made.photos:,} photos to {file}.")


def restore(
    file: Annotated[Path, typer.Argument(help="A file that the command backup wrote.")],
    replace: Annotated[
        bool,
        typer.Option(
            "--replace", help="Replace an existing installation; it is moved to a folder in the data folder."
        ),
    ] = False,
) -> None:
    """Restore an installation from a backup into the data folder. Stop the server first.

    People who were erased after the backup was made are back afterwards: erase them again.
    """
    from core.runtime import backup as backups

    with one_line_errors(), bar("Photos") as progress:
        manifest, aside = backups.restore(file, local_data_folder(), progress, replace=replace)
    say(f"Restored the database and {manifest.photos:,} photos of {isoformat(manifest.made_at)}.")
    if aside:
        say(f"The previous installation is in {aside}. Delete it when you no longer need it: it contains photos.")
