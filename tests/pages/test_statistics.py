"""The Statistics page: empty, one record, many, failing; filters and the what-if."""

from __future__ import annotations

import pytest

from core.domain.clock import utc_now
from core.domain.records import Source
from core.services import sample
from core.services.validation import Submitter
from tests.pages.test_event_overview import charts, metrics
from tests.pages.test_validate import down, text_of
from tests.support.app import RunPage, failure
from tests.support.desk import Desk

ANYBODY = Submitter(Source.API)
SAMPLE = sample.EVENT_ID


@pytest.fixture
def sampled(desk: Desk, sanitiser: object) -> Desk:
    sample.load(desk.records, desk.registrations, desk.photos, sanitiser, utc_now(), count=120)  # type: ignore[arg-type]
    return desk


def test_an_event_without_validations_says_so(run_page: RunPage) -> None:
    assert "No validation matches" in text_of(run_page("statistics", event_id="event-1"))


def test_one_record_is_shown(run_page: RunPage, desk: Desk, astronaut_jpeg: bytes) -> None:
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)
    assert metrics(run_page("statistics", event_id="event-1"))["Validated"] == "1"


def test_many_records_fill_every_chart(run_page: RunPage, sampled: Desk) -> None:
    assert len(charts(run_page("statistics", event_id=SAMPLE))) == 7


def test_filters_come_from_the_link(run_page: RunPage, sampled: Desk) -> None:
    app = run_page("statistics", event_id=SAMPLE, status="Failed")
    assert metrics(app)["Success rate"] == "0.0%"


def test_a_split_draws_each_group(run_page: RunPage, sampled: Desk) -> None:
    app = run_page("statistics", event_id=SAMPLE, split="Source")
    # Once each for confidence, similarity and quality.
    assert [text.value for text in app.text].count("dashboard") == 3


def test_at_the_stored_threshold_nothing_changes(run_page: RunPage, sampled: Desk) -> None:
    assert metrics(run_page("statistics", event_id=SAMPLE))["Would change"] == "0"


def test_at_a_higher_threshold_the_flips_are_listed(run_page: RunPage, sampled: Desk) -> None:
    app = run_page("statistics", event_id=SAMPLE, threshold="99")
    frame = sampled.records.event_frame(SAMPLE)
    by_similarity = frame[frame["similarity"].between(80, 98.99) & (frame["status"] == "success")]
    assert metrics(app)["Would change"] == str(int(by_similarity["decision"].isna().sum()))


def test_groups_under_thirty_carry_a_warning(run_page: RunPage, sampled: Desk) -> None:
    assert "too few to judge by" in text_of(run_page("statistics", event_id=SAMPLE))


def test_two_events_stand_side_by_side(run_page: RunPage, sampled: Desk, astronaut_jpeg: bytes) -> None:
    sampled.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)
    app = run_page("statistics", event_id=SAMPLE)
    app.multiselect(key="event_id").set_value(["event-1", SAMPLE]).run()
    assert not app.exception
    assert list(app.dataframe[0].value["event"]) == ["event-1", SAMPLE]


def test_records_out_of_reach_are_a_banner(run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.records, "event_frame", down("validation records"))
    assert "out of reach" in failure(run_page("statistics", event_id="event-1"))
