"""Parts of charts that are chosen: from the field below a chart, as is done without a pointer, and by a link."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pandas as pd
import pytest
from starlette.datastructures import QueryParams
from streamlit.testing.v1 import AppTest

from core.domain.clock import utc_now
from core.domain.filters import filtered
from core.domain.over_time import over_time
from core.domain.roles import local
from core.runtime.facades.guard import Guard
from core.runtime.services import Services
from core.services import sample
from core.services.export import as_csv
from dashboard.api import exports
from dashboard.charts.style import bucket_name
from dashboard.parts import lead_on, look, ui
from tests.pages.test_validate import text_of
from tests.support.app import RunPage
from tests.support.desk import REGISTERED, Desk
from tests.support.frames import record_rows
from tests.support.records import an_outcome

EVENT = sample.EVENT_ID
OVERVIEW = ["readiness", "validations", "reasons", "similarity", "failure_rate_by_quality", "attempts_until_passed"]
STATISTICS = [
    *("confidence", "similarity", "failure_rate_by_quality", "success_rate"),
    *("failure_rate_by_age", "failure_rate_by_gender", "failure_rate_by_smile"),
]
CHARTS = [*(("event_overview", chart) for chart in OVERVIEW), *(("statistics", chart) for chart in STATISTICS)]


@pytest.fixture
def sampled(desk: Desk, sanitiser: object) -> Desk:
    """The sample event, and somebody in it who is not registered (any more)."""
    sample.load(desk.records, desk.registrations, desk.photos, sanitiser, utc_now(), count=150)  # type: ignore[arg-type]
    gone = an_outcome(user_id="gone", registration_id="gone", event_id=EVENT, timestamp=utc_now() - timedelta(days=1))
    desk.records.record_attempt(gone, timedelta(days=60))
    return desk


def field(app: AppTest, chart: str) -> Any:
    return app.selectbox(f"{look.LEADS_ON}-chart-{chart}-")


def counted(words: str) -> int:
    """What the words of a part say that it counts."""
    found = re.search(r": ([\d,]+) of [\d,]+ (failed|passed)$", words) or re.search(r": ([\d,]+)$", words)
    assert found, words
    return int(found[1].replace(",", ""))


def in_the_file(app: AppTest, services: Services) -> int:
    """The rows of the file that the list offers."""
    (csv,) = [urlsplit(each.proto.url) for each in app.get("link_button") if each.proto.id.endswith("-people-csv")]
    read = exports.people_of_group if csv.path.endswith("people.csv") else exports.records
    manager = Guard(services).acting_as(local("Ann"))
    written = b"".join(as_csv(read(manager, EVENT, QueryParams(csv.query))))
    return written.decode("utf-8-sig").count("\r\n") - 1


def listed(app: AppTest) -> int:
    found = re.search(r" · ([\d,]+)\*\*", text_of(app))
    assert found
    return int(found[1].replace(",", ""))


def opened(run_page: RunPage, page: str, **more: str) -> AppTest:
    return run_page(page, event_id=EVENT, **({"span": "30 days"} if page == "event_overview" else {}), **more)


@pytest.mark.parametrize(("page", "chart"), CHARTS)
def test_as_many_are_listed_and_in_the_file_as_a_part_counts(
    run_page: RunPage, services: Services, sampled: Desk, page: str, chart: str
) -> None:
    app = opened(run_page, page)
    words = field(app, chart).options
    for place in {0, len(words) // 2, len(words) - 1}:
        count = counted(words[place])
        field(app, chart).select_index(place).run()
        assert not app.exception
        assert (listed(app), in_the_file(app, services)) == (count, count), words[place]
        field(app, chart).set_value(None).run()
        assert not app.query_params.keys() & {lead_on.ONLY, lead_on.PEOPLE}


def test_the_parts_of_several_charts_apply_together(run_page: RunPage, services: Services, sampled: Desk) -> None:
    app = opened(run_page, "event_overview")
    every_reason = field(app, "reasons").options
    field(app, "failure_rate_by_quality").select_index(0).run()
    some = field(app, "reasons").options
    assert sum(map(counted, some)) < sum(map(counted, every_reason))
    field(app, "reasons").select_index(0).run()
    assert listed(app) == counted(some[0]) == in_the_file(app, services)
    again = opened(run_page, "event_overview")
    again.query_params[lead_on.ONLY] = app.query_params[lead_on.ONLY]
    assert listed(again.run()) == listed(app)


def test_a_group_of_the_sentence_filters_the_charts(run_page: RunPage, sampled: Desk) -> None:
    app = opened(run_page, "event_overview", people="failed")
    reasons = sum(map(counted, field(app, "reasons").options))
    assert reasons >= listed(app)
    assert not [each for each in app.selectbox if each.key == f"{look.LEADS_ON}-chart-attempts_until_passed-"]
    assert "Nobody of those who are listed." in text_of(app)


@pytest.mark.parametrize(
    "part",
    ["reasons", "nothing x", "similarity 60", "similarity 60-61 lost", "validations 2026-13-01 failed"],
)
@pytest.mark.parametrize("page", ["event_overview", "statistics"])
def test_an_unknown_part_in_the_link_is_said(run_page: RunPage, sampled: Desk, page: str, part: str) -> None:
    app = opened(run_page, page, only=part)
    assert "The link names an unknown part of a chart." in text_of(app)
    assert part in [text.value for text in app.text]


@pytest.mark.parametrize("page", ["event_overview", "statistics"])
def test_a_part_that_nobody_is_behind_any_more_says_so(run_page: RunPage, sampled: Desk, page: str) -> None:
    app = opened(run_page, page, only="similarity 0-1 success")
    assert listed(app) == 0
    assert not [each for each in app.get("link_button") if page == "statistics" and "people-csv" in each.proto.id]


def test_parts_that_contradict_each_other_are_no_file(run_page: RunPage, sampled: Desk) -> None:
    app = opened(run_page, "event_overview")
    app.query_params[lead_on.ONLY] = ["reasons FACE_MISMATCH", "similarity 0-100 success"]
    app.run()
    assert listed(app) == 0
    assert not [each for each in app.get("link_button") if each.proto.id.endswith("-people-csv")]


def test_the_file_of_another_threshold_has_the_event_of_the_part_alone(run_page: RunPage, sampled: Desk) -> None:
    who = {"registration_id": "other", "user_id": "other", "event_id": "other"}
    sampled.registrations.import_many([REGISTERED.model_copy(update=who)])
    changes = {"comparison_result": {"similarity": 85.0, "threshold": 80.0, "is_match": True}, **who}
    sampled.records.record_attempt(an_outcome("other", timestamp=utc_now(), **changes), timedelta(days=60))
    app = run_page("statistics", event_id=[EVENT, "other"])
    app.query_params[lead_on.ONLY] = ["events_compared other"]
    app.slider(key="threshold").set_value(99).run()
    (csv,) = [urlsplit(each.proto.url) for each in app.get("link_button") if each.proto.id.endswith("-what-if-csv")]
    assert csv.path.endswith("/events/other/what-if.csv")
    assert "with=" not in csv.query


# Around the days on which clocks are changed.
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
@pytest.mark.parametrize("hours", [1, 24])
@pytest.mark.parametrize("month", [3, 10, 11])
def test_the_bars_over_time_stand_for_the_records_that_they_count(
    monkeypatch: pytest.MonkeyPatch, zone: str, hours: int, month: int
) -> None:
    monkeypatch.setattr(ui, "viewer_zone", lambda: ZoneInfo(zone))
    first = {3: datetime(2026, 3, 7, tzinfo=UTC), 10: datetime(2026, 10, 3, tzinfo=UTC)}.get(month)
    first = first or datetime(2026, 10, 24, 12, tzinfo=UTC)
    records = record_rows(
        [
            {"registrationId": str(number), "status": "success", "timestamp": first + timedelta(minutes=20 * number)}
            for number in range(9 * 20 if hours == 1 else 30 * 72)
        ]
    )
    unit, frame = over_time(records, zone)
    counts = [_found(records, bucket_name(unit, time)) for time in frame["time"]]
    assert counts == frame["success"].tolist()


def _found(records: pd.DataFrame, name: str) -> int:
    return len(filtered(records, **lead_on._validated_in(name)[0]))
