"""Whether events can be read from the index of the DynamoDB table alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

from core.adapters.aws.index_check import Finding, IndexCheck
from core.adapters.aws.table import event_index
from core.domain.clock import Clock, Stopwatch
from core.domain.errors import Refused, ServiceError

#: How often an instance looks at the shared finding, and at an index that it cannot use.
LOOK_AGAIN = timedelta(seconds=20)
#: The name of the thread that looks and checks.
THREAD_NAME = "event-index-check"
#: Seconds for which the end of the process waits for the current page of a check.
_END_SECONDS = 5.0

_SLOW = "Until then each event is found by reading the whole table, which is slow."
_MISSING = f"The table has no event index. Add it with `python -m core provision --add-index`. {_SLOW}"
_BUILDING = f"The event index is being built; it will be used as soon as it is ready. {_SLOW}"
_OTHER = (
    "The event index has other keys or fewer attributes than Facedesk needs. `python -m core provision` reports what "
    f"to do. {_SLOW}"
)


class EventIndex:
    """Knows whether the index can be read, and what is to be said about it.

    Other services write records without the top-level texts ``eventId`` and ``timestamp`` that the index is keyed by;
    a ``check`` searches the table for them (None: no other service may write to it). An index that is ready is used
    unless the latest finding is that records are missing. Before there is a finding, and while a new one is overdue,
    the index is used as well, and the notice says since when records may be missing.

    No caller waits for a check. The first one waits for the description of the index and the finding, which are two
    calls; from then on a thread of its own looks at both from time to time, and makes the check when it is due.
    """

    def __init__(
        self,
        describe: Callable[[], Mapping[str, Any] | None],
        check: IndexCheck | None,
        clock: Clock,
        stopwatch: Stopwatch,
    ) -> None:
        """``describe`` returns the index as ``DescribeTable`` does, or None if there is none."""
        self._describe = describe
        self._check = check
        self._clock = clock
        self._stopwatch = stopwatch
        #: Why the description forbids to use the index, and what to do about that.
        self._obstacle: str | None = None
        self._finding: Finding | None = None
        #: The code of the error for which the finding could not be read or the check not be begun.
        self._trouble: str | None = None
        self._has_looked = False
        #: When to look again, by the stopwatch; None: never.
        self._again: timedelta | None = None
        self._beginning = threading.Lock()
        self._thread: threading.Thread | None = None

    @property
    def notice(self) -> str | None:
        """Why the index could not be used, or what may be missing from it, and what to do about that."""
        check, finding = self._check, self._finding
        if self._obstacle or check is None or not self._has_looked:
            return self._obstacle
        if finding and finding.missing:
            return _lack(finding.missing)
        if finding and check.rests(finding):
            return None
        if code := self._trouble or (finding and finding.error):
            why = f"It could not be checked ({code}). Facedesk keeps trying."
        elif check.is_due(finding):
            why = "A check is under way."
        else:
            return None
        began = finding.began if finding else None
        if began is None:
            since, ones = "has not been verified yet", "Until a check has ended, records of other services"
        elif self._clock() - began >= 2 * check.every:
            since, ones = f"was last verified at {_in_words(began)}", "Records that other services wrote since then"
        else:
            return None
        return f"The event index {since}. {ones} may be missing from lists and figures. {why}"

    @property
    def verified(self) -> datetime | None:
        """When the latest check began; None if it found that records are missing, or there was none."""
        finding = self._finding
        return None if finding is None or finding.missing else finding.began

    def usable(self) -> bool:
        if not self._has_looked:
            self._look()
            self._in_background(self._check_if_due)
        elif self._again is not None and self._stopwatch() >= self._again:
            self._in_background(self._look_and_check)
        return self._obstacle is None and not (self._finding and self._finding.missing)

    def still_usable(self) -> bool:
        """Look at the index now, because it refused a read; False if it can no longer be used."""
        self._obstacle = self._obstacle_now()
        self._again = self._stopwatch() + LOOK_AGAIN
        return self._obstacle is None

    def close(self) -> None:
        if self._check is None:
            return
        self._check.stop()
        if self._thread:
            self._thread.join(_END_SECONDS)
        self._check.close()

    def _in_background(self, work: Callable[[], None]) -> None:
        with self._beginning:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=work, name=THREAD_NAME, daemon=True)
                self._thread.start()

    def _look_and_check(self) -> None:
        self._look()
        self._check_if_due()

    def _check_if_due(self) -> None:
        if self._check and not self._obstacle and self._check.is_due(self._finding):
            try:
                self._check.run()
            except ServiceError as error:
                self._trouble = error.code
                self._again = self._stopwatch() + LOOK_AGAIN
            else:
                self._look()

    def _look(self) -> None:
        # An index that could be used is not described again: if it went away, a read is refused.
        if self._obstacle or not self._has_looked:
            self._obstacle = self._obstacle_or_failure()
        if self._check and not self._obstacle:
            try:
                self._finding, self._trouble = self._check.finding(), None
            except ServiceError as error:
                self._trouble = error.code
        self._again = self._stopwatch() + LOOK_AGAIN if self._check or self._obstacle else None
        self._has_looked = True

    def _obstacle_or_failure(self) -> str | None:
        try:
            return self._obstacle_now()
        except ServiceError as error:
            return f"The event index could not be looked at ({error.code}). Facedesk keeps trying. {_SLOW}"

    def _obstacle_now(self) -> str | None:
        """Why the index cannot be used, by its description."""
        try:
            index = self._describe()
        except Refused as error:
            return (
                f"Facedesk is not allowed to check for an event index ({error.code}). "
                f"Give its role the permission `dynamodb:DescribeTable` on the table. {_SLOW}"
            )
        if index is None or index["IndexStatus"] == "DELETING":
            return _MISSING
        if index["IndexStatus"] != "ACTIVE" or index.get("Backfilling"):
            return _BUILDING
        return None if _suits(index) else _OTHER


def _lack(missing: int) -> str:
    return (
        f"Records of other services (at least {missing:,}) are not in the event index, because their eventId or "
        "timestamp is absent or not text. Repair them with `python -m core backfill-index`; use `--watch` as "
        f"long as other services write. {_SLOW}"
    )


def _in_words(moment: datetime) -> str:
    return f"{moment:%H:%M} UTC on {moment.day} {moment:%B %Y}"


def _suits(index: Mapping[str, Any]) -> bool:
    """Whether ``index`` has the keys and at least the attributes of the definition."""
    wanted, projection = event_index(), index["Projection"]
    carried = set(projection.get("NonKeyAttributes", ()))
    return index["KeySchema"] == wanted["KeySchema"] and (
        projection["ProjectionType"] == "ALL" or carried >= set(wanted["Projection"]["NonKeyAttributes"])
    )
