"""CloudWatch's figures: from moto, and from stubs for what moto never does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.stub import Stubber
from moto import mock_aws

from core.adapters.aws import clients
from core.adapters.aws.metrics import CloudWatchMetrics
from core.adapters.aws.table import EVENT_INDEX
from core.domain.costs import Usage
from core.domain.errors import Refused, Unavailable
from core.domain.metrics import period_of
from core.flow.retry import Retry

REGION = "ap-south-1"
TABLE = "face-verifications"
AUDIT_TABLE = "facedesk-audit"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
HOUR_AGO = NOW - timedelta(hours=1)
QUICK = Retry(deadline=2, call_timeout=1, base=0.01, cap=0.02)
_REKOGNITION = frozenset({"SuccessfulRequestCount", "ThrottledCount", "ResponseTime"})


def put(client: Any, metric: str, time: datetime, *values: float, table: bool = False, **dimensions: str) -> None:
    """Have ``values`` measured at ``time`` as AWS does, of the test's table where ``table``."""
    named = {"TableName": TABLE} if table else {}
    client.put_metric_data(
        Namespace="AWS/Rekognition" if metric in _REKOGNITION else "AWS/DynamoDB",
        MetricData=[
            {
                "MetricName": metric,
                "Dimensions": [{"Name": name, "Value": value} for name, value in {**named, **dimensions}.items()],
                "Timestamp": time,
                "Values": list(values),
            }
        ],
    )


@pytest.fixture(scope="module")
def client() -> Any:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        environment.delenv("AWS_ENDPOINT_URL_CLOUDWATCH", raising=False)
        return clients.client("cloudwatch", REGION)


@pytest.fixture
def moto(client: Any) -> Iterator[Any]:
    with mock_aws():
        yield client


@pytest.fixture
def stub(client: Any) -> Iterator[Stubber]:
    with Stubber(client) as stubber:
        yield stubber


@pytest.fixture
def metrics(client: Any) -> CloudWatchMetrics:
    return CloudWatchMetrics(client, TABLE, AUDIT_TABLE, QUICK)


def result(number: int, *values: float, status: str = "Complete") -> dict[str, Any]:
    times = [HOUR_AGO + timedelta(minutes=minute) for minute in range(len(values))]
    return {"Id": f"m{number}", "Timestamps": times, "Values": list(values), "StatusCode": status}


@pytest.mark.parametrize(
    ("span", "period"),
    [
        (timedelta(hours=3), timedelta(minutes=1)),
        (timedelta(hours=5), timedelta(minutes=1)),
        (timedelta(hours=24), timedelta(minutes=5)),
        (timedelta(days=7), timedelta(hours=1)),
        (timedelta(days=30), timedelta(hours=3)),
        (timedelta(days=400), timedelta(days=1)),
    ],
)
def test_a_span_is_shown_in_few_points(span: timedelta, period: timedelta) -> None:
    assert period_of(span) == period


def test_units_are_summed_by_period(moto: Any, metrics: CloudWatchMetrics) -> None:
    put(moto, "ConsumedWriteCapacityUnits", HOUR_AGO, 5, table=True)
    put(moto, "ConsumedWriteCapacityUnits", HOUR_AGO + timedelta(seconds=30), 2, table=True)
    put(moto, "ConsumedWriteCapacityUnits", HOUR_AGO + timedelta(minutes=1), 4, table=True)
    assert list(metrics.read(HOUR_AGO, NOW).consumed["table_writes"][:3]) == [7.0, 4.0, 0.0]


def test_the_indexs_units_are_not_the_tables(moto: Any, metrics: CloudWatchMetrics) -> None:
    put(moto, "ConsumedReadCapacityUnits", HOUR_AGO, 5, table=True)
    put(moto, "ConsumedReadCapacityUnits", HOUR_AGO, 3, table=True, GlobalSecondaryIndexName=EVENT_INDEX)
    first = metrics.read(HOUR_AGO, NOW).consumed.iloc[0]
    assert (first["table_reads"], first["index_reads"]) == (5.0, 3.0)


def test_latency_is_told_by_operation_as_mean_and_slowest(moto: Any, metrics: CloudWatchMetrics) -> None:
    put(moto, "SuccessfulRequestLatency", HOUR_AGO, 2, 10, table=True, Operation="Query")
    found = metrics.read(HOUR_AGO, NOW)
    assert (found.latency["Query"][0], found.slowest["Query"][0]) == (6.0, 10.0)


def test_where_nothing_was_measured_there_is_no_latency(moto: Any, metrics: CloudWatchMetrics) -> None:
    assert metrics.read(HOUR_AGO, NOW).latency["GetItem"].isna().all()


def test_where_nothing_was_turned_away_the_count_is_zero(moto: Any, metrics: CloudWatchMetrics) -> None:
    assert (metrics.read(HOUR_AGO, NOW).throttled["UpdateItem"] == 0).all()


