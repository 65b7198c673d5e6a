"""Validation records in the embedded backend's database file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import apsw
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from core.adapters.embedded.schema import SCHEMA
from core.adapters.shared.records import TO_THE_SECOND, newest_of_event
from core.domain.attempts import decided, newest_first, redated, with_attempt, without_attempt
from core.domain.clock import Clock
from core.domain.columns import STORED_COLUMNS
from core.domain.errors import Refused, Service
from core.domain.frames import alive_in_order, alive_of, frame_of, joined, record_frame
from core.domain.reading import Unreadable, texts
from core.domain.records import EVENT_ATTRIBUTES, Outcome, Review, ValidationRecord, Withdrawal
from core.domain.rewriting import Json, rewritten
from core.files.database import Database
from core.ports import EventChanges

SERVICE = Service.RECORDS
#: Records read for a batch of ``event_batches``.
BATCH_ROWS = 10_000

_ONE = "faceVerifications WHERE userId = ? AND registrationId = ?"

#: The table's column of each column of a frame.
_NAMES = [column.path[-1] for column in STORED_COLUMNS]
#: Columns that hold numbers and Booleans; all others hold texts.
_NUMBERS = frozenset(column.name for column in STORED_COLUMNS if not column.is_text)
#: The separator between two texts of a column, and the mark of an absent one: bytes that UTF-8 never contains.
_BETWEEN, _ABSENT = b"\xff", b"\xfe"


def _whole(column: str, name: str) -> str:
    """SQL for the whole column as one value: numbers as a JSON list, texts joined.

    Reading rows of Python objects would take three times as long.
    """
    if column in _NUMBERS:
        return f"json_group_array({name})"
    return f"CAST(group_concat(coalesce({name}, x'{_ABSENT.hex()}'), x'{_BETWEEN.hex()}') AS BLOB)"


_COLUMNS = ", ".join(_whole(column.name, name) for column, name in zip(STORED_COLUMNS, _NAMES, strict=True))
_FRAME = f"""
SELECT {_COLUMNS}, (SELECT max(rowid) FROM faceVerifications) FROM faceVerifications WHERE eventId = ? AND NOT odd
"""
_ODD = "SELECT item FROM faceVerifications INDEXED BY faceVerificationsOdd WHERE eventId = ? AND odd"
# In the order of the rows in the file. A change gives a record a new row with a higher number (``AUTOINCREMENT``: no
# number is used twice), so it moves to a later place, never to an earlier one.
_IN_ORDER = "faceVerifications INDEXED BY faceVerificationsInOrder WHERE eventId = ? AND rowid > ?"
_CHANGED = f"SELECT {_COLUMNS}, (SELECT max(rowid) FROM faceVerifications) FROM {_IN_ORDER} AND NOT odd"
_ODD_CHANGED = f"{_ODD} AND rowid > ?"
# Each page begins after the last row of the previous one.
_BATCH = f"""
SELECT {_COLUMNS}, max(rowid) FROM (
    SELECT rowid, {", ".join(_NAMES)} FROM {_IN_ORDER} AND NOT odd ORDER BY rowid LIMIT ?
)
"""
# All records from the second of the last one wanted on; they are then sorted by time instead of by text. Odd ones,
# whose times SQL cannot compare, come besides.
_NEWEST = f"""
WITH alive AS (
    SELECT timestamp, item FROM faceVerifications
    WHERE eventId = :event AND NOT odd AND (expiresAt IS NULL OR expiresAt > :now)
)
SELECT item FROM alive WHERE timestamp >= coalesce(
    (SELECT substr(timestamp, 1, {TO_THE_SECOND}) FROM alive ORDER BY timestamp DESC LIMIT 1 OFFSET :limit - 1), ''
)
UNION ALL SELECT item FROM faceVerifications WHERE eventId = :event AND odd
"""


class SqliteRecords:
    """``ValidationRecords`` in one SQLite file. A change reads and writes inside one transaction."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._database = Database(path, SERVICE, SCHEMA)
        self._clock = clock

    def get(self, user_id: str, registration_id: str) -> ValidationRecord | None:
        with self._database.read() as connection:
            return self._alive(self._item(connection, user_id, registration_id))

    def history(self, user_id: str, limit: int | None = None) -> list[ValidationRecord]:
        with self._database.read() as connection:
            rows = connection.execute("SELECT item FROM faceVerifications WHERE userId = ?", (user_id,)).fetchall()
        with self._database.decoding():
            return newest_first((_record(orjson.loads(str(item))) for (item,) in rows), self._clock(), limit)

    def event_frame(self, event_id: str) -> pd.DataFrame:
        return self.event_changes(event_id).records

    def event_changes(self, event_id: str, since: Any = None, columns: Sequence[str] | None = None) -> EventChanges:
        """As the port says; includes decisions and all other changes of records that still exist."""
        with self._database.read() as connection, connection:  # both reads see the same state
            if since is None:
                ((*values, last),) = connection.execute(_FRAME, (event_id,))
                odd = connection.execute(_ODD, (event_id,)).fetchall()
            else:
                ((*values, last),) = connection.execute(_CHANGED, (event_id, since))
                odd = connection.execute(_ODD_CHANGED, (event_id, since)).fetchall()
        records = self._frame(values, columns)
        if odd:
            records = joined(records, self._odd_frame(odd, columns))
        records = alive_in_order(records, self._clock())
        return EventChanges(records, mark=last or 0, complete=since is None)

    def event_batches(self, event_id: str) -> Iterator[pd.DataFrame]:
        """As the port says. Each batch is a separate query, made while the previous batch is in use."""
        with self._database.read() as connection:
            odd = connection.execute(_ODD, (event_id,)).fetchall()
        if odd and len(alive := alive_of(self._odd_frame(odd), self._clock())):
            yield alive
        with ThreadPoolExecutor(1, thread_name_prefix="batches") as ahead:
            page = ahead.submit(self._page, event_id, 0)
            while True:
                *columns, last = page.result()
                if last is None:
                    return
                page = ahead.submit(self._page, event_id, last)
                if len(alive := alive_of(self._frame(columns), self._clock())):
                    yield alive

    def event_records(self, event_id: str, limit: int) -> list[ValidationRecord]:
        now = self._clock()
        asked = {"event": event_id, "now": now.timestamp(), "limit": limit}
        with self._database.read() as connection:
            rows = connection.execute(_NEWEST, asked).fetchall()
        with self._database.decoding():
            return newest_of_event((_listed(orjson.loads(str(item))) for (item,) in rows), now, limit)

    def event_notice(self) -> str | None:
        return None

    def events_verified(self) -> datetime | None:
        return None

    def record_attempt(
        self, outcome: Outcome, ttl: timedelta, kept_until: datetime | None = None
    ) -> ValidationRecord:
        with self._database.write() as connection:
            stored = self._item(connection, outcome.user_id, outcome.registration_id)
            current = self._alive(stored)
            changed = with_attempt(current, outcome, ttl, kept_until)
            return _save(connection, stored if current else {}, current, changed)

    def take_back(self, user_id: str, registration_id: str, attempt_id: str) -> ValidationRecord | None:
        with self._database.write() as connection:
            stored = self._item(connection, user_id, registration_id)
            current = _record(stored) if stored else None
            left = without_attempt(current, attempt_id) if current else None
            if left is None:
                connection.execute(f"DELETE FROM {_ONE}", (user_id, registration_id))
            elif left is not current:
                _save(connection, stored, current, left)
            return left

    def decide(
        self, user_id: str, registration_id: str, change: Review | Withdrawal, seen_version: str
    ) -> ValidationRecord:
        with self._database.write() as connection:
            stored = self._item(connection, user_id, registration_id)
            current = self._alive(stored)
            return _save(connection, stored, current, decided(current, change, seen_version))

    def redate(self, cases: Sequence[tuple[str, str]], ttl: timedelta, kept_until: datetime | None) -> int:
        changes = 0
        with self._database.write() as connection:
            for user_id, registration_id in cases:
                stored = self._item(connection, user_id, registration_id)
                if current := self._alive(stored):
                    changes += _save(connection, stored, current, redated(current, ttl, kept_until)) is not current
        return changes

    def ping(self) -> None:
        self._database.check()

    def verify(self) -> None:
        """Read the whole file. Raises ``Refused`` if it is damaged, as ``ping`` does from then on."""
        self._database.check_whole()

    def close(self) -> None:
        self._database.close()

    def _item(self, connection: apsw.Connection, user_id: str, registration_id: str) -> dict[str, Any]:
        """The stored item; empty if there is none."""
        row = connection.execute(f"SELECT item FROM {_ONE}", (user_id, registration_id)).fetchone()
        with self._database.decoding():
            return orjson.loads(row[0]) if row else {}

    def _alive(self, stored: Mapping[str, Any]) -> ValidationRecord | None:
        record = _record(stored) if stored else None
        return None if record is None or record.is_expired(self._clock()) else record

    def _odd_frame(self, rows: Sequence[tuple[Any, ...]], columns: Sequence[str] | None = None) -> pd.DataFrame:
        with self._database.decoding():
            return frame_of([_record(orjson.loads(item)) for (item,) in rows], columns)

    def _page(self, event_id: str, after: int) -> Sequence[Any]:
        """A batch by column, with the number of its last row, which is None if there is no row."""
        with self._database.read() as connection:
            return connection.execute(_BATCH, (event_id, after, BATCH_ROWS)).fetchall()[0]

    def _frame(self, values: Sequence[Any], columns: Sequence[str] | None = None) -> pd.DataFrame:
        with self._database.decoding():
            return _frame(values, columns)


