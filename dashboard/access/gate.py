"""The gate in front of Streamlit and the API: decides who may request what, and sets the security headers."""

from __future__ import annotations

import asyncio
from urllib.parse import quote, unquote, urlencode

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocketClose
from streamlit import runtime
from streamlit.auth_util import encode_provider_token
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager

from core.domain.errors import FacedeskError, SettingsError
from core.domain.roles import PAGES, Action
from core.services.exposure import check_exposure
from core.services.sessions import Session
from core.settings import Settings
from dashboard.access.authentication import Authenticator
from dashboard.access.plain_pages import CLOSED_PAGES, LOGIN, UNKNOWN, closed_page, sign_in_page
from dashboard.access.uploads import SWEEP_SECONDS, Upload, Uploads
from dashboard.access.websocket import Websockets
from dashboard.prefix import address_of
from dashboard.services import services_of, shared

#: Streamlit's addresses that are closed to everybody: public process metrics, and driving pages without a browser.
CLOSED = ("/_stcore/metrics", "/_stcore/agent", "/_stcore/script-health-check")
#: Addresses that are open to everybody: probes, the API (which checks credentials itself), and signing in and out.
OPEN = ("/api", "/_stcore/health", "/auth", "/oauth2callback")
#: Addresses that Streamlit's pages load from. Without sign-in they answer 401 instead of the sign-in page.
PARTS = ("/_stcore", "/media", "/static", "/component")
UPLOAD = "/_stcore/upload_file"
#: The cookie with the page that was requested before signing in. It lasts ``_NEXT_SECONDS``.
_NEXT_COOKIE = "facedesk_next"
_NEXT_SECONDS = 600
#: The most characters of a query that fit into the cookie.
_MAX_QUERY = 1000
_SIGN_OUT = "/auth/logout"
_YEAR = 365 * 24 * 60 * 60

