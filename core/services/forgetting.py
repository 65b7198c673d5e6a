"""Removes erased people from this process's memory, whichever process erased them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from operator import eq
from typing import TYPE_CHECKING

from core.services.hashing import IdHash

if TYPE_CHECKING:
    from core.domain.erasures import Receipt

#: Whether the person with this user id has been erased.
IsErased = Callable[[str], bool]
#: How often an erasure is announced. A read that was under way at the first announcement may put the person into a
#: cache afterwards, so there is a second one.
_TIMES = 2


class Forgetting:
    """Announces erasures to the parts of the process that keep people's data in memory."""

    def __init__(self, ended: Callable[[], Iterable[Receipt]], hashed: IdHash) -> None:
        """``ended`` reads the completed erasures from the journal, which keeps them for an hour at least."""
        self._ended = ended
        self._hashed = hashed
        self._listeners: list[Callable[[IsErased], object]] = []
        self._announced: Counter[str] = Counter()

    def on_erased(self, forget: Callable[[IsErased], object]) -> None:
        """Registers ``forget``, which is called at each erasure, perhaps several times for the same person."""
        self._listeners.append(forget)

    def announce(self, user_id: str) -> None:
        """Announces an erasure by this process."""
        self._notify(partial(eq, user_id))

    def look(self) -> None:
        """Announces the erasures in the journal, of any process, that have not been announced ``_TIMES`` yet.

        Must be called every few seconds. Raises ``ServiceError``.
        """
        there = {receipt.erasure_id: receipt.user for receipt in self._ended()}
        new = {erasure_id: user for erasure_id, user in there.items() if self._announced[erasure_id] < _TIMES}
        if new:
            hashes = frozenset(new.values())
            self._notify(lambda user_id: self._hashed(user_id) in hashes)
        self._announced = Counter({each: self._announced[each] + (each in new) for each in there})

    def _notify(self, is_erased: IsErased) -> None:
        for forget in self._listeners:
            forget(is_erased)
