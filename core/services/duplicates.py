"""One person twice: finds registrations of an event that show the same face, and keeps what people say about them.

Nothing is read or examined in an event until an admin has switched it on there for a reason (a legal basis).
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from core.domain.duplicates import Answer, PairAnswer, Search, Switch
from core.flow.crew import Progress


class DuplicateService:
    """Searches an event for pairs of similar faces, and records answers to them. Changes no record."""

    def switch(self, event_id: str) -> Switch | None:
        """Returns the event's switch; None if it was never set."""
        raise NotImplementedError

    def set_switch(self, event_id: str, on: bool, reason: str, who: str) -> Switch:
        """Switches searches of the event on or off, in the name of ``who``.

        Switching off deletes what is kept of the event's faces for searches, and the latest search; answers stay.
        Raises ``InvalidInput`` for a reason that is too long, or missing when searches are switched on.
        """
        raise NotImplementedError

    def search(
        self, event_id: str, stop: threading.Event, report: Callable[[Progress], None] = lambda progress: None
    ) -> Search:
        """Finds the event's pairs of similar faces.

        Once ``stop`` is set nothing new is begun, and the search says that it is not finished. Raises ``Conflict`` if
        searches are switched off, also meanwhile, and ``ServiceError``.
        """
        raise NotImplementedError

    def latest(self, event_id: str) -> Search | None:
        """Returns the event's last search by this process, with the answers as they are now; None if there is none,
        or if searches are switched off.
        """
        raise NotImplementedError

    def answer(self, event_id: str, first_id: str, second_id: str, answer: Answer, note: str, who: str) -> PairAnswer:
        """Records an answer to a pair of registrations, in any order, in the name of ``who``; the newest one counts.

        Raises ``Conflict`` if searches are switched off, ``RegistrationNotFound`` if one of the two is no
        registration of the event, and ``InvalidInput`` for a note that is too long, and for a registration paired
        with itself.
        """
        raise NotImplementedError
