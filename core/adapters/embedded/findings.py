"""What the latest runs found in events, in the embedded backend's database file."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from core.adapters.embedded.schema import SCHEMA
from core.domain.clock import Clock
from core.domain.findings import SERVICE, Findings, Row
from core.files.database import Database

_THESE = "kind = ? AND event_id = ?"
_UNEXPIRED = f"WHERE {_THESE} AND expires_at > ?"


class SqliteFindings:
    """``FindingsStore`` in one SQLite file, beside the records."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._database = Database(path, SERVICE, SCHEMA)
        self._clock = clock

    def keep(self, kind: str, event_id: str, findings: Findings, expires_at: int) -> None:
        numbered = enumerate(findings.rows)
        rows = [(kind, event_id, number, json.dumps(row.users), row.text) for number, row in numbered]
        with self._database.write() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO findings VALUES (?, ?, ?, ?, ?)",
                (kind, event_id, findings.version, findings.summary, expires_at),
            )
            connection.execute(f"DELETE FROM finding_rows WHERE {_THESE}", (kind, event_id))
            connection.executemany("INSERT INTO finding_rows VALUES (?, ?, ?, ?, ?)", rows)

    def version(self, kind: str, event_id: str) -> str | None:
        with self._database.read() as connection:
            found = connection.execute(
                f"SELECT version FROM findings {_UNEXPIRED}", self._wanted(kind, event_id)
            ).fetchone()
        return str(found[0]) if found else None

    def of(self, kind: str, event_id: str) -> Findings | None:
        with self._database.read() as connection:
            # One statement, so that all is of one version.
            found = connection.execute(
                "SELECT version, summary, users, text FROM findings LEFT JOIN finding_rows USING (kind, event_id) "
                f"{_UNEXPIRED} ORDER BY number",
                self._wanted(kind, event_id),
            ).fetchall()
        if not found:
            return None
        version, summary, *_ = map(str, found[0])
        rows = (Row(tuple(json.loads(str(users))), str(text)) for _, _, users, text in found if users is not None)
        return Findings(version, summary, tuple(rows))

    def drop(self, kind: str, event_id: str) -> None:
        with self._database.write() as connection:
            connection.execute(f"DELETE FROM findings WHERE {_THESE}", (kind, event_id))
            connection.execute(f"DELETE FROM finding_rows WHERE {_THESE}", (kind, event_id))

    def forget(self, user_id: str) -> None:
        with self._database.write() as connection:
            connection.execute(
                "DELETE FROM finding_rows WHERE EXISTS (SELECT * FROM json_each(users) WHERE value = ?)", (user_id,)
            )

    def drop_expired(self, now: datetime) -> int:
        with self._database.write() as connection:
            connection.execute("DELETE FROM findings WHERE expires_at <= ?", (now.timestamp(),))
            dropped = connection.changes()
            connection.execute(
                "DELETE FROM finding_rows WHERE (kind, event_id) NOT IN (SELECT kind, event_id FROM findings)"
            )
        return dropped

    def close(self) -> None:
        self._database.close()

    def _wanted(self, kind: str, event_id: str) -> tuple[str, str, float]:
        return kind, event_id, self._clock().timestamp()
