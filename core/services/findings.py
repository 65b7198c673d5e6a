"""The latest findings of events: kept for every process, and read again only when they have changed."""

from __future__ import annotations

import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import Generic, TypeVar

from core.domain.clock import Clock
from core.domain.errors import Refused
from core.domain.expiry import expires_at
from core.domain.findings import SERVICE, Findings, Row
from core.ports import FindingsStore
from core.services.erased_meanwhile import ErasedMeanwhile

T = TypeVar("T")

#: For how long findings are kept after the run that made them.
KEPT = timedelta(days=30)
#: Events of each kind whose findings are in memory.
_REMEMBERED = 16


class KeptFindings(Generic[T]):
    """The findings of one kind of run, in the form that ``made`` gives them."""

    def __init__(self, kind: str, store: FindingsStore, clock: Clock, made: Callable[[str, Findings], T]) -> None:
        """``made`` is given the event's id and its findings. It may raise ``ServiceError``, and ``ValueError`` if it
        cannot read them.
        """
        self._kind = kind
        self._store = store
        self._clock = clock
        self._made = made
        self._known: OrderedDict[str, tuple[str, T]] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, event_id: str, summary: str, rows: Collection[Row], meanwhile: ErasedMeanwhile) -> set[str]:
        """Stores what a run found, but nothing about people who were erased ``meanwhile``, since the run began;
        returns these people. Raises ``ServiceError``.
        """
        users = {user_id for row in rows for user_id in row.users}
        erased = meanwhile.among(users)
        left = tuple(row for row in rows if erased.isdisjoint(row.users))
        findings = Findings(uuid.uuid4().hex, summary, left)
        try:
            self._store.keep(self._kind, event_id, findings, expires_at(self._clock(), KEPT))
        finally:
            # An erasure that began before they were stored may not have found them, also if the answer was lost.
            for user_id in meanwhile.among(users) - erased:
                erased.add(user_id)
                self._store.forget(user_id)
        return erased

    def latest(self, event_id: str) -> T | None:
        """Returns the findings of the event's latest run, whichever process did it; None if there are none, or if
        they have expired. One small read if they are in memory. Raises ``ServiceError``.
        """
        version = self._store.version(self._kind, event_id)
        with self._lock:
            known = self._known.get(event_id)
        if known and known[0] == version:
            return known[1]
        findings = self._store.of(self._kind, event_id) if version else None
        if findings is None:
            self._forget(event_id)
            return None
        try:
            made = self._made(event_id, findings)
        except ValueError:
            message = "What the last run found was stored by another version of Facedesk. Run it again."
            raise Refused(SERVICE, "UnreadableFindings", message) from None
        self._remember(event_id, (findings.version, made))
        return made

    def remembered(self, event_id: str) -> T | None:
        """As ``latest``, but without asking for newer ones if some are in memory: for the photos of one page."""
        with self._lock:
            known = self._known.get(event_id)
        return known[1] if known else self.latest(event_id)

    def drop(self, event_id: str) -> None:
        """Deletes the event's findings. Raises ``ServiceError``."""
        self._store.drop(self._kind, event_id)
        self._forget(event_id)

    def forget_all(self) -> None:
        """Removes all findings from memory: the store no longer has those of an erased person."""
        with self._lock:
            self._known.clear()

    def _forget(self, event_id: str) -> None:
        with self._lock:
            self._known.pop(event_id, None)

    def _remember(self, event_id: str, known: tuple[str, T]) -> None:
        with self._lock:
            self._known[event_id] = known
            self._known.move_to_end(event_id)
            if len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
