"""Which limits the events have crossed, and when somebody was told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from core.domain.alerts import Crossing


class Crossings(Protocol):
    """The crossings of all events (``core.domain.alerts``), of which an event has one or none for each rule."""

    def all(self) -> list[Crossing]:
        """All crossings as of the last acknowledged write, by event id and rule. Raises ``Refused`` for one that
        cannot be read.
        """
        ...

    def change(self, seen: Crossing | None, after: Crossing) -> bool:
        """Store ``after`` in place of ``seen`` (None stands for none), which has the same event and rule; returns
        whether it is stored. Durable when it returns.

        False if another crossing stands there; then nothing is written. Of several changes of one crossing, also at
        the same time, exactly one returns True. A retried write, or one whose answer was lost, returns True.
        """
        ...

    def close(self) -> None: ...
