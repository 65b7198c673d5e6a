"""The ports of claims and notes with every call recorded as an operation. No name, text or holder is logged."""

from __future__ import annotations

from datetime import datetime, timedelta

from core.domain.cases import Claim, Note
from core.ports import Claims, ExpiringCases, Notes
from core.runtime.observer import Observed, Observer


class ObservedClaims(Observed):
    """``Claims`` with every call recorded."""

    def __init__(self, port: Claims, observer: Observer) -> None:
        super().__init__(observer, "claims")
        self._port = port

    def take(self, claim: Claim, instead_of: str) -> Claim:
        with self._call("take", claim.user_id, claim.registration_id, claim.event_id):
            return self._port.take(claim, instead_of)

    def release(self, user_id: str, registration_id: str, holder: str) -> None:
        with self._call("release", user_id, registration_id):
            self._port.release(user_id, registration_id, holder)

    def release_all(self, holder: str) -> None:
        with self._call("release_all"):
            self._port.release_all(holder)

    def standing(self) -> list[Claim]:
        with self._call("standing"):
            return self._port.standing()

    def erase(self, user_id: str) -> int:
        with self._call("erase", user_id):
            return self._port.erase(user_id)

    def ping(self) -> None:
        with self._call("ping"):
            self._port.ping()

    def close(self) -> None:
        self._port.close()


class ObservedNotes(Observed):
    """``Notes`` with every call recorded."""

    def __init__(self, port: Notes, observer: Observer) -> None:
        super().__init__(observer, "notes")
        self._port = port

    def add(self, note: Note, ttl: timedelta) -> None:
        with self._call("add", note.user_id, note.registration_id, note.event_id):
            self._port.add(note, ttl)

    def take_back(self, note: Note) -> None:
        with self._call("take_back", note.user_id, note.registration_id, note.event_id):
            self._port.take_back(note)

    def of(self, user_id: str, registration_id: str | None = None) -> list[Note]:
        with self._call("of", user_id, registration_id):
            return self._port.of(user_id, registration_id)

    def erase(self, user_id: str) -> int:
        with self._call("erase", user_id):
            return self._port.erase(user_id)

    def ping(self) -> None:
        with self._call("ping"):
            self._port.ping()

    def close(self) -> None:
        self._port.close()


class ObservedExpiringCases(Observed):
    """``ExpiringCases`` with every call recorded."""

    def __init__(self, port: ExpiringCases, observer: Observer, name: str) -> None:
        super().__init__(observer, name)
        self._port = port

    def drop_expired(self, now: datetime) -> int:
        with self._call("drop_expired"):
            return self._port.drop_expired(now)
