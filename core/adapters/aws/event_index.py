"""Whether events can be read from the index of the DynamoDB table alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from core.adapters.aws.table import event_index
from core.domain.clock import Stopwatch
from core.domain.errors import Refused, ServiceError

#: Time after which an unusable index is checked again.
LOOK_AGAIN = timedelta(minutes=1)
#: The name of the thread that checks again.
THREAD_NAME = "event-index-check"

_SLOW = "Until then each event is found by reading the whole table, which is slow."
_MISSING = f"The table has no event index. Add it with `python -m core provision --add-index`. {_SLOW}"
_BUILDING = f"The event index is being built; it will be used as soon as it is ready. {_SLOW}"
_OTHER = (
    "The event index has other keys or fewer attributes than Facedesk needs. `python -m core provision` reports what "
    f"to do. {_SLOW}"
)


@dataclass(frozen=True)
class _Finding:
    #: Why the index cannot be used, and what to do about it; None if it can be used.
    notice: str | None
    #: When to check again, by the stopwatch; None: never.
    due: timedelta | None


class EventIndex:
    """Knows whether the index has every record of every event. Until a check has shown it, events are read by scans.

    Other services write records without the top-level texts ``eventId`` and ``timestamp`` that the index is keyed by.
    An index that is ready is therefore used only after the whole table was searched for such records. The search is
    repeated every ``check_every`` (None: never; then no other service may write to the table). A record that another
    service writes in between is missing from event reads until a check finds it: for at most twice ``check_every``
    and the duration of a check.

    The first caller waits for the first check, and so do others who call meanwhile; the scan that they would need
    otherwise takes as long. Later checks run in the background, one at a time, started by a call when one is due.
    Meanwhile the last finding holds, unless it is too old because nobody has called for long. If a check cannot be
    made, the index is not used.
    """

    def __init__(
        self,
        describe: Callable[[], Mapping[str, Any] | None],
        count_missing: Callable[[bool], int],
        stopwatch: Stopwatch,
        check_every: timedelta | None,
    ) -> None:
        """``describe`` returns the index as ``DescribeTable`` does, or None if there is none.

        ``count_missing`` searches the table for records that have an event but are not in the index, in a hurry or
        not, and returns how many it has seen; it may stop at the first.
        """
        self._describe = describe
        self._count_missing = count_missing
        self._stopwatch = stopwatch
        self._check_every = check_every
        self._finding: _Finding | None = None
        self._asking = threading.Lock()
        self._checker: threading.Thread | None = None

    @property
    def notice(self) -> str | None:
        """Why the index could not be used at the last check, and what to do about it."""
        finding = self._finding
        return finding.notice if finding else None

    def usable(self) -> bool:
        with self._asking:
            if self._finding is None:
                self._finding = self._found(hurry=True)
            elif self._is_due(self._finding) and not (self._checker and self._checker.is_alive()):
                self._checker = threading.Thread(target=self._look_again, name=THREAD_NAME, daemon=True)
                self._checker.start()
            return self._finding.notice is None and not self._is_too_old(self._finding)

    def still_usable(self) -> bool:
        """Check the index now, because it refused a read; False if it can no longer be used."""
        obstacle = self._obstacle()
        if obstacle:
            self._finding = self._unusable(obstacle)
        return obstacle is None

    def _is_due(self, finding: _Finding) -> bool:
        return finding.due is not None and self._stopwatch() >= finding.due

    def _is_too_old(self, finding: _Finding) -> bool:
        if finding.due is None or self._check_every is None:
            return False
        return self._stopwatch() >= finding.due + self._check_every

    def _look_again(self) -> None:
        self._finding = self._found(hurry=False)

    def _found(self, hurry: bool) -> _Finding:
        try:
            obstacle = self._obstacle() or self._lack(hurry)
        except ServiceError as error:
            obstacle = (
                f"The event index could not be checked ({error.code}). Facedesk tries again every minute. {_SLOW}"
            )
        if obstacle:
            return self._unusable(obstacle)
        return _Finding(None, due=self._stopwatch() + self._check_every if self._check_every else None)

    def _lack(self, hurry: bool) -> str | None:
        """What the index lacks, and what to do about it; None if it has all records."""
        seen = self._count_missing(hurry) if self._check_every else 0
        if not seen:
            return None
        return (
            f"Records of other services (at least {seen:,}) are not in the event index, because their eventId or "
            "timestamp is absent or not text. Repair them with `python -m core backfill-index`; use `--watch` as "
            f"long as other services write. {_SLOW}"
        )

    def _obstacle(self) -> str | None:
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

    def _unusable(self, notice: str) -> _Finding:
        return _Finding(notice, due=self._stopwatch() + LOOK_AGAIN)


def _suits(index: Mapping[str, Any]) -> bool:
    """Whether ``index`` has the keys and at least the attributes of the definition."""
    wanted, projection = event_index(), index["Projection"]
    carried = set(projection.get("NonKeyAttributes", ()))
    return index["KeySchema"] == wanted["KeySchema"] and (
        projection["ProjectionType"] == "ALL" or carried >= set(wanted["Projection"]["NonKeyAttributes"])
    )
