"""Messages and connections that nobody with good intentions makes, for the websocket of the pages."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from streamlit.proto.BackMsg_pb2 import BackMsg
from websockets.exceptions import InvalidHandshake

from tests.support.pages_socket import opened

#: How deep, how often repeated and how long what is made up is, at the most.
DEPTH, REPEATED, LETTERS = 4, 5, 2_000
#: Number 1000, of value 1.
_UNKNOWN_FIELD = b"\xc0\x3e\x01"


def messages(seed: int, count: int) -> Iterator[bytes]:
    """Messages with every field of ``BackMsg`` in turn, filled by chance; some with a field that nobody knows."""
    chance = random.Random(seed)
    fields = list(BackMsg.DESCRIPTOR.fields)
    for number in range(count):
        said = BackMsg()
        _fill(said, fields[number % len(fields)], chance, DEPTH)
        yield said.SerializeToString() + (_UNKNOWN_FIELD if chance.random() < 0.1 else b"")


def _fill(message: Message, field: FieldDescriptor, chance: random.Random, depth: int) -> None:
    times = chance.randrange(REPEATED) if field.is_repeated else 1
    for _ in range(times):
        if field.message_type:
            inner = getattr(message, field.name)
            inner = inner.add() if field.is_repeated else inner
            inner.SetInParent()
            for each in field.message_type.fields if depth else ():
                if chance.random() < 0.5:
                    _fill(inner, each, chance, depth - 1)
        elif field.is_repeated:
            getattr(message, field.name).append(_value(field, chance))
        else:
            setattr(message, field.name, _value(field, chance))


def _value(field: FieldDescriptor, chance: random.Random) -> object:
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING if field.type == FieldDescriptor.TYPE_BYTES:
            return chance.randbytes(chance.randrange(LETTERS))
        case FieldDescriptor.CPPTYPE_STRING:
            return "".join(chance.choices("ab/.%&=<é\0🙂", k=chance.randrange(LETTERS)))
        case FieldDescriptor.CPPTYPE_BOOL:
            return chance.random() < 0.5
        case FieldDescriptor.CPPTYPE_FLOAT | FieldDescriptor.CPPTYPE_DOUBLE:
            return chance.choice([0.0, -1.5, 1e300, float("nan")])
        case FieldDescriptor.CPPTYPE_ENUM:
            return chance.choice(field.enum_type.values).number
        case _:
            return chance.randrange(2**31)


def knock(address: str) -> bool:
    """Try to open a websocket as a stranger; whether it was opened."""
    with suppress(InvalidHandshake, OSError, TimeoutError), opened(address, open_timeout=30):
        return True
    return False


def half_a_handshake(address: str) -> socket.socket:
    """A connection on which the beginning of a handshake was sent; the caller closes it."""
    connection = socket.create_connection(("127.0.0.1", urlsplit(address).port or 80), 30)
    connection.sendall(b"GET /_stcore/stream HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n")
    return connection


def resident_bytes(process: int) -> int:
    pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    return pages * 4096


def descriptors(process: int) -> int:
    return len(list(Path(f"/proc/{process}/fd").iterdir()))


def threads(process: int) -> int:
    return len(list(Path(f"/proc/{process}/task").iterdir()))
