"""Searches for pairs of similar faces among the people of an event, and what is kept of them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from core.domain.duplicates import Expected, Found, JudgedPair, Reference, Switch
    from core.flow.crew import Progress

#: Reads the photo under a key as the face engine takes it: an upright JPEG. Raises ``PhotoNotFound``,
#: ``PhotoRefused``, and ``ServiceError``.
ReadPhoto = Callable[[str], bytes]


class FaceSearch(Protocol):
    """Finds pairs of similar faces. Only what ``search`` is given is examined, and only then.

    What it keeps of faces to be quicker the next time belongs to one event each.
    """

    #: The similarity (0-100) from which one false pair is expected among 10,000 people, as far as that is known.
    default_threshold: float

    def false_match_rate(self, threshold: float) -> Expected | None:
        """How often (0-1) the faces of two different people are at least as similar as ``threshold`` (0-100).

        None if nobody has measured it.
        """
        ...

    def search(
        self,
        event_id: str,
        references: Sequence[Reference],
        read: ReadPhoto,
        threshold: float,
        stop: threading.Event,
        report: Callable[[Progress], None],
    ) -> Found:
        """Compares the faces of all ``references``, which are those of the event, with each other.

        Of each photo the main clear face counts; ``read`` gives a photo that has to be examined. Pairs are at least
        as similar as ``threshold`` (0-100), the most similar first, ``MAX_PAIRS`` at the most. What was kept of the
        event's other registrations, or of photos that have been replaced, is deleted. Once ``stop`` is set nothing
        new is begun, and pairs are those of the faces that were compared by then. A photo that cannot be examined is
        counted; raises ``ServiceError`` if nothing can.
        """
        ...

    def forget(self, user_id: str) -> int:
        """Deletes what is kept of the person's faces in all events; returns of how many registrations.

        Nothing but the user id is needed, since the registrations may be gone. Durable when it returns.
        """
        ...

    def drop(self, event_id: str) -> None:
        """Deletes what is kept of the event's faces. Nothing happens if there is nothing. Durable when it returns."""
        ...

    def close(self) -> None: ...


class DuplicateStore(Protocol):
    """The switch of each event, and people's answers to pairs (``core.domain.duplicates``)."""

    def switch(self, event_id: str) -> Switch | None:
        """The event's switch as of the last acknowledged write; None if it was never set. Raises ``Refused`` for one
        that cannot be read.
        """
        ...

    def set_switch(self, event_id: str, switch: Switch) -> None:
        """Stores the switch in place of any other. Durable when it returns."""
        ...

    def switches(self) -> dict[str, Switch]:
        """The switches that were ever set, by event. Raises ``Refused`` for one that cannot be read."""
        ...

    def judged(self, event_id: str) -> list[JudgedPair]:
        """All pairs of the event that have answers, as of the last acknowledged write, by their keys.

        Those that have expired are absent. Raises ``Refused`` for one that cannot be read.
        """
        ...

    def change(self, seen: JudgedPair | None, after: JudgedPair, expires_at: int) -> bool:
        """Stores ``after``, which expires at this time (epoch seconds), in place of ``seen`` (None stands for none),
        which has the same event and key; returns whether it is stored. Durable when it returns.

        False if another one stands there; then nothing is written. Of several changes of one pair, also at the same
        time, exactly one returns True. A retried write, or one whose answer was lost, returns True.
        """
        ...

    def take_back(self, pair: JudgedPair) -> None:
        """Deletes all answers to the pair with this event and key. Durable when it returns."""
        ...

    def count(self, user_id: str) -> int:
        """Returns how many pairs with answers have the user on one side."""
        ...

    def erase(self, user_id: str) -> int:
        """Deletes all pairs of which one side is the user's; returns how many. Durable when it returns.

        What a ``change`` or another erasure that was interrupted has left of them is deleted, too.
        """
        ...

    def close(self) -> None: ...
