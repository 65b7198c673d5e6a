"""The check of the event index: which records of events it lacks, found by one instance at a time for all of them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from core.adapters.aws.clients import CALL_TIMEOUT_SECONDS, translated
from core.adapters.aws.items import Expression, Item
from core.adapters.aws.leases import Leases
from core.adapters.aws.pages import asking, pages
from core.adapters.aws.state_table import StateTable
from core.adapters.aws.table import INDEX_KEY, RECORDS_NOT_CONFIGURED
from core.adapters.aws.unindexed import is_missing, may_name_event, not_indexed
from core.domain.clock import Clock, Stopwatch, elapsed
from core.domain.costs import READ_UNIT_BYTES
from core.domain.errors import Service, ServiceError, Throttled
from core.domain.records import isoformat
from core.flow.pace import Pace
from core.flow.retry import Retry

logger = logging.getLogger(__name__)

#: The part of the state table that holds the findings, one for each table of records.
PART = "event-index"
#: The lease of whoever makes the check, its length, and how often it is renewed. A single page takes less than the
#: difference, with all tries.
LEASE = "event-index-check"
LEASE_LENGTH = timedelta(minutes=1)
RENEWED_EVERY = timedelta(seconds=15)
#: Time after which a check that failed, or found a lack, is made again.
CHECK_AGAIN = timedelta(minutes=1)
#: Records on a page: few, so that the units are consumed evenly, and no answer takes long.
PAGE = 200
#: A check takes about this part of the time between two of them, if the limits of its pace allow.
SHARE = 1 / 3
#: The least and the most read units that a check consumes a second. It reads one part of the table after another, and
#: DynamoDB gives 3,000 units a second to each part: at least two thirds of them are left to others.
MIN_UNITS, MAX_UNITS = 100.0, 1000.0

#: A reader of an event may wait for the finding, so it is asked for once or twice at most.
_FINDING_RETRY = Retry(CALL_TIMEOUT_SECONDS + 1, CALL_TIMEOUT_SECONDS)
#: Nobody waits for a page of the check.
_PAGE_RETRY = Retry(20.0, CALL_TIMEOUT_SECONDS, tries=100)

_errors = partial(translated, Service.RECORDS, RECORDS_NOT_CONFIGURED)


@dataclass(frozen=True)
class Finding:
    """What is known about the index."""

    #: When the latest check ended, or failed.
    ended: datetime
    #: When the latest check that did not fail began; None if there was none.
    began: datetime | None = None
    #: How many records of events it found that are not in the index: a minimum.
    missing: int = 0
    #: The code of the error for which the latest check failed.
    error: str | None = None
    #: Whether the table's stream was followed when that check began.
    followed: bool = False


class IndexCheck:
    """Searches the whole table for records that name an event but are not in the index; the finding is shared.

    The finding is an item of the state table, and only the holder of a lease makes a check: any number of instances
    make as many checks as one. If an instance dies, another makes its check when the lease has ended.

    A check reads page after page in the thread that calls ``run``, by connections of its own, at a pace that follows
    from the table's size. It takes part in nothing else.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        state_table: str,
        holder: str,
        every: timedelta,
        clock: Clock,
        stopwatch: Stopwatch = elapsed,
        *,
        followed: bool = False,
    ) -> None:
        """``client`` is one that nothing else uses (``core.adapters.aws.clients.client``); ``holder`` names this
        instance, and ``every`` is the time between two checks. If the table's stream is ``followed``
        (``core.adapters.aws.stream``), checks rest after one that found nothing.
        """
        self.every = every
        self._client = client
        self._table = table
        self._state = StateTable(client, state_table, _FINDING_RETRY, clock, Service.RECORDS)
        self._leases = Leases(client, state_table, _PAGE_RETRY, clock, Service.RECORDS)
        self._holder = holder
        self._clock = clock
        self._stopwatch = stopwatch
        self._followed = followed
        self._stop = threading.Event()
        #: When this instance's own latest check ended, and when it renewed the lease, by the stopwatch.
        self._own_end: timedelta | None = None
        self._renewed = timedelta(0)

    def finding(self) -> Finding | None:
        """The finding of the latest check by any instance; None if there was none. Raises ``ServiceError``."""
        item = self._state.get(PART, self._table)
        return _finding_of(item) if item else None

    def is_due(self, finding: Finding | None) -> bool:
        """Whether a check should be made after ``finding``.

        Clocks of instances may differ. One whose clock is wrong makes no more checks than it would make alone.
        """
        if finding and self.rests(finding):
            return False
        rest = self._rest(finding) if finding else CHECK_AGAIN
        if self._own_end is not None and self._stopwatch() - self._own_end < rest:
            return False
        return finding is None or not -rest < self._clock() - finding.ended < rest

    def rests(self, finding: Finding) -> bool:
        """Whether nothing can be missing since: all that is written is repaired, and was before that check began."""
        return self._followed and finding.followed and finding.error is None and not finding.missing

    def run(self) -> None:
        """Make the check if it is due and no other instance makes it, and keep the finding.

        A search that fails is a finding, too. Raises ``ServiceError`` if the state table cannot be read or written.
        """
        if not self._is_ours():
            return
        try:
            before = self.finding()
            if self.is_due(before):
                self._keep(self._searched(before))
        except _Stopped:
            pass
        finally:
            with suppress(ServiceError):  # then it ends by itself
                self._leases.give_back(LEASE, self._holder)

    def stop(self) -> None:
        """End a check that runs in another thread after its current page."""
        self._stop.set()

    def close(self) -> None:
        self._client.close()

    def _rest(self, finding: Finding) -> timedelta:
        """The time from the end of a check to the next one.

        As long as records are missing, as long as the check took: it may have read the whole table to find one.
        """
        if finding.error or finding.began is None:
            return CHECK_AGAIN
        return max(CHECK_AGAIN, min(finding.ended - finding.began, self.every)) if finding.missing else self.every

    def _searched(self, before: Finding | None) -> Finding:
        began = self._clock()
        try:
            found = Finding(self._clock(), began, self._count_missing(), followed=self._followed)
        except _Stopped:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, all instances are to know that there is no answer
            code = error.code if isinstance(error, ServiceError) else type(error).__name__
            logger.warning("the event index could not be checked: %s", code)
            found = replace(before or Finding(began), error=code)
        self._own_end = self._stopwatch()
        return replace(found, ended=self._clock())

    def _count_missing(self) -> int:
        """How many records that name an event are not in the index, on the first page that shows any."""
        used = Expression()
        request = {
            "TableName": self._table,
            "Limit": PAGE,
            "FilterExpression": f"{not_indexed(used)} AND {may_name_event(used)}",
            "ProjectionExpression": used.projection((*INDEX_KEY, "metadata")),
            "ExpressionAttributeNames": used.names,
            "ExpressionAttributeValues": used.values,
            "ReturnConsumedCapacity": "TOTAL",
        }
        pace = self._pace()
        for page in pages(asking(self._client.scan, _PAGE_RETRY, partial(_slowing, pace)), request):
            if missing := sum(map(is_missing, page["Items"])):
                return missing
            pace.speed_up()
            pace.spend(page["ConsumedCapacity"]["CapacityUnits"])
            if self._stop.wait(pace.delay()):
                raise _Stopped
            if self._stopwatch() - self._renewed >= RENEWED_EVERY and not self._is_ours():
                raise _Stopped
        return 0

    def _pace(self) -> Pace:
        """Read units a second."""
        described = asking(self._client.describe_table, _PAGE_RETRY, _errors)({"TableName": self._table})["Table"]
        # Eventually consistent reads cost half.
        units = described.get("TableSizeBytes", 0) / READ_UNIT_BYTES / 2
        wanted = units / (self.every.total_seconds() * SHARE)
        return Pace(min(max(wanted, MIN_UNITS), MAX_UNITS), burst=1.0)

    def _keep(self, found: Finding) -> None:
        if not self._is_ours():
            return  # another instance makes a check of its own
        item: dict[str, Any] = {"ended": {"S": isoformat(found.ended)}, "missing": {"N": str(found.missing)}}
        if found.began:
            item["began"] = {"S": isoformat(found.began)}
        if found.error:
            item["error"] = {"S": found.error}
        if found.followed:
            item["followed"] = {"BOOL": True}
        self._state.put(PART, self._table, item)

    def _is_ours(self) -> bool:
        """Take or renew the lease; False if another instance has it."""
        self._renewed = self._stopwatch()
        return self._leases.take(LEASE, self._holder, LEASE_LENGTH)


class _Stopped(Exception):
    """The check ends without a finding: this process ends, or another instance has the lease."""


def _finding_of(item: Item) -> Finding:
    return Finding(
        ended=datetime.fromisoformat(item["ended"]["S"]),
        began=datetime.fromisoformat(item["began"]["S"]) if "began" in item else None,
        missing=int(item["missing"]["N"]),
        error=item["error"]["S"] if "error" in item else None,
        followed="followed" in item,
    )


@contextmanager
def _slowing(pace: Pace) -> Iterator[None]:
    """Translates errors; a throttled call slows ``pace`` down."""
    try:
        with _errors():
            yield
    except Throttled:
        pace.slow_down()
        raise
