"""The records that nothing can bring into the event index, as frames: those of an event's people, and all."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from core.domain.unmapped import Unmapped
from core.ports import Registrations, UnmappedRecords

if TYPE_CHECKING:  # half a second to load, and only frames need it
    from pandas import DataFrame

#: Entries that are read at most: of more, people need no list, but the service that writes them.
MOST = 1000


class UnmappedService:
    """Each frame has a row for a record: ``registrationId``, ``userId``, ``timestamp`` (when it was found, UTC), and
    why it is one (``core.domain.unmapped.Why``) as ``unreadable``. At most ``MOST`` entries are looked at.
    """

    def __init__(self, store: UnmappedRecords, registrations: Registrations) -> None:
        self._store = store
        self._registrations = registrations

    def of_event(self, event_id: str) -> DataFrame:
        """The records of those who are registered for the event. Raises ``ServiceError``."""
        entries = self._store.some(MOST)
        if not entries:
            return _frame(entries)
        registered = set(self._registrations.event_frame(event_id)["registrationId"])
        return _frame(entry for entry in entries if entry.registration_id in registered)

    def all(self) -> DataFrame:
        """Of all people. Raises ``ServiceError``."""
        return _frame(self._store.some(MOST))

    def close(self) -> None:
        self._store.close()


def _frame(entries: Iterable[Unmapped]) -> DataFrame:
    import pandas as pd

    ordered = sorted(entries, key=lambda entry: (entry.found, entry.registration_id, entry.user_id))
    return pd.DataFrame(
        {
            "registrationId": pd.Series([entry.registration_id for entry in ordered], dtype=object),
            "userId": pd.Series([entry.user_id for entry in ordered], dtype=object),
            "timestamp": pd.Series([entry.found for entry in ordered], dtype="datetime64[us, UTC]"),
            "unreadable": pd.Series([str(entry.why) for entry in ordered], dtype=object),
        }
    )
