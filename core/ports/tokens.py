"""The tokens of the API that Facedesk itself keeps, and the rates at which tokens may be used."""

from __future__ import annotations

from typing import Protocol

from core.domain.tokens import IssuedToken


class ApiTokens(Protocol):
    """Tokens that administrators make and revoke, by name. Only their hashes are kept."""

    def all(self) -> list[IssuedToken]:
        """Those that are not over, by name. Meant for some hundreds."""
        ...

    def add(self, token: IssuedToken) -> bool:
        """Store the token; returns whether it is stored. Durable then.

        False if another token of this name is there and not over. A retried write, or one whose answer was lost, is
        stored.
        """
        ...

    def revoke(self, name: str) -> None:
        """Delete the token of this name, if there is one. Durable when it returns."""
        ...

    def close(self) -> None: ...


class TokenRates(Protocol):
    """How many requests each token may make, over all processes."""

    def wait(self, token_hash: str) -> float:
        """Count a request of the token if it may be made now; returns 0 then, else the seconds until it may be.

        A service that keeps the count is not asked for each request, and one that cannot be reached does not matter:
        each process then counts for itself.
        """
        ...

    def close(self) -> None: ...
