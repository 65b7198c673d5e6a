"""The profiles of events in the embedded backend's database file."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from core.adapters.embedded.schema import SCHEMA
from core.adapters.shared.profiles import changed_meanwhile
from core.domain.errors import Service
from core.domain.profiles import EventProfile, profile_of
from core.domain.records import isoformat
from core.files.database import Database

SERVICE = Service.PROFILES


class SqliteProfiles:
    """``EventProfileEdits`` in one SQLite file, beside the records."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, SERVICE, SCHEMA)

    def get(self, event_id: str) -> EventProfile | None:
        with self._database.read() as connection:
            row = connection.execute("SELECT profile FROM event_profiles WHERE event_id = ?", (event_id,)).fetchone()
        return profile_of(str(row[0])) if row else None

    def all(self) -> list[EventProfile]:
        with self._database.read() as connection:
            rows = connection.execute("SELECT profile FROM event_profiles ORDER BY event_id").fetchall()
        return [profile_of(str(profile)) for (profile,) in rows]

    def save(self, profile: EventProfile) -> EventProfile:
        with self._database.write() as connection:
            found = connection.execute("SELECT profile FROM event_profiles WHERE event_id = ?", (profile.event_id,))
            row = found.fetchone()
            stored = profile_of(str(row[0])) if row else None
            if stored == profile:  # an earlier try wrote it
                return profile
            if (stored.version if stored else 0) != profile.version - 1:
                raise changed_meanwhile()
            connection.execute(
                "INSERT OR REPLACE INTO event_profiles (event_id, profile) VALUES (?, ?)",
                (profile.event_id, profile.to_json().decode()),
            )
        return profile

    def ping(self) -> None:
        self._database.check()

    def close(self) -> None:
        self._database.close()


class SqliteDatedEvents:
    """``DatedEvents`` in one SQLite file, beside the records."""

    def __init__(self, path: Path) -> None:
        self._database = Database(path, SERVICE, SCHEMA)

    def all(self) -> Mapping[str, datetime | None]:
        with self._database.read() as connection:
            rows = connection.execute("SELECT event_id, kept_until FROM dated_events").fetchall()
        with self._database.decoding():
            return {str(event): datetime.fromisoformat(str(until)) if until else None for event, until in rows}

    def set(self, event_id: str, kept_until: datetime | None) -> None:
        row = (event_id, isoformat(kept_until) if kept_until else None)
        with self._database.write() as connection:
            connection.execute("INSERT OR REPLACE INTO dated_events VALUES (?, ?)", row)

    def close(self) -> None:
        self._database.close()
