"""The commands for the tokens of the API: ``token``, ``tokens`` and ``revoke-token``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from core.cli.console import complain, say
from core.cli.context import open_services, user_name
from core.cli.failures import one_line_errors
from core.domain.errors import InvalidInput
from core.domain.roles import Role, local
from core.settings import Backend, load_settings

if TYPE_CHECKING:
    from core.runtime.facades.tokens import GuardedTokens
    from core.runtime.services import Services


def create(
    name: Annotated[str, typer.Argument(help="Name of the token's holder, as the audit trail will show it.")],
    role: Annotated[list[Role], typer.Option(help="Role of the token. Repeat the option for several roles.")],
    event: Annotated[
        list[str] | None,
        typer.Option(help="Id of an event to limit the token to. Repeat it for several. Default: all events."),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(help="Days until the token ends (aws backend). Default: it lasts until it is revoked."),
    ] = None,
) -> None:
    """Create a token for the API.

    Prints the token on the first line. It is shown only this once and is stored nowhere. With the embedded backend,
    the second line is its entry for the setting API_TOKENS. With the aws backend it can be used within half a minute.
    """
    from core.services.tokens import new_token, setting

    with one_line_errors():
        embedded = load_settings().backend is Backend.EMBEDDED
    if embedded:
        if days is not None:
            raise InvalidInput("--days: tokens of the setting API_TOKENS last until they are removed from it.")
        token, hashed = new_token()
        entry = setting(name, hashed, role, event or ())
        say(token)
        say(entry)
        return
    with open_services() as services:
        token, _ = _tokens(services).make(name, role, event or (), days)
        say(token)


def list_all(
    take_over: Annotated[
        bool,
        typer.Option(help="First store the tokens of the setting API_TOKENS, which then can be removed from it."),
    ] = False,
) -> None:
    """List the tokens of the API (aws backend): name, roles, events, who made it and when, and when it ends."""
    with open_services() as services:
        tokens = _tokens(services)
        if take_over:
            taken = tokens.take_over()
            complain(f"Stored from API_TOKENS: {len(taken):,}.")
        for token in tokens.all():
            ends = f"ends {token.ends:%Y-%m-%d}" if token.ends else "no end"
            roles, events = ", ".join(sorted(token.roles)), ", ".join(sorted(token.events or ["all events"]))
            say(f"{token.name}: {roles}; {events}; made by {token.made_by} on {token.made_at:%Y-%m-%d}; {ends}")


def revoke(name: Annotated[str, typer.Argument(help="Name of the token.", show_default=False)]) -> None:
    """Revoke a token of the API (aws backend). It is refused within half a minute."""
    with open_services() as services:
        tokens = _tokens(services)
        if name not in {token.name for token in tokens.all()}:
            raise InvalidInput("There is no token of this name. List them with python -m core tokens.")
        tokens.revoke(name)
        say(f"{name} is revoked.")


def _tokens(services: Services) -> GuardedTokens:
    """Raises ``InvalidInput`` if the settings list the tokens."""
    from core.runtime.facades.guard import Guard

    tokens = Guard(services).acting_as(local(f"command line: {user_name()}")).tokens
    if tokens is None:
        raise InvalidInput("With FACEDESK_BACKEND=embedded the setting API_TOKENS lists the tokens.")
    return tokens
