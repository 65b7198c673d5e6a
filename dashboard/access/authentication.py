"""Finds out who makes a request: the bearer of a token, a signed-in browser or, without sign-in, anybody."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection, Request, cookie_parser
from starlette.types import Scope

from core.domain.roles import Principal, local
from core.runtime.services import Services
from core.services.sessions import Session
from core.settings import Settings
from dashboard.access import cookies

#: Methods for which a cookie suffices: another site can make a browser send it, but cannot read the answer.
_READING = frozenset({"GET", "HEAD"})


class Unauthorized(Exception):
    """The request has no valid credentials; ``told`` says whether it had any."""

    def __init__(self, message: str, *, told: bool) -> None:
        super().__init__(message)
        self.told = told


class TooFast(Exception):
    """The token's rate limit is exceeded; the next request may be made in ``retry_after`` seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Rate limit exceeded: try again in {retry_after} second{'' if retry_after == 1 else 's'}.")
        self.retry_after = retry_after


@dataclass(frozen=True)
class Visitor:
    """Who has the pages open. ``key`` names this one sign-in, ``person`` the account on all of its devices."""

    key: str
    person: str
    principal: Principal


class Authenticator:
    """Finds out who makes a request, by the tokens and the sessions' cookies.

    ``services`` is called only if people sign in; what it raises reaches the caller.
    """

    def __init__(self, settings: Settings, services: Callable[[], Services]) -> None:
        self._settings = settings
        self._services = services

    def principal(self, scope: Scope) -> Principal:
        """Who makes a request to the API. May wait for a service if a token is given.

        Raises ``Unauthorized`` or ``TooFast``, and ``FacedeskError`` if that cannot be found out right now.
        """
        address = client_address(scope)
        if not self._settings.sign_in:
            return local(None, address)
        if given := Headers(scope=scope).get("authorization"):
            kind, _, token = given.partition(" ")
            found = self._services().tokens.bearer(token.strip(), address) if kind.lower() == "bearer" else None
            if found is None:
                raise Unauthorized("Missing or invalid credentials: this token is not valid here.", told=True)
            principal, wait = found
            if wait:
                raise TooFast(wait)
            return principal
        session = self.session(scope) if scope["method"] in _READING else None
        if session is None:
            raise Unauthorized(
                "Missing or invalid credentials: send a token as Authorization: Bearer ...", told=False
            )
        return session.principal

    def visitor(self, scope: Scope) -> Visitor | None:
        """Who uses the pages in this browser; None if people sign in and nobody has done so here.

        Raises ``FacedeskError`` if that cannot be found out right now.
        """
        if not self._settings.sign_in:
            principal = local(None, client_address(scope))
            return Visitor(principal.id, principal.id, principal)
        session = self.session(scope)
        return Visitor(session.id, session.principal.id, session.principal) if session else None

    def was_signed_in(self, scope: Scope) -> bool:
        """Whether this browser has our cookie; its session may be over."""
        return bool(cookies.claims(_cookies(scope), self._settings))

    def session(self, scope: Scope) -> Session | None:
        """The session of this browser, by its cookie."""
        claimed = cookies.claims(_cookies(scope), self._settings)
        return self._services().sessions.of(claimed, client_address(scope)) if claimed else None

    def sign_out(self, scope: Scope) -> Session | None:
        """Ends the session of this browser. May wait for a service."""
        claimed = cookies.claims(_cookies(scope), self._settings)
        return self._services().sessions.sign_out(claimed, client_address(scope)) if claimed else None


def principal_of(request: Request) -> Principal:
    """Who makes this request."""
    principal: Principal = request.state.principal
    return principal


def person_of(request: Request) -> str | None:
    """Whose bounds the request counts for; None without sign-in."""
    person: str | None = request.state.person
    return person


def client_address(scope: Scope) -> str | None:
    client = HTTPConnection(scope).client
    return plain_address(client.host) if client else None


def plain_address(text: str | None) -> str | None:
    """The IP address that ``text`` is, without a port, brackets or a zone; None if it is none.

    Behind a proxy it comes from the header X-Forwarded-For, in which anybody may write anything.
    """
    host = (text or "").strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return str(getattr(address, "ipv4_mapped", None) or address)


def _cookies(scope: Scope) -> Mapping[str, str]:
    # A browser may send them in several headers (HTTP/2 does).
    return cookie_parser("; ".join(Headers(scope=scope).getlist("cookie")))
