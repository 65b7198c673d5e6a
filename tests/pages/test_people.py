"""The sentence of the Event overview, and the list of people that each of its numbers opens."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
import streamlit as st
from starlette.datastructures import QueryParams
from streamlit.testing.v1 import AppTest

from core.domain.clock import utc_now
from core.domain.people import Group, people
from core.domain.profiles import EventProfile
from core.domain.roles import local
from core.domain.statistics import readiness
from core.runtime.facades.guard import Guard
from core.runtime.services import Services
from core.services import sample
from core.services.export import as_csv
from dashboard.api import exports
from dashboard.parts import event
from dashboard.sections import people as sections
from tests.pages.test_validate import down, text_of
from tests.support.app import RunPage, failure
from tests.support.desk import Desk
from tests.support.frames import record_rows, registration_rows

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
EVENT = sample.EVENT_ID
PEOPLE = 700


@pytest.fixture
def sampled(desk: Desk, sanitiser: object) -> Desk:
    sample.load(desk.records, desk.registrations, desk.photos, sanitiser, utc_now(), count=PEOPLE)  # type: ignore[arg-type]
    return desk


def links(app: AppTest) -> Mapping[str, str]:
    """The groups that the sentence leads to, each with its words."""
    found = [(each.proto.label, parse_qs(each.proto.query_string)) for each in app.get("page_link")]
    return {query["people"][0]: label for label, query in found if "people" in query}


def number(words: str) -> int:
    return int(words.split(" ")[0].replace(",", ""))


def table(app: AppTest) -> pd.DataFrame:
    (found,) = [each for each in app.dataframe if "What to send" in each.value]
    shown: pd.DataFrame = found.value
    return shown


def in_the_file(app: AppTest, services: Services) -> list[str]:
    """The registrations in the file that the list offers, in its order."""
    addresses = [urlsplit(each.proto.url) for each in app.get("link_button")]
    (csv,) = [each for each in addresses if each.path == f"/api/exports/events/{EVENT}/people.csv"]
    manager = Guard(services).acting_as(local("Ann"))
    written = b"".join(as_csv(exports.people_of_group(manager, EVENT, QueryParams(csv.query))))
    return [line.split(",")[0] for line in written.decode("utf-8-sig").splitlines()[1:]]


def test_an_event_without_anybody_has_no_sentence(run_page: RunPage, desk: Desk) -> None:
    none = registration_rows([])
    event.forget_all()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(desk.registrations, "event_frame", lambda event_id: none)
        assert not links(run_page("event_overview", event_id="event-1"))
    event.forget_all()


def test_the_numbers_of_the_sentence_add_up(run_page: RunPage, sampled: Desk) -> None:
    said = links(run_page("event_overview", event_id=EVENT))
    counts = {group: number(words) for group, words in said.items()}
    assert counts["not-ready"] == counts["never-tried"] + counts["failed"] + counts["waiting"]
    assert counts["not-ready"] + counts["passed"] == PEOPLE
    assert said["not-ready"] == f"{counts['not-ready']} of {PEOPLE} are not ready:"


def test_each_number_leads_to_as_many_people_as_it_says_and_so_does_the_file(
    run_page: RunPage, services: Services, sampled: Desk
) -> None:
    said = links(run_page("event_overview", event_id=EVENT))
    assert set(said) >= {"not-ready", "never-tried", "failed", "waiting", "passed"}
    for group, words in said.items():
        app = run_page("event_overview", event_id=EVENT, people=group)
        filed = in_the_file(app, services)
        assert len(filed) == number(words), group
        assert list(table(app)["Registration"]) == filed[: event.MAX_ROWS], group
        assert f"{sections._TITLES[Group(group)]} · {len(filed):,}" in text_of(app)


def test_pages_of_the_list_have_everybody_once(
    run_page: RunPage, services: Services, sampled: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event, "MAX_ROWS", 300)
    shown: list[str] = []
    for page in ("1", "2", "3"):
        app = run_page("event_overview", event_id=EVENT, people="registered", order="newest", part=page)
        shown += list(table(app)["Registration"])
    assert len(set(shown)) == PEOPLE
    assert shown == in_the_file(app, services)


def test_a_search_is_in_the_list_its_count_and_its_file(run_page: RunPage, services: Services, sampled: Desk) -> None:
    app = run_page("event_overview", event_id=EVENT, people="not-ready", find="novak")
    rows = table(app)
    assert 0 < len(rows) < 100
    assert all("Novák" in name for name in rows["Name"])
    assert list(rows["Registration"]) == in_the_file(app, services)
    assert f"Not ready · {len(rows)}" in text_of(app)


def test_a_search_that_finds_nobody_says_so(run_page: RunPage, sampled: Desk) -> None:
    assert "Nobody." in text_of(run_page("event_overview", event_id=EVENT, people="failed", find="nobody at all"))


def test_without_a_group_in_the_link_there_is_no_list(run_page: RunPage, sampled: Desk) -> None:
    app = run_page("event_overview", event_id=EVENT)
    assert not [each for each in app.dataframe if "What to send" in each.value]


def test_an_unknown_group_in_the_link_is_said(run_page: RunPage, sampled: Desk) -> None:
    app = run_page("event_overview", event_id=EVENT, people="*everybody*")
    assert "The link names an unknown list of people." in [each.value for each in app.warning]
    assert "*everybody*" in [each.value for each in app.text]


def test_each_person_leads_to_the_case_and_whoever_waits_to_the_queue(run_page: RunPage, sampled: Desk) -> None:
    app = run_page("event_overview", event_id=EVENT, people="not-ready")
    for row in table(app).to_dict("records"):
        page = "review" if row["Outcome"] == "Waiting" else "user_lookup"
        assert row["Case"] == f"/{page}?user_id={row['User']}&registration_id={row['Registration']}"
    waiting = run_page("event_overview", event_id=EVENT, people="waiting")
    assert "Open the review queue" in [each.proto.label for each in waiting.get("page_link")]


def test_the_list_fails_with_the_records_and_the_title_stays(
    run_page: RunPage, sampled: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampled.records, "event_frame", down("validation records"))
    app = run_page("event_overview", event_id=EVENT, people="failed")
    assert "Could not read this event's validations" in failure(app)
    assert [title.value for title in app.title] == ["Event overview"]


# What is said of the start


def said_of_the_start(starts_at: datetime | None, passes: int = 200, registered: int = 400) -> str:
    """Of an event whose people passed at even steps of the last ten days."""
    registrations = registration_rows(
        {"registrationId": f"r{n}", "userId": f"u{n}", "eventId": "e"} for n in range(registered)
    )
    step = timedelta(days=10) / passes
    records = record_rows({"userId": f"u{n}", "timestamp": NOW - n * step} for n in range(passes))
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(st, "caption", said.append)
        profile = EventProfile(event_id="e", starts_at=starts_at)
        sections.outlook(readiness(registrations, records), people(registrations, records), NOW, profile)
    return " ".join(said)


def test_before_the_start_it_says_how_many_are_likely_to_be_ready_and_that_this_is_rough() -> None:
    said = said_of_the_start(NOW + timedelta(days=3))
    assert re.match(
        r"3 days to go; at this pace (\d\d)% will be ready by the start \(between (\d\d) and (\d\d)%\)\. ", said
    )
    low, high = re.findall(r"between (\d\d) and (\d\d)%", said)[0]
    assert 50 < int(low) < int(high) < 100
    assert "rough estimate" in said


@pytest.mark.parametrize(
    ("starts_at", "passes", "sentence"),
    [
        (None, 200, ""),
        (NOW - timedelta(hours=1), 200, "The event has begun."),
        (NOW + timedelta(days=3), 400, "3 days to go."),
        (NOW + timedelta(days=1), 400, "1 day to go."),
        (NOW + timedelta(hours=2), 400, "Starts today."),
        (
            NOW + timedelta(days=3),
            5,
            "3 days to go. It will say here how many are likely to be ready by the start once ",
        ),
        (
            NOW + timedelta(days=30),
            200,
            "30 days to go. It will say here how many are likely to be ready by the start ",
        ),
    ],
)
def test_where_nothing_can_be_foretold_it_says_no_number(
    starts_at: datetime | None, passes: int, sentence: str
) -> None:
    said = said_of_the_start(starts_at, passes)
    assert said.startswith(sentence)
    assert bool(said) == bool(sentence)
    assert "%" not in said
