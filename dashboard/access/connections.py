"""Ends the connections of idle clients, and limits the number of connections."""

from __future__ import annotations

import asyncio
import json
import resource
import socket
from typing import Any

#: Seconds for which a client may be idle while the server waits for it to send a request's headers or body, or to
#: read an answer.
STILL_SECONDS = 60.0
#: A client is idle if it sends fewer bytes than this in that time and does not complete its request. Otherwise one
#: byte a minute would keep a connection open forever.
LEAST_BYTES = 4096
#: The most connections at once, including websockets. Fewer if the process may not open as many file descriptors.
MAX_CONNECTIONS = 2000
#: File descriptors that are reserved for files, the database and the services.
_OTHER_DESCRIPTORS = 256
#: How often a connection is checked within ``STILL_SECONDS``.
_CHECKS = 8
#: Bytes of an answer that the kernel buffers before the client's machine has room for them. With the usual megabytes,
#: a client that reads slowly could not be distinguished from one that reads nothing.
_UNSENT_BYTES = 64 * 1024


def watched(
    protocol: type[asyncio.Protocol], *, seconds: float | None = None, most: int = MAX_CONNECTIONS
) -> type[asyncio.Protocol]:
    """Returns a subclass of ``protocol``, one of uvicorn's for HTTP, that ends the connections of idle clients.

    A client that is idle for ``seconds`` (by default ``STILL_SECONDS``) gets the answer 408 if it has sent a part of
    a request, and its connection is closed. If it does not read its answer, the connection is aborted. A connection
    that has become a websocket is no longer watched.

    Beyond ``most`` connections, the connection that has been idle longest is closed for the new one.
    """
    pause = (STILL_SECONDS if seconds is None else seconds) / _CHECKS

    class Watched(protocol):  # type: ignore[misc, valid-type]
        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            _limit_send_buffer(transport)
            #: The number of consecutive checks that found the client idle, and the bytes received meanwhile.
            self._still = self._received = 0
            self._resumed = 0
            self._seen: Any = None
            #: Whether a part of a request's headers has been received.
            self._begun = False
            self._check_later()
            if len(self.connections) > most:
                self._make_room()

        def connection_lost(self, exc: Exception | None) -> None:
            self._next_check.cancel()
            super().connection_lost(exc)

        def data_received(self, data: bytes) -> None:
            before = self.cycle
            super().data_received(data)
            self._received += len(data)
            self._begun = self.cycle is before

        def resume_writing(self) -> None:
            self._resumed += 1
            super().resume_writing()

        def _check_later(self) -> None:
            self._next_check = self.loop.call_later(pause, self._check)

        def _check(self) -> None:
            if self.transport.get_protocol() is not self:
                return  # It has become a websocket, which pings watch.
            seen = self.cycle, self._resumed, self.transport.get_write_buffer_size()
            if self._waits_for_client() and seen == self._seen and self._received < LEAST_BYTES:
                self._still += 1
            else:
                self._still, self._received, self._seen = 0, 0, seen
            if self._still >= _CHECKS:
                self._end()
            self._check_later()

        def _is_between_requests(self) -> bool:
            return self.cycle is None or self.cycle.response_complete

        def _waits_for_client(self) -> bool:
            if self.transport.get_write_buffer_size():
                return True
            if self._is_between_requests():
                # uvicorn closes connections that are kept alive after its own timeout.
                return self.timeout_keep_alive_task is None
            return self.cycle.more_body and not (self.flow.read_paused or self.cycle.waiting_for_100_continue)

        def _make_room(self) -> None:
            there = [each for each in self.connections if not each.transport.is_closing()]
            if len(there) > most:
                others = (each for each in there if isinstance(each, Watched) and each is not self)
                still = [each for each in others if each._is_between_requests() or each._waits_for_client()]
                max(still, key=lambda each: each._still, default=self).transport.abort()

        def _end(self) -> None:
            if self.transport.get_write_buffer_size():
                self.transport.abort()
                return
            if self._begun if self._is_between_requests() else not self.cycle.response_started:
                self.transport.write(_TOO_SLOW)
            self.transport.close()

    return Watched


def bounded(protocol: type[asyncio.Protocol]) -> type[asyncio.Protocol]:
    """``protocol``, one of uvicorn's for websockets, which cuts off a browser that reads nothing.

    Otherwise a browser that has read nothing for ``STILL_SECONDS`` would keep its connection, and everything that is
    yet to be sent, forever.
    """

    class Bounded(protocol):  # type: ignore[misc, valid-type]
        _stuck: asyncio.TimerHandle | None = None

        def pause_writing(self) -> None:
            super().pause_writing()
            self._stuck = self.loop.call_later(STILL_SECONDS, self.transport.abort)

        def resume_writing(self) -> None:
            self._move()
            super().resume_writing()

        def connection_lost(self, exc: Exception | None) -> None:
            self._move()
            super().connection_lost(exc)

        def _move(self) -> None:
            if self._stuck:
                self._stuck.cancel()
                self._stuck = None

    return Bounded


def allowed_connections() -> int:
    """Returns ``MAX_CONNECTIONS``, or fewer if the process cannot have enough file descriptors."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + _OTHER_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    allowed = MAX_CONNECTIONS if soft == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, soft - _OTHER_DESCRIPTORS)
    return max(1, allowed)


def _limit_send_buffer(transport: asyncio.Transport) -> None:
    connection = transport.get_extra_info("socket")
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
        connection.setsockopt(socket.IPPROTO_TCP, option, _UNSENT_BYTES)


def _too_slow() -> bytes:
    """Returns the API's error as raw bytes, since no application answers an incomplete request."""
    body = json.dumps(
        {"status": "error", "message": "The request did not arrive in time. Send it again.", "statusCode": 408}
    ).encode()
    head = (
        "HTTP/1.1 408 Request Timeout",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    )
    return "\r\n".join((*head, "", "")).encode() + body


_TOO_SLOW = _too_slow()
