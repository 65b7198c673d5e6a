"""The switches of searches for duplicates, and the answers to pairs, in the embedded backend's database file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from core.adapters.embedded.schema import SCHEMA
from core.domain.clock import Clock
from core.domain.duplicates import SERVICE, JudgedPair, Switch, judged_pair_of, switch_of
from core.files.database import Database

_OF_USER = "first_user = :user OR second_user = :user"
_OF_KEY = "event_id = ? AND first = ? AND second = ?"


class SqliteDuplicates:
    """``DuplicateStore`` in one SQLite file, beside the records."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._database = Database(path, SERVICE, SCHEMA)
        self._clock = clock

    def switch(self, event_id: str) -> Switch | None:
        with self._database.read() as connection:
            row = connection.execute(
                "SELECT switch FROM duplicate_switches WHERE event_id = ?", (event_id,)
            ).fetchone()
        return switch_of(str(row[0])) if row else None

    def set_switch(self, event_id: str, switch: Switch) -> None:
        row = (event_id, switch.to_json().decode())
        with self._database.write() as connection:
            connection.execute("INSERT OR REPLACE INTO duplicate_switches VALUES (?, ?)", row)

    def switches(self) -> dict[str, Switch]:
        with self._database.read() as connection:
            rows = connection.execute("SELECT event_id, switch FROM duplicate_switches").fetchall()
        return {str(event_id): switch_of(str(switch)) for event_id, switch in rows}

    def judged(self, event_id: str) -> list[JudgedPair]:
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT pair FROM judged_pairs WHERE event_id = ? AND expires_at > ? ORDER BY first, second",
                (event_id, self._clock().timestamp()),
            ).fetchall()
        return [judged_pair_of(str(pair)) for (pair,) in rows]

    def change(self, seen: JudgedPair | None, after: JudgedPair, expires_at: int) -> bool:
        key = (after.event_id, *after.key)
        row = (*key, after.first_user, after.second_user, expires_at, after.to_json().decode())
        with self._database.write() as connection:
            found = connection.execute(
                f"SELECT pair FROM judged_pairs WHERE {_OF_KEY} AND expires_at > ?", (*key, self._clock().timestamp())
            ).fetchone()
            stored = judged_pair_of(str(found[0])).change if found else None
            if stored == after.change:  # an earlier try wrote it
                return True
            if stored != (seen.change if seen else None):
                return False
            connection.execute("INSERT OR REPLACE INTO judged_pairs VALUES (?, ?, ?, ?, ?, ?, ?)", row)
        return True

    def take_back(self, pair: JudgedPair) -> None:
        with self._database.write() as connection:
            connection.execute(f"DELETE FROM judged_pairs WHERE {_OF_KEY}", (pair.event_id, *pair.key))

    def count(self, user_id: str) -> int:
        with self._database.read() as connection:
            ((count,),) = connection.execute(
                f"SELECT count(*) FROM judged_pairs WHERE ({_OF_USER}) AND expires_at > :now",
                {"user": user_id, "now": self._clock().timestamp()},
            ).fetchall()
        return int(str(count))

    def erase(self, user_id: str) -> int:
        with self._database.write() as connection:
            connection.execute(f"DELETE FROM judged_pairs WHERE {_OF_USER}", {"user": user_id})
            return connection.changes()

    def drop_expired(self, now: datetime) -> int:
        with self._database.write() as connection:
            connection.execute("DELETE FROM judged_pairs WHERE expires_at <= ?", (now.timestamp(),))
            return connection.changes()

    def close(self) -> None:
        self._database.close()
