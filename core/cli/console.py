"""Where the commands write: results on stdout, problems and progress on stderr."""

from __future__ import annotations

from rich.console import Console

out, err = Console(highlight=False), Console(stderr=True, highlight=False)


def say(text: str) -> None:
    """Print a result as it is: nothing in it is markup, and no line is broken."""
    out.print(text, markup=False, soft_wrap=True)


def complain(text: str) -> None:
    """Print a problem on stderr, as it is."""
    err.print(text, markup=False, soft_wrap=True)
