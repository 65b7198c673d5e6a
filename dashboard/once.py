"""Objects that the whole process shares: made when first needed, and closed by the server alone.

They are not kept in Streamlit's caches, which any message of a browser that clears them would close.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Calls ``make`` at the first call and returns the same object from then on; safe for any number of threads.

    If ``make`` raises, the error reaches the caller and the next call tries again.
    """

    def __init__(self, make: Callable[[], T], close: Callable[[T], None]) -> None:
        self._make = make
        self._close = close
        self._lock = threading.Lock()
        self._made: list[T] = []

    def __call__(self) -> T:
        with self._lock:
            if not self._made:
                self._made.append(self._make())
            return self._made[0]

    def clear(self) -> None:
        """Close the object, if there is one; the next call makes another."""
        with self._lock:
            made, self._made = self._made, []
        for each in made:
            self._close(each)