def test_throttling_and_errors_are_counted(moto: Any, metrics: CloudWatchMetrics) -> None:
    put(moto, "ThrottledRequests", HOUR_AGO, 3, table=True, Operation="UpdateItem")
    put(moto, "SystemErrors", HOUR_AGO, 2, table=True, Operation="Scan")
    put(moto, "UserErrors", HOUR_AGO, 4)
    put(moto, "ConditionalCheckFailedRequests", HOUR_AGO, 6, table=True)
    found = metrics.read(HOUR_AGO, NOW)
    errors = found.errors.iloc[0]
    counted = (found.throttled["UpdateItem"][0], errors["Scan"], errors["user"], errors["conditional"])
    assert counted == (3.0, 2.0, 4.0, 6.0)


def test_writes_that_the_index_has_no_room_for_are_told_apart(moto: Any, metrics: CloudWatchMetrics) -> None:
    put(moto, "WriteThrottleEvents", HOUR_AGO, 5, table=True, GlobalSecondaryIndexName=EVENT_INDEX)
    put(moto, "WriteThrottleEvents", HOUR_AGO, 70, table=True)
    assert metrics.read(HOUR_AGO, NOW).problems["index"].sum() == 5


def test_the_audit_trails_units_and_troubles_are_counted(moto: Any, metrics: CloudWatchMetrics) -> None:
    put(moto, "ConsumedWriteCapacityUnits", HOUR_AGO, 8, TableName=AUDIT_TABLE)
    put(moto, "ConsumedReadCapacityUnits", HOUR_AGO, 3, TableName=AUDIT_TABLE)
    put(moto, "WriteThrottleEvents", HOUR_AGO, 2, TableName=AUDIT_TABLE)
    put(moto, "SystemErrors", HOUR_AGO, 1, TableName=AUDIT_TABLE, Operation="PutItem")
    found = metrics.read(HOUR_AGO, NOW)
    first = found.consumed.iloc[0]
    assert (first["audit_writes"], first["audit_reads"], found.problems["audit"].sum()) == (8.0, 3.0, 3.0)


def test_the_audit_trail_is_part_of_a_months_cost(moto: Any, metrics: CloudWatchMetrics) -> None:
    put(moto, "ConsumedWriteCapacityUnits", HOUR_AGO, 8, TableName=AUDIT_TABLE)
    put(moto, "ConsumedReadCapacityUnits", HOUR_AGO, 3, TableName=AUDIT_TABLE)
    assert metrics.month_to_date(NOW) == Usage(write_units=8, read_units=3)


def test_records_that_expired_are_counted(moto: Any, metrics: CloudWatchMetrics) -> None:
    put(moto, "TimeToLiveDeletedItemCount", HOUR_AGO, 12, table=True)
    assert metrics.read(HOUR_AGO, NOW).expired["deleted"].sum() == 12


def test_rekognitions_calls_are_told_by_operation(moto: Any, metrics: CloudWatchMetrics) -> None:
    put(moto, "SuccessfulRequestCount", HOUR_AGO, 30, Operation="DetectFaces")
    put(moto, "ThrottledCount", HOUR_AGO, 2, Operation="CompareFaces")
    put(moto, "ResponseTime", HOUR_AGO, 350, Operation="CompareFaces")
    found = metrics.read(HOUR_AGO, NOW)
    counted = (
        found.calls["DetectFaces"][0],
        found.calls_throttled["CompareFaces"][0],
        found.response["CompareFaces"][0],
    )
    assert counted == (30.0, 2.0, 350.0)


def test_other_tables_are_not_counted(moto: Any, metrics: CloudWatchMetrics) -> None:
    put(moto, "ConsumedReadCapacityUnits", HOUR_AGO, 5, TableName="another")
    assert metrics.read(HOUR_AGO, NOW).is_empty


def test_a_table_that_is_used_is_not_empty(moto: Any, metrics: CloudWatchMetrics) -> None:
    put(moto, "ConsumedReadCapacityUnits", HOUR_AGO, 5, table=True)
    assert not metrics.read(HOUR_AGO, NOW).is_empty


def test_every_frame_has_every_period(moto: Any, metrics: CloudWatchMetrics) -> None:
    found = metrics.read(NOW - timedelta(hours=24), NOW)
    lengths = {len(value) for value in vars(found).values() if value is not found.period}
    assert lengths == {24 * 12 - 1}  # the last five minutes are not settled


def test_frames_have_the_types_that_they_promise(moto: Any, metrics: CloudWatchMetrics) -> None:
    found = metrics.read(HOUR_AGO, NOW)
    kinds = {str(kind) for value in vars(found).values() if value is not found.period for kind in value.dtypes}
    assert kinds == {"datetime64[us, UTC]", "float64"}


