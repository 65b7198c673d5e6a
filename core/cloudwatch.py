"""What CloudWatch counted of the table and of Rekognition. Asks for the permission cloudwatch:GetMetricData alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from core.aws import translated
from core.costs import Usage, month_start
from core.errors import Refused, Unavailable
from core.retry import Retry
from core.stores.table import EVENT_INDEX

if TYPE_CHECKING:  # half a second to load, and only metrics that are read need it
    import pandas as pd

SERVICE = "metrics"
#: What Facedesk asks of the table; throttling, latency and system errors are counted for each.
TABLE_OPERATIONS = ("GetItem", "Query", "Scan", "UpdateItem")
ENGINE_OPERATIONS = ("DetectFaces", "CompareFaces")
MAX_POINTS = 300
#: Minutes to a day. CloudWatch keeps each minute for 15 days, five minutes for 63 and hours for 15 months.
_PERIODS = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 180, 1440))
#: Points come a minute or two late; what is younger would look like silence.
_SETTLED = timedelta(minutes=2)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})


@dataclass(frozen=True)
class Metrics:
    """Figures by ``period``: frames of a row for each, with ``time`` (datetime64[us, UTC], the period's start) and
    columns of float64. Nothing counted is 0; nothing measured (milliseconds) is NaN.
    """

    period: timedelta
    #: Capacity units: ``table_reads``, ``table_writes``, ``index_reads``, ``index_writes``.
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
        counts = (self.consumed, self.throttled, self.errors, self.expired, self.calls, self.calls_throttled)
        return not any(frame.drop(columns="time").to_numpy().any() for frame in counts)

    @property
    def calls_a_second(self) -> pd.DataFrame:
        """``calls`` as means of each period."""
        calls = self.calls.drop(columns="time") / self.period.total_seconds()
        return calls.assign(time=self.calls["time"])

    @property
    def problems(self) -> pd.DataFrame:
        """What was turned away or failed: time, ``throttled`` (by DynamoDB), ``calls_throttled`` (by Rekognition),
        ``system``, ``user`` and ``conditional`` (as in ``errors``).
        """
        return self.errors[["time", "user", "conditional"]].assign(
            throttled=self.throttled[list(TABLE_OPERATIONS)].sum(axis="columns"),
            calls_throttled=self.calls_throttled[list(ENGINE_OPERATIONS)].sum(axis="columns"),
            system=self.errors[list(TABLE_OPERATIONS)].sum(axis="columns"),
        )


@dataclass(frozen=True)
class _Series:
    """One line of figures, and the frame and column of ``Metrics`` that it fills."""

    frame: str
    column: str
    namespace: str
    metric: str
    statistic: str
    dimensions: tuple[tuple[str, str], ...] = ()

    def query(self, number: int, period: timedelta) -> dict[str, Any]:
        return {
            "Id": f"m{number}",
            "MetricStat": {
                "Metric": {
                    "Namespace": self.namespace,
                    "MetricName": self.metric,
                    "Dimensions": [{"Name": name, "Value": value} for name, value in self.dimensions],
                },
                "Period": int(period.total_seconds()),
                "Stat": self.statistic,
            },
        }


class CloudWatchMetrics:
    """Reads the metrics of ``table``, of its event index and of Rekognition, in the client's region.

    ``client`` comes from ``core.aws.client("cloudwatch", region)``. A service refused or out of reach raises
    ``ServiceError`` of the service "metrics".
    """

    def __init__(self, client: Any, table: str, retry: Retry) -> None:
        self._client = client
        self._table = table
        self._retry = retry

    def read(self, since: datetime, until: datetime) -> Metrics:
        """The whole periods between ``since`` and ``until`` that are complete by now, at most ``MAX_POINTS``.

        CloudWatch charges by series asked for: there are 29.
        """
        import pandas as pd

        period = period_of(until - since)
        first, end = _floor(since, period), _floor(until - _SETTLED, period)
        series = _table_series(self._table) + _engine_series()
        times = pd.date_range(first, end, freq=period, inclusive="left", unit="us")
        found = self._values(series, period, first, end)
        columns: dict[str, dict[str, Any]] = {}
        for line, values in zip(series, found, strict=True):
            absent = 0.0 if line.statistic == "Sum" else float("nan")
            columns.setdefault(line.frame, {"time": times})[line.column] = [
                values.get(time, absent) for time in times.to_pydatetime()
            ]
        return Metrics(period, **{frame: pd.DataFrame(values) for frame, values in columns.items()})

    def month_to_date(self, now: datetime) -> Usage:
        """What has been used since the month of ``now`` began (UTC): by whoever wrote to the table or read it, and by
        whoever called Rekognition in this account and region.
        """
        now = now.astimezone(UTC)
        series = [
            line for line in _table_series(self._table) + _engine_series() if line.frame in ("consumed", "calls")
        ]
        found = self._values(series, timedelta(days=1), month_start(now), now)
        used = {line.column: sum(values.values()) for line, values in zip(series, found, strict=True)}
        return Usage(
            write_units=used["table_writes"] + used["index_writes"],
            read_units=used["table_reads"] + used["index_reads"],
            images=sum(used[operation] for operation in ENGINE_OPERATIONS),
        )

    def close(self) -> None:
        self._client.close()

    def _values(
        self, series: Sequence[_Series], period: timedelta, since: datetime, until: datetime
    ) -> list[dict[datetime, float]]:
        """Each series' figures by the start (UTC) of their period."""
        found: dict[str, dict[datetime, float]] = {f"m{number}": {} for number in range(len(series))}
        queries = [line.query(number, period) for number, line in enumerate(series)]
        for answer in self._answers({"MetricDataQueries": queries, "StartTime": since, "EndTime": until}):
            times = (time.astimezone(UTC) for time in answer["Timestamps"])
            found[answer["Id"]].update(zip(times, answer["Values"], strict=True))
        return list(found.values())

    def _answers(self, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
        def page() -> Any:
            with _errors():
                answer = self._client.get_metric_data(**request)
            codes = {result.get("StatusCode") for result in answer["MetricDataResults"]}
            if "Forbidden" in codes:
                raise _denied("Forbidden")
            if "InternalError" in codes:
                raise Unavailable(SERVICE, "InternalError")
            return answer

        while True:
            answer = self._retry(page)
            yield from answer["MetricDataResults"]
            if not answer.get("NextToken"):
                return
            request["NextToken"] = answer["NextToken"]


def period_of(span: timedelta) -> timedelta:
    """The shortest period that shows ``span`` in at most ``MAX_POINTS`` points; never more than a day."""
    return next((period for period in _PERIODS if span <= MAX_POINTS * period), _PERIODS[-1])


def _floor(moment: datetime, period: timedelta) -> datetime:
    """The start of the period that ``moment`` lies in, as CloudWatch cuts time."""
    seconds = period.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


def _table_series(table: str) -> list[_Series]:
    whole = (("TableName", table),)
    index = (*whole, ("GlobalSecondaryIndexName", EVENT_INDEX))

    def series(frame: str, column: str, metric: str, statistic: str, *dimensions: tuple[str, str]) -> _Series:
        return _Series(frame, column, "AWS/DynamoDB", metric, statistic, dimensions)

    return [
        # The table's own do not contain the index's.
        series("consumed", "table_reads", "ConsumedReadCapacityUnits", "Sum", *whole),
        series("consumed", "table_writes", "ConsumedWriteCapacityUnits", "Sum", *whole),
        series("consumed", "index_reads", "ConsumedReadCapacityUnits", "Sum", *index),
        series("consumed", "index_writes", "ConsumedWriteCapacityUnits", "Sum", *index),
        *(
            series(frame, operation, metric, statistic, *whole, ("Operation", operation))
            for frame, metric, statistic in (
                ("latency", "SuccessfulRequestLatency", "Average"),
                ("slowest", "SuccessfulRequestLatency", "Maximum"),
                ("throttled", "ThrottledRequests", "Sum"),
                ("errors", "SystemErrors", "Sum"),
            )
            for operation in TABLE_OPERATIONS
        ),
        series("errors", "user", "UserErrors", "Sum"),
        series("errors", "conditional", "ConditionalCheckFailedRequests", "Sum", *whole),
        series("expired", "deleted", "TimeToLiveDeletedItemCount", "Sum", *whole),
    ]


def _engine_series() -> list[_Series]:
    return [
        _Series(frame, operation, "AWS/Rekognition", metric, statistic, (("Operation", operation),))
        for frame, metric, statistic in (
            ("calls", "SuccessfulRequestCount", "Sum"),
            ("calls_throttled", "ThrottledCount", "Sum"),
            ("response", "ResponseTime", "Average"),
        )
        for operation in ENGINE_OPERATIONS
    ]


@contextmanager
def _errors() -> Iterator[None]:
    try:
        with translated(SERVICE):
            yield
    except Refused as error:
        if error.code in _DENIED:
            raise _denied(error.code) from error
        raise


def _denied(code: str) -> Refused:
    return Refused(SERVICE, code, f"CloudWatch refused it ({code}): the role lacks cloudwatch:GetMetricData.")
