"""The websocket of the pages: who gets one, which messages pass, and how many.

Streamlit gives a session to whoever connects, and obeys messages that close what all sessions share. So the gate lets
no stranger connect where people sign in, and passes on only what the pages themselves need.
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

from core.flow.pace import Pace
from core.settings import Settings
from dashboard.access.authentication import Authenticator, Visitor
from dashboard.access.uploads import MAX_ADDRESSES, Uploads, address_of, may_upload

STREAM = "/_stcore/stream"
#: Messages that pages need. What else Streamlit understands clears caches, saves settings or stops the server.
NEEDED = frozenset({"rerun_script", "stop_script", "app_heartbeat", "file_urls_request"})
#: Bytes of a message. Uploaded files do not come this way.
MAX_MESSAGE_BYTES = 2 * 1024 * 1024
#: Messages a second that one websocket passes on, and how many seconds' worth may come at once. More are held back.
MESSAGES_A_SECOND, BURST_SECONDS = 10.0, 5.0
#: Seconds for which messages are held back before the websocket is closed: nobody's hands are as fast for as long.
MAX_DELAYED_SECONDS = 20.0
#: Seconds between two looks whether the session of a page that nobody touches still lasts.
CHECK_SECONDS = 20.0
#: Seconds that a page waits for the websocket that it replaces to be closed: that of the page before a reload.
PLACE_SECONDS = 2.0

#: Closing codes of a websocket.
_TOO_LARGE, _NO_MESSAGE, _NO_TEXT, _OVER = 1009, 1002, 1003, 1008
#: Addresses of the pages that say why a page was closed.
TOO_MANY, FULL, TOO_FAST = "/closed/too-many", "/closed/full", "/closed/too-fast"


@dataclass(frozen=True)
class _Closed(Exception):
    """The websocket is to be closed: with a ``code``, after the browser was led to ``address``, "" being the same."""

    code: int
    address: str | None = None


class Websockets:
    """ASGI application for websockets, before that of Streamlit."""

    def __init__(self, app: ASGIApp, authenticator: Authenticator, settings: Settings, uploads: Uploads) -> None:
        self._app = app
        self._authenticator = authenticator
        self._uploads = uploads
        self._origin = settings.origin
        self._limit = settings.pages_open
        self._limit_each = settings.pages_per_person if settings.sign_in else settings.pages_open
        self._open: Counter[str] = Counter()

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
            self._open += Counter()  # forgets those who have none

    def _visitor(self, scope: Scope) -> Visitor | None:
        # Streamlit reads the cookie only if it comes with our own origin; without it, its session would be nobody's.
        foreign = self._origin and Headers(scope=scope).get("origin") != self._origin
        return None if foreign or scope["path"] != STREAM else self._authenticator.visitor(scope)

    async def _wait_for_place(self, person: str) -> str | None:
        """The address that says why there is no place; None if there is one."""
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
    """One websocket of somebody who may have it."""

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
        #: Requests for upload addresses whose answers are still to come.
        self._asked = 0
        self._closed = False

    async def run(self) -> None:
        await self._app(self._scope, self._in, self._out)

    async def _in(self) -> Message:
        """The next message for Streamlit: one that it may get, when it may get it."""
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
            # Also before each message: whoever has signed out sends none.
            if self._authenticator.visitor(self._scope) is None:
                raise _Closed(_OVER, "")
            try:
                return await asyncio.wait_for(self._receive(), CHECK_SECONDS)
            except TimeoutError:
                continue

    async def _passed(self, message: Message) -> bytes | None:
        """What Streamlit gets of a message; None: nothing."""
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
        # Written from what was checked: what protobuf did not understand stays behind.
        said.DiscardUnknownFields()
        return said.SerializeToString()

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
            self._uploads.issue(self._visitor.key, map(address_of, urls))


async def _lead_away(send: Send, closed: _Closed) -> None:
    """Close a websocket, after telling its page to go to an address, or to load again."""
    if closed.address is not None:
        away = ForwardMsg()
        away.auth_redirect.url = closed.address
        away.auth_redirect.SetInParent()
        await send({"type": "websocket.send", "bytes": away.SerializeToString()})
    await send({"type": "websocket.close", "code": closed.code})


def _subprotocol(scope: Scope) -> str | None:
    return next(iter(scope.get("subprotocols", ())), None)
