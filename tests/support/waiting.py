"""Waits for what happens in another thread or process."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Seconds: a machine that is busy with other things may need so long for what takes an instant.
PATIENCE = 120


def until(happened: Callable[[], bool]) -> None:
    """Return once it has happened; fail if it never does."""
    give_up = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < give_up, "it never happened"
        time.sleep(0.01)
