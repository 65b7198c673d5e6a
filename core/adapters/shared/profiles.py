"""How both stores of profiles refuse a change."""

from __future__ import annotations

from core.domain.errors import Conflict


def changed_meanwhile() -> Conflict:
    return Conflict("Somebody else changed this event's profile meanwhile, so nothing was saved. Look at it again.")
