"""Which names of the server a request may call it by."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from dashboard.prefix import address_of


class Hosts(TrustedHostMiddleware):
    """ASGI middleware: only requests to one of ``allowed_hosts`` are answered.

    A load balancer asks for the health of an instance by its IP address. That is answered too: it tells nothing, and
    no page of another site can make a browser send an address as the name.
    """

    def __init__(self, app: ASGIApp, allowed_hosts: Sequence[str]) -> None:
        super().__init__(app, allowed_hosts)
        self._probed = address_of("/api/health")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == self._probed and _is_address(scope):
            await self.app(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _is_address(scope: Scope) -> bool:
    try:
        ip_address(urlsplit(f"//{Headers(scope=scope).get('host', '')}").hostname or "")
    except ValueError:
        return False
    return True
