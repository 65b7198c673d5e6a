"""Deletes expired records, their submitted photos, old photos without a record, and what has expired of claims,
notes, answers to pairs and findings (embedded backend).

With the ``aws`` backend, DynamoDB's TTL and the bucket's lifecycle rule do this.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import timedelta

from core.domain.audit import AuditEntry
from core.domain.clock import Clock
from core.domain.errors import Conflict
from core.domain.roles import Action
from core.photos.keys import SUBMITTED
from core.ports import AuditTrail, ExpiringCases, ExpiringPhotos, ExpiringRecords, RegistrationImport

#: Records that are deleted in one transaction. Writers wait for no longer than one of these.
BATCH = 500
#: Who deleted them, in the audit trail.
WHO = "retention"


@dataclass(frozen=True)
class Swept:
    """How many records, photos and notes a sweep deleted, and the answers to how many pairs."""

    records: int
    photos: int
    notes: int = 0
    pairs: int = 0


class Retention:
    """Sweeps the stores of one machine. Several processes may sweep at once, and others may write meanwhile."""

    def __init__(
        self,
        records: ExpiringRecords,
        registrations: RegistrationImport,
        photos: ExpiringPhotos,
        audit: AuditTrail,
        clock: Clock,
        record_ttl: timedelta,
        steady: Callable[[], bool],
        catch_up: Callable[[], object],
        *,
        claims: ExpiringCases,
        notes: ExpiringCases,
        pairs: ExpiringCases,
        findings: ExpiringCases,
    ) -> None:
        """``steady`` says whether the clock can be trusted (``core.services.steady_clock``). ``catch_up`` dates the
        records that are to be kept for longer than they say (``core.services.event_dates``).
        """
        self._records = records
        self._registrations = registrations
        self._photos = photos
        self._audit = audit
        self._clock = clock
        self._record_ttl = record_ttl
        self._steady = steady
        self._catch_up = catch_up
        self._claims = claims
        self._notes = notes
        self._pairs = pairs
        self._findings = findings

    def sweep(self, *, trust_clock: bool = False) -> Swept:
        """Deletes what has expired, and writes the numbers into the audit trail.

        A record's photos are deleted before the record, so that a sweep that was stopped in between is completed by
        the next one. Submitted photos that no record names are deleted when they are older than the time for which
        records are kept. A photo is kept if a registration or an unexpired record names it. Raises ``ServiceError``.

        If the clock has not been steady for some days, nothing is deleted, and ``Conflict`` is raised if a record
        seems to have expired. ``trust_clock`` skips this check, for somebody who has checked the clock.
        """
        self._catch_up()
        if not self._steady() and not trust_clock:
            if not self._records.expired(self._clock(), 1):
                return Swept(0, 0)  # as in a new installation: nothing to warn of
            raise Conflict(
                f"The clock says {self._clock():%Y-%m-%d %H:%M} UTC. It has jumped, or Facedesk did not run for more "
                "than a week, so no expired data was deleted. If the clock is right, it will be deleted "
                "automatically in three days, or at once with `python -m core sweep --trust-clock`."
            )
        photos = records = 0
        while expired := self._records.expired(self._clock(), BATCH):
            keys = {key for record in expired for key in record.photo_keys if key.startswith(SUBMITTED)}
            for key in sorted(keys - self._named(keys)):
                photos += self._photos.exists(key)
                self._photos.erase(key)
            dropped = self._records.drop_expired(expired, self._clock())
            records += dropped
            if not dropped:  # each record has had a new attempt meanwhile
                break
        photos += self._photos.expire(SUBMITTED, self._clock() - self._record_ttl, self._named)
        now = self._clock()
        self._claims.drop_expired(now)  # they are no more than who worked on what some minutes ago
        self._findings.drop_expired(now)  # running a check or a search again finds the same
        swept = Swept(records, photos, self._notes.drop_expired(now), self._pairs.drop_expired(now))
        if swept != Swept(0, 0):
            self._append_entry(swept)
        return swept

    def _named(self, keys: set[str]) -> set[str]:
        return self._records.named_alive(keys, self._clock()) | self._registrations.named_elsewhere(keys, None)

    def _append_entry(self, swept: Swept) -> None:
        self._audit.append(
            AuditEntry(
                entry_id=uuid.uuid4().hex,
                at=self._clock(),
                who=WHO,
                action=Action.ERASE,
                details={name: str(count) for name, count in asdict(swept).items()},
            )
        )
