"""The port of the API's tokens with every call recorded as an operation."""

from __future__ import annotations

from core.domain.tokens import IssuedToken
from core.ports import ApiTokens
from core.runtime.observer import Observed, Observer


class ObservedTokens(Observed):
    """``ApiTokens`` with every call recorded."""

    def __init__(self, port: ApiTokens, observer: Observer) -> None:
        super().__init__(observer, "tokens")
        self._port = port

    def all(self) -> list[IssuedToken]:
        with self._call("all"):
            return self._port.all()

    def add(self, token: IssuedToken) -> bool:
        with self._call("add"):
            return self._port.add(token)

    def revoke(self, name: str) -> None:
        with self._call("revoke"):
            self._port.revoke(name)

    def close(self) -> None:
        self._port.close()
