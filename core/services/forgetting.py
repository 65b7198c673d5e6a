"""What this process keeps in memory of people goes when they are erased, whichever process erases them."""

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
#: How often an erasure is announced. Twice, since what was being read when it was announced first may have been kept
#: only after that.
_TIMES = 2


class Forgetting:
    """Announces erasures to whoever keeps something of people in memory."""

    def __init__(self, ended: Callable[[], Iterable[Receipt]], hashed: IdHash) -> None:
        """``ended`` reads the journal's erasures that have taken all away: it has them for an hour at least."""
        self._ended = ended
        self._hashed = hashed
        self._listeners: list[Callable[[IsErased], object]] = []
        self._announced: Counter[str] = Counter()

    def on_erased(self, forget: Callable[[IsErased], object]) -> None:
        """Call ``forget`` at each erasure; it may be called again about the same person."""
        self._listeners.append(forget)

    def announce(self, user_id: str) -> None:
        """Announce an erasure by this process."""
        self._tell(partial(eq, user_id))

    def look(self) -> None:
        """Announce what the journal has of erasures, by this process or others, that was not announced yet.

        To be called every few seconds. Raises ``ServiceError``.
        """
        there = {receipt.erasure_id: receipt.user for receipt in self._ended()}
        new = {erasure_id: user for erasure_id, user in there.items() if self._announced[erasure_id] < _TIMES}
        if new:
            hashes = frozenset(new.values())
            self._tell(lambda user_id: self._hashed(user_id) in hashes)
        self._announced = Counter({each: self._announced[each] + (each in new) for each in there})

    def _tell(self, is_erased: IsErased) -> None:
        for forget in self._listeners:
            forget(is_erased)
