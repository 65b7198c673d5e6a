"""The websocket of the pages: who may open one, which messages it passes on, and how many.

Streamlit gives everybody who connects a session, and obeys messages that stop what all sessions share. The gate
therefore refuses visitors who are not signed in (if sign-in is on), and passes on only the messages that pages need.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from google.protobuf.message import DecodeError
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from core.domain.errors import FacedeskError
from core.flow.pace import Pace
from core.settings import Settings
from dashboard.access.authentication import Authenticator, Visitor
from dashboard.access.slow_pages import close_slow_pages
from dashboard.access.uploads import MAX_ADDRESSES, Uploads, may_upload, upload_of
from dashboard.prefix import address_of

STREAM = "/_stcore/stream"
#: Messages that pages need. Streamlit's other messages clear caches, save settings or stop the server.
NEEDED = frozenset({"rerun_script", "stop_script", "app_heartbeat", "file_urls_request"})
#: The most bytes of a message. Uploaded files are not sent by websocket.
MAX_MESSAGE_BYTES = 2 * 1024 * 1024
#: Messages per second that one websocket passes on, and how many seconds' worth may arrive at once. More are delayed.
MESSAGES_A_SECOND, BURST_SECONDS = 10.0, 5.0
#: Seconds of delay after which the websocket is closed: no person causes so many messages for so long.
MAX_DELAYED_SECONDS = 20.0
#: Seconds between two checks whether the session of an idle page is still valid.
CHECK_SECONDS = 20.0
#: Seconds that a page waits for the websocket that it replaces to be closed, for example after a reload.
PLACE_SECONDS = 2.0

#: Websocket close codes.
_TOO_LARGE, _NO_MESSAGE, _NO_TEXT, _OVER = 1009, 1002, 1003, 1008
#: Addresses of the pages that say why a page was closed.
TOO_MANY, FULL, TOO_FAST = "/closed/too-many", "/closed/full", "/closed/too-fast"


@dataclass(frozen=True)
class _Closed(Exception):
    """Closes the websocket with ``code``, after redirecting the browser to ``address``; "" reloads the page."""

    code: int
    address: str | None = None


class Websockets:
    """ASGI application for websockets, in front of Streamlit's."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator, settings: Settings, uploads: Uploads) -> None:
        self._app = app
        self._authenticator = authenticator
        self._uploads = uploads
        self._origin = settings.origin
        self._limit = settings.pages_open
        self._limit_each = settings.pages_per_person if settings.sign_in else settings.pages_open
        self._open: Counter[str] = Counter()
        close_slow_pages()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        visitor = self._visitor(scope)
        if visitor is None:
            await receive()
            await send({"type": "websocket.close", "code": _OVER})
            return
        full = await self._wait_for_place(visitor.person)
        if full:
            await receive()
            await send({"type": "websocket.accept", "subprotocol": _subprotocol(scope)})
            await _lead_away(send, _Closed(_OVER, full))
            return
        self._open[visitor.person] += 1
        try:
            await _Passage(self._app, self._authenticator, self._uploads, visitor, scope, receive, send).run()
        finally:
            self._open[visitor.person] -= 1
            self._open += Counter()  # drops people without a websocket

    def _visitor(self, scope: Scope) -> Visitor | None:
        # Streamlit reads the cookie only with Facedesk's own origin; otherwise its session would be nobody's.
        foreign = self._origin and Headers(scope=scope).get("origin") != self._origin
        return None if foreign or scope["path"] != STREAM else _visitor(self._authenticator, scope)

    async def _wait_for_place(self, person: str) -> str | None:
        """Returns the address of the page that says why there is no place; None if there is one."""
        step = PLACE_SECONDS / 20
        for _ in range(20):
            if not (full := self._full(person)):
                return None
            await asyncio.sleep(step)
        return full

    def _full(self, person: str) -> str | None:
        if self._open.total() >= self._limit:
            return FULL
        return TOO_MANY if self._open[person] >= self._limit_each else None


