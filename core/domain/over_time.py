"""Outcomes by the hour, day, month or year, and beside those of the period before. Pure: frames in, frames out.

Frames are those of ``core.domain.frames``; a record counts when its newest attempt was.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import pandas as pd

from core.domain.changes import changed
from core.domain.columns import STATUSES
from core.domain.statistics import status_counts

#: The longest span that is shown by the unit, finest first; years beyond. numpy's code of the unit.
_UNITS = (
    ("hour", "h", timedelta(days=3)),
    ("day", "D", timedelta(days=366)),
    ("month", "M", timedelta(days=366 * 20)),
)
#: Begins of buckets, or the buckets of records, as numpy's times in their unit.
_Times = npt.NDArray[np.datetime64]


def over_time(records: pd.DataFrame, tz: str) -> tuple[str, pd.DataFrame]:
    """Outcomes by the hour (a span of at most 3 days), day (366 days), month (20 years) or year: unit and frame.

    Columns time, success, pending, failed, unknown (counts), attempts_mean, success_rate, and changed: what else
    decided from then on (``core.domain.changes``). Empty buckets are included.
    Records without a time are in none. ``time`` is where the bucket begins on the clock in the zone ``tz`` (IANA
    name), without a zone: an hour that the clock repeats is one bucket, one that it skips is an empty one.
    """
    records = records[records["timestamp"].notna()] if records["timestamp"].hasnans else records
    if records.empty:
        return "hour", _in_buckets(records, np.array([], dtype="datetime64[h]"), np.array([], dtype=int))
    unit, code = _unit(records["timestamp"].max() - records["timestamp"].min())
    buckets = _on_the_clock(records["timestamp"], tz).astype(f"datetime64[{code}]")
    begins = np.arange(buckets.min(), buckets.max() + 1)
    return unit, _in_buckets(records, begins, (buckets - begins[0]).astype(int))


def beside_previous(records: pd.DataFrame, since: datetime, length: timedelta, tz: str) -> tuple[str, pd.DataFrame]:
    """Outcomes of the period of this ``length`` that begins at ``since``, and how many there were in the one before.

    Unit and frame as of ``over_time``, with all buckets of the period and a column ``previous``: the number of
    records, of any status, in the same part of the period of the same length before. What is later than the period
    counts in its last bucket.
    """
    unit, code = _unit(length)
    ends = pd.Series(pd.to_datetime([since, since + length], utc=True))
    first, last = _on_the_clock(ends, tz).astype(f"datetime64[{code}]")
    begins = np.arange(first, last + 1)

    def numbered(rows: pd.DataFrame, later: timedelta) -> npt.NDArray[np.int64]:
        moved = (_on_the_clock(rows["timestamp"], tz) + np.timedelta64(later)).astype(f"datetime64[{code}]")
        # Where a clock was changed in between, hours at the ends of the period before would lie outside.
        numbers: npt.NDArray[np.int64] = np.clip((moved - first).astype("int64"), 0, len(begins) - 1)
        return numbers

    times = records["timestamp"]
    period, before = records[times >= since], records[(times >= since - length) & (times < since)]
    frame = _in_buckets(period, begins, numbered(period, timedelta(0)))
    return unit, frame.assign(previous=np.bincount(numbered(before, length), minlength=len(begins)))


def _unit(span: timedelta) -> tuple[str, str]:
    return next(((unit, code) for unit, code, longest in _UNITS if span <= longest), ("year", "Y"))


def _on_the_clock(times: pd.Series, tz: str) -> _Times:
    """The times as the clock in this zone shows them."""
    shown: _Times = times.dt.tz_convert(tz).dt.tz_localize(None).to_numpy()
    return shown


def _in_buckets(records: pd.DataFrame, begins: _Times, bucket: npt.NDArray[np.int64]) -> pd.DataFrame:
    """Outcomes of the records, whose numbers of buckets are ``bucket``, in the buckets that begin at ``begins``."""
    counts = status_counts(records["status"], bucket).reindex(range(len(begins)), fill_value=0)
    frame = counts.assign(
        attempts_mean=records["attempts"].groupby(bucket).mean(),
        success_rate=counts["success"] / counts[list(STATUSES)].sum(axis="columns"),
        changed=pd.Series(changed(records, bucket, len(begins)), dtype="str", index=counts.index),
    )
    frame.insert(0, "time", begins.astype("datetime64[us]"))
    return frame
