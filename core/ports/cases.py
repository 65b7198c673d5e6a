"""Who is working on which case, and the notes on cases."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from core.domain.cases import Claim, Note


class Claims(Protocol):
    """Claims of cases: a case belongs to one holder at a time, until the claim ends (``core.domain.cases.Claim``).

    A case is the record of a registration, but claims are stored beside the record: they never change its version.
    The store compares ``until`` with its clock, so a claim that has ended counts as absent everywhere.
    """

    def take(self, claim: Claim, instead_of: str) -> Claim:
        """Store the claim if nobody has the case, or if the holder ``instead_of`` has it; return the claim that
        stands afterwards, which is somebody else's if they have the case.

        A holder renews a claim with their own id as ``instead_of``, and hands the case over with a claim of another
        holder. Of many who take a case at once exactly one gets it. A retried write, or one whose answer was lost,
        changes nothing more. Durable when it returns.
        """
        ...

    def release(self, user_id: str, registration_id: str, holder: str) -> None:
        """End the claim of the case if this holder has it; otherwise nothing changes."""
        ...

    def release_all(self, holder: str) -> None:
        """End all claims of this holder."""
        ...

    def standing(self) -> list[Claim]:
        """All claims that have not ended, as of the last acknowledged write, oldest ``since`` first.

        Meant for some hundreds of claims.
        """
        ...

    def erase(self, user_id: str) -> int:
        """Delete all claims of the person's cases, also those that have ended; returns how many. Durable when it
        returns.
        """
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


class Notes(Protocol):
    """Notes on cases (``core.domain.cases.Note``). They are added, but never changed.

    A note expires as an attempt that was made at the same time does, and is treated as absent from then on.
    """

    def add(self, note: Note, ttl: timedelta) -> None:
        """Store the note; it expires ``ttl`` after its time. Durable when it returns.

        If the case has a note with this ``note_id``, that one stays as it is, so a retried write results in one note.
        """
        ...

    def take_back(self, note: Note) -> None:
        """Delete the note with this ``note_id`` from its case, if there is one. Durable when it returns.

        Only for a note whose person was erased while it was being written.
        """
        ...

    def of(self, user_id: str, registration_id: str | None = None) -> list[Note]:
        """The notes on the case, or on all of the person's cases, as of the last acknowledged write; oldest first,
        those of the same time by ``note_id``.
        """
        ...

    def erase(self, user_id: str) -> int:
        """Delete all notes on the person's cases, also expired ones; returns how many. Durable when it returns."""
        ...

    def ping(self) -> None: ...

    def close(self) -> None: ...


class ExpiringCases(Protocol):
    """What a store of claims, of notes, of answers to pairs or of findings can do in addition if no service deletes
    what has expired in it.
    """

    def drop_expired(self, now: datetime) -> int:
        """Delete what has expired by ``now``; returns how many. Durable when it returns."""
        ...
