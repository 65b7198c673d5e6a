"""Whether the events of the DynamoDB table may be read from its index alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from core.adapters.aws.table import event_index
from core.domain.clock import Stopwatch
from core.domain.errors import Refused, ServiceError

#: How long an index that cannot be used is left alone before it is looked at again.
LOOK_AGAIN = timedelta(minutes=1)
#: The thread that looks again.
THREAD_NAME = "event-index-check"

_SLOW = "Until then each event is found by reading the whole table, which is slow."
_MISSING = f"The table has no event index. `python -m core provision --add-index` adds it. {_SLOW}"
_BUILDING = f"The event index is being built; it will be used as soon as it is ready. {_SLOW}"
_OTHER = (
    "The event index has other keys or carries fewer attributes than Facedesk needs. `python -m core provision` says "
    f"what to do. {_SLOW}"
)


@dataclass(frozen=True)
class _Finding:
    #: What stands in the way of using the index and what to do about it; None: nothing does.
    notice: str | None
    #: When to look again, by the stopwatch; None: never.
    due: timedelta | None


class EventIndex:
    """Says whether the index has every record of every event; until it is known to, events are read by scans.

    Other services write records without the top-level ``eventId`` that the index goes by. So an index that is there
    and ready counts only after the whole table was read for such records, and the table is read again each
    ``check_every`` (None: never; then nobody else may write it). What another service writes in between is missing
    from event reads until a check has found it: for at most twice ``check_every`` and the time that a check takes.

    The first to ask waits for the first check, and others who ask meanwhile wait with it: no longer than for the scan
    that they would need otherwise. Later checks run one at a time in the background, started by whoever asks when one
    is due; the last finding holds meanwhile, unless nobody had asked for so long that it is too old. Where a check
    cannot be made, the index is not used.
    """

    def __init__(
        self,
        describe: Callable[[], Mapping[str, Any] | None],
        strays: Callable[[bool], int],
        stopwatch: Stopwatch,
        check_every: timedelta | None,
    ) -> None:
        """``describe`` gives the index as ``DescribeTable`` does, None where there is none.

        ``strays`` reads the table for records with an event that the index lacks, in a hurry or not, and says how
        many it saw; it may stop at the first.
        """
        self._describe = describe
        self._strays = strays
        self._stopwatch = stopwatch
        self._check_every = check_every
        self._finding: _Finding | None = None
        self._asking = threading.Lock()
        self._checker: threading.Thread | None = None

    @property
    def notice(self) -> str | None:
        """What stood in the way of using the index when it was last looked at, and what to do about it."""
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
        """Look at the index now, because it refused a read: False where it can no longer be used."""
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
                f"The event index could not be checked ({error.code}); this is tried again each minute. {_SLOW}"
            )
        if obstacle:
            return self._unusable(obstacle)
        return _Finding(None, due=self._stopwatch() + self._check_every if self._check_every else None)

    def _lack(self, hurry: bool) -> str | None:
        """What the index lacks."""
        seen = self._strays(hurry) if self._check_every else 0
        if not seen:
            return None
        return (
            f"Records of other services (at least {seen:,}) lack the eventId that the event index goes by. "
            f"`python -m core backfill-index` adds it, with `--watch` for as long as they write. {_SLOW}"
        )

    def _obstacle(self) -> str | None:
        """What the index's description has against using it."""
        try:
            index = self._describe()
        except Refused as error:
            return (
                f"Facedesk may not ask whether there is an event index ({error.code}). "
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
    """True where ``index`` has our keys and carries what we read."""
    wanted, projection = event_index(), index["Projection"]
    carried = set(projection.get("NonKeyAttributes", ()))
    return index["KeySchema"] == wanted["KeySchema"] and (
        projection["ProjectionType"] == "ALL" or carried >= set(wanted["Projection"]["NonKeyAttributes"])
    )