#: Pages load nothing from other origins and send nothing to them. Streamlit uses inline styles and compiles
#: WebAssembly; the inline scripts are those of ``ui``, ``faces`` and ``your_name`` in ``dashboard/parts``.
PAGE_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self' 'unsafe-inline' 'wasm-unsafe-eval'",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' blob:",
        "font-src 'self' data:",
        # The camera's picture is fetched from a data: or blob: URL, which sends nothing elsewhere.
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
    """ASGI middleware: the outermost one except for the check of the host."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._authenticator = Authenticator(settings, lambda: shared().services)
        self._sign_in = settings.sign_in
        self._settings = settings
        self._https = (settings.origin or "").startswith("https:")
        self._uploads = Uploads(settings, st.get_option("server.maxUploadSize") * 1024 * 1024, _files)
        self._websockets = Websockets(app, self._authenticator, settings, self._uploads)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._answer(scope, receive, send)
            case "websocket":
                refusal = WebSocketClose(1008) if self._exposed(scope) else None
                await (refusal or self._websockets)(scope, receive, send)
            case _:
                sweeping = asyncio.create_task(self._sweep())
                try:
                    await self._app(scope, receive, send)
                finally:
                    sweeping.cancel()

    def _exposed(self, scope: Scope) -> str:
        """Why the server must not be open at the address at which it was reached; "" if it may.

        Its own command and Streamlit's check that before the start; any other may make it listen anywhere.
        """
        host, port = scope.get("server") or ("", None)
        if port is not None:  # else a Unix socket
            try:
                check_exposure(self._settings, [host], [])
            except SettingsError as error:
                return str(error)
        return ""

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"]
        secure = self._https or scope["scheme"] == "https"

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(MutableHeaders(scope=message), path, secure)
            await send(message)

        try:
            answer = await self._instead(scope, receive)
        except FacedeskError:  # its message is not for strangers
            answer = closed_page(UNKNOWN)
        await (answer or self._app)(scope, receive, with_headers)

    async def _instead(self, scope: Scope, receive: Receive) -> ASGIApp | None:
        """Returns what answers instead of the pages and the API; None if they answer themselves."""
        path = scope["path"]
        if exposed := self._exposed(scope):
            return PlainTextResponse(exposed, 403)
        if _below(path, CLOSED):
            return PlainTextResponse("Not found", 404)
        if path in CLOSED_PAGES:
            return closed_page(path)
        if self._sign_in and path == LOGIN:
            return _login(self._app)
        if self._sign_in and path.rstrip("/") == _SIGN_OUT:
            session = await run_in_threadpool(self._authenticator.sign_out, scope)
            if session:
                await run_in_threadpool(_record_sign_out, session)
        if _below(path, OPEN):
            return None
        visitor = self._authenticator.visitor(scope)
        if visitor is None:
            return self._stranger(scope)
        if _below(path, (UPLOAD,)):
            return Upload(self._app, self._uploads, visitor)
        if self._sign_in and path == "/" and (address := _next_address(scope)):
            leading = RedirectResponse(address_of(address), 302)
            leading.delete_cookie(_NEXT_COOKIE, address_of("/"))
            return leading
        return None

    def _stranger(self, scope: Scope) -> Response:
        if scope["method"] not in ("GET", "HEAD") or _below(scope["path"], PARTS):
            return PlainTextResponse("Not signed in", 401)
        page = sign_in_page(over=self._authenticator.was_signed_in(scope))
        query = scope["query_string"].decode("latin-1")
        address = scope["path"] + (f"?{query}" if query else "")
        if _is_page(address):
            page.set_cookie(
                _NEXT_COOKIE, quote(address), _NEXT_SECONDS, path=address_of("/"), httponly=True, samesite="lax"
            )
        return page

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            if runtime.exists():
                streamlit = runtime.get_instance()
                self._uploads.sweep(streamlit.is_active_session)
                forget_left_pages(streamlit)


def forget_left_pages(streamlit: runtime.Runtime) -> None:
    """Makes Streamlit release the page sessions that were left two minutes ago: memory, and three descriptors each.

    Streamlit keeps them for that time in case the browser reconnects, but checks only when the next page is left.
    """
    storage = streamlit._session_mgr._session_storage  # type: ignore[attr-defined]
    storage._cache.expire()


def _files() -> MemoryUploadedFileManager | None:
    files = runtime.get_instance().uploaded_file_mgr if runtime.exists() else None
    return files if isinstance(files, MemoryUploadedFileManager) else None


def _login(app: ASGIApp) -> ASGIApp:
    """Returns Streamlit's sign-in route, called with the signed provider name that it requires."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        asked = urlencode({"provider": encode_provider_token("default")}).encode()
        await app({**scope, "query_string": asked}, receive, send)

    return answer


def _next_address(scope: Scope) -> str | None:
    """Returns the page that was requested before signing in; None if there is none."""
    address = unquote(Request(scope).cookies.get(_NEXT_COOKIE, ""))
    return address if _is_page(address) else None


def _is_page(address: str) -> bool:
    """Whether it is the address of a Facedesk page: a link can make a browser request anything."""
    path, _, query = address.partition("?")
    known = path.startswith("/") and path[1:] in PAGES
    return known and query.isascii() and query.isprintable() and len(query) <= _MAX_QUERY


def _record_sign_out(session: Session) -> None:
    services_of(session.principal).acting.tell(Action.SIGN_OUT)


def _below(path: str, closed: tuple[str, ...]) -> bool:
    # Streamlit's router does not normalise paths: it does not serve "//media".
    return path.startswith(tuple(f"{each}/" for each in closed)) or path in closed


def _add_headers(headers: MutableHeaders, path: str, secure: bool) -> None:
    api = _below(path, ("/api",))
    headers.setdefault("Content-Security-Policy", API_POLICY if api else PAGE_POLICY)
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
            # Streamlit sets no Secure flag, so that development over plain HTTP works.
            headers.append("set-cookie", cookie if "; secure" in cookie.lower() else f"{cookie}; Secure")
