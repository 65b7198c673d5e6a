"""The Event overview: empty, one record, many, failing; its numbers are those of the data."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from streamlit.testing.v1 import AppTest

from core.domain.clock import utc_now
from core.domain.records import Source
from core.services import sample
from core.services.validation import Submitter
from dashboard.parts import distributions, event
from dashboard.sections import event_overview
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


def described(app: AppTest, label: str) -> tuple[str, str]:
    """What stands below a figure: its part in the span, and how that compares."""
    (found,) = [metric for metric in app.metric if metric.label == label]
    return found.delta, found.proto.delta_description


@pytest.mark.parametrize(("span", "days"), [("24 h", 1), ("7 days", 7), ("30 days", 30)])
def test_figures_name_their_span_and_compare_it_with_the_one_before(
    run_page: RunPage, sampled: Desk, span: str, days: int
) -> None:
    app = run_page("event_overview", event_id=sample.EVENT_ID, span=span)
    frame = sampled.records.event_frame(sample.EVENT_ID)
    # The page's span begins with its minute, in which the sample has no validation.
    since = sampled.services.clock() - timedelta(days=days)
    later, earlier = frame["timestamp"] >= since, frame["timestamp"] >= since - timedelta(days=days)
    for label, status in (("Passed · now", "success"), ("Failed, not yet retried · now", "failed")):
        of_status = frame["status"] == status
        now, before = int((of_status & later).sum()), int((of_status & earlier & ~later).sum())
        assert described(app, label) == (f"{now} in {span}", event_overview.compared(now, before))


@pytest.mark.parametrize(
    ("count", "before", "words"),
    [(5, 5, "no change"), (1005, 2, "1,003 more"), (0, 4, "4 fewer")],
)
def test_a_comparison_in_words(count: int, before: int, words: str) -> None:
    assert event_overview.compared(count, before) == words


def test_the_chart_over_time_has_the_period_before_as_a_line(run_page: RunPage, sampled: Desk) -> None:
    shown = [
        chart
        for chart in charts(run_page("event_overview", event_id=sample.EVENT_ID, span="30 days"))
        if "30 days before" in chart
    ]
    assert len(shown) == 1


def test_how_to_look_at_the_similarity_comes_from_the_link(run_page: RunPage, sampled: Desk) -> None:
    def similarity(**query: str) -> str:
        app = run_page("event_overview", event_id=sample.EVENT_ID, span="30 days", **query)
        (found,) = [chart for chart in charts(app) if "similarity, " in chart]
        return found

    whole, zoomed, root = similarity(), similarity(look=distributions.ZOOM), similarity(look=distributions.ROOT)
    assert ["similarity, 60" in chart for chart in (whole, zoomed, root)] == [False, True, False]
    assert ["square root" in chart for chart in (whole, zoomed, root)] == [False, False, True]


def test_charts_are_saved_under_names_that_say_what_they_show_but_of_no_event(
    run_page: RunPage, sampled: Desk
) -> None:
    app = run_page("event_overview", event_id=sample.EVENT_ID, span="30 days")
    configs = [json.loads(chart.proto.config) for chart in app.get("plotly_chart")]
    assert {config["toImageButtonOptions"]["filename"] for config in configs} == {
        "facedesk_readiness",
        "facedesk_validations",
        "facedesk_reasons",
        "facedesk_similarity",
        "facedesk_failure_rate_by_quality",
        "facedesk_attempts_until_passed",
    }


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
    assert "Event pages may be slow or incomplete." in [info.value for info in app.info]
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


def test_what_failed_can_be_tried_again(run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(desk.records, "event_frame", down("validation records"))
        app = run_page("event_overview", event_id="event-1")
        (again,) = [button for button in app.button if button.label == "Try again"]
        again.click().run()
        assert "Could not read this event's validations" in failure(app)
    (again,) = [button for button in app.button if button.label == "Try again"]
    again.click().run()
    assert not app.error
    assert metrics(app)["Never tried · now"] == "2"


@pytest.mark.parametrize("people", [9_999, 10_000])
def test_while_a_large_event_cannot_be_read_its_latest_figures_are_shown(
    run_page: RunPage, sampled: Desk, monkeypatch: pytest.MonkeyPatch, people: int
) -> None:
    summaries = sampled.services.event_summaries
    summaries.all(patience=None)
    latest = summaries.meanwhile(sample.EVENT_ID)
    assert latest
    readiness = replace(latest.summary.readiness, registered=people, passed=9_000)
    summary = replace(latest.summary, readiness=readiness)
    before = replace(latest, summary=summary, as_of=utc_now() - timedelta(minutes=14, seconds=5))
    monkeypatch.setattr(summaries, "meanwhile", lambda event_id: before)
    monkeypatch.setattr(sampled.records, "event_frame", down("validation records"))
    app = run_page("event_overview", event_id=sample.EVENT_ID)
    assert "Could not read this event's validations" in failure(app)
    shown = metrics(app)
    if people < event_overview.LARGE:
        assert shown == {}
    else:
        assert (shown["Ready to enter"], shown["Passed"]) == ("90.0%", "9,000")
        assert "These figures are 14 minutes old." in text_of(app)
    monkeypatch.undo()
    app.run()
    assert "Passed" not in metrics(app)
    assert metrics(app)["Passed · now"]
