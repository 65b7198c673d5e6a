"""The store of summaries with every call recorded as an operation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from core.ports import SummaryStore
from core.runtime.observer import Observed, Observer

if TYPE_CHECKING:  # half a second to load, and only frames need it
    from core.domain.event_summaries import KeptSummary


class ObservedSummaries(Observed):
    """``SummaryStore`` with every call recorded."""

    def __init__(self, port: SummaryStore, observer: Observer) -> None:
        super().__init__(observer, "summaries")
        self._port = port

    def all(self) -> Mapping[str, KeptSummary]:
        with self._call("all"):
            return self._port.all()

    def keep(self, event_id: str, kept: KeptSummary, expires_at: int) -> None:
        with self._call("keep", event_id=event_id):
            self._port.keep(event_id, kept, expires_at)

    def close(self) -> None:
        self._port.close()
