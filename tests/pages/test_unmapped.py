"""Records that belong to no event, on the pages of an event and of operations: none, some, many, failing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import dashboard.services as dashboard_services
from core.domain.errors import Unavailable
from core.domain.unmapped import Unmapped, Why
from core.services.unmapped import MOST, UnmappedService
from dashboard.parts import event
from tests.pages.test_validate import text_of
from tests.support.app import RunPage
from tests.support.desk import Desk
from tests.support.unmapped import KeptUnmapped, an_unmapped

OF_ANOTHER_EVENT = an_unmapped(registration_id="reg-9", user_id="user-9", why=Why.REFUSED)


@pytest.fixture
def listed(run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> KeptUnmapped:
    """The list, behind the pages."""
    event.forget_all()  # what another test's page read
    store = KeptUnmapped()
    services = replace(desk.services, unmapped=UnmappedService(store, desk.registrations))
    monkeypatch.setattr(dashboard_services, "build", lambda _settings: services)
    return store


def shown(app: Any) -> list[Any]:
    return [each for each in app.expander if "belong to no event" in each.label]


@pytest.mark.parametrize("page", ["event_overview", "operations"])
def test_where_there_are_none_nothing_is_said(run_page: RunPage, listed: KeptUnmapped, page: str) -> None:
    assert shown(run_page(page)) == []


def test_the_page_of_an_event_lists_those_of_its_people_alone(run_page: RunPage, listed: KeptUnmapped) -> None:
    listed.entries = [an_unmapped(), OF_ANOTHER_EVENT]
    (found,) = shown(run_page("event_overview", event_id="event-1"))
    assert found.label == "Records of people who are registered here that belong to no event: 1"
    assert found.dataframe[0].value[["Registration", "User", "Why"]].to_numpy().tolist() == [
        ["reg-1", "user-1", "It names no event that can be read"]
    ]


def test_the_operations_page_lists_all(run_page: RunPage, listed: KeptUnmapped) -> None:
    listed.entries = [an_unmapped(), OF_ANOTHER_EVENT]
    (found,) = shown(run_page("operations"))
    assert found.label == "Records of other services that belong to no event: 2"
    assert list(found.dataframe[0].value["Why"])[1] == "Its event or its time is too long"


def test_of_very_many_the_number_says_that_it_is_a_minimum(run_page: RunPage, listed: KeptUnmapped) -> None:
    listed.entries = [an_unmapped(registration_id=f"reg-{number}") for number in range(MOST + 5)]
    (found,) = shown(run_page("operations"))
    assert found.label.endswith(": 1,000 or more")


@pytest.mark.parametrize("page", ["event_overview", "operations"])
def test_a_list_that_cannot_be_read_leaves_the_rest_of_the_page(
    run_page: RunPage, listed: KeptUnmapped, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    def failing(limit: int) -> list[Unmapped]:
        raise Unavailable("validation records", "Timeout")

    monkeypatch.setattr(listed, "some", failing)
    app = run_page(page)
    assert not app.exception
    assert "look for records that belong to no event" in " ".join([*text_of(app).splitlines(), *errors(app)])


def errors(app: Any) -> list[str]:
    return [each.value for kind in ("error", "warning", "text") for each in app.get(kind)]
