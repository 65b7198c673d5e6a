"""Figures for operators: what this machine stores, and what this process has done.

The row counts are read from the embedded backend's file through a separate, read-only connection. The ports have no
counts, because DynamoDB and MongoDB would have to read everything for them.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from core.domain.errors import Service, Unavailable
from core.files.disk import DATABASE, NO_PHOTOS, PHOTOS

if TYPE_CHECKING:  # half a second to load, and only frames need it
    import pandas as pd

_BUSY_TIMEOUT_MS = 1_000
_FIGURES = ("count", "failed", "mean_ms", "max_ms", "calls", "read_units", "write_units")


@dataclass(frozen=True)
class DiskUse:
    """The disk use of the embedded backend's data folder in bytes; ``photos`` is the number of files.

    ``log_bytes`` is the size of SQLite's write-ahead log, which is moved into the database later.
    """

    database_bytes: int
    log_bytes: int
    photo_bytes: int
    photos: int
    free_bytes: int


@dataclass(frozen=True)
class RowCounts:
    """Numbers of rows in the embedded backend: validation records that have not expired, and registrations."""

    records: int
    registrations: int


def disk_use(data_dir: Path) -> DiskUse:
    """Reads the size of every photo, which takes 0.3 s for 100,000. Raises ``Unavailable``."""
    with _translated():
        sizes = list(_sizes(data_dir / PHOTOS))
        return DiskUse(
            database_bytes=_size(data_dir / DATABASE),
            log_bytes=_size(data_dir / f"{DATABASE}-wal"),
            photo_bytes=sum(sizes),
            photos=len(sizes),
            free_bytes=shutil.disk_usage(data_dir).free,
        )


def counts(data_dir: Path, now: datetime) -> RowCounts:
    """Scans every row, which takes 0.04 s for 100,000 records. Raises ``Unavailable``."""
    with (
        _translated(),
        closing(apsw.Connection(str(data_dir / DATABASE), flags=apsw.SQLITE_OPEN_READONLY)) as connection,
    ):
        connection.set_busy_timeout(_BUSY_TIMEOUT_MS)
        alive = "SELECT count(*) FROM faceVerifications WHERE expiresAt IS NULL OR expiresAt > ?"
        return RowCounts(
            records=connection.execute(alive, (now.timestamp(),)).get,
            registrations=connection.execute("SELECT count(*) FROM registrations").get,
        )


def by_operation(minutes: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``OperationMetrics.by_minute`` summed by operation, the most frequent first.

    Columns: operation, service, count, failed, mean_ms, max_ms, calls, read_units, write_units.
    """
    return _summed(minutes, ["operation", "service"]).sort_values("count", ascending=False, ignore_index=True)


def by_time(minutes: pd.DataFrame, since: datetime, until: datetime, period: timedelta) -> pd.DataFrame:
    """The rows of ``by_minute`` summed by period: ``time`` (its start, UTC), then the figures of ``by_operation``.

    There is a row for each period from that of ``since`` to that of ``until``. In a period without operations the
    counts are 0 and the milliseconds NaN.
    """
    import pandas as pd

    first, last = (pd.Timestamp(moment).tz_convert("UTC").floor(period) for moment in (since, until))
    every = pd.date_range(first, last, freq=period, unit="us", name="time")
    summed = _summed(minutes.assign(time=minutes["minute"].dt.floor(period)), ["time"]).set_index("time")
    counted = dict.fromkeys(summed.columns.drop(["mean_ms", "max_ms"]), 0)
    return summed.reindex(every).fillna(counted).reset_index()


def milliseconds(
    minutes: pd.DataFrame, operations: Sequence[str], since: datetime, until: datetime, period: timedelta
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The mean and the longest duration of ``operations``: two frames with ``time`` and a column per operation."""
    import pandas as pd

    found = {name: by_time(minutes[minutes["operation"] == name], since, until, period) for name in operations}
    times = found[operations[0]]["time"]
    mean = {name: frame["mean_ms"] for name, frame in found.items()}
    slowest = {name: frame["max_ms"] for name, frame in found.items()}
    return pd.DataFrame({"time": times, **mean}), pd.DataFrame({"time": times, **slowest})


def _summed(minutes: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    weighted = minutes.assign(mean_ms=minutes["mean_ms"] * minutes["count"])
    totals = ("count", "failed", "mean_ms", "calls", "read_units", "write_units")
    summed = weighted.groupby(keys, as_index=False).agg({**dict.fromkeys(totals, "sum"), "max_ms": "max"})
    summed["mean_ms"] /= summed["count"]
    return summed[[*keys, *_FIGURES]]


def _sizes(folder: Path) -> Iterator[int]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False) and entry.name not in NO_PHOTOS:
                yield from _sizes(Path(entry))
            elif entry.is_file(follow_symlinks=False):
                with suppress(FileNotFoundError):  # a photo that was being written has been renamed
                    yield entry.stat(follow_symlinks=False).st_size


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (apsw.Error, OSError) as error:
        raise Unavailable(Service.DATA_FOLDER, type(error).__name__) from error
