"""The audit trail as a CSV: what is in it, its filters, and that the download itself is told."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.domain.clock import utc_now
from core.domain.errors import Unavailable
from core.domain.records import isoformat
from core.domain.roles import Action
from core.services.export import BOM
from core.services.tables import AUDIT_COLUMNS
from tests.api.conftest import Client, is_error, rows
from tests.support.audit import an_entry
from tests.support.desk import Desk

TRAIL = "/api/exports/audit.csv"
HOUR = timedelta(hours=1)


def told(desk: Desk, entry_id: str, **changes: Any) -> None:
    desk.audit.append(an_entry(entry_id, **{"at": utc_now() - HOUR, **changes}))


def ids(client: Client, query: str = "") -> list[str]:
    return [row["entryId"] for row in rows(client.get(f"{TRAIL}?{query}"))]


def test_an_empty_trail_is_a_header(client: Client) -> None:
    assert client.get(TRAIL).content == BOM + ",".join(AUDIT_COLUMNS).encode() + b"\r\n"


def test_an_entry_is_a_row_with_all_of_it(client: Client, desk: Desk) -> None:
    told(desk, "e1", at=utc_now() - HOUR, details={"decision": "approved", "a": "b"})
    (row,) = rows(client.get(TRAIL))
    assert row | {"at": ""} == {
        "at": "",
        "who": "ada@example.com",
        "action": "decide",
        "outcome": "ok",
        "user": "5be9c59e30b67cf1",
        "registration": "0d4f3a77c1be90aa",
        "eventId": "event-1",
        "ipAddress": "203.0.113.7",
        "details": "a=b decision=approved",
        "entryId": "e1",
    }


def test_rows_come_newest_first(client: Client, desk: Desk) -> None:
    for back in (2, 1, 3):
        told(desk, f"e{back}", at=utc_now() - back * HOUR)
    assert ids(client) == ["e1", "e2", "e3"]


@pytest.mark.parametrize(
    ("query", "wanted", "other"),
    [
        ("action=erase", {"action": Action.ERASE}, {}),
        ("action=erase&action=reveal", {"action": Action.REVEAL}, {}),
        ("who=eve", {"who": "eve"}, {}),
        ("person=aaaa", {"user": "aaaa"}, {}),
        ("result=failed", {"outcome": "Conflict"}, {}),
        (f"since={isoformat(utc_now() - 24 * HOUR)}", {}, {"at": utc_now() - 48 * HOUR}),
        (f"until={isoformat(utc_now() - 24 * HOUR)}", {"at": utc_now() - 48 * HOUR}, {}),
    ],
    ids=["action", "actions", "who", "person", "result", "since", "until"],
)
def test_filters_choose(
    client: Client, desk: Desk, query: str, wanted: dict[str, Any], other: dict[str, Any]
) -> None:
    told(desk, "wanted", **wanted)
    told(desk, "other", **other)
    assert ids(client, query) == ["wanted"]


@pytest.mark.parametrize(
    "query",
    [
        "action=dance",
        "result=maybe",
        "since=yesterday",
        "who=a&who=b",
    ],
)
def test_what_is_no_filter_is_a_bad_request(client: Client, query: str) -> None:
    assert is_error(client.get(f"{TRAIL}?{query}"), 400)


@pytest.mark.parametrize("query", ["since=0001-01-01", "until=9999-12-31T23:59:59Z"])
def test_the_ends_of_time_are_no_harm(client: Client, desk: Desk, query: str) -> None:
    told(desk, "e1")
    assert ids(client, query) == ["e1"]


def test_what_looks_like_a_formula_is_neutralised(client: Client, desk: Desk) -> None:
    told(desk, "e1", who="=cmd()", event_id="@event")
    (row,) = rows(client.get(TRAIL))
    assert (row["who"], row["eventId"]) == ("'=cmd()", "'@event")


def test_the_download_itself_is_told(client: Client, desk: Desk) -> None:
    client.get(TRAIL)
    now = utc_now()
    told_of = [(entry.action, entry.outcome, entry.details["what"]) for entry in desk.audit.entries(now - HOUR, now)]
    assert told_of == [(Action.EXPORT, "ok", "audit"), (Action.EXPORT, "begun", "audit")]


def test_a_trail_out_of_reach_is_told_as_such(client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(since: Any, until: Any) -> Any:
        raise Unavailable("audit trail", "gone")

    monkeypatch.setattr(desk.audit, "entries", away)
    assert is_error(client.get(TRAIL), 503)
