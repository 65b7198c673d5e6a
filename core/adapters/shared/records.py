"""How both record stores list an event's newest records."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from datetime import UTC, datetime

from core.domain.records import ValidationRecord

#: Length of a timestamp's text up to its seconds. Beyond them the texts of other services differ ("10:30:00Z",
#: "10:30:00.500Z"), so that their order is not that of time. (All are in UTC. A time with another offset, which the
#: table's contract rules out, is selected by its text.)
TO_THE_SECOND = len("2026-03-01T12:00:00")
_MAX = datetime.max.replace(tzinfo=UTC)


def newest_of_event(records: Iterable[ValidationRecord], now: datetime, limit: int) -> list[ValidationRecord]:
    """At most ``limit`` of the records that have not expired, in the order of ``ValidationRecords.event_records``.

    However many there are, only ``limit`` are held in memory.
    """
    alive = (record for record in records if not record.is_expired(now))
    return heapq.nsmallest(limit, alive, key=lambda r: (_MAX - r.order, r.registration_id, r.user_id))
