"""Records that other services wrote and that nothing can bring into the event index."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Why(StrEnum):
    #: It names no event that can be read.
    NO_EVENT = "no-event"
    #: The store does not take its event or its time, such as an event that is too long for a key.
    REFUSED = "refused"
    #: Its repair failed in a way that nobody foresaw.
    FAILED = "failed"


@dataclass(frozen=True)
class Unmapped:
    """The key of such a record, why it is one, and when that was found (UTC)."""

    user_id: str
    registration_id: str
    why: Why
    found: datetime
