"""Reads and changes the profiles of events."""

from __future__ import annotations

from core.domain.clock import Clock
from core.domain.errors import Conflict, NotConfigured
from core.domain.profiles import EventProfile, checked
from core.ports import EventProfileEdits, EventProfiles


class OptionalProfiles:
    """``EventProfiles`` of an installation that may have no store of them, as those of before: no event then has one.

    ``ping`` still says that there is no store.
    """

    def __init__(self, profiles: EventProfiles) -> None:
        self._profiles = profiles

    def get(self, event_id: str) -> EventProfile | None:
        try:
            return self._profiles.get(event_id)
        except NotConfigured:
            return None

    def all(self) -> list[EventProfile]:
        try:
            return self._profiles.all()
        except NotConfigured:
            return []

    def ping(self) -> None:
        self._profiles.ping()

    def close(self) -> None:
        self._profiles.close()


class ProfileService:
    """The profiles of events. They are read-only if another system keeps them."""

    def __init__(self, profiles: EventProfiles, edits: EventProfileEdits | None, clock: Clock) -> None:
        """``edits`` is None if Facedesk must not change profiles."""
        self._profiles = profiles
        self._edits = edits
        self._clock = clock

    @property
    def is_read_only(self) -> bool:
        return self._edits is None

    def get(self, event_id: str) -> EventProfile:
        """The event's profile; one that says nothing if it has none. Raises ``ServiceError``."""
        return self._profiles.get(event_id) or EventProfile(event_id=event_id)

    def all(self) -> list[EventProfile]:
        """The profiles of all events that have one, by event id. Raises ``ServiceError``."""
        return self._profiles.all()

    def save(self, profile: EventProfile, who: str) -> EventProfile:
        """Stores what ``who`` made of the profile that they saw, whose ``version`` it has; returns it as stored.

        Raises ``InvalidInput`` if a value is not allowed, ``Conflict`` if somebody changed the profile meanwhile or
        another system keeps it, and ``ServiceError``; then nothing is stored.
        """
        if self._edits is None:
            raise Conflict("Another system keeps the profiles of events. Change it there.")
        changes = {"version": profile.version + 1, "changed_at": self._clock(), "changed_by": who}
        return self._edits.save(checked(profile.model_copy(update=changes)))
