"""Facade of the API's tokens, for one principal."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from core.domain.roles import Action, ApiToken
from core.domain.text import require_texts
from core.domain.tokens import IssuedToken
from core.runtime.facades.permissions import Permissions
from core.runtime.facades.trail import NOBODY
from core.services.tokens import TokenService


class GuardedTokens:
    """Makes, lists and revokes tokens in the principal's name. A role in all events is required, as for whoever runs
    Facedesk: a token may be for any event.
    """

    def __init__(self, tokens: TokenService, listed: Sequence[ApiToken], permissions: Permissions) -> None:
        """``listed`` are the tokens of the setting API_TOKENS."""
        self._tokens = tokens
        self._listed = listed
        self._permissions = permissions

    def all(self) -> list[IssuedToken]:
        """As ``TokenService.all``. Requires ``MAKE_TOKEN`` or ``REVOKE_TOKEN``."""
        with self._permissions.reading(Action.MAKE_TOKEN, Action.REVOKE_TOKEN):
            self._in_all_events(Action.MAKE_TOKEN)
            return self._tokens.all()

    def make(
        self, name: str, roles: Collection[str], events: Collection[str], days: int | None
    ) -> tuple[str, IssuedToken]:
        """As ``TokenService.make``, in the principal's name, with an audit entry. Requires ``MAKE_TOKEN``.

        The entry is written before the token; if that fails, none is made.
        """
        require_texts(name, *events)
        self._require(Action.MAKE_TOKEN)
        details = {
            "token": name.strip(),
            "roles": " ".join(sorted(roles)),
            "events": " ".join(sorted(events)) or "all",
            "days": "no end" if days is None else str(days),
        }
        trail = self._permissions.trail
        trail.before(Action.MAKE_TOKEN, NOBODY, details)
        who = self._permissions.principal.known_as
        return trail.recording(Action.MAKE_TOKEN, NOBODY, lambda: self._tokens.make(name, roles, events, days, who))

    def take_over(self) -> list[IssuedToken]:
        """As ``TokenService.take_over``, with an audit entry. Requires ``MAKE_TOKEN``."""
        self._require(Action.MAKE_TOKEN)
        details = {"token": " ".join(token.name for token in self._listed), "from": "API_TOKENS"}
        trail = self._permissions.trail
        trail.before(Action.MAKE_TOKEN, NOBODY, details)
        who = self._permissions.principal.known_as
        return trail.recording(Action.MAKE_TOKEN, NOBODY, lambda: self._tokens.take_over(self._listed, who))

    def revoke(self, name: str) -> None:
        """As ``TokenService.revoke``, with an audit entry. Requires ``REVOKE_TOKEN``."""
        require_texts(name)
        self._require(Action.REVOKE_TOKEN)
        trail = self._permissions.trail
        trail.before(Action.REVOKE_TOKEN, NOBODY, {"token": name})
        trail.recording(Action.REVOKE_TOKEN, NOBODY, lambda: self._tokens.revoke(name))

    def _require(self, action: Action) -> None:
        self._permissions.require([action])
        self._in_all_events(action)

    def _in_all_events(self, action: Action) -> None:
        self._permissions.require_all_events(action, NOBODY, "The API's tokens require a role in all events.")
