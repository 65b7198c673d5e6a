"""A link that names a person, a registration or an event that nobody knows says so, on every page that takes one."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.domain.clock import utc_now
from tests.pages.test_validate import text_of
from tests.support.app import RunPage
from tests.support.desk import Desk
from tests.support.records import an_outcome

UNKNOWN = "nobody ![x](y)"


@pytest.fixture(autouse=True)
def _one_record(desk: Desk) -> None:
    given = {"user_id": "user-1", "registration_id": "reg-1", "timestamp": utc_now()}
    desk.records.record_attempt(an_outcome("a1", **given), timedelta(days=30))


@pytest.mark.parametrize(
    ("page", "query", "said"),
    [
        ("validate", {"registration_id": UNKNOWN}, "unknown registration"),
        ("user_lookup", {"user_id": UNKNOWN}, "This user is unknown"),
        ("user_lookup", {"user_id": "user-1", "registration_id": UNKNOWN}, "not among the records below"),
        ("review", {"event_id": UNKNOWN}, "unknown event"),
        ("event_overview", {"event_id": UNKNOWN}, "unknown event"),
        ("statistics", {"event_id": UNKNOWN}, "unknown event"),
        ("erasure", {"user_id": UNKNOWN}, "Nothing is stored about a person with this id"),
    ],
)
def test_it_says_so(run_page: RunPage, page: str, query: dict[str, str], said: str) -> None:
    assert said in text_of(run_page(page, **query))


@pytest.mark.parametrize("page", ["review", "event_overview", "statistics"])
def test_it_names_the_event_as_it_was_written(run_page: RunPage, page: str) -> None:
    assert UNKNOWN in [text.value for text in run_page(page, event_id=UNKNOWN).text]


@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("user_lookup", {"user_id": "user-1", "registration_id": "reg-1"}),
        ("review", {"event_id": "event-1"}),
        ("event_overview", {"event_id": "event-1"}),
        ("statistics", {"event_id": "event-1"}),
    ],
)
def test_of_a_link_to_what_there_is_nothing_is_said(run_page: RunPage, page: str, query: dict[str, str]) -> None:
    assert "The link names" not in text_of(run_page(page, **query))
