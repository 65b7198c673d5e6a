"""The type of functions that show progress."""

from __future__ import annotations

from collections.abc import Callable

#: Called with how many are done, and with how many there are in all (None: unknown).
Counting = Callable[[int, int | None], None]
