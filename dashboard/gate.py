"""What every answer and every path of the server has in common: headers, and what is closed to strangers.

It stands before Streamlit and the API, and knows no page.
"""

from __future__ import annotations

import logging

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.access import Action
from core.sessions import Session
from core.settings import Settings
from dashboard.doors import Doors
from dashboard.services import services_of

logger = logging.getLogger(__name__)

#: Of Streamlit, for nobody: figures about the process for whoever asks, and driving pages without a browser.
CLOSED = ("/_stcore/metrics", "/_stcore/agent", "/_stcore/script-health-check")
#: Of Streamlit, for those alone who are signed in: files that pages took in or give out.
SIGNED_IN = ("/media", "/_stcore/upload_file")
_SIGN_OUT = "/auth/logout"
_YEAR = 365 * 24 * 60 * 60

#: Nothing from elsewhere, nothing goes elsewhere. Streamlit styles its elements in place, and compiles WebAssembly;
#: the one script in a page's text is ``ui.focus_on_arrival``.
PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "font-src 'self' data:",
        # The camera's picture is fetched from its own data: nothing leaves by that.
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
API_POLICY = "default-src 'none'; frame-ancestors 'none'"


class Gate:
    """ASGI middleware: the outermost but for the check of the host."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._doors = Doors(settings)
        self._sign_in = settings.sign_in
        self._https = (settings.origin or "").startswith("https:")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        path = scope["path"]
        secure = self._https or scope["scheme"] == "https"

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(MutableHeaders(scope=message), path, secure)
            await send(message)

        if _below(path, CLOSED):
            await PlainTextResponse("Not found", 404)(scope, receive, with_headers)
        elif self._sign_in and _below(path, SIGNED_IN) and self._doors.session(scope) is None:
            await PlainTextResponse("Not signed in", 401)(scope, receive, with_headers)
        else:
            if self._sign_in and path.rstrip("/") == _SIGN_OUT and (session := self._doors.sign_out(scope)):
                await run_in_threadpool(_told, session)
            await self._app(scope, receive, with_headers)


def _told(session: Session) -> None:
    services_of(session.principal).acting.tell(Action.SIGN_OUT)


def _below(path: str, closed: tuple[str, ...]) -> bool:
    # Streamlit's router takes a path as it is: "//media" is none of its.
    return path.startswith(tuple(f"{each}/" for each in closed)) or path in closed


def _add_headers(headers: MutableHeaders, path: str, secure: bool) -> None:
    api = _below(path, ("/api",))
    headers["Content-Security-Policy"] = API_POLICY if api else PAGE_POLICY
    headers["X-Content-Type-Options"] = "nosniff"
    headers["X-Frame-Options"] = "DENY"
    headers["Referrer-Policy"] = "no-referrer" if api else "same-origin"
    headers["Permissions-Policy"] = "camera=(self), microphone=(), geolocation=(), payment=(), usb=()"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    if _below(path, ("/media",)):
        headers["Cache-Control"] = "no-store"
    if secure:
        headers["Strict-Transport-Security"] = f"max-age={_YEAR}"
        cookies = headers.getlist("set-cookie")
        del headers["set-cookie"]
        for cookie in cookies:
            # Streamlit leaves it out, for the sake of development on this machine.
            headers.append("set-cookie", cookie if "; secure" in cookie.lower() else f"{cookie}; Secure")
