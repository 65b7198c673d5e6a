"""The crossings of limits in the embedded backend's database file."""

from __future__ import annotations

from pathlib import Path

from core.adapters.embedded.schema import SCHEMA
from core.domain.alerts import SERVICE, Crossing, crossing_of
from core.files.database import Database


class SqliteCrossings:
    """``Crossings`` in one SQLite file, beside the records."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, SERVICE, SCHEMA)

    def all(self) -> list[Crossing]:
        with self._database.read() as connection:
            rows = connection.execute("SELECT crossing FROM crossings ORDER BY event_id, rule").fetchall()
        return [crossing_of(str(crossing)) for (crossing,) in rows]

    def change(self, seen: Crossing | None, after: Crossing) -> bool:
        key = (after.event_id, after.rule)
        with self._database.write() as connection:
            found = connection.execute("SELECT crossing FROM crossings WHERE event_id = ? AND rule = ?", key)
            row = found.fetchone()
            stored = crossing_of(str(row[0])).change if row else None
            if stored == after.change:  # an earlier try wrote it
                return True
            if stored != (seen.change if seen else None):
                return False
            connection.execute("INSERT OR REPLACE INTO crossings VALUES (?, ?, ?)", (*key, after.to_json().decode()))
        return True

    def close(self) -> None:
        self._database.close()
