"""What the latest runs found in events, in the table of Facedesk's own state.

The head of each kind and event is one small item, which names the version that counts. The rows of a version are
chunks, compressed and written before the head: so a reader finds all of them or those of the version before. The
chunks of all events are one part, and each has the hashes of the people whom it is about, so that one query finds
those that an erasure must change.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from core.adapters.aws.items import Expression, Item
from core.adapters.aws.state_table import StateTable, hashed, hashed_together
from core.adapters.aws.table import STATE_KEY, TTL_ATTRIBUTE
from core.domain.clock import Clock
from core.domain.errors import Refused
from core.domain.findings import SERVICE, Findings, Row
from core.flow.retry import Retry

#: Rows of a chunk at most, and characters of their text, besides the last row's: an item has at most 400 KB.
MOST, MOST_TEXT = 2_000, 200_000

_HEADS, _ROWS = "findings", "findings-rows"
_VERSION, _SUMMARY, _CHUNKS, _PEOPLE, _PACKED = "version", "summary", "chunks", "people", "rows"


class DynamoFindings:
    """``FindingsStore`` in DynamoDB."""

    def __init__(self, client: Any, table: str, retry: Retry, clock: Clock) -> None:
        self._state = StateTable(client, table, retry, clock, SERVICE)

    def keep(self, kind: str, event_id: str, findings: Findings, expires_at: int) -> None:
        place, expires = hashed_together(kind, event_id), {TTL_ATTRIBUTE: {"N": str(expires_at)}}
        chunks = list(_chunked(findings.rows))
        for number, rows in enumerate(chunks):
            self._state.put(_ROWS, f"{place}/{findings.version}/{number:06}", {**_item(rows), **expires})
        before = self._state.get(_HEADS, place)
        head = {
            _VERSION: {"S": findings.version},
            _SUMMARY: {"S": findings.summary},
            _CHUNKS: {"N": str(len(chunks))},
            **expires,
        }
        self._state.put(_HEADS, place, head)
        # A process that is killed before this leaves the former chunks; they expire, and erasures reach them.
        if before and _text(before, _VERSION) != findings.version:
            self._delete_rows(place, _text(before, _VERSION))

    def version(self, kind: str, event_id: str) -> str | None:
        head = self._state.get(_HEADS, hashed_together(kind, event_id))
        return _text(head, _VERSION) if head else None

    def of(self, kind: str, event_id: str) -> Findings | None:
        place = hashed_together(kind, event_id)
        last = None
        while head := self._state.get(_HEADS, place):
            version = _text(head, _VERSION)
            chunks = list(self._state.items(_ROWS, f"{place}/{version}/"))
            if len(chunks) == int(head[_CHUNKS]["N"]):
                return Findings(version, _text(head, _SUMMARY), tuple(row for each in chunks for row in _rows(each)))
            if version == last:
                raise _unreadable()
            last = version  # others took their place meanwhile, or they expired
        return None

    def drop(self, kind: str, event_id: str) -> None:
        place = hashed_together(kind, event_id)
        if head := self._state.get(_HEADS, place):
            self._state.delete(_HEADS, place)
            self._delete_rows(place, _text(head, _VERSION))

    def forget(self, user_id: str) -> None:
        person = {"S": _short(user_id)}
        about = self._state.stored(_ROWS, where=lambda used: f"contains({used.name(_PEOPLE)}, {used.value(person)})")
        for chunk in list(about):
            self._without(user_id, chunk)

    def close(self) -> None:
        self._state.close()

    def _without(self, user_id: str, chunk: Item | None) -> None:
        """Replaces a chunk by one without the person's rows."""
        while chunk is not None:
            before = list(_rows(chunk))
            after = [row for row in before if user_id not in row.users]
            if len(after) == len(before):
                return
            place, packed = chunk[STATE_KEY[1]]["S"], chunk[_PACKED]

            def is_as_before(used: Expression, packed: Mapping[str, Any] = packed) -> str:
                return f"{used.name(_PACKED)} = {used.value(packed)}"

            if self._state.put(_ROWS, place, {TTL_ATTRIBUTE: chunk[TTL_ATTRIBUTE], **_item(after)}, is_as_before):
                return
            # Another person was erased from it at the same time, an earlier try came through, or it was deleted.
            chunk = self._state.get(_ROWS, place)

    def _delete_rows(self, place: str, version: str) -> None:
        for chunk in list(self._state.stored(_ROWS, f"{place}/{version}/")):
            self._state.delete(_ROWS, chunk[STATE_KEY[1]]["S"])


def _chunked(rows: Iterable[Row]) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    size = 0
    for row in rows:
        if len(chunk) == MOST or size > MOST_TEXT:
            yield chunk
            chunk, size = [], 0
        chunk.append(row)
        size += len(json.dumps(row))
    if chunk:
        yield chunk


def _item(rows: list[Row]) -> dict[str, Any]:
    people = sorted({_short(user_id) for row in rows for user_id in row.users})
    return {
        _PACKED: {"B": zlib.compress(json.dumps(rows).encode())},
        **({_PEOPLE: {"SS": people}} if people else {}),
    }


def _rows(chunk: Item) -> Iterator[Row]:
    try:
        stored = json.loads(zlib.decompress(chunk[_PACKED]["B"]))
        return iter([Row(tuple(users), text) for users, text in stored])
    except (zlib.error, ValueError, TypeError, KeyError):
        raise _unreadable() from None


def _short(user_id: str) -> str:
    """What stands for a person in the sets: two may share it, so whoever finds it reads the rows."""
    return hashed(user_id)[:16]


def _text(item: Item, name: str) -> str:
    if "S" not in item.get(name, {}):
        raise _unreadable()
    return str(item[name]["S"])


def _unreadable() -> Refused:
    return Refused(SERVICE, "UnreadableFindings", "What the last run found cannot be read. Run it again.")