def _frame(values: Sequence[Any], columns: Sequence[str] | None) -> pd.DataFrame:
    """The records with these values (``_whole``) of ``STORED_COLUMNS``; ``columns`` are those of the frame."""
    listed: dict[str, Any] = {
        column.name: orjson.loads(each) if column.name in _NUMBERS else _texts(each)
        for column, each in zip(STORED_COLUMNS, values, strict=True)
        if columns is None or column.name in columns
    }
    if columns is not None:
        return record_frame(listed, columns)
    # There are few combinations: each is decoded once instead of once per record.
    reasons = listed["reasons"].dictionary_encode()
    codes = [_codes(text) for text in reasons.dictionary.to_pylist()]
    listed["reasons"] = [None if code is None else codes[code] for code in reasons.indices.to_pylist()]
    listed["smile"] = [None if smile is None else bool(smile) for smile in listed["smile"]]
    return record_frame(listed)


def _texts(joined: bytes | None) -> pa.Array:
    """The texts of a column; ``joined`` is None if there are no rows."""
    if joined is None:
        return pa.array([], pa.large_string())
    texts = pc.split_pattern(pa.array([joined], pa.large_binary()), _BETWEEN).values
    return pc.if_else(pc.equal(texts, _ABSENT), None, texts).cast(pa.large_string())


def _codes(listed: str | None) -> Any:
    """A list of texts as one text; a value that is not readable stays as it is, for ``record_frame`` to say so."""
    codes = orjson.loads(listed) if listed else None
    try:
        return codes if codes is None else " ".join(texts(codes))
    except Unreadable:
        return codes


def _record(stored: Mapping[str, Any]) -> ValidationRecord:
    try:
        return ValidationRecord.from_item(stored)
    except ValueError as error:
        raise Refused(SERVICE, "UnreadableRecord", str(error)) from None


def _listed(stored: Mapping[str, Any]) -> ValidationRecord:
    return _record({name: stored[name] for name in EVENT_ATTRIBUTES if name in stored})


def _save(
    connection: apsw.Connection,
    stored: Mapping[str, Any],
    current: ValidationRecord | None,
    changed: ValidationRecord,
) -> ValidationRecord:
    """Write ``changed``; what it leaves as in ``current`` stays as it is stored."""
    if changed is not current:
        before = current.to_dict() if current else {}
        item = orjson.dumps(rewritten(stored, before, changed.to_dict(), Json)).decode()
        connection.execute("INSERT OR REPLACE INTO faceVerifications (item) VALUES (?)", (item,))
    return changed
