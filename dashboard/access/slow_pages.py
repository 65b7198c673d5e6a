"""Closes the websocket of a page that reads too slowly, so that its browser connects again.

Streamlit keeps a limited number of messages for each page. When there are more, it forgets the page but leaves its
websocket open: the browser would wait for the rest for ever.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.session_manager import SessionClientDisconnectedError
from streamlit.web.server.starlette import starlette_websocket
from streamlit.web.server.starlette.starlette_websocket import StarletteSessionClient

#: Websocket close code: try again later.
_TRY_AGAIN = 1013


def close_slow_pages() -> None:
    """From now on websockets of slow pages are closed. Calling it again changes nothing."""
    starlette_websocket.StarletteSessionClient = _Client  # type: ignore[misc]


class _Client(StarletteSessionClient):
    _closing: asyncio.Task[None] | None = None

    def write_forward_msg(self, msg: ForwardMsg) -> None:
        try:
            super().write_forward_msg(msg)
        except SessionClientDisconnectedError:
            if self._closing is None:
                self._closing = asyncio.create_task(self._close())
            raise

    async def _close(self) -> None:
        self._sender_task.cancel()
        # The browser may have left meanwhile.
        with suppress(RuntimeError, OSError):
            await self._websocket.close(_TRY_AGAIN)
