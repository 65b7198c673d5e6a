"""What a metrics service counted of the tables and of the face engine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # half a second to load, and only metrics that are read need it
    import pandas as pd

#: What Facedesk asks of the table; throttling, latency and system errors are counted for each.
TABLE_OPERATIONS = ("GetItem", "Query", "Scan", "UpdateItem")
ENGINE_OPERATIONS = ("DetectFaces", "CompareFaces")
MAX_POINTS = 300
#: Minutes to a day. CloudWatch keeps each minute for 15 days, five minutes for 63 and hours for 15 months.
_PERIODS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 1440))


@dataclass(frozen=True)
class Metrics:
    """Figures by ``period``: frames of a row for each, with ``time`` (datetime64[us, UTC], the period's start) and
    columns of float64. Nothing counted is 0; nothing measured (milliseconds) is NaN.
    """

    period: timedelta
    #: Capacity units of the table of records, of its event index and of the audit trail: ``table_reads``,
    #: ``table_writes``, ``index_reads``, ``index_writes``, ``audit_reads``, ``audit_writes``.
    consumed: pd.DataFrame
    #: Mean milliseconds of successful requests to the table; a column for each of ``TABLE_OPERATIONS``.
    latency: pd.DataFrame
    #: Milliseconds of the slowest one; columns as ``latency``.
    slowest: pd.DataFrame
    #: Requests to the table turned away for their pace; columns as ``latency``.
    throttled: pd.DataFrame
    #: ``user`` (HTTP 400, of the whole account in this region: DynamoDB tells them of no table), ``conditional``
    #: (writes that met a changed record) and HTTP 500 for each of ``TABLE_OPERATIONS``.
    errors: pd.DataFrame
    #: ``index_throttled`` (writes that the event index had no room for); and of the audit trail
    #: ``audit_reads_throttled``, ``audit_writes_throttled`` and ``audit_errors`` (HTTP 500).
    others: pd.DataFrame
    #: ``deleted``: records that DynamoDB removed after they expired.
    expired: pd.DataFrame
    #: Rekognition's successful calls, those turned away, and mean milliseconds, of the whole account in this region;
    #: a column for each of ``ENGINE_OPERATIONS``.
    calls: pd.DataFrame
    calls_throttled: pd.DataFrame
    response: pd.DataFrame

    @property
    def is_empty(self) -> bool:
        """True where nothing at all was counted."""
        counts = (
            *(self.consumed, self.throttled, self.errors, self.others, self.expired),
            *(self.calls, self.calls_throttled),
        )
        return not any(frame.drop(columns="time").to_numpy().any() for frame in counts)

    @property
    def calls_a_second(self) -> pd.DataFrame:
        """``calls`` as means of each period."""
        calls = self.calls.drop(columns="time") / self.period.total_seconds()
        return calls.assign(time=self.calls["time"])

    @property
    def problems(self) -> pd.DataFrame:
        """What was turned away or failed: time, ``throttled`` (by DynamoDB, of the table of records), ``index``
        (throttled for want of room in the event index), ``calls_throttled`` (by Rekognition), ``audit`` (throttled or
        failed, of the audit trail), ``system``, ``user`` and ``conditional`` (as in ``errors``).
        """
        return self.errors[["time", "user", "conditional"]].assign(
            index=self.others["index_throttled"],
            audit=self.others[["audit_reads_throttled", "audit_writes_throttled", "audit_errors"]].sum(
                axis="columns"
            ),
            throttled=self.throttled[list(TABLE_OPERATIONS)].sum(axis="columns"),
            calls_throttled=self.calls_throttled[list(ENGINE_OPERATIONS)].sum(axis="columns"),
            system=self.errors[list(TABLE_OPERATIONS)].sum(axis="columns"),
        )


def period_of(span: timedelta) -> timedelta:
    """The shortest period that shows ``span`` in at most ``MAX_POINTS`` points; never more than a day."""
    return next((period for period in _PERIODS if span <= MAX_POINTS * period), _PERIODS[-1])