def test_periods_that_points_may_yet_come_for_are_left_out(moto: Any, metrics: CloudWatchMetrics) -> None:
    last = metrics.read(HOUR_AGO, NOW + timedelta(seconds=30)).consumed["time"].iloc[-1]
    assert last == NOW - timedelta(minutes=3)


def test_periods_begin_on_the_clock(moto: Any, metrics: CloudWatchMetrics) -> None:
    first = metrics.read(NOW - timedelta(hours=24, seconds=-77), NOW).consumed["time"].iloc[0]
    assert first == NOW - timedelta(hours=24)


def test_a_month_to_date_adds_up_table_and_index(moto: Any, metrics: CloudWatchMetrics) -> None:
    put(moto, "ConsumedWriteCapacityUnits", datetime(2026, 11, 1, tzinfo=UTC), 100, table=True)
    put(moto, "ConsumedWriteCapacityUnits", HOUR_AGO, 40, table=True, GlobalSecondaryIndexName=EVENT_INDEX)
    put(moto, "ConsumedReadCapacityUnits", HOUR_AGO, 7, table=True)
    put(moto, "SuccessfulRequestCount", HOUR_AGO, 20, Operation="DetectFaces")
    put(moto, "SuccessfulRequestCount", HOUR_AGO, 10, Operation="CompareFaces")
    assert metrics.month_to_date(NOW) == Usage(write_units=140, read_units=7, images=30)


def test_a_month_to_date_leaves_the_month_before_out(moto: Any, metrics: CloudWatchMetrics) -> None:
    put(moto, "ConsumedWriteCapacityUnits", datetime(2026, 10, 31, 23, 59, tzinfo=UTC), 100, table=True)
    assert metrics.month_to_date(NOW) == Usage()


def test_a_month_begins_by_utc_wherever_the_clock_stands(moto: Any, metrics: CloudWatchMetrics) -> None:
    put(moto, "ConsumedWriteCapacityUnits", datetime(2026, 11, 30, 23, tzinfo=UTC), 100, table=True)
    in_kolkata = datetime.fromisoformat("2026-12-01T05:00:00+05:30")
    assert metrics.month_to_date(in_kolkata) == Usage(write_units=100)


def test_an_answer_in_pages_is_read_to_its_end(stub: Stubber, metrics: CloudWatchMetrics) -> None:
    first = {"MetricDataResults": [result(0, 1.0, status="PartialData")], "NextToken": "more"}
    stub.add_response("get_metric_data", first)
    later = {**result(0, 2.0), "Timestamps": [HOUR_AGO + timedelta(minutes=1)]}
    stub.add_response("get_metric_data", {"MetricDataResults": [later, result(1, 8.0)]})
    consumed = metrics.read(HOUR_AGO, NOW).consumed
    assert (*consumed["table_reads"][:2], consumed["table_writes"][0]) == (1.0, 2.0, 8.0)


def test_a_refusal_names_the_permission(stub: Stubber, metrics: CloudWatchMetrics) -> None:
    stub.add_client_error("get_metric_data", "AccessDenied", http_status_code=403)
    with pytest.raises(Refused, match="cloudwatch:GetMetricData"):
        metrics.read(HOUR_AGO, NOW)


def test_a_series_that_is_forbidden_names_the_permission(stub: Stubber, metrics: CloudWatchMetrics) -> None:
    stub.add_response("get_metric_data", {"MetricDataResults": [result(0, status="Forbidden")]})
    with pytest.raises(Refused, match="cloudwatch:GetMetricData"):
        metrics.read(HOUR_AGO, NOW)


@pytest.mark.parametrize("code", ["Throttling", "InternalServiceFault"])
def test_what_passes_is_tried_again(stub: Stubber, metrics: CloudWatchMetrics, code: str) -> None:
    stub.add_client_error("get_metric_data", code, http_status_code=500 if code.startswith("Internal") else 400)
    stub.add_response("get_metric_data", {"MetricDataResults": [result(0, 1.0)]})
    assert metrics.read(HOUR_AGO, NOW).consumed["table_reads"][0] == 1.0


def test_a_series_that_failed_inside_is_tried_again(stub: Stubber, metrics: CloudWatchMetrics) -> None:
    stub.add_response("get_metric_data", {"MetricDataResults": [result(0, status="InternalError")]})
    stub.add_response("get_metric_data", {"MetricDataResults": [result(0, 1.0)]})
    assert metrics.read(HOUR_AGO, NOW).consumed["table_reads"][0] == 1.0


def test_what_does_not_pass_is_unavailable(client: Any, stub: Stubber) -> None:
    stub.add_client_error("get_metric_data", "Throttling")
    with pytest.raises(Unavailable):
        CloudWatchMetrics(client, TABLE, AUDIT_TABLE, Retry(deadline=0, call_timeout=1)).read(HOUR_AGO, NOW)
