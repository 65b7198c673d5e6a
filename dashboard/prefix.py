"""The path that Facedesk is served under, such as /desk: Streamlit's option ``server.baseUrlPath``.

Behind ``Under`` every path is as if there were no prefix, up to ``Whole``, behind which Streamlit has the whole path
again. ``address_of`` makes the addresses that browsers get.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

import streamlit as st
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketClose

from core.domain.errors import SettingsError

#: Every character is the same in an address, encoded or not.
_POSSIBLE = re.compile(r"(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*")


def prefix() -> str:
    """The path with its slash, such as "/desk"; "" where there is none."""
    path = (st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


def address_of(path: str) -> str:
    """The address, for a browser, of what has this ``path`` under the prefix."""
    return prefix() + path


def check_prefix(redirect_uri: str | None) -> None:
    """Raises ``SettingsError`` unless the prefix can be one, and people who sign in come back under it."""
    under = prefix()
    if not _POSSIBLE.fullmatch(under):
        raise SettingsError(
            "STREAMLIT_SERVER_BASE_URL_PATH (server.baseUrlPath) must be a path of letters, digits, dashes, dots and "
            "underscores, such as /desk."
        )
    if redirect_uri and urlsplit(redirect_uri).path != f"{under}/oauth2callback":
        raise SettingsError(f"OIDC_REDIRECT_URI must be Facedesk's address with {under}/oauth2callback behind it.")


class Under:
    """ASGI middleware: what is outside of the prefix is nothing, and the rest has its path without it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._prefix = prefix()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._prefix or scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        path, raw_path = scope["path"], scope["raw_path"]
        under = f"{self._prefix}/"
        if path.startswith(under) and raw_path.startswith(under.encode()):
            inside = {"path": path[len(self._prefix) :], "raw_path": raw_path[len(self._prefix) :]}
            await self._app({**scope, **inside}, receive, send)
        elif scope["type"] == "websocket":
            await WebSocketClose(1008)(scope, receive, send)
        elif path == self._prefix:
            query = scope["query_string"].decode("latin-1")
            await RedirectResponse(under + (f"?{query}" if query else ""), 307)(scope, receive, send)
        else:
            headers = {"X-Content-Type-Options": "nosniff"}
            await PlainTextResponse(f"Not found: Facedesk is at {under}", 404, headers)(scope, receive, send)


class Whole:
    """ASGI middleware: gives what comes after it the path with the prefix."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._prefix = prefix()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self._prefix and scope["type"] in ("http", "websocket"):
            whole = {"path": self._prefix + scope["path"], "raw_path": self._prefix.encode() + scope["raw_path"]}
            scope = {**scope, **whole}
        await self._app(scope, receive, send)
