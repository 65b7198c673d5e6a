"""Sessions of signed-in people: who the provider says they are, what they may do, and until when."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from core.domain.clock import Clock
from core.domain.errors import InvalidInput
from core.domain.roles import Principal, Role
from core.files.private import make_folder
from core.settings import Settings

logger = logging.getLogger(__name__)

#: In the data folder: a file for each session that was signed out, dated at the session's end.
SIGNED_OUT = "signed-out"
#: How long after its session's end such a file stays: a clock that jumps ahead by less and back forgets nothing.
KEPT = timedelta(days=30)
#: A provider's clock may be ahead of ours by as much.
SKEW = timedelta(minutes=2)
#: In the claim of the events: all of them.
ALL_EVENTS = "*"


@dataclass(frozen=True)
class Session:
    """``id`` names this one sign-in and no other; it can be kept, nothing follows from it."""

    id: str
    principal: Principal
    began: datetime
    ends: datetime


class Sessions:
    """Makes sessions of claims: of an ID token that the provider signed, kept in a cookie that we signed."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._signed_out = settings.data_dir / SIGNED_OUT

    def of(self, claims: Mapping[str, Any], ip_address: str | None = None) -> Session | None:
        """The session; None where nobody is signed in, it is over, or they signed out.

        It is over after the lifetime of the settings and with the ID token, whichever is first. A person without any
        role has one, and may do nothing.
        """
        session = self._read(claims, ip_address)
        if session is None or not session.began - SKEW <= self._clock() < session.ends:
            return None
        return None if (self._signed_out / session.id).exists() else session

    def sign_out(self, claims: Mapping[str, Any], ip_address: str | None = None) -> Session | None:
        """End the session of these claims, wherever a copy of its cookie is; None where there is none.

        Known to every process that has the same data folder.
        """
        session = self.of(claims, ip_address)
        if session is None:
            return None
        try:
            make_folder(self._signed_out)
            with os.scandir(self._signed_out) as ended:
                for entry in ended:
                    if entry.stat().st_mtime < (self._clock() - KEPT).timestamp():
                        Path(entry).unlink(missing_ok=True)
            mark = self._signed_out / session.id
            mark.touch(mode=0o600)
            os.utime(mark, (session.ends.timestamp(),) * 2)
        except OSError as error:
            logger.error("a session that was signed out cannot be remembered: %s", error.strerror)
        return session

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
        # An address that the provider did not verify may be anybody's: the trail then names them by its own id.
        known_as = email if isinstance(email, str) and claims.get("email_verified") is True else subject
        name = next((value for value in (claims.get("name"), email) if isinstance(value, str) and value), known_as)
        told = _texts(_claim(claims, settings.oidc_roles_claim))
        meant = settings.oidc_roles or {str(role): role for role in Role}
        events = None
        if settings.oidc_events_claim is not None:
            listed = _texts(_claim(claims, settings.oidc_events_claim))
            events = None if ALL_EVENTS in listed else listed
        return Principal(
            id=known_as,
            name=name,
            roles=frozenset(meant[each] for each in told if each in meant),
            events=events,
            ip_address=ip_address,
        )


def _seconds(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a time")
    return float(value)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name, which may have dots; else by what the dots lead to."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _texts(value: Any) -> frozenset[str]:
    listed = value if isinstance(value, list | tuple) else [value]
    return frozenset(each for each in listed if isinstance(each, str))
