"""The profiles of events, and up to which of them the events' records are dated."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol

from core.domain.profiles import EventProfile


class EventProfiles(Protocol):
    """The profiles of events (``core.domain.profiles``), of which an event has one or none."""

    def get(self, event_id: str) -> EventProfile | None:
        """The event's profile as of the last acknowledged write, or None."""
        ...

    def all(self) -> list[EventProfile]:
        """All profiles as of the last acknowledged write, by event id. Meant for some thousands."""
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


class EventProfileEdits(EventProfiles, Protocol):
    """Profiles that Facedesk itself keeps and changes."""

    def save(self, profile: EventProfile) -> EventProfile:
        """Store the profile in place of the one of the version before (``profile.version - 1``; 0 stands for none),
        and return it. Durable when it returns.

        Raises ``Conflict`` if the event's profile has another version; then nothing is written. Of several changes to
        one version exactly one succeeds. A retried write, or one whose answer was lost, is no conflict.
        """
        ...


class DatedEvents(Protocol):
    """Until when the records of each event were last made to be kept (``EventProfile.kept_until``).

    Whoever changes an event's dates has its records dated again, which may be interrupted: an event whose entry here
    differs from its profile is not finished.
    """

    def all(self) -> Mapping[str, datetime | None]:
        """The entries, by event id; None for records that expire by their age alone."""
        ...

    def set(self, event_id: str, kept_until: datetime | None) -> None:
        """Store the event's entry in place of any other. Durable when it returns."""
        ...

    def close(self) -> None: ...
