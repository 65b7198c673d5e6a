"""Tokens of the API in memory, and how a test makes one."""

from __future__ import annotations

from typing import Any

from core.domain.roles import Role
from core.domain.tokens import IssuedToken
from core.services.tokens import new_token
from tests.support.clock import NOON


class KeptTokens:
    """``ApiTokens`` that are forgotten with the test."""

    def __init__(self) -> None:
        self._kept: dict[str, IssuedToken] = {}

    def all(self) -> list[IssuedToken]:
        return sorted(self._kept.values(), key=lambda token: token.name)

    def add(self, token: IssuedToken) -> bool:
        return self._kept.setdefault(token.name, token) == token

    def revoke(self, name: str) -> None:
        self._kept.pop(name, None)

    def close(self) -> None: ...


def an_issued_token(name: str = "kiosk-7", **changes: Any) -> IssuedToken:
    return IssuedToken(
        **{
            "name": name,
            "hash": new_token()[1],
            "roles": {Role.SUPPORT},
            "made_by": "Ada",
            "made_at": NOON,
            **changes,
        }
    )
