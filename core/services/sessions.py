"""Sessions of signed-in people: who they are, what they may do, and until when."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from core.domain.clock import Clock
from core.domain.errors import InvalidInput, ServiceError
from core.domain.roles import Principal, Role
from core.ports import SignOuts
from core.settings import Settings

logger = logging.getLogger(__name__)

#: How far the provider's clock may be ahead of this machine's.
SKEW = timedelta(minutes=2)
#: The value in the claim of events that means all events.
ALL_EVENTS = "*"


@dataclass(frozen=True)
class Session:
    """One sign-in. ``id`` identifies it, and may be stored: it reveals nothing."""

    id: str
    principal: Principal
    began: datetime
    ends: datetime


class Sessions:
    """Makes sessions of the claims of an ID token. The provider signed the token, and Facedesk its cookie."""

    def __init__(self, settings: Settings, clock: Clock, sign_outs: SignOuts) -> None:
        self._settings = settings
        self._clock = clock
        self._sign_outs = sign_outs

    def of(self, claims: Mapping[str, Any], ip_address: str | None = None) -> Session | None:
        """Returns the session; None if nobody is signed in, or the session has ended or was signed out.

        A session ends after the settings' lifetime or with the ID token, whichever is first. A person without any
        role has a session in which they may do nothing. Raises ``Unavailable`` if it is not known who has signed out
        (``SignOuts.has_ended``).
        """
        session = self._read(claims, ip_address)
        if session is None or not session.began - SKEW <= self._clock() < session.ends:
            return None
        return None if self._sign_outs.has_ended(session.id) else session

    def sign_out(self, claims: Mapping[str, Any], ip_address: str | None = None) -> Session | None:
        """Ends and returns the session of these claims, for every copy of its cookie; None if there is no session.

        It ends in every process (``SignOuts.end``). Raises ``Unavailable`` as ``of`` does.
        """
        session = self.of(claims, ip_address)
        if session is None:
            return None
        try:
            self._sign_outs.end(session.id, session.ends)
        except ServiceError as error:
            logger.error("the sign-out of a session cannot be stored: %s", error.code)
        return session

    def prepare(self) -> None:
        """Find out who has signed out, so that the first request need not wait for it. Raises ``Unavailable``."""
        self._sign_outs.has_ended("")

    def ping(self) -> None:
        """Raises ``ServiceError`` if it cannot be found out now who has signed out."""
        self._sign_outs.ping()

    def close(self) -> None:
        self._sign_outs.close()

    def _read(self, claims: Mapping[str, Any], ip_address: str | None) -> Session | None:
        subject, issued, expires = (claims.get(name) for name in ("sub", "iat", "exp"))
        if claims.get("is_logged_in") is not True or not isinstance(subject, str) or not subject:
            return None
        try:
            began = datetime.fromtimestamp(_seconds(issued), UTC)
            principal = self._principal(claims, subject, ip_address)
            ends = min(
                datetime.fromtimestamp(_seconds(expires), UTC), began + timedelta(hours=self._settings.session_hours)
            )
        except (TypeError, ValueError, OverflowError, OSError, InvalidInput):
            return None
        names = [str(claims.get(name, "")) for name in ("iss", "sub", "iat", "nonce")]
        return Session(
            id=sha256("\0".join(names).encode(errors="surrogatepass")).hexdigest(),
            principal=principal,
            began=began,
            ends=ends,
        )

    def _principal(self, claims: Mapping[str, Any], subject: str, ip_address: str | None) -> Principal:
        settings = self._settings
        email = claims.get("email")
        # An unverified email address may be anybody's, so the trail then names the person by the provider's id.
        known_as = email if isinstance(email, str) and claims.get("email_verified") is True else subject
        name = next((value for value in (claims.get("name"), email) if isinstance(value, str) and value), known_as)
        claimed = _texts(_claim(claims, settings.oidc_roles_claim))
        known_roles = settings.oidc_roles or {str(role): role for role in Role}
        events = None
        if settings.oidc_events_claim is not None:
            listed = _texts(_claim(claims, settings.oidc_events_claim))
            events = None if ALL_EVENTS in listed else listed
        return Principal(
            id=known_as,
            name=name,
            roles=frozenset(known_roles[each] for each in claimed if each in known_roles),
            events=events,
            ip_address=ip_address,
        )


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a time")
    return float(value)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """Returns the claim of this name, which may contain dots; else the nested one that the dots lead to."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _texts(value: Any) -> frozenset[str]:
    listed = value if isinstance(value, list | tuple) else [value]
    return frozenset(each for each in listed if isinstance(each, str))
