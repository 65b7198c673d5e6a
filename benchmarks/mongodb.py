"""A server of MongoDB's protocol that has registrations of one event, and answers as MongoDB does from its indexes.

The servers of the tests look through the whole event for each page, so 300,000 documents would measure them alone.
This one has the documents encoded and in the order of ``_id``, and waits ``PAUSE`` before it answers, as a network
and a database would. It knows what reading registrations asks for, and no more. It is no replica set.
"""

from __future__ import annotations

import socketserver
import struct
import subprocess
import sys
import time
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import bson
from bson import ObjectId
from bson.raw_bson import RawBSONDocument

from benchmarks.measure import ROOT

EVENT = "event-1"
#: Seconds between a question and its answer.
PAUSE = 0.01
#: Documents of a first batch if the client does not say, as MongoDB's.
_FIRST_BATCH = 101
#: Bytes of a further batch, as MongoDB's.
_BATCH_BYTES = 16 * 1024 * 1024
_HEADER = struct.Struct("<iiii")
_MESSAGE, _QUERY, _REPLY = 2013, 2004, 1
_HELLO = {"ok": 1, "isWritablePrimary": True, "ismaster": True, "minWireVersion": 0, "maxWireVersion": 21}


def document(number: int, changed: datetime) -> dict[str, Any]:
    return {
        "_id": ObjectId(f"{number:024x}"),
        "userId": f"user-{number:08}",
        "eventId": EVENT,
        "name": f"Ada Example {number}",
        "email": f"ada.{number}@example.com",
        "storedFaceKey": f"reference-faces/{number:08}.jpg",
        "faceImageKey": f"face-images/{number:08}.jpg",
        "updatedAt": changed,
    }


@contextmanager
def serving(documents: int) -> Iterator[tuple[str, int]]:
    """A server with so many documents; gives its URI and its process."""
    server = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.mongodb", str(documents)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    try:
        assert server.stdout
        yield f"mongodb://127.0.0.1:{server.stdout.readline().strip()}", server.pid
    finally:
        server.terminate()
        server.wait()


class _Event:
    """The event's documents in the order of ``_id``."""

    def __init__(self, count: int) -> None:
        yesterday = datetime.now(UTC) - timedelta(days=1)
        self.ids: list[ObjectId] = []
        self.encoded: list[RawBSONDocument] = []
        self.new: list[RawBSONDocument] = []
        self.cursors: dict[int, int] = {}
        for number in range(count):
            self.add(document(number, yesterday))

    def add(self, given: Mapping[str, Any]) -> None:
        self.ids.append(given["_id"])
        self.encoded.append(RawBSONDocument(bson.encode(given)))

    def answer(self, command: dict[str, Any]) -> dict[str, Any]:
        match next(iter(command)):
            case "find":
                return self._found(command)
            case "getMore":
                begin = self.cursors.pop(command["getMore"])
                size = len(self.encoded[0].raw)
                return self._batch("nextBatch", command["getMore"], begin, _BATCH_BYTES // size)
            case "aggregate" if "$changeStream" in command["pipeline"][0]:
                return {"ok": 0, "code": 40573, "codeName": "IllegalOperation", "errmsg": "no replica set"}
            case "aggregate":
                matches = _is_plain(command["pipeline"][0]["$match"])
                return _cursor("firstBatch", [{"_id": 1, "n": len(self.ids)}] if matches else [])
            case "insert":
                for each in command["documents"]:
                    self.add(each)
                    self.new.append(self.encoded[-1])
                return {"ok": 1, "n": len(command["documents"])}
            case _:
                return _HELLO

    def _found(self, command: dict[str, Any]) -> dict[str, Any]:
        conditions = list(_conditions(command["filter"]))
        if not all(map(_is_plain, conditions)):
            return _cursor("firstBatch", [])
        if any("updatedAt" in each for each in conditions):
            return _cursor("firstBatch", self.new)
        if "updatedAt" in command.get("sort", {}):
            return _cursor("firstBatch", self.encoded[-1:])
        after = next((each["_id"]["$gt"] for each in conditions if "_id" in each), None)
        begin = bisect_right(self.ids, after) if after else 0
        if limit := command.get("limit"):
            return _cursor("firstBatch", self.encoded[begin : begin + limit])
        return self._batch("firstBatch", 1 + len(self.cursors), begin, _FIRST_BATCH)

    def _batch(self, name: str, cursor: int, begin: int, size: int) -> dict[str, Any]:
        end = begin + size
        more = end < len(self.encoded)
        if more:
            self.cursors[cursor] = end
        return _cursor(name, self.encoded[begin:end], cursor if more else 0)


def _conditions(query: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The conditions that all hold; of the event's two alternatives the first one, since no id is in a map."""
    if "$and" in query:
        for each in query["$and"]:
            yield from _conditions(each)
    elif next(iter(query)) == "$or" and "eventId" in query["$or"][0]:
        yield query["$or"][0]
    else:
        yield query


def _is_plain(condition: Mapping[str, Any]) -> bool:
    """Whether anything is found: no id is in a map, and all are ObjectIds."""
    return "$or" not in condition


def _cursor(name: str, documents: list[Any], cursor: int = 0) -> dict[str, Any]:
    return {"ok": 1, "cursor": {"id": bson.Int64(cursor), "ns": "events.registrations", name: documents}}


class _Connection(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        while header := self._read(_HEADER.size):
            length, request, _, kind = _HEADER.unpack(header)
            body = self._read(length - _HEADER.size)
            if kind == _QUERY:
                answer = struct.pack("<iqii", 8, 0, 0, 1) + bson.encode(_HELLO)
                reply = _REPLY
            else:
                time.sleep(PAUSE)
                answer = b"\0\0\0\0\0" + bson.encode(self.server.event.answer(_command(body)))  # type: ignore[attr-defined]
                reply = _MESSAGE
            self.request.sendall(_HEADER.pack(_HEADER.size + len(answer), 0, request, reply) + answer)

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size and (part := self.request.recv(size - len(parts))):
            parts += part
        return bytes(parts)


def _command(body: bytes) -> dict[str, Any]:
    """The command of a message, with the documents that the driver sends beside it."""
    size = int.from_bytes(body[5:9], "little")
    command: dict[str, Any] = bson.decode(body[5 : 5 + size])
    rest = body[5 + size :]
    if rest:
        name, _, documents = rest[5:].partition(b"\0")
        command[name.decode()] = bson.decode_all(documents)
    return command


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True


def main() -> None:
    with _Server(("127.0.0.1", 0), _Connection) as server:
        server.event = _Event(int(sys.argv[1]))  # type: ignore[attr-defined]
        print(server.server_address[1], flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
