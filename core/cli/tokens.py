"""The command ``token``."""

from __future__ import annotations

from typing import Annotated

import typer

from core.cli.console import say
from core.domain.roles import Role


def create(
    name: Annotated[str, typer.Argument(help="Name of the token's holder, as the audit trail will show it.")],
    role: Annotated[list[Role], typer.Option(help="Role of the token. Repeat the option for several roles.")],
    event: Annotated[
        list[str] | None,
        typer.Option(help="Id of an event to limit the token to. Repeat it for several. Default: all events."),
    ] = None,
) -> None:
    """Create a token for the API.

    Prints the token on the first line, and its entry for the setting API_TOKENS on the second. The token is shown
    only this once and is stored nowhere.
    """
    from core.services.tokens import new_token, setting

    token, hashed = new_token()
    entry = setting(name, hashed, role, event or ())
    say(token)
    say(entry)
