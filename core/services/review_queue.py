"""The review queue for one of several reviewers: who looks at a case has it, and others get the next one.

Nothing of it is needed for a decision to be right: a decision names the version of the record that was seen, so of
two people who decide on one case the second is refused, with claims or without. If the claims are out of reach,
reviewers may therefore go on; they may then see the same cases.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from core.domain.cases import LEASE, Claim
from core.domain.clock import Clock
from core.domain.errors import RecordNotFound, RegistrationNotFound, ServiceError
from core.domain.records import Status, ValidationRecord

#: A case: its user id and its registration id.
Case = tuple[str, str]


class ReadsRecords(Protocol):
    """The records, as ``ValidationRecords`` and its facade read one."""

    def get(self, user_id: str, registration_id: str) -> ValidationRecord | None: ...


class TakesClaims(Protocol):
    """The claims, as ``Claims`` and its facade have them."""

    def take(self, claim: Claim, instead_of: str) -> Claim: ...

    def release(self, user_id: str, registration_id: str, holder: str) -> None: ...

    def standing(self) -> list[Claim]: ...


def waits(record: ValidationRecord) -> bool:
    """Whether the record waits for a person's decision."""
    return record.validation_status is Status.PENDING


@dataclass(frozen=True)
class Opened:
    """A case that a reviewer opened.

    ``claim`` is the one that stands, perhaps somebody else's. It is None if there is none, because the case is not
    wanted or the claims are out of reach.
    """

    record: ValidationRecord
    claim: Claim | None = None


class Reviewer:
    """One person's work at the queue on one page."""

    def __init__(
        self,
        records: ReadsRecords,
        claims: TakesClaims,
        clock: Clock,
        holder: str,
        name: str | None,
        is_left: Callable[[str], bool] = lambda holder: False,
    ) -> None:
        """``holder`` and ``name`` are those of the claims (``core.domain.cases.Claim``).

        ``is_left`` says of another holder whether it is the same person on a page that was closed. Their cases are
        taken over, so that whoever loads the page again keeps the case.
        """
        self._records = records
        self._claims = claims
        self._clock = clock
        self._holder = holder
        self._name = name
        self._is_left = is_left
        #: The error because of which the last call did without claims.
        self.without_claims: ServiceError | None = None

    def claims(self) -> Mapping[Case, Claim]:
        """The claims that stand, by case; none if they are out of reach."""
        try:
            standing = self._claims.standing()
        except ServiceError as error:
            self.without_claims = error
            return {}
        self.without_claims = None
        return {(claim.user_id, claim.registration_id): claim for claim in standing}

    def is_own(self, claim: Claim) -> bool:
        """Whether the claim is this reviewer's, or was before they closed a page."""
        return claim.holder == self._holder or self._is_left(claim.holder)

    def next_case(
        self,
        waiting: Sequence[Case],
        skipped: Collection[Case] = (),
        is_wanted: Callable[[ValidationRecord], bool] = waits,
        standing: Mapping[Case, Claim] | None = None,
    ) -> Opened | None:
        """Opens the first case of ``waiting`` that nobody else has: one of the reviewer's own first.

        ``waiting`` may be some seconds old: a case whose record is not wanted any more is left out. None if there is
        no other. ``standing`` are the claims, if they were read a moment ago. Raises ``ServiceError`` if the records
        are out of reach.
        """
        if standing is None:
            standing = self.claims()
        listed = set(waiting)
        own = [case for case, claim in standing.items() if case in listed and self.is_own(claim)]
        for case in (*own, *waiting):
            if case in skipped or (case in standing and case not in own):
                continue
            opened = self.open(*case, standing.get(case), is_wanted)
            if opened and is_wanted(opened.record) and self.may_work_on(opened):
                return opened
            # Somebody was faster, and others may have been, too.
            standing = self.claims()
        return None

    def may_work_on(self, opened: Opened) -> bool:
        """Whether nobody else has the case."""
        return opened.claim is None or opened.claim.holder == self._holder

    def open(
        self,
        user_id: str,
        registration_id: str,
        known: Claim | None = None,
        is_wanted: Callable[[ValidationRecord], bool] = waits,
    ) -> Opened | None:
        """Reads the case, and takes it if its record is wanted. None if there is no such case.

        ``known`` is the claim of the case that stood a moment ago, if any. A claim of this reviewer is renewed only
        when half of its time has passed. Raises ``ServiceError`` if the records are out of reach.
        """
        record = self._records.get(user_id, registration_id)
        if record is None or not is_wanted(record):
            return Opened(record) if record else None
        now = self._clock()
        if known and known.holder == self._holder and known.until - now > LEASE / 2:
            return Opened(record, known)
        claim = Claim(
            user_id=user_id,
            registration_id=registration_id,
            event_id=record.event,
            holder=self._holder,
            name=self._name,
            since=now,
            until=now + LEASE,
        )
        try:
            stands = self._claims.take(claim, known.holder if known and self.is_own(known) else self._holder)
        except (RecordNotFound, RegistrationNotFound):
            return None
        except ServiceError as error:
            self.without_claims = error
            return Opened(record)
        # Somebody may have decided the case and left it before it was taken.
        record = self._records.get(user_id, registration_id)
        if record is None or not is_wanted(record):
            if stands.holder == self._holder:
                self.leave(user_id, registration_id)
            return Opened(record) if record else None
        return Opened(record, stands)

    def leave(self, user_id: str, registration_id: str) -> None:
        """Leaves the case to others. If the claims are out of reach, the claim ends by itself."""
        with suppress(ServiceError):
            self._claims.release(user_id, registration_id, self._holder)

    def hand_over(self, record: ValidationRecord, to: Claim | None) -> None:
        """Leaves the case to others, or to the holder of another claim ``to``, who gets it next.

        Raises ``FacedeskError`` if the case cannot be given to them.
        """
        if to is None:
            self.leave(record.user_id, record.registration_id)
            return
        now = self._clock()
        theirs = to.model_copy(
            update={
                "user_id": record.user_id,
                "registration_id": record.registration_id,
                "event_id": record.event,
                "since": now,
                "until": now + LEASE,
            }
        )
        self._claims.take(theirs, self._holder)
