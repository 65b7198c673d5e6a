"""The audit trail's page: entries, filters that stand in the link, pages, and what it says without entries."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from core.domain.clock import utc_now
from core.domain.errors import Unavailable
from core.domain.records import Decision
from core.domain.roles import Action, local
from core.runtime.facades.guard import Guard
from core.runtime.services import Services
from core.services.hashing import id_hash
from tests.support.app import RunPage, failure
from tests.support.audit import an_entry
from tests.support.desk import Desk
from tests.support.records import an_outcome


def told(desk: Desk, number: int = 1, **changes: Any) -> None:
    for each in range(number):
        at = utc_now() - timedelta(hours=1, seconds=each)
        desk.audit.append(an_entry(f"entry-{each}-{sorted(changes.items())}", at=at, **changes))


def column(app: Any, name: str) -> list[Any]:
    return list(app.dataframe[0].value[name]) if app.dataframe else []


def test_a_trail_without_entries_says_so(run_page: RunPage) -> None:
    assert "No entries" in [each.value for each in run_page("audit").subheader]


def test_entries_stand_newest_first(run_page: RunPage, desk: Desk) -> None:
    told(desk, 3)
    moments = column(run_page("audit"), "When")
    assert moments == sorted(moments, reverse=True)


@pytest.mark.parametrize(
    ("query", "wanted", "other"),
    [
        ({"action": "Erase"}, {"action": Action.ERASE}, {"action": Action.DECIDE}),
        ({"who": "ada"}, {"who": "ada"}, {"who": "eve"}),
        ({"result": "Not done"}, {"outcome": "Forbidden"}, {"outcome": "ok"}),
        ({"result": "Not finished"}, {"outcome": "begun"}, {"outcome": "ok", "who": "eve"}),
        ({"person": "a" * 16}, {"user": "a" * 16}, {"user": "b" * 16}),
        ({"person": "a" * 16}, {"registration": "a" * 16}, {"registration": "b" * 16}),
    ],
)
def test_the_link_filters(
    run_page: RunPage, desk: Desk, query: dict[str, str], wanted: dict[str, Any], other: dict[str, Any]
) -> None:
    told(desk, 1, **wanted)
    told(desk, 2, **other)
    assert len(column(run_page("audit", **query), "When")) == 1


def test_a_decision_is_one_entry(run_page: RunPage, desk: Desk, services: Services) -> None:
    given = {"user_id": "user-1", "registration_id": "reg-1", "timestamp": utc_now()}
    waiting = an_outcome("a1", status="pending", **given)
    record = desk.records.record_attempt(waiting, timedelta(days=30))
    Guard(services).acting_as(local("ada")).validation.decide(record, Decision.APPROVED, reviewer="ada")
    stored = desk.audit.entries(utc_now() - timedelta(hours=1), utc_now() + timedelta(seconds=1))
    assert sorted(entry.outcome for entry in stored) == ["begun", "ok"]
    app = run_page("audit")
    assert list(zip(column(app, "What"), column(app, "Outcome"), strict=True)) == [("Decide", "Done")]
    assert column(run_page("audit", result="Not finished"), "When") == []


def test_a_decision_that_did_not_end_stays_in_sight(run_page: RunPage, desk: Desk) -> None:
    told(desk, outcome="begun", details={})
    desk.audit.append(an_entry("later", at=utc_now() - timedelta(minutes=2), user="b" * 16))
    assert column(run_page("audit"), "Outcome") == ["Done", "Not finished"]
    assert column(run_page("audit", result="Not finished"), "Outcome") == ["Not finished"]


def test_the_span_in_the_link_ends_what_is_shown(run_page: RunPage, desk: Desk) -> None:
    desk.audit.append(an_entry(at=utc_now() - timedelta(days=3)))
    shown = [len(column(run_page("audit", span=span), "When")) for span in ("24 h", "7 days")]
    assert shown == [0, 1]


def test_a_person_is_looked_for_by_an_id_that_the_link_does_not_have(
    run_page: RunPage, desk: Desk, services: Services
) -> None:
    told(desk, user=id_hash(services.settings)("user-1"))
    told(desk, user="b" * 16)
    app = run_page("audit")
    app.text_input(key="person-id").input("user-1").run()
    assert len(column(app, "When")) == 1
    assert app.query_params["person"] == id_hash(services.settings)("user-1")
    assert "user-1" not in str(dict(app.query_params))


def test_the_files_have_the_same_filters(run_page: RunPage, desk: Desk) -> None:
    told(desk, who="ada")
    app = run_page("audit", who="ada", action="Decide")
    addresses = [urlsplit(each.proto.url) for each in app.get("link_button")]
    assert [each.path for each in addresses] == ["/api/exports/audit.csv", "/api/exports/audit.xlsx"]
    for query in (parse_qs(each.query) for each in addresses):
        assert (query["who"], query["action"]) == (["ada"], ["decide"])


def test_more_than_a_page_turns_to_the_next(run_page: RunPage, desk: Desk) -> None:
    told(desk, 60)
    app = run_page("audit")
    assert len(column(app, "When")) == 50
    next(button for button in app.button if button.label == "Older").click().run()
    assert (len(column(app, "When")), app.query_params["number"]) == (10, "2")


def test_a_page_behind_the_last_leads_back(run_page: RunPage, desk: Desk) -> None:
    told(desk)
    app = run_page("audit", number="9")
    next(button for button in app.button if button.label == "To the newest").click().run()
    assert len(column(app, "When")) == 1


@pytest.mark.parametrize("number", ["-1", "x", "0", "99999999999999999999"])
def test_a_page_that_is_none_is_the_first(run_page: RunPage, desk: Desk, number: str) -> None:
    told(desk)
    assert len(column(run_page("audit", number=number), "When")) == 1


def test_a_trail_out_of_reach_is_a_banner(run_page: RunPage, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(since: Any, until: Any) -> Any:
        raise Unavailable("audit trail", "gone")

    monkeypatch.setattr(desk.audit, "entries", away)
    assert "audit trail" in failure(run_page("audit"))
