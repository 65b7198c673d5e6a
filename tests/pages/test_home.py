"""The root address: where it leads."""

from __future__ import annotations

import pytest

from tests.pages.test_validate import down
from tests.support.app import RunPage
from tests.support.desk import Desk


def test_an_empty_installation_leads_to_loading_data(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.registrations, "is_empty", lambda: True)
    assert [title.value for title in run_page("home").title] == ["Load data"]


def test_a_filled_installation_leads_to_validating(run_page: RunPage) -> None:
    assert [title.value for title in run_page("home").title] == ["Validate a photo"]


def test_registrations_out_of_reach_lead_to_validating_with_a_banner(
    run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.registrations, "is_empty", down("registrations"))
    app = run_page("home")
    assert [title.value for title in app.title] == ["Validate a photo"]
    assert [error.value.partition(".")[0] for error in app.error] == ["Could not look up registrations"]
