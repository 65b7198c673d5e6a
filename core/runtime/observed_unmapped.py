"""The port of records that cannot be brought into the event index, with every call recorded as an operation."""

from __future__ import annotations

from core.domain.unmapped import Unmapped
from core.ports import UnmappedRecords
from core.runtime.observer import Observed, Observer


class ObservedUnmapped(Observed):
    """``UnmappedRecords`` with every call recorded."""

    def __init__(self, port: UnmappedRecords, observer: Observer) -> None:
        super().__init__(observer, "unmapped")
        self._port = port

    def some(self, limit: int) -> list[Unmapped]:
        with self._call("some"):
            return self._port.some(limit)

    def erase(self, user_id: str) -> int:
        with self._call("erase", user_id):
            return self._port.erase(user_id)

    def close(self) -> None:
        self._port.close()
