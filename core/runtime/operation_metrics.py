"""Operation metrics: the operations of this process in the last 24 hours, by minute, in memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import TYPE_CHECKING

from core.runtime.operation_log import Operation

if TYPE_CHECKING:  # half a second to load, and only a frame needs it
    from pandas import DataFrame

#: Minutes that the metrics cover.
_KEPT_MINUTES = 24 * 60
_DTYPES: Mapping[str, str] = {
    "minute": "datetime64[us, UTC]",
    "operation": "str",
    "service": "str",
    "count": "int64",
    "failed": "int64",
    "mean_ms": "float64",
    "max_ms": "float64",
    "calls": "int64",
    "read_units": "float64",
    "write_units": "float64",
}


@dataclass
class _Sums:
    count: int = 0
    failed: int = 0
    milliseconds: float = 0.0
    slowest: float = 0.0
    calls: int = 0
    read_units: float = 0.0
    write_units: float = 0.0


class OperationMetrics:
    """Counts operations. Safe for use by several threads."""

    def __init__(self) -> None:
        self._minutes: dict[int, dict[tuple[str, str], _Sums]] = {}
        self._lock = Lock()

    def add(self, operation: Operation) -> None:
        """Counts an operation, and drops minutes that are older than 24 hours."""
        minute = _minute(operation.ended)
        with self._lock:
            if minute not in self._minutes:
                self._minutes[minute] = defaultdict(_Sums)
                for old in [other for other in self._minutes if other <= minute - _KEPT_MINUTES]:
                    del self._minutes[old]
            sums = self._minutes[minute][operation.name, operation.service]
            sums.count += 1
            sums.failed += operation.failed
            sums.milliseconds += operation.milliseconds
            sums.slowest = max(sums.slowest, operation.milliseconds)
            sums.calls += operation.asked.calls
            sums.read_units += operation.asked.read_units
            sums.write_units += operation.asked.write_units

    def by_minute(self, since: datetime) -> DataFrame:
        """Returns one row per minute and operation, by minute and name, from the minute of ``since``.

        Columns: minute (its start, UTC), operation, service, count, failed (how many of these), mean_ms and max_ms
        (milliseconds), calls (AWS calls), read_units and write_units (DynamoDB capacity units).
        """
        import pandas as pd

        first = _minute(since)
        with self._lock:
            rows = [
                (
                    datetime.fromtimestamp(minute * 60, UTC),
                    name,
                    service,
                    sums.count,
                    sums.failed,
                    sums.milliseconds / sums.count,
                    sums.slowest,
                    sums.calls,
                    sums.read_units,
                    sums.write_units,
                )
                for minute, operations in self._minutes.items()
                if minute >= first
                for (name, service), sums in operations.items()
            ]
        return pd.DataFrame(sorted(rows), columns=list(_DTYPES)).astype(_DTYPES)


def _minute(moment: datetime) -> int:
    """Returns the whole minutes since 1970."""
    return int(moment.timestamp() // 60)
