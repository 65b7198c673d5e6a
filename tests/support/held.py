"""Calls that do not end before a test lets them."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest

#: Seconds after which a call ends in any case, so that a failing test ends.
_PATIENCE = 30


def held(patch: pytest.MonkeyPatch, part: Any, method: str) -> Event:
    """Has each call of the method wait until the event that is returned is set."""
    may_end, call = Event(), getattr(part, method)

    def waiting(*given: Any) -> Any:
        may_end.wait(_PATIENCE)
        return call(*given)

    patch.setattr(part, method, waiting)
    return may_end
