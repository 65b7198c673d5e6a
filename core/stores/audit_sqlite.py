"""The audit trail in the embedded backend's database file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import orjson

from core.audit import SERVICE, AuditEntry, entry_of
from core.records import isoformat
from core.sqlite import Database

#: How many entries are read at once.
BATCH_ROWS = 500

# The file itself refuses to change an entry or to take one away, whatever connection asks. An insert of an entry that
# is there is left out before it could replace anything: a replacement would fire no trigger for what it deletes.
_SCHEMA = """
CREATE TABLE IF NOT EXISTS auditTrail (
    at TEXT NOT NULL,
    entryId TEXT NOT NULL,
    entry TEXT NOT NULL,
    PRIMARY KEY (at, entryId)
) WITHOUT ROWID;
CREATE TRIGGER IF NOT EXISTS auditTrailOnce BEFORE INSERT ON auditTrail
WHEN EXISTS (SELECT * FROM auditTrail WHERE at = NEW.at AND entryId = NEW.entryId)
BEGIN SELECT RAISE(IGNORE); END;
CREATE TRIGGER IF NOT EXISTS auditTrailUnchanged BEFORE UPDATE ON auditTrail
BEGIN SELECT RAISE(ABORT, 'audit entries are never changed'); END;
CREATE TRIGGER IF NOT EXISTS auditTrailKept BEFORE DELETE ON auditTrail
BEGIN SELECT RAISE(ABORT, 'audit entries are never taken away'); END;
"""
_NEWEST = """
SELECT at, entryId, entry FROM auditTrail WHERE at >= ? AND (at, entryId) < (?, ?)
ORDER BY at DESC, entryId DESC LIMIT ?
"""


class SqliteAudit:
    """``AuditTrail`` in one SQLite file, beside the records."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, SERVICE, _SCHEMA)

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
                yield entry_of(orjson.loads(str(entry)))
            if len(rows) < BATCH_ROWS:
                return
            before = (str(rows[-1][0]), str(rows[-1][1]))

    def ping(self) -> None:
        self._database.check()

    def close(self) -> None:
        self._database.close()
