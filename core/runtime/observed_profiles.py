"""The port of event profiles with every call recorded as an operation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from core.domain.profiles import EventProfile
from core.ports import DatedEvents, EventProfileEdits, EventProfiles
from core.runtime.observer import Observed, Observer


class ObservedProfiles(Observed):
    """``EventProfiles`` with every call recorded."""

    def __init__(self, port: EventProfiles, observer: Observer) -> None:
        super().__init__(observer, "profiles")
        self._port = port

    def get(self, event_id: str) -> EventProfile | None:
        with self._call("get", event_id=event_id):
            return self._port.get(event_id)

    def all(self) -> list[EventProfile]:
        with self._call("all"):
            return self._port.all()

    def ping(self) -> None:
        with self._call("ping"):
            self._port.ping()

    def close(self) -> None:
        self._port.close()


class ObservedProfileEdits(ObservedProfiles):
    """``EventProfileEdits`` with every call recorded."""

    def __init__(self, port: EventProfileEdits, observer: Observer) -> None:
        super().__init__(port, observer)
        self._edits = port

    def save(self, profile: EventProfile) -> EventProfile:
        with self._call("save", event_id=profile.event_id):
            return self._edits.save(profile)


class ObservedDatedEvents(Observed):
    """``DatedEvents`` with every call recorded."""

    def __init__(self, port: DatedEvents, observer: Observer) -> None:
        super().__init__(observer, "dated events")
        self._port = port

    def all(self) -> Mapping[str, datetime | None]:
        with self._call("all"):
            return self._port.all()

    def set(self, event_id: str, kept_until: datetime | None) -> None:
        with self._call("set", event_id=event_id):
            self._port.set(event_id, kept_until)

    def close(self) -> None:
        self._port.close()
