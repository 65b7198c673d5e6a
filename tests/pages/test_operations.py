"""The Operations page: with nothing to show, with figures, with services that fail; for both backends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from math import nan
from pathlib import Path
from typing import Any

import pandas as pd
import plotly.graph_objects as go
import pytest
import streamlit as st
from botocore.stub import Stubber
from moto import mock_aws
from streamlit.testing.v1 import AppTest

from core.adapters.aws import clients
from core.adapters.aws.metrics import CloudWatchMetrics
from core.adapters.aws.table import EVENT_INDEX
from core.domain.clock import utc_now
from core.domain.errors import Refused
from core.domain.frames import frame_of
from core.domain.hints import Hint
from core.domain.records import Source, ValidationRecord
from core.flow.retry import Retry
from core.runtime.operation_log import Operation
from core.runtime.services import Services
from core.services.validation import Submitter
from core.settings import Settings
from dashboard import services as dashboard_services
from dashboard.charts.operations import (
    bars_over_time,
    describe_counts,
    describe_levels,
    lines_over_time,
    mean_and_slowest,
)
from dashboard.charts.style import LIGHT, Palette, Trace
from tests.core.test_cloudwatch import AUDIT_TABLE, REGION, TABLE, put
from tests.pages.test_charts import contrast
from tests.pages.test_event_charts import MAX_JSON_BYTES, THEME, both, colours_of
from tests.pages.test_event_overview import charts, metrics
from tests.pages.test_validate import down, text_of
from tests.support.app import RunPage, failure
from tests.support.desk import Desk
from tests.support.frames import registration_rows
from tests.support.records import a_foreign_item

ANYBODY = Submitter(Source.API)
#: In the middle of a month, so that there is a pace.
NOW = datetime(2026, 11, 16, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def fresh(run_page: RunPage) -> None:
    """Nothing that another test's page read."""
    st.cache_data.clear()
    st.cache_resource.clear()


