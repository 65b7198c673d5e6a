"""Whether faces would be open to whoever reaches the server."""

from __future__ import annotations

from collections.abc import Iterable

from core.domain.errors import SettingsError
from core.settings import LOOPBACK, Auth, Backend, Settings


def check_exposure(settings: Settings, addresses: Iterable[str], hosts: Iterable[str]) -> None:
    """Raises ``SettingsError`` where faces would be open to whoever reaches the server.

    ``addresses`` are those that it listens at, ``hosts`` the names that it answers to; no address is every one.
    """
    if settings.sign_in:
        return
    if settings.backend is Backend.AWS:
        if settings.auth is not Auth.OFF:
            raise SettingsError(
                "FACEDESK_AUTH: nobody would have to sign in. Set OIDC_METADATA_URL and what goes with it, "
                "or FACEDESK_AUTH=off to mean it."
            )
        return
    open_to = [name for name in (*addresses, *hosts) if name not in LOOPBACK]
    if open_to:
        raise SettingsError(
            f"FACEDESK_AUTH: without sign-in the server may be reached from this machine only, not at {open_to[0]!r}."
            " Set OIDC_METADATA_URL and what goes with it, or mend server.address and server.allowedHosts."
        )
