"""The User lookup page: empty, populated, failing."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import apsw
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.domain.clock import utc_now
from core.domain.records import Provenance, Source
from core.services.validation import Submitter
from tests.pages.test_event_overview import charts
from tests.pages.test_validate import down, text_of
from tests.support.app import RunPage, failure
from tests.support.desk import REGISTERED, Desk
from tests.support.production import validation_by
from tests.support.records import a_foreign_item, an_outcome

ANYBODY = Submitter(Source.API)


@pytest.fixture
def history(desk: Desk, astronaut_jpeg: bytes) -> None:
    """Two registrations of one user: the first failed and then passed, the second passed."""
    desk.engine.similarity = 20
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)
    desk.engine.similarity = 95
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a2", ANYBODY)
    desk.validation.validate_upload("reg-2", astronaut_jpeg, "a3", ANYBODY)


def metrics(app):  # type: ignore[no-untyped-def]
    return {metric.label: metric.value for metric in app.metric}


def test_the_empty_page_says_what_to_do(run_page: RunPage) -> None:
    assert "Find a person" in text_of(run_page("user_lookup"))


def test_a_person_without_photos_is_shown_as_such(run_page: RunPage) -> None:
    assert "has not sent a photo yet" in text_of(run_page("user_lookup", user_id="user-1"))


def test_a_link_to_an_unknown_user_says_so(run_page: RunPage) -> None:
    said = text_of(run_page("user_lookup", user_id="user-404"))
    assert "This user is unknown" in said
    assert "has not sent a photo yet" not in said


@pytest.mark.parametrize("search", ["user-1", "ada", "ada@example.com"])
def test_one_person_with_several_registrations_is_one_match(run_page: RunPage, search: str) -> None:
    app = run_page("user_lookup")
    app.text_input(key="q").input(search).run()
    assert app.query_params["user_id"] == "user-1"


def test_nobody_is_chosen_while_others_are_not_shown(run_page: RunPage, desk: Desk) -> None:
    people = [{"user_id": "many", "name": f"Aa Zoé {number:02}"} for number in range(20)]
    people.append({"user_id": "one", "name": "Bb Zoé"})
    desk.registrations.import_many(
        REGISTERED.model_copy(update=person | {"registration_id": f"more-{number}"})
        for number, person in enumerate(people)
    )
    app = run_page("user_lookup")
    app.text_input(key="q").input("zoe").run()
    assert "user_id" not in app.query_params
    assert app.selectbox(key="match").label == "20 of 21 registrations; type more to narrow it down"


@pytest.mark.usefixtures("history")
def test_the_figures_count_every_attempt(run_page: RunPage) -> None:
    found = metrics(run_page("user_lookup", user_id="user-1"))
    assert (found["Attempts"], found["Passed"], found["Failed"]) == ("3", "2", "1")


@pytest.mark.usefixtures("history")
def test_a_recent_pass_is_valid(run_page: RunPage) -> None:
    assert metrics(run_page("user_lookup", user_id="user-1"))["Passed recently?"] == "Yes"


@pytest.mark.usefixtures("history")
def test_the_history_is_newest_first(run_page: RunPage) -> None:
    table = run_page("user_lookup", user_id="user-1").dataframe[0].value
    assert list(table["Registration"]) == ["reg-2", "reg-1"]


@pytest.mark.usefixtures("history")
def test_the_link_opens_the_record(run_page: RunPage) -> None:
    app = run_page("user_lookup", user_id="user-1", registration_id="reg-1")
    assert "Attempts (2)" in [expander.label for expander in app.expander]


def described(app: AppTest, title: str) -> pd.DataFrame:
    """The table that follows the title of an expander."""
    (found,) = [each for each in app.expander if each.label.startswith(title)]
    return found.dataframe[0].value


@pytest.mark.usefixtures("history")
def test_what_an_attempt_was_judged_with_is_shown(run_page: RunPage, desk: Desk) -> None:
    app = run_page("user_lookup", user_id="user-1", registration_id="reg-1")
    rules = desk.services.settings.policy.digest
    assert list(described(app, "Attempts")["Judged with"]) == [f"chosen · m1 · rules {rules}"] * 2
    details = described(app, "Details").set_index("What")["Value"]
    assert [details[name] for name in ("face engine", "engine's model", "rules")] == ["chosen", "m1", rules]


@pytest.mark.parametrize(("engine", "says"), [("facedesk-opencv", True), ("rekognition", False)])
def test_details_say_what_the_engine_of_this_machine_cannot_see(
    run_page: RunPage, desk: Desk, engine: str, says: bool
) -> None:
    made = an_outcome(timestamp=utc_now(), provenance=Provenance(engine=engine, model="m1"))
    desk.services.records.record_attempt(made, timedelta(days=30))
    app = run_page("user_lookup", user_id="user-1", registration_id="reg-1")
    assert ("docs/face-engine.md" in text_of(app)) is says


def test_an_attempt_of_which_nothing_is_known_is_shown_too(run_page: RunPage, tmp_path: Path) -> None:
    with closing(apsw.Connection(str(tmp_path / "facedesk.sqlite3"))) as connection:
        item = json.dumps(a_foreign_item(expiresAt=None))
        connection.execute("INSERT INTO faceVerifications (item) VALUES (?)", (item,))
    app = run_page("user_lookup", user_id="user-1")
    assert described(app, "Attempts")["Judged with"].isna().all()
    assert described(app, "Details").set_index("What")["Value"]["rules"] == "–"


def test_the_timeline_leaves_out_attempts_in_which_nothing_was_compared(
    run_page: RunPage, desk: Desk, astronaut_jpeg: bytes
) -> None:
    desk.engine.faces, faces = (), desk.engine.faces
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", ANYBODY)
    app = run_page("user_lookup", user_id="user-1", registration_id="reg-1")
    assert not [chart for chart in charts(app) if "Attempt 1" in chart]
    assert "No attempt was compared" in text_of(app)
    desk.engine.faces = faces
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a2", ANYBODY)
    (timeline,) = [
        chart
        for chart in charts(run_page("user_lookup", user_id="user-1", registration_id="reg-1"))
        if "Attempt 2" in chart
    ]
    assert "Attempt 1" not in timeline


def test_the_timeline_marks_where_the_model_changed(run_page: RunPage, desk: Desk, astronaut_jpeg: bytes) -> None:
    changed = replace(desk.engine, provenance=Provenance(engine="chosen", model="m2"))
    by_another = validation_by(changed, desk.services)
    for number, validation in enumerate((desk.validation, desk.validation, by_another)):
        validation.validate_upload("reg-1", astronaut_jpeg, f"a{number}", ANYBODY)
    app = run_page("user_lookup", user_id="user-1", registration_id="reg-1")
    timelines = [chart for chart in charts(app) if "Attempt 1" in chart]
    assert [chart.count("new model") for chart in timelines] == [1]
    by_another.close()


@pytest.mark.usefixtures("history")
def test_a_user_whose_registration_is_gone_is_found_by_id(run_page: RunPage, desk: Desk) -> None:
    desk.registrations.import_many(
        [REGISTERED.model_copy(update={"registration_id": f"reg-{n}", "user_id": "somebody"}) for n in (1, 2)]
    )
    app = run_page("user_lookup")
    app.text_input(key="q").input("user-1").run()
    assert metrics(app)["Attempts"] == "3"


def test_nobody_found_says_so(run_page: RunPage) -> None:
    app = run_page("user_lookup")
    app.text_input(key="q").input("nobody of this name").run()
    assert "Nobody was found" in text_of(app)


def test_records_out_of_reach_are_a_banner_and_the_person_still_shows(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.records, "history", down("validation records"))
    app = run_page("user_lookup", user_id="user-1")
    assert "out of reach" in failure(app)
    assert "Ada Example" in text_of(app)


@pytest.mark.usefixtures("history")
def test_attempts_without_a_time_are_told_instead_of_drawn(run_page: RunPage, tmp_path: Path) -> None:
    timeless = "json_remove(item, '$.timestamp', '$.attempts[0].timestamp')"
    with closing(apsw.Connection(str(tmp_path / "facedesk.sqlite3"))) as connection:
        connection.execute(f"UPDATE faceVerifications SET item = {timeless} WHERE registrationId = 'reg-2'")
    app = run_page("user_lookup", user_id="user-1", registration_id="reg-2")
    assert "No attempt was compared with the reference photo at a known time" in text_of(app)
