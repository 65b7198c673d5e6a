"""The Statistics page: empty, one record, many, failing; filters and the what-if."""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

import pytest
from streamlit.testing.v1 import AppTest

from core.domain.clock import utc_now
from core.domain.records import Source
from core.domain.roles import Principal, Role
from core.runtime.services import Services
from core.services import sample
from core.services.validation import Submitter
from dashboard import services as dashboard_services
from dashboard.parts import distributions
from tests.pages.test_event_overview import charts, metrics
from tests.pages.test_validate import down, text_of
from tests.support.app import BorrowedServices, RunPage, failure
from tests.support.desk import Desk

ANYBODY = Submitter(Source.API)
SAMPLE = sample.EVENT_ID


@pytest.fixture
def sampled(desk: Desk, sanitiser: object) -> Desk:
    sample.load(desk.records, desk.registrations, desk.photos, sanitiser, utc_now(), count=120)  # type: ignore[arg-type]
    return desk


def test_without_events_it_says_how_there_will_be_some(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.registrations, "events", list)
    app = run_page("statistics")
    assert "No events yet" in text_of(app)
    assert "Load data" in links(app)


def test_an_event_without_validations_says_what_to_do_next(run_page: RunPage) -> None:
    app = run_page("statistics", event_id="event-1")
    assert "No validation yet" in text_of(app)
    assert links(app) == ["See how far the event has come", "Validate a photo"]


def test_filters_that_nothing_matches_can_be_cleared(run_page: RunPage, desk: Desk, astronaut_jpeg: bytes) -> None:
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)
    app = run_page("statistics", event_id="event-1", status="Failed", since="2020-01-01", reason="No face")
    assert "No validation matches" in text_of(app)
    (clear,) = [button for button in app.button if button.label == "Clear the filters"]
    clear.click().run()
    assert not app.exception
    assert metrics(app)["Validated"] == "1"
    assert app.multiselect(key="event_id").value == ["event-1"]


def offered(app: AppTest, name: str) -> list[dict[str, list[str]]]:
    """The queries of the files of this name that the page offers."""
    addresses = [urlsplit(each.proto.url) for each in app.get("link_button")]
    return [parse_qs(each.query) for each in addresses if f"/{name}." in each.path]


@pytest.mark.usefixtures("sampled")
class TestContacts:
    def test_files_have_names_and_addresses_only_if_they_are_asked_for(self, run_page: RunPage) -> None:
        app = run_page("statistics", event_id=SAMPLE)
        assert not [query for query in offered(app, "records") if "contacts" in query]
        app.checkbox(key="records-contacts").check().run()
        assert [query["contacts"] for query in offered(app, "records")] == [["true"]] * 3
        assert not [query for query in offered(app, "what-if") if "contacts" in query]

    @pytest.mark.parametrize(("page", "keys"), [("event_overview", 3), ("statistics", 1)])
    def test_every_file_of_records_offers_them(self, run_page: RunPage, page: str, keys: int) -> None:
        app = run_page(page, event_id=SAMPLE)
        assert len([box for box in app.checkbox if str(box.key).endswith("-contacts")]) >= keys

    @pytest.mark.parametrize("page", ["event_overview", "statistics"])
    def test_whoever_sees_no_identities_is_not_asked(
        self, run_page: RunPage, monkeypatch: pytest.MonkeyPatch, page: str
    ) -> None:
        analyst = Principal(id="x", name="Ann", roles=frozenset({Role.ANALYST}))
        monkeypatch.setattr(dashboard_services, "principal", lambda: analyst)
        app = run_page(page, event_id=SAMPLE)
        assert offered(app, "records")
        assert not [box for box in app.checkbox if str(box.key).endswith("-contacts")]


def links(app: AppTest) -> list[str]:
    return [link.proto.label for link in app.get("page_link")]


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


def test_how_to_look_at_distributions_comes_from_the_link(run_page: RunPage, sampled: Desk) -> None:
    app = run_page("statistics", event_id=SAMPLE, scale=distributions.ZOOM)
    shown = [json.loads(chart)["layout"]["xaxis"]["title"].get("text", "") for chart in charts(app)]
    assert [label.split("<")[0] for label in shown if "–" in label] == ["confidence, 90–100", "similarity, 60–100"]


