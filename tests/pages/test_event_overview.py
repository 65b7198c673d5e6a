"""The Event overview: empty, one record, many, failing; its numbers are those of the data."""

from __future__ import annotations

import pytest
from streamlit.testing.v1 import AppTest

from core.domain.clock import utc_now
from core.domain.records import Source
from core.services import sample
from core.services.validation import Submitter
from dashboard.parts import event
from tests.pages.test_validate import down, text_of
from tests.support.app import RunPage, failure
from tests.support.desk import Desk
from tests.support.frames import registration_rows

ANYBODY = Submitter(Source.API)


def metrics(app: AppTest) -> dict[str, str]:
    return {metric.label: metric.value for metric in app.metric}


def charts(app: AppTest) -> list[str]:
    return [chart.proto.spec for chart in app.get("plotly_chart")]


@pytest.fixture
def sampled(desk: Desk, sanitiser: object) -> Desk:
    sample.load(desk.records, desk.registrations, desk.photos, sanitiser, utc_now(), count=120)  # type: ignore[arg-type]
    return desk


def test_without_events_it_says_where_they_come_from(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.registrations, "events", list)
    assert "No events yet" in text_of(run_page("event_overview"))


def test_an_event_that_nobody_tried_has_sentences_instead_of_empty_axes(run_page: RunPage) -> None:
    app = run_page("event_overview", event_id="event-1")
    assert "No photo was validated in this span of time." in text_of(app)
    assert len(charts(app)) == 1  # the funnel: there are registrations


def test_one_record_is_shown(run_page: RunPage, desk: Desk, astronaut_jpeg: bytes) -> None:
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)
    found = metrics(run_page("event_overview", event_id="event-1"))
    names = ("Ready to enter · now", "Passed · now", "Never tried · now")
    assert tuple(found[name] for name in names) == ("50.0%", "1", "1")


def test_many_records_fill_every_chart(run_page: RunPage, sampled: Desk) -> None:
    app = run_page("event_overview", event_id=sample.EVENT_ID, span="30 days")
    assert len(charts(app)) == 6


def test_the_headline_adds_up_to_the_registered(run_page: RunPage, sampled: Desk) -> None:
    found = metrics(run_page("event_overview", event_id=sample.EVENT_ID))
    parts = ("Passed", "Waiting for review", "Failed, not yet retried", "Never tried")
    assert sum(int(found[f"{part} · now"].replace(",", "")) for part in parts) == 120


def test_the_link_names_the_event(run_page: RunPage, sampled: Desk) -> None:
    assert "120 registered" in text_of(run_page("event_overview", event_id=sample.EVENT_ID))


def test_where_all_registrations_could_be_read_nothing_is_said(run_page: RunPage) -> None:
    labels = [expander.label for expander in run_page("event_overview", event_id="event-1").expander]
    assert not [label for label in labels if "could not be read" in label]


def test_registrations_that_could_not_be_read_are_counted_and_listed(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    event.forget_all()  # what another test's page read
    shown = registration_rows([{"registrationId": "reg-1", "unreadable": "name:map"}])
    left_out = registration_rows([{"registrationId": "d-1", "unreadable": "userId:list email:list"}])
    monkeypatch.setattr(desk.registrations, "event_frame", lambda event_id: shown)
    monkeypatch.setattr(desk.registrations, "unreadable", lambda event_id: left_out)
    app = run_page("event_overview", event_id="event-1")
    (found,) = [each for each in app.expander if "could not be read" in each.label]
    assert found.label == "2 registrations could not be read in full"
    assert found.dataframe[0].value.to_numpy().tolist() == [
        ["d-1", "email", "list"],
        ["d-1", "userId", "list"],
        ["reg-1", "name", "map"],
    ]


@pytest.mark.parametrize("page", ["event_overview", "statistics"])
def test_what_makes_event_reads_slow_is_said_with_what_to_do(
    run_page: RunPage, sampled: Desk, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    monkeypatch.setattr(sampled.records, "event_notice", lambda: "Run `python -m core provision --add-index`.")
    app = run_page(page)
    assert "Event pages may be slow or out of date." in [info.value for info in app.info]
    assert "Run python -m core provision --add-index." in [text.value for text in app.text]


def test_records_out_of_reach_are_a_banner(run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.records, "event_frame", down("validation records"))
    app = run_page("event_overview", event_id="event-1")
    assert "Could not read this event's validations" in failure(app)
    assert app.selectbox(key="event_id").value == "event-1"


def test_registrations_out_of_reach_are_a_banner(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.registrations, "events", down("registrations"))
    app = run_page("event_overview")
    assert "out of reach" in failure(app)
    assert [title.value for title in app.title] == ["Event overview"]
