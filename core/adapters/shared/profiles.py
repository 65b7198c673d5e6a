"""When both stores of profiles refuse a change, and when it is one that they have already."""

from __future__ import annotations

from core.domain.errors import Conflict
from core.domain.profiles import EventProfile


def is_same(stored: EventProfile, profile: EventProfile) -> bool:
    """Whether the store has this very change, because an earlier try wrote it."""
    return stored == profile


def changed_meanwhile() -> Conflict:
    return Conflict("Somebody else changed this event's profile meanwhile, so nothing was saved. Look at it again.")
