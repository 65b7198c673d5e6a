"""A page whose browser reads more slowly than the page is written."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Message
from starlette.websockets import WebSocket
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.runtime.session_manager import SessionClientDisconnectedError
from streamlit.web.server.starlette import starlette_websocket
from streamlit.web.server.starlette.starlette_server_config import WEBSOCKET_MAX_SEND_QUEUE_SIZE

from dashboard.access.slow_pages import close_slow_pages


async def written_to(websocket: WebSocket, messages: int) -> None:
    """Write so many messages as Streamlit does, and end as it does when its page is forgotten."""
    client = starlette_websocket.StarletteSessionClient(websocket)
    try:
        for _ in range(messages):
            client.write_forward_msg(ForwardMsg(script_finished=ForwardMsg.FINISHED_SUCCESSFULLY))
        await asyncio.sleep(0)
    except SessionClientDisconnectedError:
        with pytest.raises(SessionClientDisconnectedError):
            client.write_forward_msg(ForwardMsg())
        await asyncio.sleep(0.01)
    finally:
        await client.aclose()


def sent_to_a_browser_that_does_not_read(messages: int) -> list[Message]:
    """What it is sent besides its first message, which it never takes."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        if message["type"] == "websocket.send":
            await asyncio.Event().wait()
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def use() -> None:
        websocket = WebSocket({"type": "websocket", "headers": [], "client": None}, receive, send)
        await websocket.accept()
        await written_to(websocket, messages)

    close_slow_pages()
    asyncio.run(use())
    return [message for message in sent if message["type"] != "websocket.accept"]


def test_a_page_with_more_messages_than_are_kept_is_closed_once() -> None:
    closed = sent_to_a_browser_that_does_not_read(WEBSOCKET_MAX_SEND_QUEUE_SIZE + 10)
    assert [(message["type"], message["code"]) for message in closed] == [("websocket.close", 1013)]


def test_a_page_that_is_a_bit_behind_stays_open() -> None:
    assert not sent_to_a_browser_that_does_not_read(WEBSOCKET_MAX_SEND_QUEUE_SIZE - 10)
