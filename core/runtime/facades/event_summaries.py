"""Facade of the summaries of events, for one principal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.roles import Action
from core.runtime.facades.permissions import Permissions

if TYPE_CHECKING:  # half a second to load, and only frames need it
    from core.domain.event_summaries import EventLine, KeptSummary
    from core.services.event_summaries import EventSummaries


class GuardedEventSummaries:
    """Reads the figures of the principal's events. They name nobody."""

    def __init__(self, summaries: EventSummaries, permissions: Permissions) -> None:
        self._summaries = summaries
        self._permissions = permissions

    def all(self) -> list[EventLine]:
        """As ``EventSummaries.all``, of the principal's events. Requires ``SEE_EVENTS``."""
        with self._permissions.reading(Action.SEE_EVENTS):
            return self._summaries.all(self._permissions.principal.events)

    def meanwhile(self, event_id: str) -> KeptSummary | None:
        """As ``EventSummaries.meanwhile``. Requires ``SEE_EVENTS``."""
        with self._permissions.event_reading(Action.SEE_EVENTS, event_id=event_id):
            return self._summaries.meanwhile(event_id)
