"""Erasures of people's records in the embedded backend's database file, their journal, and expired records."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

import apsw
import orjson

from core.adapters.embedded.schema import SCHEMA
from core.adapters.shared.erasures import settled
from core.domain.erasures import Erasure, Receipt, as_finished, entry_of, is_finished, text_of
from core.domain.errors import Service
from core.domain.expiry import ExpiredRecord
from core.domain.records import isoformat
from core.files.database import Database
from core.photos.keys import spellings
from core.ports import StoredRecord

SERVICE = Service.RECORDS

# The keys of the submitted photos: the record's newest one and those of its attempts.
_PHOTOS = """(SELECT json_group_array(value) FROM (
    SELECT item ->> '$.faceImageKey' AS value
    UNION SELECT item ->> (attempt.fullkey || '.faceImageKey') FROM json_each(item, '$.attempts') AS attempt
) WHERE value IS NOT NULL)"""
_OF_USER = f"""
SELECT registrationId, coalesce(nullif(json_array_length(item, '$.attempts'), 0), 1), {_PHOTOS}
FROM faceVerifications WHERE userId = ?
"""
_EXPIRED = f"SELECT userId, registrationId, {_PHOTOS} FROM faceVerifications WHERE expiresAt <= ? LIMIT ?"
_DROP = "DELETE FROM faceVerifications WHERE userId = ? AND registrationId = ? AND expiresAt <= ?"
# ``{}`` is the condition for the records that count. Other spellings of a key are left to ``spellings``.
_NAMED = """
WITH others AS (SELECT item FROM faceVerifications WHERE {}), named (key) AS (
    SELECT item ->> '$.faceImageKey' FROM others
    UNION ALL SELECT item ->> '$.storedFaceKey' FROM others
    UNION ALL SELECT item ->> (attempt.fullkey || '.faceImageKey')
        FROM others, json_each(others.item, '$.attempts') AS attempt
)
SELECT key FROM named WHERE key IN (SELECT value FROM json_each(:keys)) OR key GLOB '/*' OR key GLOB '*[%+]*'
"""


class SqliteErasures:
    """``ErasureStore``, and ``ExpiringRecords``, in the file of ``SqliteRecords``."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, SERVICE, SCHEMA)

    def records_of(self, user_id: str) -> list[StoredRecord]:
        with self._database.read() as connection:
            rows = connection.execute(_OF_USER, (user_id,)).fetchall()
        with self._database.decoding():
            return [StoredRecord(str(row[0]), int(str(row[1])), frozenset(orjson.loads(str(row[2])))) for row in rows]

    def users(self) -> Iterator[str]:
        with self._database.read() as connection:
            rows = connection.execute("SELECT DISTINCT userId FROM faceVerifications").fetchall()
        return (str(user_id) for (user_id,) in rows)

    def named_elsewhere(self, keys: Collection[str], user_id: str | None) -> set[str]:
        return self._named(keys, ":user IS NULL OR userId <> :user", user=user_id)

    def erase_records(self, user_id: str) -> int:
        with self._database.write() as connection:
            connection.execute("DELETE FROM faceVerifications WHERE userId = ?", (user_id,))
            return connection.changes()

    def expired(self, now: datetime, limit: int) -> list[ExpiredRecord]:
        with self._database.read() as connection:
            rows = connection.execute(_EXPIRED, (now.timestamp(), limit)).fetchall()
        with self._database.decoding():
            return [ExpiredRecord(str(row[0]), str(row[1]), frozenset(orjson.loads(str(row[2])))) for row in rows]

    def drop_expired(self, records: Collection[ExpiredRecord], now: datetime) -> int:
        gone = 0
        with self._database.write() as connection:
            for record in records:
                row = (record.user_id, record.registration_id, now.timestamp())
                connection.execute(_DROP, row)
                gone += connection.changes()
        return gone

    def named_alive(self, keys: Collection[str], now: datetime) -> set[str]:
        return self._named(keys, "expiresAt IS NULL OR expiresAt > :now", now=now.timestamp())

    def scrub(self) -> None:
        self._database.scrub()

    def journal_entry(self, user: str) -> Erasure | Receipt | None:
        with self._database.read() as connection:
            return self._entry(connection, user)

    def unfinished(self) -> list[Erasure | Receipt]:
        return self._entries("SELECT entry FROM erasures WHERE NOT finished")

    def ended(self) -> list[Receipt]:
        return [entry for entry in self._entries("SELECT entry FROM erasures") if isinstance(entry, Receipt)]

    def begin(self, erasure: Erasure) -> Erasure | Receipt:
        with self._database.write() as connection:
            there = self._entry(connection, erasure.user)
            if there is not None and not is_finished(there):
                return there
            _put(connection, erasure, erasure.began_at)
            return erasure

    def forget(self, receipt: Receipt) -> Receipt:
        with self._database.write() as connection:
            if known := settled(self._entry(connection, receipt.user), receipt):
                return known
            _put(connection, receipt, receipt.ended_at)
            return receipt

    def finish(self, receipt: Receipt) -> None:
        with self._database.write() as connection:
            there = self._entry(connection, receipt.user)
            if there is not None and there.erasure_id == receipt.erasure_id:
                _put(connection, as_finished(receipt), receipt.ended_at)

    def ping(self) -> None:
        self._database.check()

    def close(self) -> None:
        self._database.close()

    def _named(self, keys: Collection[str], records: str, **values: object) -> set[str]:
        keys = set(keys)
        asked = {"keys": orjson.dumps(list(keys)).decode(), **values}
        with self._database.read() as connection:
            rows = connection.execute(_NAMED.format(records), asked).fetchall()
        return {key for (named,) in rows for key in spellings(str(named)) if key in keys}

    def _entries(self, query: str) -> list[Erasure | Receipt]:
        with self._database.read() as connection:
            rows = connection.execute(query).fetchall()
        with self._database.decoding():
            return [entry_of(str(entry)) for (entry,) in rows]

    def _entry(self, connection: apsw.Connection, user: str) -> Erasure | Receipt | None:
        row = connection.execute("SELECT entry FROM erasures WHERE user = ?", (user,)).fetchone()
        with self._database.decoding():
            return entry_of(str(row[0])) if row else None


def _put(connection: apsw.Connection, entry: Erasure | Receipt, changed: datetime) -> None:
    row = (entry.user, isoformat(changed), is_finished(entry), text_of(entry))
    connection.execute("INSERT OR REPLACE INTO erasures VALUES (?, ?, ?, ?)", row)
