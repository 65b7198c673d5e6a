"""The tokens of the API in the table of Facedesk's own state."""

from __future__ import annotations

from typing import Any

from core.adapters.aws.items import Item
from core.adapters.aws.state_table import StateTable, any_of, expiring, has, has_expired, hashed, is_absent
from core.domain.clock import Clock
from core.domain.errors import Refused, Service
from core.domain.tokens import IssuedToken, issued_token_of
from core.flow.retry import Retry

SERVICE = Service.TOKENS
#: One part, so that a single query finds all.
_TOKENS = "tokens"
_TOKEN = "token"


class DynamoTokens:
    """``ApiTokens`` in DynamoDB: an item for each name, so that of two tokens of one name one is stored."""

    def __init__(self, client: Any, table: str, retry: Retry, clock: Clock) -> None:
        self._state = StateTable(client, table, retry, clock, SERVICE)
        self._clock = clock

    def all(self) -> list[IssuedToken]:
        return sorted(map(_token, self._state.items(_TOKENS)), key=lambda token: token.name)

    def add(self, token: IssuedToken) -> bool:
        text = token.to_json()
        item = {_TOKEN: {"S": text}, **(expiring(token.ends) if token.ends else {})}
        is_free = any_of(is_absent, has_expired(self._clock()), has(_TOKEN, text))
        return self._state.put(_TOKENS, hashed(token.name), item, is_free)

    def revoke(self, name: str) -> None:
        self._state.delete(_TOKENS, hashed(name))

    def close(self) -> None:
        self._state.close()


def _token(item: Item) -> IssuedToken:
    if "S" not in item.get(_TOKEN, {}):
        raise Refused(SERVICE, "UnreadableToken", "A stored token of the API cannot be read.")
    return issued_token_of(item[_TOKEN]["S"])
