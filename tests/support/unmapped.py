"""The list of records that cannot be brought into the event index, in memory."""

from __future__ import annotations

from typing import Any

from core.domain.unmapped import Unmapped, Why
from tests.support.clock import NOON


def an_unmapped(**changes: Any) -> Unmapped:
    return Unmapped(
        **{"user_id": "user-1", "registration_id": "reg-1", "why": Why.NO_EVENT, "found": NOON, **changes}
    )


class KeptUnmapped:
    """``UnmappedRecords`` that are forgotten with the test."""

    def __init__(self, *entries: Unmapped) -> None:
        self.entries = list(entries)

    def some(self, limit: int) -> list[Unmapped]:
        return self.entries[:limit]

    def erase(self, user_id: str) -> int:
        before = len(self.entries)
        self.entries = [entry for entry in self.entries if entry.user_id != user_id]
        return before - len(self.entries)

    def close(self) -> None: ...
