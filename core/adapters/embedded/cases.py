"""Claims of cases and notes on them in the embedded backend's database file."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from core.adapters.embedded.schema import SCHEMA
from core.adapters.shared.cases import in_order_of_begin, in_order_of_time
from core.domain.cases import Claim, Note
from core.domain.clock import Clock
from core.domain.errors import Service
from core.domain.expiry import expires_at
from core.domain.records import isoformat
from core.files.database import Database

SERVICE = Service.CASES

_OF_CASE = "user_id = ? AND registration_id = ?"
_STANDING = "SELECT claim FROM claims WHERE until > ?"


class SqliteClaims:
    """``Claims``, and ``ExpiringCases``, in one SQLite file, beside the records."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._database = Database(path, SERVICE, SCHEMA)
        self._clock = clock

    def take(self, claim: Claim, instead_of: str) -> Claim:
        key = (claim.user_id, claim.registration_id)
        with self._database.write() as connection:
            found = connection.execute(f"{_STANDING} AND {_OF_CASE}", (self._now(), *key)).fetchone()
            if found is not None:
                standing = self._claim(found[0])
                if standing.holder != instead_of:
                    return standing
            row = (*key, claim.holder, isoformat(claim.until), claim.to_json().decode())
            connection.execute("INSERT OR REPLACE INTO claims VALUES (?, ?, ?, ?, ?)", row)
            return claim

    def release(self, user_id: str, registration_id: str, holder: str) -> None:
        self._deleted(f"{_OF_CASE} AND holder = ?", user_id, registration_id, holder)

    def release_all(self, holder: str) -> None:
        self._deleted("holder = ?", holder)

    def standing(self) -> list[Claim]:
        with self._database.read() as connection:
            rows = connection.execute(_STANDING, (self._now(),)).fetchall()
        return in_order_of_begin(self._claim(claim) for (claim,) in rows)

    def erase(self, user_id: str) -> int:
        return self._deleted("user_id = ?", user_id)

    def drop_expired(self, now: datetime) -> int:
        return self._deleted("until <= ?", isoformat(now))

    def ping(self) -> None:
        self._database.check()

    def close(self) -> None:
        self._database.close()

    def _deleted(self, where: str, *values: str) -> int:
        with self._database.write() as connection:
            connection.execute(f"DELETE FROM claims WHERE {where}", values)
            return connection.changes()

    def _now(self) -> str:
        return isoformat(self._clock())

    def _claim(self, stored: object) -> Claim:
        with self._database.decoding():
            return Claim.model_validate_json(str(stored))


class SqliteNotes:
    """``Notes``, and ``ExpiringCases``, in one SQLite file, beside the records."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._database = Database(path, SERVICE, SCHEMA)
        self._clock = clock

    def add(self, note: Note, ttl: timedelta) -> None:
        row = (*_key(note), expires_at(note.at, ttl), note.to_json().decode())
        with self._database.write() as connection:
            connection.execute("INSERT OR IGNORE INTO notes VALUES (?, ?, ?, ?, ?)", row)

    def take_back(self, note: Note) -> None:
        self._deleted(f"{_OF_CASE} AND note_id = ?", *_key(note))

    def of(self, user_id: str, registration_id: str | None = None) -> list[Note]:
        asked = {"user": user_id, "registration": registration_id, "now": self._clock().timestamp()}
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT note FROM notes WHERE user_id = :user AND expires_at > :now"
                " AND (:registration IS NULL OR registration_id = :registration)",
                asked,
            ).fetchall()
        with self._database.decoding():
            return in_order_of_time(Note.model_validate_json(str(note)) for (note,) in rows)

    def erase(self, user_id: str) -> int:
        return self._deleted("user_id = ?", user_id)

    def drop_expired(self, now: datetime) -> int:
        return self._deleted("expires_at <= ?", now.timestamp())

    def ping(self) -> None:
        self._database.check()

    def close(self) -> None:
        self._database.close()

    def _deleted(self, where: str, *values: str | float) -> int:
        with self._database.write() as connection:
            connection.execute(f"DELETE FROM notes WHERE {where}", values)
            return connection.changes()


def _key(note: Note) -> tuple[str, str, str]:
    return note.user_id, note.registration_id, note.note_id
