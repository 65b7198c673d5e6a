"""What has expired goes, where no service clears it away: records, the photos submitted for them, photos of none.

With ``aws`` DynamoDB's TTL and the bucket's lifecycle do this.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from core.domain.audit import AuditEntry
from core.domain.clock import Clock
from core.domain.errors import Conflict
from core.domain.roles import Action
from core.photos.keys import SUBMITTED
from core.ports import AuditTrail, ExpiringPhotos, ExpiringRecords, RegistrationImport

#: Records that are taken away at once: writers wait for no more.
BATCH = 500
#: Who the audit trail names.
WHO = "retention"


@dataclass(frozen=True)
class Swept:
    records: int
    photos: int


class Retention:
    """Over the stores of one machine; any number may run at once, and beside writers."""

    def __init__(
        self,
        records: ExpiringRecords,
        registrations: RegistrationImport,
        photos: ExpiringPhotos,
        audit: AuditTrail,
        clock: Clock,
        record_ttl: timedelta,
        steady: Callable[[], bool],
    ) -> None:
        """``steady`` says whether the clock can be trusted (``core.services.steady_clock``)."""
        self._records = records
        self._registrations = registrations
        self._photos = photos
        self._audit = audit
        self._clock = clock
        self._record_ttl = record_ttl
        self._steady = steady

    def sweep(self, *, trust_clock: bool = False) -> Swept:
        """Take away what has expired, and tell the audit trail how much.

        First a record's photos, then the record: stopped in between, the next sweep finds both. Submitted photos that
        are older than a record is kept, and that none names, go as well. A photo stays that a record names which has
        not expired, or a registration. Raises ``ServiceError``.

        Takes nothing away if the clock has not been steady for some days, and raises ``Conflict`` if a record seems
        to have expired; but not with ``trust_clock``, which is for somebody who has checked the clock.
        """
        if not self._steady() and not trust_clock:
            if not self._records.expired(self._clock(), 1):
                return Swept(0, 0)  # a new installation has nothing to worry anybody about
            raise Conflict(
                f"The clock says {self._clock():%Y-%m-%d %H:%M} UTC. It has jumped, or nothing ran here for more "
                "than a week, so nothing was taken away. If the clock is right, this will be done by itself in "
                "three days, or at once by `python -m core sweep --trust-clock`."
            )
        photos = records = 0
        while expired := self._records.expired(self._clock(), BATCH):
            keys = {key for record in expired for key in record.photo_keys if key.startswith(SUBMITTED)}
            for key in sorted(keys - self._named(keys)):
                photos += self._photos.exists(key)
                self._photos.erase(key)
            dropped = self._records.drop_expired(expired, self._clock())
            records += dropped
            if not dropped:  # each of them had a new attempt meanwhile
                break
        photos += self._photos.expire(SUBMITTED, self._clock() - self._record_ttl, self._named)
        swept = Swept(records, photos)
        if records or photos:
            self._tell(swept)
        return swept

    def _named(self, keys: set[str]) -> set[str]:
        return self._records.named_alive(keys, self._clock()) | self._registrations.named_elsewhere(keys, None)

    def _tell(self, swept: Swept) -> None:
        self._audit.append(
            AuditEntry(
                entry_id=uuid.uuid4().hex,
                at=self._clock(),
                who=WHO,
                action=Action.ERASE,
                details={"records": str(swept.records), "photos": str(swept.photos)},
            )
        )
