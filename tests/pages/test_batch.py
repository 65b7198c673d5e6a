"""Many photos at once from the event's page: what is offered and asked first, seen as it runs, said at its end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from core.domain.errors import Unavailable
from core.domain.records import Registration, Source
from core.domain.worklists import Mark
from core.flow.crew import End, Progress
from core.runtime.services import Services
from core.services import jobs as jobs_module
from core.services.batch import BatchProgress, Choice
from core.services.jobs import Job, Jobs
from core.services.validation import Submitter
from core.settings import Settings
from dashboard.jobs import jobs
from tests.pages.test_validate import press, text_of
from tests.support.app import RunPage, failure
from tests.support.desk import REFERENCE_KEY, Desk
from tests.support.waiting import until

EVENT = "expo"
PEOPLE = 12


@pytest.fixture
def people(desk: Desk) -> list[Registration]:
    """Each has a reference photo, and has sent the same one to be validated."""
    people = [
        Registration(
            registration_id=f"r{number}",
            user_id=f"u{number}",
            event_id=EVENT,
            reference_photo_key=REFERENCE_KEY,
            submitted_photo_key=REFERENCE_KEY,
        )
        for number in range(PEOPLE)
    ]
    desk.registrations.import_many(people)
    return people


@pytest.fixture
def page(run_page: RunPage, people: list[Registration]) -> AppTest:
    return run_page("event_overview", event_id=EVENT)


def started(page: AppTest) -> AppTest:
    press(page, "Check these photos…")
    return press(page, f"Check {PEOPLE:,} photos")


def ended(kind: str = "batch") -> Job:
    jobs().join(kind, EVENT, 30)
    job = jobs().of(kind, EVENT)
    assert job
    assert not job.running
    return job


def labels(app: AppTest) -> list[str]:
    return [button.label for button in app.button]


def interrupted(desk: Desk, after: int) -> None:
    """A batch that another process began and did not end."""
    stop = threading.Event()

    def report(progress: BatchProgress) -> None:
        if progress.done >= after:
            stop.set()

    with closing(desk.batches.open(EVENT, Choice.ALL, Submitter(Source.BATCH))) as batch:
        batch.run(stop, report)


def test_an_event_of_whom_nobody_sent_a_photo_says_so(run_page: RunPage) -> None:
    app = press(run_page("event_overview", event_id="event-1"), "Check these photos…")
    assert "There are no such photos in this event." in text_of(app)


def test_before_it_begins_it_says_how_many_photos(page: AppTest) -> None:
    press(page, "Check these photos…")
    assert f"**{PEOPLE} photos**" in text_of(page)
    assert jobs().of("batch", EVENT) is None


@pytest.mark.parametrize(("backend", "said"), [("embedded", False), ("aws", True)])
def test_where_the_engine_costs_it_says_how_much_at_the_most(
    services: Services,
    people: list[Registration],
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    backend: str,
    said: bool,
) -> None:
    aws = Settings(
        backend=backend,  # type: ignore[arg-type]
        price_rekognition=1000,
        **dict.fromkeys(
            ("dynamodb_table", "aws_region", "images_bucket", "mongodb_uri", "mongodb_database"), "mongodb://x"
        ),
        hash_key="a key of these tests",
    )
    run_page = request.getfixturevalue("run_page")
    from dashboard import services as dashboard_services

    monkeypatch.setattr(dashboard_services, "build", lambda _settings: replace(services, settings=aws))
    page = press(run_page("event_overview", event_id=EVENT), "Check these photos…")
    assert ("at most 24.00 USD" in text_of(page)) is said


def test_all_are_validated_in_the_background_in_the_operators_name(page: AppTest, desk: Desk) -> None:
    page.sidebar.text_input(key="operator").set_value("Olga").run()
    started(page)
    assert ended().failure is None
    page.run()
    assert f"{PEOPLE} of {PEOPLE} photos: {PEOPLE} passed." in text_of(page)
    assert "All done." in [each.value for each in page.success]
    record = desk.records.get("u0", "r0")
    assert record
    assert (record.attempts[0].source, record.attempts[0].operator) == ("batch", "Olga")


def test_while_it_runs_every_session_sees_how_far_it_is_and_can_stop_it(
    page: AppTest, run_page: RunPage, desk: Desk
) -> None:
    desk.engine.stalled = threading.Event()
    started(page)
    other = run_page("event_overview", event_id=EVENT)
    assert "Checking the photos already sent" in text_of(other)
    assert "Check these photos…" not in labels(other)
    press(other, "Stop")
    desk.engine.stalled.set()
    ended()
    page.run()
    assert any("Stopped: " in each.value for each in page.info)
    assert "Resume" in labels(page)


def test_after_a_restart_an_interrupted_batch_is_offered_to_go_on(
    run_page: RunPage, people: list[Registration], desk: Desk
) -> None:
    interrupted(desk, 3)
    page = run_page("event_overview", event_id=EVENT)
    assert "photos already sent was interrupted" in text_of(page)
    press(page, "Resume")
    ended()
    page.run()
    assert f"{PEOPLE} of {PEOPLE} photos: {PEOPLE} passed." in text_of(page)
    assert desk.engine.calls.count("detect") == PEOPLE


def test_the_rest_of_an_interrupted_batch_can_be_dropped(
    run_page: RunPage, people: list[Registration], desk: Desk
) -> None:
    interrupted(desk, 3)
    page = press(run_page("event_overview", event_id=EVENT), "Leave out the rest")
    assert (desk.batches.unfinished(EVENT), "Check these photos…" in labels(page)) == (None, True)


def test_with_the_engine_down_it_says_what_is_and_that_the_rest_is_as_it_was(page: AppTest, desk: Desk) -> None:
    desk.engine.error = Unavailable("face engine", "ThrottlingException")
    started(page)
    ended()
    page.run()
    assert "did not answer" in failure(page)
    assert "out of reach" in failure(page)
    assert desk.records.event_frame(EVENT).empty


def test_what_another_process_runs_is_not_run_beside_it(page: AppTest, desk: Desk) -> None:
    press(page, "Check these photos…")
    with closing(desk.batches.open(EVENT, Choice.ALL, Submitter(Source.BATCH))):
        press(page, f"Check {PEOPLE:,} photos")
        assert ended().failure == "A batch of this event is running already."
    page.run()
    assert "running already" in failure(page)


def test_photos_that_could_not_be_used_are_listed(run_page: RunPage, people: list[Registration], desk: Desk) -> None:
    desk.registrations.import_many([people[0].model_copy(update={"submitted_photo_key": "face-images/gone.jpg"})])
    page = started(run_page("event_overview", event_id=EVENT))
    ended()
    page.run()
    assert "r0" in [name for table in page.dataframe for name in table.value.get("Registration", [])]


def test_a_summary_can_be_put_away(page: AppTest) -> None:
    started(page)
    ended()
    page.run()
    press(page, "Close")
    assert (jobs().of("batch", EVENT), "Check these photos…" in labels(page)) == (None, True)


def test_the_reference_photos_are_checked_and_the_csv_is_linked(page: AppTest, desk: Desk) -> None:
    desk.engine.faces = ()
    press(page, "Start the check…")
    press(page, "Check them")
    ended("reference-check")
    page.run()
    assert f"{PEOPLE} people looked at, {PEOPLE} to ask for another photo." in text_of(page)
    links = [link.proto.url for link in page.get("link_button")]
    assert "/api/exports/events/expo/reference-problems.csv" in links


def test_a_check_whose_summary_was_put_away_or_forgotten_is_found_where_one_is_started(
    page: AppTest, desk: Desk
) -> None:
    desk.engine.faces = ()
    desk.references.run(EVENT, threading.Event())  # by a process that is gone, or a command
    page.run()
    assert f"**Last check just now**: {PEOPLE} people looked at, {PEOPLE} to ask for another photo." in text_of(page)
    links = [link.proto.url for link in page.get("link_button")]
    assert "/api/exports/events/expo/reference-problems.csv" in links


# Other instances


@pytest.fixture
def elsewhere(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Jobs:
    """The jobs of another instance, which hears soon of a wish to stop."""
    monkeypatch.setattr(jobs_module, "TELL_EVERY", 0.01)
    return Jobs(desk.services.jobs._board)


def test_a_batch_of_another_instance_is_shown_and_stopped(run_page: RunPage, page: AppTest, elsewhere: Jobs) -> None:
    def work(stop: threading.Event, report: Callable[[Progress], None]) -> Progress:
        report(BatchProgress(PEOPLE, 5, marks={Mark.PASSED: 5}))
        assert stop.wait(30)
        return BatchProgress(PEOPLE, 6, end=End.STOPPED, marks={Mark.PASSED: 6})

    elsewhere.start("batch", EVENT, work, "Olga")
    until(lambda: bool((job := jobs().of("batch", EVENT)) and job.progress))
    page.run()
    assert "Started by Olga" in text_of(page)
    assert "5 passed" in text_of(page)
    assert "Check these photos…" not in labels(page)
    press(page, "Stop")
    elsewhere.join("batch", EVENT, 30)
    page.run()
    assert f"6 of {PEOPLE} photos: 6 passed." in text_of(page)
    press(page, "Close")
    assert elsewhere.of("batch", EVENT) is None


def test_a_batch_that_goes_on_elsewhere_says_so(
    page: AppTest, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = BatchProgress(PEOPLE, 5, goes_on=True)
    monkeypatch.setattr(services.batches, "unfinished", lambda _event_id: (Choice.ALL, before))
    page.run()
    assert "It continues by itself within a minute" in text_of(page)


def test_where_the_store_of_jobs_is_out_of_reach_the_rest_of_the_page_lives(
    page: AppTest, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_given: object) -> None:
        raise Unavailable("batches", "gone")

    monkeypatch.setattr(desk.services.jobs._board, "of", down)
    page.run()
    assert "Could not look for checks that are running." in failure(page)
    assert f"{PEOPLE} registered" in text_of(page)
