"""The figures of events as a process read them last, for those that have not read these events themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:  # half a second to load, and only frames need it
    from core.domain.event_summaries import KeptSummary


class SummaryStore(Protocol):
    """The latest summary of each event. One that has expired, or that cannot be read, counts as absent."""

    def all(self) -> Mapping[str, KeptSummary]:
        """The summaries by the ids of their events, as of the last acknowledged write."""
        ...

    def keep(self, event_id: str, kept: KeptSummary, expires_at: int) -> None:
        """Store the summary in place of the former one; it expires at this time (epoch seconds).

        Of several that are kept at once one stays. Durable when it returns.
        """
        ...

    def close(self) -> None: ...
