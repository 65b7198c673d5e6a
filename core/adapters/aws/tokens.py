"""The tokens of the API in the table of Facedesk's own state."""

from __future__ import annotations

import math
from hashlib import sha256
from typing import Any

from core.adapters.aws.items import Expression, Item
from core.adapters.aws.state_table import StateTable, is_absent
from core.adapters.aws.table import TTL_ATTRIBUTE
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
        ends = {TTL_ATTRIBUTE: {"N": str(math.ceil(token.ends.timestamp()))}} if token.ends else {}
        item = {_TOKEN: {"S": token.to_json()}, **ends}

        def is_free(used: Expression) -> str:
            now = used.value({"N": str(math.floor(self._clock().timestamp()))})
            ours = f"{used.name(_TOKEN)} = {used.value(item[_TOKEN])}"
            return f"{is_absent(used)} OR {used.name(TTL_ATTRIBUTE)} <= {now} OR {ours}"

        return self._state.put(_TOKENS, _place(token.name), item, is_free)

    def revoke(self, name: str) -> None:
        self._state.delete(_TOKENS, _place(name))

    def close(self) -> None:
        self._state.close()


def _place(name: str) -> str:
    # A hash, because a name may have more bytes than a key.
    return sha256(name.encode()).hexdigest()


def _token(item: Item) -> IssuedToken:
    if "S" not in item.get(_TOKEN, {}):
        raise Refused(SERVICE, "UnreadableToken", "A stored token of the API cannot be read.")
    return issued_token_of(item[_TOKEN]["S"])
