"""The figures of the tables and of Rekognition in CloudWatch. Needs only the permission cloudwatch:GetMetricData."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from core.adapters.aws.clients import translated
from core.adapters.aws.table import EVENT_INDEX
from core.domain.costs import Usage, month_start
from core.domain.errors import Refused, Service, Unavailable
from core.domain.metrics import ENGINE_OPERATIONS, TABLE_OPERATIONS, Metrics, period_of
from core.flow.retry import Retry

SERVICE = Service.METRICS
#: Points arrive a minute or two late; a younger period would look as if nothing had happened.
_SETTLED = timedelta(minutes=2)
_DENIED = frozenset({"AccessDenied", "AccessDeniedException"})


@dataclass(frozen=True)
class _Series:
    """One time series, with the frame and the column of ``Metrics`` that it fills."""

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
    """Reads the metrics of ``table``, of its event index, of the audit trail's table and of Rekognition, in the
    client's region.

    ``client`` comes from ``core.adapters.aws.clients.client("cloudwatch", region)``. Errors are ``ServiceError`` of
    the service "metrics".
    """

    def __init__(self, client: Any, table: str, audit_table: str, retry: Retry) -> None:
        self._client = client
        self._series = [*_table_series(table), *_audit_series(audit_table), *_engine_series()]
        self._retry = retry

    def read(self, since: datetime, until: datetime) -> Metrics:
        """The whole periods between ``since`` and ``until`` that are complete by now, at most ``MAX_POINTS``.

        CloudWatch charges per series requested: there are 35.
        """
        import pandas as pd

        period = period_of(until - since)
        first, end = _floor(since, period), _floor(until - _SETTLED, period)
        times = pd.date_range(first, end, freq=period, inclusive="left", unit="us")
        found = self._values(self._series, period, first, end)
        columns: dict[str, dict[str, Any]] = {}
        for line, values in zip(self._series, found, strict=True):
            absent = 0.0 if line.statistic == "Sum" else float("nan")
            columns.setdefault(line.frame, {"time": times})[line.column] = [
                values.get(time, absent) for time in times.to_pydatetime()
            ]
        return Metrics(period, **{frame: pd.DataFrame(values) for frame, values in columns.items()})

    def month_to_date(self, now: datetime) -> Usage:
        """The usage since the beginning of the month of ``now`` (UTC): of the tables by everyone who reads or writes
        them, and of Rekognition by everyone in this account and region.
        """
        now = now.astimezone(UTC)
        series = [line for line in self._series if line.frame in ("consumed", "calls")]
        found = self._values(series, timedelta(days=1), month_start(now), now)
        used = {line.column: sum(values.values()) for line, values in zip(series, found, strict=True)}
        return Usage(
            write_units=used["table_writes"] + used["index_writes"] + used["audit_writes"],
            read_units=used["table_reads"] + used["index_reads"] + used["audit_reads"],
            images=sum(used[operation] for operation in ENGINE_OPERATIONS),
        )

    def close(self) -> None:
        self._client.close()

    def _values(
        self, series: Sequence[_Series], period: timedelta, since: datetime, until: datetime
    ) -> list[dict[datetime, float]]:
        """The figures of each series, by the start (UTC) of their period."""
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


def _floor(moment: datetime, period: timedelta) -> datetime:
    """The start of the period that contains ``moment``, as CloudWatch divides time."""
    seconds = period.total_seconds()
    return datetime.fromtimestamp(moment.timestamp() // seconds * seconds, UTC)


def _of_dynamodb(frame: str, column: str, metric: str, statistic: str, *dimensions: tuple[str, str]) -> _Series:
    return _Series(frame, column, "AWS/DynamoDB", metric, statistic, dimensions)


def _table_series(table: str) -> list[_Series]:
    series = _of_dynamodb
    whole = (("TableName", table),)
    index = (*whole, ("GlobalSecondaryIndexName", EVENT_INDEX))
    return [
        # The units of the table do not include those of the index.
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
        # Each write that the index has no room for is one that the table refused.
        series("others", "index_throttled", "WriteThrottleEvents", "Sum", *index),
    ]


def _audit_series(table: str) -> list[_Series]:
    series = _of_dynamodb
    whole = (("TableName", table),)
    return [
        series("consumed", "audit_reads", "ConsumedReadCapacityUnits", "Sum", *whole),
        series("consumed", "audit_writes", "ConsumedWriteCapacityUnits", "Sum", *whole),
        series("others", "audit_reads_throttled", "ReadThrottleEvents", "Sum", *whole),
        series("others", "audit_writes_throttled", "WriteThrottleEvents", "Sum", *whole),
        series("others", "audit_errors", "SystemErrors", "Sum", *whole, ("Operation", "PutItem")),
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
    return Refused(
        SERVICE,
        code,
        f"CloudWatch refused the request ({code}). Give the role the permission cloudwatch:GetMetricData.",
    )
