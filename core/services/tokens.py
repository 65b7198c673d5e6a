"""Bearer tokens of the API: random, stored as hashes alone, each with its own rate limit."""

from __future__ import annotations

import hmac
import math
import secrets
from collections.abc import Iterable
from hashlib import sha256

from pydantic import ValidationError

from core.domain.errors import InvalidInput
from core.domain.roles import ApiToken, Principal
from core.flow.pace import Pace
from core.settings import Settings

#: How many seconds' worth of requests a token may send at once.
BURST_SECONDS = 10.0
_BYTES = 32


def new_token() -> tuple[str, str]:
    """Returns a new random token, and its hash for the settings."""
    token = secrets.token_urlsafe(_BYTES)
    return token, _hash(token)


class Tokens:
    """Checks tokens against those of the settings."""

    def __init__(self, settings: Settings) -> None:
        per_second = settings.api_requests_per_minute / 60
        self._known = [(token, Pace(per_second, BURST_SECONDS)) for token in settings.api_tokens]

    def bearer(self, token: str, ip_address: str | None) -> tuple[Principal, int] | None:
        """Returns the holder of ``token``, and the seconds to wait before the next request; 0 allows this one.

        Returns None if the token is unknown. The time that this takes reveals nothing about the known tokens.
        """
        given = _hash(token)
        found = [each for each in self._known if hmac.compare_digest(each[0].hash, given)]
        if not found:
            return None
        known, pace = found[0]
        wait = pace.delay()
        if not wait:
            pace.spend()
        principal = Principal(
            id=f"token {known.name}", name=known.name, roles=known.roles, events=known.events, ip_address=ip_address
        )
        return principal, math.ceil(wait)


def setting(name: str, hashed: str, roles: Iterable[str], events: Iterable[str]) -> str:
    """Returns a token's item of the setting API_TOKENS, as JSON. Raises ``InvalidInput``."""
    try:
        token = ApiToken.model_validate(
            {"name": name, "hash": hashed, "roles": frozenset(roles), "events": frozenset(events) or None}
        )
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise InvalidInput(f"No token was made. {str(first['loc'][0]).capitalize()}: {first['msg']}.") from None
    return token.model_dump_json(exclude_none=True)


def _hash(token: str) -> str:
    return sha256(token.encode(errors="surrogatepass")).hexdigest()
