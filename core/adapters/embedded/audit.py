"""The audit trail in the embedded backend's database file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import orjson

from core.adapters.embedded.schema import SCHEMA
from core.domain.audit import SERVICE, AuditEntry, entry_of
from core.domain.records import isoformat
from core.files.database import Database

#: Entries read per query.
BATCH_ROWS = 500

_NEWEST = """
SELECT at, entryId, entry FROM auditTrail WHERE at >= ? AND (at, entryId) < (?, ?)
ORDER BY at DESC, entryId DESC LIMIT ?
"""


class SqliteAudit:
    """``AuditTrail`` in one SQLite file, beside the records."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, SERVICE, SCHEMA)

    def append(self, entry: AuditEntry) -> None:
        row = (isoformat(entry.at), entry.entry_id, orjson.dumps(entry.to_dict()).decode())
        with self._database.write() as connection:
            connection.execute("INSERT INTO auditTrail VALUES (?, ?, ?)", row)

    def entries(self, since: datetime, until: datetime) -> Iterator[AuditEntry]:
        before = (isoformat(until), "")
        while True:
            with self._database.read() as connection:
                rows = connection.execute(_NEWEST, (isoformat(since), *before, BATCH_ROWS)).fetchall()
            for _, _, entry in rows:
                with self._database.decoding():
                    item = orjson.loads(str(entry))
                yield entry_of(item)
            if len(rows) < BATCH_ROWS:
                return
            before = (str(rows[-1][0]), str(rows[-1][1]))

    def ping(self) -> None:
        self._database.check()

    def close(self) -> None:
        self._database.close()
