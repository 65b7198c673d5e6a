"""Claims of cases and notes on them, so that nothing new is stored of a person who was erased or is being erased.

Whoever writes one reads the journal of erasures before and after, as the writer of an attempt does
(``core.services.erasure``), and takes it back if an erasure of the person came in between. If an erasure has ended
before, there is no record any more, and nothing is written.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

from core.domain.cases import Claim, Note
from core.domain.errors import RecordNotFound
from core.ports import Claims, Notes, ValidationRecords
from core.services.erasure import Erasures, written_unless_erased

T = TypeVar("T")


class _UnlessErased:
    """The common base: how something is written about the case of a person who may be erased meanwhile."""

    def __init__(self, records: ValidationRecords, erasures: Erasures) -> None:
        self._records = records
        self._erasures = erasures

    def _written(self, case: Claim | Note, write: Callable[[], T], take_back: Callable[[], object]) -> T:
        """Writes, and returns what ``write`` returned.

        Raises ``RecordNotFound`` if there is no such case, and ``RegistrationNotFound`` if the person is being
        erased, or was erased meanwhile; then nothing is left of what was written.
        """

        def write_if_there() -> T:
            if self._records.get(case.user_id, case.registration_id) is None:
                raise RecordNotFound("There is no such case any more: nothing was stored.")
            return write()

        return written_unless_erased(self._erasures, [case.user_id], write_if_there, take_back)


class ClaimsUnlessErased(_UnlessErased):
    """``Claims``; nobody can take a case that is gone, or one of a person who is being erased."""

    def __init__(self, port: Claims, records: ValidationRecords, erasures: Erasures) -> None:
        super().__init__(records, erasures)
        self._port = port

    def take(self, claim: Claim, instead_of: str) -> Claim:
        """As the port says. Raises ``RecordNotFound``, and ``RegistrationNotFound`` if the person is being erased."""
        return self._written(
            claim,
            lambda: self._port.take(claim, instead_of),
            lambda: self._port.release(claim.user_id, claim.registration_id, claim.holder),
        )

    def release(self, user_id: str, registration_id: str, holder: str) -> None:
        self._port.release(user_id, registration_id, holder)

    def release_all(self, holder: str) -> None:
        self._port.release_all(holder)

    def standing(self) -> list[Claim]:
        return self._port.standing()

    def erase(self, user_id: str) -> int:
        return self._port.erase(user_id)

    def ping(self) -> None:
        self._port.ping()

    def close(self) -> None:
        self._port.close()


class NotesUnlessErased(_UnlessErased):
    """``Notes``; nobody can add a note on a case that is gone, or on one of a person who is being erased."""

    def __init__(self, port: Notes, records: ValidationRecords, erasures: Erasures) -> None:
        super().__init__(records, erasures)
        self._port = port

    def add(self, note: Note, ttl: timedelta) -> None:
        """As the port says. Raises ``RecordNotFound``, and ``RegistrationNotFound`` if the person is being erased."""
        self._written(note, lambda: self._port.add(note, ttl), lambda: self._port.take_back(note))

    def take_back(self, note: Note) -> None:
        self._port.take_back(note)

    def of(self, user_id: str, registration_id: str | None = None) -> list[Note]:
        return self._port.of(user_id, registration_id)

    def erase(self, user_id: str) -> int:
        return self._port.erase(user_id)

    def ping(self) -> None:
        self._port.ping()

    def close(self) -> None:
        self._port.close()
