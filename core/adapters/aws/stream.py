"""What other services write, repaired as it is written: the records of the table's stream, one after the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

from core.adapters.aws.clients import translated
from core.adapters.aws.items import Item, as_sent, is_record
from core.adapters.aws.pages import asking
from core.adapters.aws.repair import Keeper, PassCounts, Repair, Search
from core.adapters.aws.table import RECORDS_NOT_CONFIGURED
from core.adapters.aws.unmapped import DynamoUnmapped
from core.domain.clock import Clock
from core.domain.errors import Service, ServiceError
from core.domain.unmapped import Unmapped, Why
from core.flow.retry import Retry

logger = logging.getLogger(__name__)

#: A batch as Lambda gives it, and the answer that it wants.
Batch = Mapping[str, Any]
Answer = Mapping[str, Any]

_errors = partial(translated, Service.RECORDS, RECORDS_NOT_CONFIGURED)


class StreamRepairs:
    """Does for each record that is written what a pass of each of ``searches`` does for all of them, in their order.

    A repair requires that the record is still as it was written. So a batch may be given again, and what has changed
    meanwhile is left to the change's own place in the stream. The repair itself comes by in the stream as well, and
    nothing is found in it. A record that cannot be repaired is kept in ``unmapped`` until it is written anew or
    deleted, at most for ``ttl``. The journal of erasures is no part of it.
    """

    def __init__(
        self,
        client: Any,
        table: str,
        retry: Retry,
        searches: Sequence[tuple[Search, Keeper | None]],
        unmapped: DynamoUnmapped,
        clock: Clock,
        ttl: timedelta,
    ) -> None:
        """``client`` makes one attempt per call (``core.adapters.aws.clients.client``)."""

        def call(method: Callable[..., Any], **request: Any) -> Any:
            return asking(method, retry, _errors)({"TableName": table, **request})

        self._repairs = [(search, Repair(client, search, call, keeper)) for search, keeper in searches]
        self._to_begin = [keeper for _, keeper in searches if keeper]
        self._unmapped = unmapped
        self._clock = clock
        self._ttl = ttl

    def follow(self, batch: Batch) -> Answer:
        """Takes in a batch of the stream, with new and old images, and returns Lambda's ``batchItemFailures``.

        A record for which a service fails ends the batch: Lambda gives it again from there.
        """
        for record in batch["Records"]:
            change = record["dynamodb"]
            try:
                while self._to_begin:
                    self._to_begin[-1].begin()
                    self._to_begin.pop()
                self._follow(change["Keys"], _image(change, "NewImage"), _image(change, "OldImage"))
            except ServiceError as error:
                logger.warning("the stream waits: %s (%s)", type(error).__name__, error.code)
                return {"batchItemFailures": [{"itemIdentifier": change["SequenceNumber"]}]}
        return {"batchItemFailures": []}

    def _follow(self, key: Item, new: Item | None, old: Item | None) -> None:
        if not is_record(new or old or key):
            return
        ids = (key["userId"]["S"], key["registrationId"]["S"])
        if new and (why := self._repaired(new)):
            logger.warning("a record cannot be repaired: %s", why)
            now = self._clock()
            self._unmapped.put(Unmapped(*ids, why, now), now + self._ttl)
        elif old and self._may_be_kept(old, new):
            self._unmapped.remove(*ids)

    def _repaired(self, item: Item) -> Why | None:
        """Repairs the record; returns why that is not possible, if it is not."""
        reason = None
        for search, repair in self._repairs:
            try:
                finding = search.finding(item)
                done = repair(item, finding) if finding else PassCounts()
            except ServiceError:
                raise
            except Exception as error:  # noqa: BLE001 - one record must not stop all that come after it
                logger.error("the repair of a record failed: %s", type(error).__name__)
                reason = Why.FAILED
                continue
            if done.changed:
                return None
            if done.left or done.refused:
                reason = Why.REFUSED if done.refused else Why.NO_EVENT
            if finding and done.set:
                item = {**item, **finding.values}
        return reason

    def _may_be_kept(self, old: Item, new: Item | None) -> bool:
        """Whether there may be an entry of the old record: something was found in it, and not repaired just now."""
        try:
            findings = [finding for search, _ in self._repairs if (finding := search.finding(old))]
        except Exception:  # noqa: BLE001 - it was kept for that
            return True
        return bool(findings) and not any({**old, **finding.values} == new for finding in findings)


def _image(change: Mapping[str, Any], name: str) -> Item | None:
    # Lambda gives binary values in base64.
    return as_sent({"M": change[name]})["M"] if name in change else None
