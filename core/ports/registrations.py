"""The registrations, and their import."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from core.domain.records import Registration
from core.domain.search import Found

if TYPE_CHECKING:  # half a second to load, and only frames need it
    from pandas import DataFrame


@dataclass(frozen=True)
class BeingRead:
    """How far the first read of an event's registrations has come: so many of about so many."""

    read: int
    total: int


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

    def being_read(self, event_id: str) -> BeingRead | None:
        """None if ``event_frame`` answers at once; else how far reading the event has come, which goes on in the
        background. Waits a moment for a small event. Raises ``ServiceError`` if the read has failed; the next call
        goes on with it.
        """
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


@dataclass(frozen=True)
class RegistrationPage:
    """Documents of an event, as ``core.domain.registration_documents`` has them."""

    documents: DataFrame
    #: Where the next page begins; None if this is the last one.
    next: Any


@dataclass(frozen=True)
class RegistrationChanges:
    """What has changed of an event's documents since a mark."""

    #: The documents that are new or have changed, as ``core.domain.registration_documents`` has them.
    documents: DataFrame
    #: The documents, by ``DOCUMENT``, that were deleted or are perhaps no longer the event's.
    gone: frozenset[str]
    #: Where the next changes begin; None if the store cannot tell what has changed, so that all must be read again.
    mark: Any
    #: Whether there are more changes already.
    more: bool = False
    #: How many documents the event has; None if ``gone`` says what was deleted.
    count: int | None = None


class RegistrationPages(Protocol):
    """Reads the registrations of an event of any size in parts, each with a deadline of its own."""

    def event_count(self, event_id: str) -> int:
        """About how many documents there are."""
        ...

    def event_mark(self, event_id: str) -> Any:
        """A mark for ``event_changes``, to be taken before the first page is read: no change after it is missed.
        None if the store cannot tell what changes.
        """
        ...

    def event_page(self, event_id: str, after: Any, limit: int) -> RegistrationPage:
        """The next documents, at most ``limit``, in the order of the store; ``after`` is the ``next`` of the page
        before, None for the first one. What changes meanwhile may be in no page, in its old or its new form, or in
        two pages.
        """
        ...

    def event_changes(self, event_id: str, mark: Any) -> RegistrationChanges:
        """What has changed since the mark; what has not changed may be among it."""
        ...


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
