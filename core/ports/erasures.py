"""The erasures and their journal."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from core.domain.erasures import Erasure, Receipt


@dataclass(frozen=True)
class StoredRecord:
    """What an erasure needs to know of a record; ``photo_keys`` are of the photos submitted in all its attempts."""

    registration_id: str
    attempts: int
    photo_keys: frozenset[str]


class ErasureStore(Protocol):
    """The records as an erasure sees them, and the journal of erasures, which is stored with them.

    Unlike ``ValidationRecords`` it sees every stored record, even an expired or unreadable one.
    """

    def records_of(self, user_id: str) -> list[StoredRecord]: ...

    def users(self) -> Iterator[str]:
        """The user id of every record, perhaps more than once. Reads all records, as they are consumed."""
        ...

    def named_elsewhere(self, keys: Collection[str], user_id: str | None) -> set[str]:
        """Those of the photo keys that other users' records name, in any attempt; with None, any user's.

        A record names each key that it may mean (``core.photos.keys.spellings``). May read all records.
        """
        ...

    def erase_records(self, user_id: str) -> int:
        """Delete the user's records, including those written while it runs; returns how many. Durable when it
        returns.
        """
        ...

    def scrub(self) -> None:
        """Remove all traces of deleted data from Facedesk's own files, including free pages and logs."""
        ...

    def journal_entry(self, user: str) -> Erasure | Receipt | None:
        """The entry of the person with this hash, as of the last acknowledged write."""
        ...

    def unfinished(self) -> list[Erasure | Receipt]:
        """Every entry of an erasure that is not finished."""
        ...

    def ended(self) -> list[Receipt]:
        """Every entry of an erasure that has deleted everything; at least those finished within the last hour."""
        ...

    def begin(self, erasure: Erasure) -> Erasure | Receipt:
        """Replace the person's last entry with this one, and return it. If the last one is not finished, nothing
        changes and the last one is returned.
        """
        ...

    def forget(self, receipt: Receipt) -> Receipt:
        """Replace the erasure's entry with its receipt, and return it; if there is a receipt already, return that
        one.

        If the journal no longer has this erasure, another process has finished it: nothing changes, and the receipt
        is returned as finished.
        """
        ...

    def finish(self, receipt: Receipt) -> None:
        """Mark the erasure as finished. Repeating it changes nothing.

        A finished entry stays at least as long as an attempt that began before the erasure may still be in progress,
        even if clocks jump meanwhile, because attempts are checked against it.
        """
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...
