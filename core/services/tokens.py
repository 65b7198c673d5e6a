"""Bearer tokens of the API: random, stored as hashes alone, each with its own rate limit."""

from __future__ import annotations

import hmac
import math
import secrets
from collections.abc import Iterable, Sequence
from datetime import timedelta
from hashlib import sha256
from typing import Any, TypeVar

from pydantic import ValidationError

from core.domain.clock import Clock
from core.domain.errors import Conflict, InvalidInput, Service
from core.domain.roles import ApiToken, Principal
from core.domain.text import require_texts
from core.domain.tokens import IssuedToken
from core.flow.refreshed import Refreshed
from core.ports import ApiTokens, TokenRates
from core.settings import Settings

T = TypeVar("T", bound=ApiToken)

_BYTES = 32
#: The most characters of a token's name, and the most days that a token may last.
MAX_NAME, MAX_DAYS = 60, 3650
#: Time between two readings of the stored tokens, and for how long they are good while they cannot be read.
READ_EVERY, GOOD_FOR = timedelta(seconds=10), timedelta(minutes=10)


def new_token() -> tuple[str, str]:
    """Returns a new random token, and its hash, which is what is stored."""
    token = secrets.token_urlsafe(_BYTES)
    return token, _hash(token)


class Tokens:
    """Checks tokens against the stored ones or, where none are stored, against those of the settings.

    ``stored`` is read in the background; see ``Refreshed``.
    """

    def __init__(
        self, settings: Settings, clock: Clock, rates: TokenRates, stored: Refreshed[list[IssuedToken]] | None = None
    ) -> None:
        self._listed = settings.api_tokens
        self._clock = clock
        self._rates = rates
        self._stored = stored

    def bearer(self, token: str, ip_address: str | None) -> tuple[Principal, int] | None:
        """Returns the holder of ``token``, and the seconds to wait before the next request; 0 allows this one.

        Returns None if the token is unknown. The time that this takes reveals nothing about the known tokens. May
        wait for a service. Raises ``ServiceError`` if it is not known which tokens there are.
        """
        given = _hash(token)
        found = [each for each in self._known() if hmac.compare_digest(each.hash, given)]
        if not found:
            return None
        known = found[0]
        wait = self._rates.wait(known.hash)
        principal = Principal(
            id=f"token {known.name}", name=known.name, roles=known.roles, events=known.events, ip_address=ip_address
        )
        return principal, math.ceil(wait)

    def prepare(self) -> None:
        """Find out which tokens there are, so that no request has to wait for it. Raises ``ServiceError``."""
        self._known()

    def close(self) -> None:
        if self._stored:
            self._stored.close()
        self._rates.close()

    def _known(self) -> Sequence[ApiToken]:
        if self._stored is None:
            return self._listed
        now = self._clock()
        return [token for token in self._stored() if not token.is_over(now)]


def read_in_background(store: ApiTokens) -> Refreshed[list[IssuedToken]]:
    """The tokens of the store, for ``Tokens`` and ``TokenService``."""
    return Refreshed(store.all, service=Service.TOKENS, every=READ_EVERY, good_for=GOOD_FOR)


class TokenService:
    """Makes, lists and revokes stored tokens. This process knows of a change at once, others within half a minute."""

    def __init__(self, store: ApiTokens, known: Refreshed[list[IssuedToken]], clock: Clock) -> None:
        self._store = store
        self._known = known
        self._clock = clock

    def all(self) -> list[IssuedToken]:
        """Those that are not over, by name. Raises ``ServiceError``."""
        return self._store.all()

    def make(
        self, name: str, roles: Iterable[str], events: Iterable[str], days: int | None, who: str
    ) -> tuple[str, IssuedToken]:
        """Returns a new token, which is stored nowhere, and what is stored of it.

        Without ``events`` it is for all events, without ``days`` it lasts until it is revoked. Raises
        ``InvalidInput``, and ``Conflict`` if there is a token of this name.
        """
        if days is not None and not 1 <= days <= MAX_DAYS:
            raise InvalidInput(f"No token was made. A token lasts 1 to {MAX_DAYS:,} days.")
        token, hashed = new_token()
        now = self._clock()
        ends = None if days is None else now + timedelta(days=days)
        self._add(
            made := _valid(
                IssuedToken, name=name, hash=hashed, roles=roles, events=events, made_by=who, made_at=now, ends=ends
            )
        )
        return token, made

    def take_over(self, listed: Iterable[ApiToken], who: str) -> list[IssuedToken]:
        """Stores the tokens of the setting API_TOKENS as they are, and returns them.

        Raises ``Conflict`` if there is another token of one's name; those before it are then stored.
        """
        now = self._clock()
        stored = {token.name: token.hash for token in self._store.all()}
        made = [
            IssuedToken(**token.model_dump(), made_by=who, made_at=now)
            for token in listed
            if stored.get(token.name) != token.hash
        ]
        for token in made:
            self._add(token)
        return made

    def revoke(self, name: str) -> None:
        """Ends the token of this name, if there is one. Raises ``ServiceError``."""
        self._store.revoke(name)
        self._known.refresh()

    def close(self) -> None:
        self._store.close()

    def _add(self, token: IssuedToken) -> None:
        if not self._store.add(token):
            raise Conflict("No token was made. There is one of this name: choose another name, or revoke that one.")
        self._known.refresh()


def setting(name: str, hashed: str, roles: Iterable[str], events: Iterable[str]) -> str:
    """Returns a token's item of the setting API_TOKENS, as JSON. Raises ``InvalidInput``."""
    return _valid(ApiToken, name=name, hash=hashed, roles=roles, events=events).model_dump_json(exclude_none=True)


def _valid(kind: type[T], *, name: str, roles: Iterable[str], events: Iterable[str], **rest: Any) -> T:
    try:
        named = name.strip()
        require_texts(named, *events)
        if len(named) > MAX_NAME:
            raise InvalidInput(f"No token was made. Its name may have {MAX_NAME} characters at most.")
        return kind.model_validate(
            {"name": named, "roles": frozenset(roles), "events": frozenset(events) or None, **rest}
        )
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise InvalidInput(f"No token was made. {str(first['loc'][0]).capitalize()}: {first['msg']}.") from None


def _hash(token: str) -> str:
    return sha256(token.encode(errors="surrogatepass")).hexdigest()
