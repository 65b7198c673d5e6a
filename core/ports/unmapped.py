"""The list of records that nothing can bring into the event index."""

from __future__ import annotations

from typing import Protocol

from core.domain.unmapped import Unmapped


class UnmappedRecords(Protocol):
    """Kept by what follows the writes of other services. An entry goes when its record is mended or deleted."""

    def some(self, limit: int) -> list[Unmapped]:
        """At most ``limit`` entries, in no order that means anything."""
        ...

    def erase(self, user_id: str) -> int:
        """Delete the person's entries; returns how many there were. Durable when it returns."""
        ...

    def close(self) -> None: ...
