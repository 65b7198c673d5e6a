"""Facade of the profiles of events, for one principal."""

from __future__ import annotations

import threading
from collections.abc import Callable

from core.domain.profiles import EventProfile
from core.domain.roles import Action
from core.domain.text import require_texts
from core.flow.crew import Progress
from core.runtime.facades.permissions import Permissions
from core.runtime.facades.trail import Subject
from core.services.event_dates import EventDates, Shortening
from core.services.event_profiles import ProfileService


class GuardedProfiles:
    """Reads and changes the profiles of the principal's events."""

    def __init__(self, profiles: ProfileService, dates: EventDates, permissions: Permissions) -> None:
        self._profiles = profiles
        self._dates = dates
        self._permissions = permissions

    @property
    def is_read_only(self) -> bool:
        """Whether another system keeps the profiles."""
        return self._profiles.is_read_only

    def get(self, event_id: str) -> EventProfile:
        """As ``ProfileService.get``. Requires ``SEE_EVENTS``, ``FIND_PEOPLE`` or ``EDIT_EVENT``."""
        actions = (Action.SEE_EVENTS, Action.FIND_PEOPLE, Action.EDIT_EVENT)
        with self._permissions.event_reading(*actions, event_id=event_id):
            return self._profiles.get(event_id)

    def all(self) -> list[EventProfile]:
        """As ``ProfileService.all``, those of the principal's events. Requires ``SEE_EVENTS``, ``DECIDE`` or
        ``EDIT_EVENT``.
        """
        with self._permissions.reading(Action.SEE_EVENTS, Action.DECIDE, Action.EDIT_EVENT):
            sees_event = self._permissions.principal.sees_event
            return [profile for profile in self._profiles.all() if sees_event(profile.event_id)]

    def save(self, profile: EventProfile) -> EventProfile:
        """As ``ProfileService.save``, in the principal's name, with an audit entry. Requires ``EDIT_EVENT``.

        The entry is written before the change; if that fails, nothing is stored.
        """
        subject = self._allowed(profile.event_id)
        require_texts(profile.name)
        trail = self._permissions.trail
        trail.before(Action.EDIT_EVENT, subject, _described(profile))
        who = self._permissions.principal.known_as
        return trail.recording(Action.EDIT_EVENT, subject, lambda: self._profiles.save(profile, who))

    def shortening(self, profile: EventProfile) -> Shortening:
        """As ``EventDates.shortening``. Requires ``EDIT_EVENT``."""
        self._allowed(profile.event_id)
        return self._dates.shortening(profile)

    def redate(
        self, event_id: str, stop: threading.Event, report: Callable[[Progress], None] = lambda progress: None
    ) -> Progress:
        """As ``EventDates.run``. Requires ``EDIT_EVENT``."""
        self._allowed(event_id)
        return self._dates.run(event_id, stop, report)

    def _allowed(self, event_id: str) -> Subject:
        require_texts(event_id)
        subject = Subject(event_id=event_id)
        self._permissions.require([Action.EDIT_EVENT], subject)
        self._permissions.require_event(event_id, Action.EDIT_EVENT, subject)
        return subject


def _described(profile: EventProfile) -> dict[str, str]:
    """What the profile says, for the audit trail."""
    said = profile.to_dict()
    rules = said.pop("rules", {})
    left_out = ("eventId", "version", "changedAt", "changedBy")
    return {name: str(value) for name, value in (said | rules).items() if name not in left_out}
