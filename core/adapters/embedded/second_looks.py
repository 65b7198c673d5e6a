"""The blind second looks in the embedded backend's database file."""

from __future__ import annotations

from pathlib import Path

from core.adapters.embedded.schema import SCHEMA
from core.domain.second_looks import SERVICE, SecondLook, look_of
from core.files.database import Database


class SqliteSecondLooks:
    """``SecondLooks`` in one SQLite file, beside the records."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, SERVICE, SCHEMA)

    def add(self, look: SecondLook) -> SecondLook:
        key = (look.event_id, look.case)
        with self._database.write() as connection:
            connection.execute("INSERT OR IGNORE INTO second_looks VALUES (?, ?, ?)", (*key, look.to_json().decode()))
            stored = connection.execute("SELECT look FROM second_looks WHERE event_id = ? AND case_hash = ?", key)
            ((text,),) = stored.fetchall()
        return look_of(str(text))

    def of_event(self, event_id: str) -> list[SecondLook]:
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT look FROM second_looks WHERE event_id = ? ORDER BY case_hash", (event_id,)
            ).fetchall()
        return [look_of(str(text)) for (text,) in rows]

    def close(self) -> None:
        self._database.close()