def test_zoomed_in_what_lies_below_is_counted_in_words_and_in_no_bar(run_page: RunPage, sampled: Desk) -> None:
    frame = sampled.records.event_frame(SAMPLE)
    (chart,) = [
        json.loads(chart)
        for chart in charts(run_page("statistics", event_id=SAMPLE, scale=distributions.ZOOM))
        if "similarity, 60" in chart
    ]
    below = int((frame["similarity"] < 60).sum())
    assert below
    assert f"{below} below 60 are not shown" in chart["layout"]["xaxis"]["title"]["text"]
    counts = [count for trace in chart["data"] for _, _, count in trace["customdata"]]
    assert sum(counts) == (frame["similarity"] >= 60).sum()


def test_a_split_by_event_names_no_event_in_the_files_of_its_charts(run_page: RunPage, sampled: Desk) -> None:
    app = run_page("statistics", event_id=SAMPLE, split="Event")
    names = [json.loads(chart.proto.config)["toImageButtonOptions"]["filename"] for chart in app.get("plotly_chart")]
    assert "facedesk_similarity" in names
    assert not [name for name in names if SAMPLE in name]


def test_at_the_stored_threshold_nothing_changes(run_page: RunPage, sampled: Desk) -> None:
    assert metrics(run_page("statistics", event_id=SAMPLE))["Would change"] == "0"


def test_at_a_higher_threshold_the_flips_are_listed(run_page: RunPage, sampled: Desk) -> None:
    app = run_page("statistics", event_id=SAMPLE, threshold="99")
    frame = sampled.records.event_frame(SAMPLE)
    by_similarity = frame[frame["similarity"].between(80, 98.99) & (frame["status"] == "success")]
    assert metrics(app)["Would change"] == str(int(by_similarity["decision"].isna().sum()))


def test_groups_under_thirty_carry_a_warning(run_page: RunPage, sampled: Desk) -> None:
    assert "too few to judge by" in text_of(run_page("statistics", event_id=SAMPLE))


SPLITS = ("Age", "Gender", "Smile")


def explained(app: AppTest) -> list[str]:
    return [info.value for info in app.info if "INFER_AGE_GENDER_SMILE" in info.value]


def test_empty_splits_say_that_nothing_is_inferred_and_how_to_change_that(
    run_page: RunPage, desk: Desk, astronaut_jpeg: bytes
) -> None:
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)
    (said,) = explained(run_page("statistics", event_id="event-1"))
    assert said.startswith("Age, Gender, Smile: ")
    assert "infers this of nobody" in said


@pytest.mark.parametrize("split", SPLITS)
def test_a_chosen_split_that_is_empty_says_so_beside_it(
    run_page: RunPage, desk: Desk, astronaut_jpeg: bytes, split: str
) -> None:
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)
    said = explained(run_page("statistics", event_id="event-1", split=split))
    assert said[0].startswith(f"{split}: ")
    assert len(said) == 2


def test_where_it_is_inferred_an_empty_split_has_another_reason(
    run_page: RunPage, services: Services, desk: Desk, astronaut_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    on = services.settings.model_copy(update={"infer_age_gender_smile": True})
    monkeypatch.setattr(dashboard_services, "build", lambda _: BorrowedServices(**{**vars(services), "settings": on}))
    smiling = {**desk.engine.faces[0], "Smile": {"Value": True, "Confidence": 99.0}}
    desk.engine.faces = (smiling,)
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)
    (said,) = explained(run_page("statistics", event_id="event-1"))
    assert said.startswith("Age, Gender: ")
    assert "checked before INFER_AGE_GENDER_SMILE was switched on" in said


def test_the_sample_has_all_groups(run_page: RunPage, sampled: Desk) -> None:
    assert not explained(run_page("statistics", event_id=SAMPLE))


def test_the_chart_over_time_marks_where_the_engine_changed(
    run_page: RunPage, sampled: Desk, astronaut_jpeg: bytes
) -> None:
    sampled.validation.validate_upload("sample-0001", astronaut_jpeg, "a1", ANYBODY)
    app = run_page("statistics", event_id=SAMPLE)
    assert sum("new engine" in chart for chart in charts(app)) == 1


def test_two_events_stand_side_by_side(run_page: RunPage, sampled: Desk, astronaut_jpeg: bytes) -> None:
    sampled.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)
    app = run_page("statistics", event_id=SAMPLE)
    app.multiselect(key="event_id").set_value(["event-1", SAMPLE]).run()
    assert not app.exception
    assert list(app.dataframe[0].value["event"]) == ["event-1", SAMPLE]


def test_records_out_of_reach_are_a_banner(run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk.records, "event_frame", down("validation records"))
    assert "out of reach" in failure(run_page("statistics", event_id="event-1"))
