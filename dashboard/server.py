"""The server that runs this process, and how it sends."""

from __future__ import annotations

import asyncio
import signal
import socket

import uvicorn


def running_server() -> uvicorn.Server | None:
    """The one that is starting or runs here, found by its signal handler: it hands itself to nobody."""
    server = getattr(signal.getsignal(signal.SIGTERM), "__self__", None)
    return server if isinstance(server, uvicorn.Server) else None


def send_at_once() -> None:
    """Let the server that is starting send whatever it has written, however little.

    It writes the head of an answer, then the body. On a connection that is kept open the body would wait until the
    client acknowledged the head, which takes 40 ms. Asyncio prevents that for sockets that it opens by itself, but
    not for those of ``streamlit run``, as they do not name their protocol.
    """
    server = running_server()
    if server is None:
        return

    class Prompt(server.config.http_protocol_class):  # type: ignore[misc, name-defined]
        def connection_made(self, transport: asyncio.Transport) -> None:
            connection = transport.get_extra_info("socket")
            if connection.family in (socket.AF_INET, socket.AF_INET6):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            super().connection_made(transport)

    server.config.http_protocol_class = Prompt