@pytest.fixture
def nothing_else(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the page itself asks of the stores is not counted: only what the test says was done."""
    monkeypatch.setattr(services.observer, "keep", lambda _call: None)


def done(services: Services, name: str, milliseconds: float = 5, *, failed: bool = False) -> None:
    service = "face engine" if name.startswith("engine.") else "photos"
    services.operation_metrics.add(Operation(name, service, services.clock(), milliseconds, failed=failed))


def refusing(service: str, code: str) -> Callable[[], None]:
    def ping() -> None:
        raise Refused(service, code)

    return ping


def frames(app: AppTest) -> list[Any]:
    return [table.value for table in app.dataframe]


# Embedded


def test_every_service_is_told_healthy(run_page: RunPage) -> None:
    app = run_page("operations")
    found = metrics(app)
    services = ("Validation records", "Registrations", "Photos", "Face engine")
    assert [found[name] for name in services] == ["Healthy"] * 4


def test_a_service_that_fails_is_named_and_the_others_stay(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.photos, "ping", down("photos"))
    app = run_page("operations")
    assert (metrics(app)["Photos"], metrics(app)["Registrations"]) == ("Failing", "Healthy")


def test_services_that_fail_for_one_cause_are_told_together_with_what_to_do(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for store, name in ((desk.photos, "photos"), (desk.records, "validation records")):
        monkeypatch.setattr(store, "ping", refusing(name, "ExpiredToken"))
    app = run_page("operations")
    assert [banner.value for banner in app.warning] == [Hint.EXPIRED]
    assert {"Photos: Refused (ExpiredToken)", "Validation records: Refused (ExpiredToken)"} <= {
        line.value for line in app.text
    }


@pytest.mark.usefixtures("nothing_else")
def test_a_quiet_desk_has_sentences_instead_of_empty_axes(run_page: RunPage) -> None:
    app = run_page("operations")
    assert "The face engine was not used in this span of time." in text_of(app)
    assert not charts(app)


def test_counts_and_disk_are_those_of_the_data_folder(run_page: RunPage, desk: Desk, astronaut_jpeg: bytes) -> None:
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)
    found = metrics(run_page("operations"))
    assert (found["Records kept"], found["Registrations kept"]) == ("1", "2")


@pytest.mark.usefixtures("nothing_else")
def test_what_the_process_did_is_drawn_and_listed(run_page: RunPage, services: Services) -> None:
    done(services, "engine.detect", 60)
    done(services, "engine.compare", 90)
    done(services, "photos.put", failed=True)
    app = run_page("operations")
    assert len(charts(app)) == 2
    assert set(frames(app)[-1]["Operation"]) == {"engine.detect", "engine.compare", "photos.put"}


@pytest.mark.usefixtures("nothing_else")
def test_a_process_that_has_just_started_is_drawn_on_a_short_axis(run_page: RunPage, services: Services) -> None:
    done(services, "photos.put")
    (chart,) = charts(run_page("operations", span="24 h"))
    start, end = map(datetime.fromisoformat, json.loads(chart)["layout"]["xaxis"]["range"])
    assert end - start <= timedelta(minutes=32)


@pytest.mark.usefixtures("nothing_else")
def test_health_checks_are_not_drawn_as_work(run_page: RunPage, services: Services) -> None:
    done(services, "engine.ping")
    assert "Nothing was done in this span of time." in text_of(run_page("operations"))


def test_a_data_folder_that_cannot_be_read_is_a_banner(
    run_page: RunPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "facedesk.sqlite3").rename(tmp_path / "elsewhere")
    app = run_page("operations")
    assert "Could not measure the disk" in failure(app)
    assert metrics(app)["Face engine"] == "Healthy"


def test_a_span_that_the_process_does_not_remember_is_not_offered(run_page: RunPage) -> None:
    assert run_page("operations").segmented_control(key="span").options == ["3 h", "24 h"]


def test_a_link_with_a_span_that_is_not_offered_shows_the_usual_one(run_page: RunPage) -> None:
    assert run_page("operations", span="30 days").segmented_control(key="span").value == "24 h"


# AWS


@pytest.fixture(scope="module")
def cloudwatch() -> Any:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ACCESS_KEY_ID", "testing")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        environment.delenv("AWS_ENDPOINT_URL_CLOUDWATCH", raising=False)
        return clients.client("cloudwatch", REGION)


@pytest.fixture
def production(
    run_page: RunPage, services: Services, cloudwatch: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Services]:
    """The page's services with production's settings and metrics, at ``NOW``."""
    settings = Settings(
        _env_file=None,
        backend="aws",
        hash_key="a key of these tests",
        dynamodb_table=TABLE,
        aws_region=REGION,
        images_bucket="faces",
        mongodb_uri="mongodb://localhost",
        mongodb_database="facedesk",
    )
    source = CloudWatchMetrics(cloudwatch, TABLE, AUDIT_TABLE, Retry(deadline=0, call_timeout=1))
    on_aws = replace(services, settings=settings, metrics=source, importer=None, clock=lambda: NOW)
    monkeypatch.setattr(dashboard_services, "build", lambda _settings: on_aws)
    with mock_aws():
        yield on_aws


@pytest.fixture
def busy(production: Services, cloudwatch: Any) -> Services:
    """A day with something of everything."""
    for hours in range(1, 20):
        at = NOW - timedelta(hours=hours)
        for name in ("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits"):
            put(cloudwatch, name, at, 600, table=True)
            put(cloudwatch, name, at, 300, table=True, GlobalSecondaryIndexName=EVENT_INDEX)
        put(cloudwatch, "SuccessfulRequestLatency", at, 3, 9, table=True, Operation="UpdateItem")
        put(cloudwatch, "SuccessfulRequestCount", at, 1500, Operation="DetectFaces")
        put(cloudwatch, "ResponseTime", at, 300, Operation="DetectFaces")
    put(cloudwatch, "ThrottledRequests", NOW - timedelta(hours=2), 4, table=True, Operation="Query")
    put(cloudwatch, "ThrottledCount", NOW - timedelta(hours=2), 3, Operation="CompareFaces")
    put(cloudwatch, "SystemErrors", NOW - timedelta(hours=3), 2, table=True, Operation="Query")
    put(cloudwatch, "TimeToLiveDeletedItemCount", NOW - timedelta(hours=4), 90, table=True)
    return production


def test_a_table_that_nobody_used_yet_says_so(run_page: RunPage, production: Services) -> None:
    app = run_page("operations")
    assert "No metrics yet in this span of time." in text_of(app)
    assert not charts(app)


def test_registrations_without_a_readable_event_are_counted(
    run_page: RunPage, production: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_out = registration_rows([{"registrationId": "d-1", "unreadable": "eventId:missing"}])
    monkeypatch.setattr(production.registrations, "unreadable", lambda event_id: left_out)
    labels = [expander.label for expander in run_page("operations").expander]
    assert "1 registration could not be read in full" in labels


def test_a_busy_day_fills_every_chart(run_page: RunPage, busy: Services) -> None:
    assert len(charts(run_page("operations"))) == 6


def test_the_summary_adds_up_what_was_turned_away_and_failed(run_page: RunPage, busy: Services) -> None:
    found = metrics(run_page("operations"))
    assert (found["Throttled"], found["System errors"], found["Slowest request"]) == ("7", "2", "9 ms")


def test_the_busiest_moment_is_told_as_a_share_of_the_quota(run_page: RunPage, busy: Services) -> None:
    # 1,500 calls in five minutes are 5 a second, of 25.
    assert metrics(run_page("operations"))["Peak use of the quota"] == "20%"


def test_the_quota_is_drawn(run_page: RunPage, busy: Services) -> None:
    (line,) = json.loads(charts(run_page("operations"))[0])["layout"]["shapes"]
    assert line["y0"] == 25


def test_the_link_names_the_span(run_page: RunPage, busy: Services) -> None:
    assert "per 3 h" in text_of(run_page("operations", span="30 days"))


@pytest.mark.parametrize("span", ["3 h", "24 h", "7 days", "30 days"])
def test_charts_stay_small_whatever_the_span(run_page: RunPage, busy: Services, span: str) -> None:
    sizes = [len(chart) for chart in charts(run_page("operations", span=span))]
    assert max(sizes) < MAX_JSON_BYTES


def test_this_months_cost_is_from_what_was_counted(run_page: RunPage, busy: Services) -> None:
    # 19 hours of 900 write units, 900 read units and 1,500 images:
    # 17,100 x 0.71 / 10^6 + 17,100 x 0.1425 / 10^6 + 28,500 x 1 / 10^3 = 0.012 + 0.002 + 28.5
    assert metrics(run_page("operations"))["So far, USD"] == "28.51"


def test_this_months_pace_is_for_the_whole_month(run_page: RunPage, busy: Services) -> None:
    # 15.5 of 30 days have passed.
    assert metrics(run_page("operations"))["At this pace, USD"] == "55.19"


def test_the_what_if_answers_the_hand_worked_example(run_page: RunPage, production: Services) -> None:
    app = run_page("operations", validations="10000", repeats="0", record_kb="2", entry_kb="1", entries_read="0")
    assert metrics(app)["A month, USD"] == "600.81"


def test_changing_the_what_if_changes_its_answer(run_page: RunPage, production: Services) -> None:
    app = run_page("operations", repeats="0", entries_read="0")
    app.number_input(key="validations").set_value(20_000.0).run()
    assert metrics(app)["A month, USD"] == "1,201.62"


class _Ignored:
    """An expiry check that finds so many records."""

    def __init__(self, number: int) -> None:
        self.number = number

    def count_ignored(self) -> int:
        return self.number

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("number", "told"),
    [(1234, "1,234 records never expire"), (0, "DynamoDB acts on the expiry of every record.")],
    ids=["some", "none"],
)
def test_records_that_never_expire_are_counted_when_asked(
    run_page: RunPage, production: Services, monkeypatch: pytest.MonkeyPatch, number: int, told: str
) -> None:
    on_aws = replace(production, expiry=_Ignored(number))
    monkeypatch.setattr(dashboard_services, "build", lambda _settings: on_aws)
    app = run_page("operations")
    assert told not in text_of(app)
    next(button for button in app.button if button.label == "Count records that never expire").click().run()
    assert told in text_of(app)


def count_unread(app: AppTest) -> AppTest:
    label = "Count records that could not be read in full"
    next(button for button in app.button if button.label == label).click().run()
    return app


def test_records_that_could_not_be_read_in_full_are_counted_by_event_when_asked(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = {"userId": "user-1", "registrationId": "reg-1", "confidence": "N/A", "quality": "best"}
    written = [a_foreign_item(**odd), a_foreign_item(userId="user-2", registrationId="reg-2")]
    batch = frame_of([ValidationRecord.from_item(each) for each in written])
    # In two batches, as a record may be that changed between them.
    monkeypatch.setattr(desk.records, "event_batches", lambda event_id: iter([batch, batch]))
    app = count_unread(run_page("operations"))
    assert "1 record could not be read in full. Event overview lists them." in [each.value for each in app.warning]
    assert [["event-1", 1]] in [frame.to_numpy().tolist() for frame in frames(app)]


def test_where_every_record_was_read_in_full_the_page_says_so(run_page: RunPage) -> None:
    assert "Every record was read in full." in [each.value for each in count_unread(run_page("operations")).success]


def test_records_out_of_reach_cannot_be_counted_which_is_said(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.records, "event_batches", down("validation records"))
    assert "Could not count the records." in failure(count_unread(run_page("operations")))


def test_without_a_service_that_deletes_records_there_is_nothing_to_count(run_page: RunPage) -> None:
    labels = [button.label for button in run_page("operations").button]
    assert "Count records that never expire" not in labels


def test_metrics_that_are_denied_are_a_banner_that_names_the_permission(
    run_page: RunPage, production: Services, cloudwatch: Any
) -> None:
    with Stubber(cloudwatch) as denying:
        for _ in ("the charts", "the cost"):
            denying.add_client_error("get_metric_data", "AccessDenied", http_status_code=403)
        app = run_page("operations")
    assert "Could not read the metrics" in failure(app)
    assert "GetMetricData" in failure(app)


def test_without_metrics_the_rest_of_the_page_lives(run_page: RunPage, production: Services, cloudwatch: Any) -> None:
    with Stubber(cloudwatch) as failing:
        for _ in ("the charts", "the cost"):
            failing.add_client_error("get_metric_data", "InternalServiceFault", http_status_code=500)
        found = metrics(run_page("operations"))
    assert found["Photos"] == "Healthy"
    assert "A month, USD" in found
    assert "So far, USD" not in found


@pytest.mark.usefixtures("nothing_else")
def test_what_the_process_asked_of_aws_is_listed(run_page: RunPage, production: Services) -> None:
    done(production, "records.get")
    assert "Read units" in frames(run_page("operations"))[-1]


# The charts


def over_time(*rows: tuple[float, ...]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["first", "second"], dtype="float64")
    frame.insert(0, "time", pd.date_range("2026-11-16 12:00", periods=len(rows), freq="5min", tz="Asia/Kolkata"))
    return frame


TRACES = (Trace("first", "First"), Trace("second", "Second", "failed", second=True))
FRAME = over_time((1, 4), (nan, 2), (3, 0))
CHARTS: dict[str, Callable[[pd.DataFrame, Palette], go.Figure]] = {
    "lines": lambda frame, palette: lines_over_time(frame, TRACES, "units", palette, limit=(25, "quota 25")),
    "mean and slowest": lambda frame, palette: mean_and_slowest(frame, frame, TRACES, palette),
    "bars": lambda frame, palette: bars_over_time(frame, TRACES, "requests", palette),
}
each_chart = pytest.mark.parametrize("draw", CHARTS.values(), ids=CHARTS)


@both
@each_chart
def test_text_is_easy_to_read(
    draw: Callable[[pd.DataFrame, Palette], go.Figure], theme: str, palette: Palette
) -> None:
    # WCAG 2.2, 1.4.3: ordinary text.
    used = set(colours_of(draw(FRAME, palette).to_plotly_json()))
    assert used
    assert min(contrast(colour, THEME[theme]["backgroundColor"]) for colour in used) >= 4.5


@each_chart
def test_axes_name_their_units(draw: Callable[[pd.DataFrame, Palette], go.Figure]) -> None:
    layout = draw(FRAME, LIGHT).layout
    assert all(layout[name].title.text for name in ("yaxis", "yaxis2") if name in layout)


@each_chart
def test_zeros_can_be_drawn(draw: Callable[[pd.DataFrame, Palette], go.Figure]) -> None:
    assert draw(over_time((0, 0), (0, 0)), LIGHT).to_json()


@each_chart
def test_the_time_axis_is_the_viewers(draw: Callable[[pd.DataFrame, Palette], go.Figure]) -> None:
    assert draw(FRAME, LIGHT).data[0].x[0] == "2026-11-16 12:00"


def test_a_value_between_gaps_has_a_marker() -> None:
    modes = [trace.mode for trace in lines_over_time(FRAME, TRACES, "units", LIGHT).data]
    assert modes == ["lines+markers", "lines"]


def test_what_never_happened_has_no_bar() -> None:
    figure = bars_over_time(over_time((0, 4), (0, 2)), TRACES, "requests", LIGHT)
    assert [trace.name for trace in figure.data] == ["Second"]


def test_bars_of_one_colour_differ_by_their_hatching() -> None:
    first, second = bars_over_time(FRAME, TRACES, "requests", LIGHT).data
    assert first.marker.pattern.shape != second.marker.pattern.shape


def test_a_limit_is_never_outside_of_the_chart() -> None:
    assert lines_over_time(FRAME, TRACES, "units", LIGHT, limit=(25, "quota")).layout.yaxis.range[1] > 25


def test_lines_in_words() -> None:
    assert describe_levels(FRAME, TRACES, "units") == (
        "First: last 3.0 units, most 3.0 at 2026-11-16 12:10; Second: last 0.0 units, most 4.0 at 2026-11-16 12:00."
    )


def test_lines_without_a_value_in_words() -> None:
    assert describe_levels(over_time((nan, 1)), TRACES[:1], "ms") == "First: nothing measured."


def test_bars_in_words() -> None:
    assert describe_counts(FRAME, TRACES) == "First 4, Second 6."


def test_when_the_event_index_was_last_verified_is_told(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.records, "events_verified", lambda: utc_now() - timedelta(minutes=12))
    assert "Event index, last verified: 12 min ago." in text_of(run_page("operations"))


def test_where_the_stream_is_followed_it_is_told_why_there_are_no_more_checks(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = desk.services.settings.model_copy(update={"event_index_stream": True})
    followed = replace(desk.services, settings=settings)
    monkeypatch.setattr(dashboard_services, "build", lambda _settings: followed)
    monkeypatch.setattr(desk.records, "events_verified", lambda: utc_now() - timedelta(days=12))
    assert "What is written since then is repaired at once." in text_of(run_page("operations"))


def test_where_no_index_is_verified_none_is_mentioned(run_page: RunPage) -> None:
    assert "Event index" not in text_of(run_page("operations"))