class _Passage:
    """One websocket of a visitor who may have it."""

    def __init__(
        self,
        app: ASGIApp,
        authenticator: Authenticator,
        uploads: Uploads,
        visitor: Visitor,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        self._app = app
        self._authenticator = authenticator
        self._uploads = uploads
        self._visitor = visitor
        self._scope = scope
        self._receive = receive
        self._send = send
        self._pace = Pace(MESSAGES_A_SECOND, BURST_SECONDS)
        self._delayed = 0.0
        self._held: Collection[str] = ()
        #: The number of requests for upload addresses without an answer yet.
        self._asked = 0
        self._closed = False

    async def run(self) -> None:
        await self._app(self._scope, self._in, self._out)

    async def _in(self) -> Message:
        """Returns the next allowed message for Streamlit, when the pace allows it."""
        while True:
            try:
                if self._closed:
                    return {"type": "websocket.disconnect", "code": _OVER}
                message = await self._next()
                if message["type"] != "websocket.receive":
                    return message
                if (data := await self._passed(message)) is not None:
                    return {"type": "websocket.receive", "bytes": data}
            except _Closed as closed:
                self._closed = True
                await _lead_away(self._send, closed)

    async def _next(self) -> Message:
        while True:
            # Checked before each message as well, so that a signed-out browser can send none.
            if _visitor(self._authenticator, self._scope) is None:
                raise _Closed(_OVER, "")
            try:
                return await asyncio.wait_for(self._receive(), CHECK_SECONDS)
            except TimeoutError:
                continue

    async def _passed(self, message: Message) -> bytes | None:
        """Returns what Streamlit gets of a message; None if nothing."""
        data = message.get("bytes")
        if data is None:
            raise _Closed(_NO_TEXT)
        if len(data) > MAX_MESSAGE_BYTES:
            raise _Closed(_TOO_LARGE)
        said = BackMsg()
        try:
            said.ParseFromString(data)
        except DecodeError:
            raise _Closed(_NO_MESSAGE) from None
        await self._keep_pace()
        kind = said.WhichOneof("type")
        if kind not in NEEDED:
            return None
        if kind == "file_urls_request":
            if not may_upload(self._visitor.principal) or len(said.file_urls_request.file_names) > MAX_ADDRESSES:
                return None
            self._asked += 1
        elif kind == "rerun_script":
            self._note_files(said)
        # Only checked fields are passed on; fields that protobuf did not know are dropped.
        said.DiscardUnknownFields()
        checked: bytes = said.SerializeToString()
        return checked

    async def _keep_pace(self) -> None:
        wait = self._pace.delay()
        self._pace.spend()
        self._delayed = self._delayed + wait if wait else 0.0
        if self._delayed > MAX_DELAYED_SECONDS:
            raise _Closed(_OVER, TOO_FAST)
        await asyncio.sleep(wait)

    def _note_files(self, said: BackMsg) -> None:
        held = {
            file.file_id
            for widget in said.rerun_script.widget_states.widgets
            for file in widget.file_uploader_state_value.uploaded_file_info
        }
        if held or self._held:
            self._uploads.hold(self._visitor.key, held, self._held)
            self._held = held

    async def _out(self, message: Message) -> None:
        if self._closed and message["type"] in ("websocket.send", "websocket.close"):
            return
        if self._asked and message["type"] == "websocket.send":
            self._note_addresses(message.get("bytes") or b"")
        await self._send(message)

    def _note_addresses(self, data: bytes) -> None:
        said = ForwardMsg()
        said.ParseFromString(data)
        if said.WhichOneof("type") == "file_urls_response":
            self._asked -= 1
            urls = [file.upload_url for file in said.file_urls_response.file_urls]
            self._uploads.issue(self._visitor.key, map(upload_of, urls))


def _visitor(authenticator: Authenticator, scope: Scope) -> Visitor | None:
    """As ``Authenticator.visitor``; None also if that is not known right now, as the page says when it is loaded."""
    try:
        return authenticator.visitor(scope)
    except FacedeskError:
        return None


async def _lead_away(send: Send, closed: _Closed) -> None:
    """Closes a websocket, after redirecting its page to an address or reloading it."""
    if closed.address is not None:
        away = ForwardMsg()
        away.auth_redirect.url = address_of(closed.address) if closed.address else ""
        away.auth_redirect.SetInParent()
        await send({"type": "websocket.send", "bytes": away.SerializeToString()})
    await send({"type": "websocket.close", "code": closed.code})


def _subprotocol(scope: Scope) -> str | None:
    return next(iter(scope.get("subprotocols", ())), None)
