"""The worklists of batches."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

from core.domain.worklists import Item, Mark, Run


class Worklist(Protocol):
    """The worklist of one event's batch. Whoever opened it holds it alone, until ``close``.

    A process that stalls, or cannot reach the store, may lose its hold: then writes raise ``Conflict``, and another
    may continue the batch. Whoever works through the list must therefore be able to do an item twice.
    """

    def run(self) -> Run | None:
        """The unfinished batch; None if there is none."""
        ...

    def begin(
        self, chosen: str, folder: str | None, items: Iterable[Item], operator: str | None, ip_address: str | None
    ) -> Run:
        """Store a new batch of ``items`` in place of the former one, and for whom it runs.

        All of it is stored or nothing, unless the process is killed meanwhile. Of items with the same registration id
        the last one counts.
        """
        ...

    def resume(self, operator: str | None, ip_address: str | None) -> None:
        """Note that the unfinished batch runs again, and for whom."""
        ...

    def stops(self, stop: threading.Event) -> None:
        """Set ``stop`` if the hold is lost."""
        ...

    def rest(self) -> None:
        """Note that the batch waits for a person: no other process continues it by itself."""
        ...

    def left(self) -> Iterator[Item]:
        """The items without a mark, in an order that does not change; read from the store bit by bit."""
        ...

    def keep(self, item: Item, mark: Mark, why: str) -> None:
        """Store an item's result durably. ``why`` is the reason if its photo could not be used."""
        ...

    def counts(self) -> Mapping[Mark | None, int]:
        """The number of items by mark; None counts those without a mark."""
        ...

    def problems(self, limit: int) -> list[tuple[Item, str]]:
        """Up to ``limit`` items whose photo is missing or refused, in order, with the reasons."""
        ...

    def close(self, *, forget: bool = False) -> None:
        """End the hold; with ``forget``, delete the batch first."""
        ...


class Worklists(Protocol):
    """The worklists of all events. They name people, so a list is deleted when its batch is finished."""

    def open(self, event_id: str) -> Worklist:
        """The event's worklist. Raises ``Conflict`` if somebody else holds it."""
        ...

    def unfinished(self, event_id: str) -> tuple[Run, Mapping[Mark | None, int]] | None:
        """The event's unfinished batch and its counts, whether anybody holds it or not; None if there is none."""
        ...

    def abandoned(self) -> list[tuple[str, Run]]:
        """The events whose batch neither rests nor is held, with the batch: its process was killed, or has ended.

        Whether its items were stored before is ``Run.listed``.

        Always empty where one process has all data: a person continues its batches. Without those that have a folder,
        which is on one machine alone.
        """
        ...

    def forget(self, user_id: str) -> None:
        """Delete an erased person from all worklists.

        A running batch may hold an item of theirs in memory, but finds no registration for it. Raises ``Unavailable``
        while a list is being stored that may have the person.
        """
        ...

    def close(self) -> None: ...
