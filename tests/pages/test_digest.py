"""The morning digest on All events and on the event's overview: nothing wrong, what is wrong, and where it leads."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core.domain.clock import utc_now
from core.domain.profiles import EventProfile
from core.runtime.services import Services
from tests.pages.test_all_events import settled
from tests.pages.test_validate import down, text_of
from tests.support.app import RunPage
from tests.support.desk import REGISTERED, Desk
from tests.support.records import an_outcome

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
CALM = "Nothing needs you this morning."
FEW = "0% are ready, with 2 days to go: 2 of 2 are not."


def starts(services: Services, event_id: str = "event-1", after: timedelta = 2 * DAY, **more: Any) -> None:
    services.profile_service.save(EventProfile(event_id=event_id, starts_at=utc_now() + after, **more), "Grace")


def waits(desk: Desk, hours: float = 6) -> None:
    given = {"user_id": "user-1", "registration_id": "reg-1", "status": "pending"}
    desk.records.record_attempt(an_outcome("a1", timestamp=utc_now() - hours * HOUR, **given), 30 * DAY)


def links(app: AppTest) -> dict[str, str]:
    """Where the links of the page lead to."""
    return {link.proto.label: f"{link.proto.page}?{link.proto.query_string}" for link in app.get("page_link")}


def test_an_event_with_nothing_wrong_is_one_calm_line(run_page: RunPage, desk: Desk) -> None:
    app = settled(run_page("all_events"))
    assert CALM in text_of(app)
    assert "This morning" not in text_of(app)


def test_what_is_wrong_stands_there_with_the_events_name_as_text_and_a_link(
    run_page: RunPage, desk: Desk, services: Services
) -> None:
    starts(services, name="Gala :cat:")
    app = settled(run_page("all_events"))
    assert CALM not in text_of(app)
    assert "Gala :cat:" in [text.value for text in app.text]
    assert links(app)[FEW] == "event_overview?event_id=event-1&people=not-ready"


def test_the_oldest_case_leads_to_the_queue(run_page: RunPage, desk: Desk) -> None:
    waits(desk)
    app = settled(run_page("all_events"))
    assert links(app)["The oldest case has waited for 6 hours."] == "review?event_id=event-1"


def test_the_most_urgent_event_comes_first_whatever_is_searched_and_chosen(
    run_page: RunPage, desk: Desk, services: Services
) -> None:
    desk.registrations.import_many(
        [REGISTERED.model_copy(update={"registration_id": "reg-9", "user_id": "user-9", "event_id": "event-9"})]
    )
    starts(services, "event-9", DAY, name="Tomorrow")
    starts(services, "event-1", 5 * DAY, name="Later")
    app = settled(run_page("all_events", show="Past", search="something else"))
    assert [text.value for text in app.text if text.value in ("Tomorrow", "Later")] == ["Tomorrow", "Later"]


def test_more_findings_than_fit_are_folded(run_page: RunPage, desk: Desk, services: Services) -> None:
    people = [
        REGISTERED.model_copy(
            update={"registration_id": f"reg-{n}", "user_id": f"user-{n}", "event_id": f"event-{n}"}
        )
        for n in range(3, 10)
    ]
    desk.registrations.import_many(people)
    for person in people:
        starts(services, person.event_id)
    app = settled(run_page("all_events"))
    (more,) = [each for each in app.expander if "more" in each.label]
    assert more.label == "4 more events"
    assert len(more.get("page_link")) == 4


def test_the_overview_tells_of_its_own_event_alone(run_page: RunPage, desk: Desk, services: Services) -> None:
    desk.registrations.import_many(
        [REGISTERED.model_copy(update={"registration_id": "reg-9", "user_id": "user-9", "event_id": "event-9"})]
    )
    starts(services)
    overview = run_page("event_overview", event_id="event-1", span="24 h")
    target = links(overview)[FEW]
    assert target.startswith("event_overview?")
    assert {"event_id=event-1", "people=not-ready", "span=24+h"} <= set(target.partition("?")[2].split("&"))
    assert "This morning" not in text_of(run_page("event_overview", event_id="event-9"))


class TestWithoutRules:
    @pytest.fixture
    def more_settings(self) -> Mapping[str, Any]:
        return {"digest_ready_percent": 0, "digest_case_hours": 0, "digest_failures": 0}

    def test_where_every_rule_is_off_there_is_no_digest(self, run_page: RunPage, desk: Desk) -> None:
        waits(desk)
        shown = text_of(settled(run_page("all_events")))
        assert CALM not in shown
        assert "This morning" not in shown


def test_an_event_that_cannot_be_read_is_not_called_calm(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.registrations, "event_frame", down("registrations"))
    shown = text_of(settled(run_page("all_events")))
    assert CALM not in shown
    assert "Nothing so far" in shown
