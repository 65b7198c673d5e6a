"""The page of an event's settings: what it shows, what it stores, what it warns of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.domain.clock import utc_now
from core.domain.errors import Conflict, Unavailable
from core.domain.profiles import EventProfile, EventRules
from core.runtime.services import Services
from dashboard.jobs import jobs
from dashboard.parts.profiles import DATES_JOB
from tests.pages.test_validate import down
from tests.support.app import OPERATOR, RunPage, failure
from tests.support.desk import Desk
from tests.support.records import an_outcome

EVENT = "event-1"
DAY = timedelta(days=1)


def saved(services: Services) -> EventProfile | None:
    return services.profiles.get(EVENT)


def field(app: Any, kind: str, label: str) -> Any:
    return next(each for each in app.get(kind) if each.label == label)


def save(app: Any) -> Any:
    next(button for button in app.button if button.label == "Save").click()
    app.run()
    jobs().join(DATES_JOB, EVENT)
    return app


@pytest.fixture
def kept(services: Services, desk: Desk) -> EventProfile:
    """The event ends in 60 days, and has a record that is kept until then."""
    profile = EventProfile(event_id=EVENT, name="Gala", ends_at=utc_now() + 60 * DAY, keep_days=0)
    profile = services.profile_service.save(profile, "Ada")
    desk.records.record_attempt(an_outcome(timestamp=utc_now()), 30 * DAY, profile.kept_until)
    return profile


def test_events_that_cannot_be_read_are_not_said_to_be_none(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.registrations, "events", down("registrations"))
    assert "There are no events yet" not in " ".join(run_page("event_profile").caption.values)


def test_an_event_without_a_profile_has_empty_fields(run_page: RunPage) -> None:
    app = run_page("event_profile", event_id=EVENT)
    assert field(app, "text_input", "Name").value == ""
    assert field(app, "datetime_input", "Starts").value is None


def test_what_is_typed_is_stored_in_the_events_time_zone(run_page: RunPage, services: Services) -> None:
    app = run_page("event_profile", event_id=EVENT)
    field(app, "text_input", "Name").set_value("Gala")
    field(app, "selectbox", "Time zone of the event").set_value("Asia/Kolkata")
    field(app, "datetime_input", "Starts").set_value(datetime(2027, 1, 2, 18, 30))
    field(app, "number_input", "Similarity that passes").set_value(90.0)
    field(app, "number_input", "Similarity for a review").set_value(75.0)
    save(app)
    profile = saved(services)
    assert profile
    assert (profile.name, profile.starts_at) == ("Gala", datetime(2027, 1, 2, 13, tzinfo=UTC))
    assert profile.rules == EventRules(similarity_threshold=90, review_threshold=75)
    assert (profile.version, profile.changed_by) == (1, OPERATOR)
    assert app.success[0].value == "Saved."


def test_what_was_stored_is_shown(run_page: RunPage, kept: EventProfile) -> None:
    assert kept.ends_at
    app = run_page("event_profile", event_id=EVENT)
    assert field(app, "text_input", "Name").value == "Gala"
    shown = kept.ends_at.replace(tzinfo=None, second=0, microsecond=0)
    assert field(app, "datetime_input", "Ends").value == shown


def test_a_date_that_nobody_touched_keeps_its_seconds(
    run_page: RunPage, services: Services, kept: EventProfile
) -> None:
    app = run_page("event_profile", event_id=EVENT)
    field(app, "text_input", "Name").set_value("Ball")
    save(app)
    profile = saved(services)
    assert profile
    assert (profile.name, profile.ends_at) == ("Ball", kept.ends_at)


def test_values_that_contradict_each_other_are_refused(run_page: RunPage, services: Services) -> None:
    app = run_page("event_profile", event_id=EVENT)
    field(app, "datetime_input", "Starts").set_value(datetime(2027, 1, 2, 18, 30))
    field(app, "datetime_input", "Ends").set_value(datetime(2027, 1, 1, 18, 30))
    save(app)
    assert "must not end before it starts" in failure(app)
    assert saved(services) is None


def test_a_change_that_deletes_records_sooner_asks_first(
    run_page: RunPage, services: Services, kept: EventProfile
) -> None:
    app = run_page("event_profile", event_id=EVENT)
    field(app, "datetime_input", "Ends").set_value(datetime.now() + 40 * DAY)
    save(app)
    assert saved(services) == kept
    assert any("**1 records** and their photos" in each.value for each in app.markdown)
    next(button for button in app.button if button.label == "Save and delete sooner").click().run()
    changed = saved(services)
    assert changed
    assert changed.version == 2


def test_records_are_dated_by_a_new_profile(run_page: RunPage, services: Services, desk: Desk) -> None:
    record = desk.records.record_attempt(an_outcome(timestamp=utc_now()), 30 * DAY)
    app = run_page("event_profile", event_id=EVENT)
    field(app, "datetime_input", "Ends").set_value(datetime.now() + 90 * DAY)
    save(app)
    profile, dated = saved(services), desk.records.get(record.user_id, record.registration_id)
    assert profile
    assert profile.kept_until
    assert dated
    assert dated.expires_at == int(profile.kept_until.timestamp())


def test_a_change_by_somebody_else_is_not_overwritten(
    run_page: RunPage, services: Services, kept: EventProfile
) -> None:
    app = run_page("event_profile", event_id=EVENT)
    theirs = services.profile_service.save(kept.model_copy(update={"name": "Ball"}), "Ada")
    field(app, "text_input", "Name").set_value("Fair")
    save(app)
    assert "Somebody else changed" in failure(app)
    assert saved(services) == theirs


def test_an_event_without_registrations_can_be_described(run_page: RunPage, services: Services) -> None:
    services.profile_service.save(EventProfile(event_id="next-year", name="Next year"), "Ada")
    app = run_page("event_profile", event_id="next-year")
    assert field(app, "text_input", "Name").value == "Next year"


def test_profiles_of_another_system_cannot_be_changed(
    run_page: RunPage, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.profile_service, "_edits", None)
    app = run_page("event_profile", event_id=EVENT)
    assert "Another system" in app.info[0].value
    assert next(button for button in app.button if button.label == "Save").disabled


def test_without_its_store_the_page_keeps_its_title(
    run_page: RunPage, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(*_: object) -> None:
        raise Unavailable("event profiles", "Down")

    for name in ("get", "all"):
        monkeypatch.setattr(type(services.profiles), name, down)
    app = run_page("event_profile", event_id=EVENT)
    assert app.title[0].value == "Event settings"
    assert "out of reach" in failure(app)


def test_a_save_that_fails_says_so(run_page: RunPage, services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise Conflict("Nothing was saved.")

    monkeypatch.setattr(services.profile_service, "save", refuse)
    app = save(run_page("event_profile", event_id=EVENT))
    assert "Nothing was saved." in failure(app)
