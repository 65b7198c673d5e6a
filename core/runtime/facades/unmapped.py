"""Facade of the records that cannot be brought into the event index, for one principal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.domain.roles import Action
from core.runtime.facades.permissions import Permissions
from core.services.unmapped import UnmappedService

if TYPE_CHECKING:  # half a second to load, and only frames need it
    from pandas import DataFrame


class GuardedUnmapped:
    """Lists these records, with pseudonyms for those who see no identities."""

    def __init__(self, unmapped: UnmappedService, permissions: Permissions) -> None:
        self._unmapped = unmapped
        self._permissions = permissions

    def of_event(self, event_id: str) -> DataFrame:
        """As ``UnmappedService.of_event``. Requires ``SEE_EVENTS``."""
        with self._permissions.event_reading(Action.SEE_EVENTS, event_id=event_id):
            return self._permissions.frame(self._unmapped.of_event(event_id))

    def all(self) -> DataFrame:
        """As ``UnmappedService.all``. Requires ``SEE_OPERATIONS`` for all events."""
        with self._permissions.event_reading(Action.SEE_OPERATIONS, event_id=None):
            return self._permissions.frame(self._unmapped.all())
