"""Learns who is erased while something is made of many people, which may take hours."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from core.domain.clock import Stopwatch, elapsed
from core.services.erasure import Erasures
from core.services.hashing import IdHash

if TYPE_CHECKING:
    from core.domain.erasures import Receipt

#: Time between two looks. The journal keeps erasures that have ended for an hour at least, so none is missed.
LOOK_EVERY = timedelta(seconds=10)


@dataclass(frozen=True)
class Erased:
    """How others learn of erasures: those that have ``ended``, those that are under way, and the hash of ids by which
    the journal names people.
    """

    ended: Callable[[], Iterable[Receipt]]
    erasures: Erasures
    hashed: IdHash


class ErasedMeanwhile:
    """Those who have been erased since this was made."""

    def __init__(self, erased: Erased, stopwatch: Stopwatch = elapsed) -> None:
        """Raises ``ServiceError``, as all methods do."""
        self._of = erased
        self._stopwatch = stopwatch
        self._before = {receipt.erasure_id for receipt in erased.ended()}
        self._hashes: set[str] = set()
        self._looked = stopwatch()

    def look(self) -> bool:
        """Looks into the journal if it is time; returns whether it did. To be called every few seconds."""
        now = self._stopwatch()
        if now - self._looked < LOOK_EVERY:
            return False
        self._looked = now
        self._read()
        return True

    def among(self, users: Iterable[str]) -> set[str]:
        """Those of the users whose erasure has ended since this was made, or is under way now."""
        self._read()
        hashes = self._hashes | {entry.user for entry in self._of.erasures.unfinished()}
        return {user_id for user_id in users if self._of.hashed(user_id) in hashes} if hashes else set()

    def _read(self) -> None:
        self._hashes |= {each.user for each in self._of.ended() if each.erasure_id not in self._before}
