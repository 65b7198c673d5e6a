"""What the record stores share in reading an event."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from datetime import datetime

from core.domain.records import ValidationRecord

#: A time's text up to its seconds. Beyond them the texts of other services differ ("10:30:00Z", "10:30:00.500Z") and
#: their order is not that of time. (All are in UTC: of a time with another offset, which the table's contract rules
#: out, it is the text that decides whether it is among the newest.)
TO_THE_SECOND = len("2026-03-01T12:00:00")


def newest(records: Iterable[ValidationRecord], now: datetime, limit: int) -> list[ValidationRecord]:
    """Those that have not expired, in the order of ``ValidationRecords.event_records``, at most ``limit``.

    However many there are, only ``limit`` are held in memory.
    """
    alive = (record for record in records if not record.is_expired(now))
    return heapq.nsmallest(limit, alive, key=lambda r: (-r.timestamp.timestamp(), r.registration_id, r.user_id))
