"""Registrations in the embedded backend's database file."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import orjson
import pandas as pd

from core.adapters.embedded.schema import SCHEMA
from core.domain.columns import REGISTRATION_DTYPES
from core.domain.errors import Service
from core.domain.frames import registration_frame
from core.domain.records import Registration
from core.domain.search import Found, Query, search_keys, search_text
from core.files.database import Database

_NAMED = """
WITH named AS (
    SELECT reference_photo_key AS key, user_id FROM registrations
    UNION ALL SELECT submitted_photo_key, user_id FROM registrations
)
SELECT DISTINCT key FROM named
WHERE key IN (SELECT value FROM json_each(:keys)) AND (:user IS NULL OR user_id <> :user)
"""
_EXISTING = """
SELECT registration_id FROM registrations WHERE registration_id IN (SELECT value FROM json_each(?))
"""
_COLUMNS = "registration_id, user_id, event_id, name, email, reference_photo_key, submitted_photo_key"


class SqliteRegistrations:
    """``Registrations`` and ``RegistrationImport`` in one SQLite file."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, Service.REGISTRATIONS, SCHEMA)

    def get(self, registration_id: str) -> Registration | None:
        found = self._select("WHERE registration_id = ?", registration_id)
        return found[0] if found else None

    def of_user(self, user_id: str) -> list[Registration]:
        return self._select("WHERE user_id = ? ORDER BY registration_id", user_id)

    def search(self, text: str, limit: int = 20, events: Collection[str] | None = None) -> Found:
        """As the port says. Reads every row, which takes 25 to 100 ms for 100,000 registrations."""
        query = Query.of(text)
        if query is None or limit < 1:
            return Found([], 0)
        values: dict[str, Any] = {"text": query.text, "key": query.key_in_keys, "limit": limit}
        ranks = ["registration_id = :text OR user_id = :text OR email = :text", "instr(keys, :key)"]
        for rank, texts in enumerate(query.steps):
            parts = {f"part_{rank}_{number}": part for number, part in enumerate(texts)}
            ranks.append(" AND ".join(f"instr(words, :{name})" for name in parts))
            values |= parts
        # What has another rank of the words has the last one, too.
        where = "(" + " OR ".join(f"({rank})" for rank in (*ranks[:2], *ranks[2:][-1:])) + ")"
        if events is not None:
            where += " AND event_id IN (SELECT value FROM json_each(:events))"
            values["events"] = orjson.dumps(list(events)).decode()
        order = " ".join(f"WHEN {rank} THEN {number}" for number, rank in enumerate(ranks))
        found = self._select(
            f"WHERE {where} ORDER BY CASE {order} END, coalesce(name, ''), registration_id LIMIT :limit", values
        )
        if len(found) < limit:
            return Found(found, len(found))
        with self._database.read() as connection:
            total = connection.execute(f"SELECT count(*) FROM registrations WHERE {where}", values).get
        return Found(found, total)

    def event_frame(self, event_id: str) -> pd.DataFrame:
        with self._database.read() as connection:
            rows = connection.execute(
                f"SELECT {_COLUMNS} FROM registrations WHERE event_id = ? ORDER BY registration_id", (event_id,)
            ).fetchall()
        with self._database.decoding():
            return registration_frame(dict(zip(REGISTRATION_DTYPES, zip(*rows, strict=True), strict=False)))

    def being_read(self, event_id: str) -> None:
        """As the port says: an event of any size is read at once."""

    def unreadable(self, event_id: str | None) -> pd.DataFrame:
        """As the port says: nothing, since registrations are checked before they are stored."""
        return registration_frame({})

    def events(self) -> list[str]:
        with self._database.read() as connection:
            rows = connection.execute("SELECT DISTINCT event_id FROM registrations ORDER BY event_id").fetchall()
        return [str(event_id) for (event_id,) in rows]

    def is_empty(self) -> bool:
        with self._database.read() as connection:
            return not connection.execute("SELECT EXISTS (SELECT * FROM registrations)").get

    def import_many(self, registrations: Iterable[Registration]) -> int:
        rows = [_row(registration) for registration in registrations]
        with self._database.write() as connection:
            connection.executemany(
                f"INSERT OR REPLACE INTO registrations ({_COLUMNS}, keys, words) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )
        return len(rows)

    def existing(self, registration_ids: Collection[str]) -> set[str]:
        with self._database.read() as connection:
            rows = connection.execute(_EXISTING, (orjson.dumps(list(registration_ids)).decode(),)).fetchall()
        return {str(found) for (found,) in rows}

    def named_elsewhere(self, keys: Collection[str], user_id: str | None) -> set[str]:
        with self._database.read() as connection:
            rows = connection.execute(_NAMED, {"keys": orjson.dumps(list(keys)).decode(), "user": user_id}).fetchall()
        return {str(key) for (key,) in rows}

    def erase(self, user_id: str) -> int:
        with self._database.write() as connection:
            connection.execute("DELETE FROM registrations WHERE user_id = ?", (user_id,))
            return connection.changes()

    def ping(self) -> None:
        self._database.check()

    def close(self) -> None:
        self._database.close()

    def _select(self, clauses: str, values: str | dict[str, Any]) -> list[Registration]:
        bindings = (values,) if isinstance(values, str) else values
        with self._database.read() as connection:
            rows = connection.execute(f"SELECT {_COLUMNS} FROM registrations {clauses}", bindings).fetchall()
        with self._database.decoding():
            return [Registration(**dict(zip(_COLUMNS.split(", "), row, strict=True))) for row in rows]


def _row(registration: Registration) -> tuple[str | None, ...]:
    return (
        registration.registration_id,
        registration.user_id,
        registration.event_id,
        registration.name,
        registration.email,
        registration.reference_photo_key,
        registration.submitted_photo_key,
        search_keys(registration.registration_id, registration.user_id, registration.email),
        search_text(registration.name, registration.email),
    )
