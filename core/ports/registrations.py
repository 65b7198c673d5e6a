"""The registrations, and their import."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Protocol

from core.domain.records import Registration
from core.domain.search import Found

if TYPE_CHECKING:  # half a second to load, and only frames need it
    from pandas import DataFrame


class Registrations(Protocol):
    """The registrations of people for events, with their reference photos. Read only."""

    def get(self, registration_id: str) -> Registration | None: ...

    def of_user(self, user_id: str) -> list[Registration]:
        """All of the user's registrations, by registration id; empty if there are none."""
        ...

    def search(self, text: str, limit: int = 20, events: Collection[str] | None = None) -> Found:
        """The first ``limit`` registrations that ``core.domain.search`` finds, in its order; with ``events``, among
        theirs alone. Whatever is typed is ordinary text.
        """
        ...

    def event_frame(self, event_id: str) -> DataFrame:
        """All of the event's registrations as ``core.domain.frames.registration_frame``, by registration id."""
        ...

    def unreadable(self, event_id: str | None) -> DataFrame:
        """What other services stored for the event and is left out everywhere, because it has no readable id, user or
        event of its own; without an event, what has none. Empty if Facedesk alone writes the registrations.

        As ``core.domain.frames.registration_frame``, sorted: ``registrationId`` is the id by which the store itself
        tells it, ``unreadable`` says what could not be read; the rest is absent. Something for several events is in
        the list of each.
        """
        ...

    def events(self) -> list[str]:
        """The ids of all events with registrations, sorted."""
        ...

    def is_empty(self) -> bool:
        """Whether there is no registration at all."""
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


class RegistrationImport(Protocol):
    """What a registration store that Facedesk itself fills can do in addition."""

    def import_many(self, registrations: Iterable[Registration]) -> int:
        """Add or replace by registration id, all or none; returns how many. Durable when it returns."""
        ...

    def existing(self, registration_ids: Collection[str]) -> set[str]:
        """Those of the ids under which a registration is stored."""
        ...

    def named_elsewhere(self, keys: Collection[str], user_id: str | None) -> set[str]:
        """Those of the photo keys that other users' registrations name; with None, any user's."""
        ...

    def erase(self, user_id: str) -> int:
        """Delete the user's registrations, all or none; returns how many. Durable when it returns."""
        ...
