"""The people of an event one by one: equal to a recount, found as they are typed, and sorted."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pandas as pd
import pytest

from core.domain import reasons
from core.domain.people import (
    NEVER_TRIED,
    Group,
    Order,
    found,
    in_order,
    listed,
    of_group,
    passed_at,
    people,
    searchable,
)
from core.domain.reasons import Reason
from core.domain.statistics import readiness
from tests.support.frames import record_rows, registration_rows

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
Row = dict[str, Any]


def registration(number: int, **more: Any) -> Row:
    given = {"registrationId": f"r{number}", "userId": f"u{number}", "eventId": "e"}
    return {**given, "name": f"Name {number}", "email": f"p{number}@example.com", **more}


def record(number: int, **more: Any) -> Row:
    return {"registrationId": f"r{number}", "userId": f"u{number}", "expiresAt": NOW + timedelta(days=20), **more}


def everybody(registrations: list[Row], records: list[Row]) -> pd.DataFrame:
    return people(registration_rows(registrations), record_rows(records))


def made_up(seed: int) -> tuple[list[Row], list[Row]]:
    """Registrations, and records of most of them and of some that are not registered, in any order."""
    chance = random.Random(seed)
    registrations = [registration(number) for number in range(200)]
    records = [
        record(
            number,
            status=chance.choice(["success", "pending", "failed", "unknown"]),
            attempts=chance.randint(1, 5),
            timestamp=NOW - timedelta(hours=chance.randint(0, 500)),
            expiresAt=NOW + timedelta(days=chance.randint(1, 20)),
        )
        for number in range(250)
        if chance.random() < 0.7
    ]
    chance.shuffle(records)
    return registrations, records


@pytest.mark.parametrize("seed", range(3))
def test_each_registration_has_what_its_record_says(seed: int) -> None:
    registrations, records = made_up(seed)
    by_id = {each["registrationId"]: each for each in records}
    rows = everybody(registrations, records)
    assert list(rows["registrationId"]) == [each["registrationId"] for each in registrations]
    for row in rows.to_dict("records"):
        one = by_id.get(row["registrationId"])
        if one is None:
            assert (row["status"], row["attempts"], row["message"] != "") == (NEVER_TRIED, 0, True)
            assert pd.isna(row["timestamp"])
        else:
            assert (row["status"], row["attempts"]) == (one["status"], one["attempts"])
            assert row["timestamp"] == one["timestamp"]


@pytest.mark.parametrize("seed", range(3))
def test_the_groups_are_as_many_as_readiness_counts(seed: int) -> None:
    registrations, records = made_up(seed)
    counted = readiness(registration_rows(registrations), record_rows(records))
    rows = everybody(registrations, records)
    sizes = {group: len(of_group(rows, group, NOW)) for group in Group if group is not Group.VALIDATED}
    assert sizes == {
        Group.REGISTERED: counted.registered,
        Group.WITH_PHOTO: counted.with_photo,
        Group.TRIED: counted.attempted,
        Group.NOT_READY: counted.registered - counted.passed,
        Group.NEVER_TRIED: counted.never_tried,
        Group.FAILED: counted.failed,
        Group.WAITING: counted.waiting,
        Group.UNKNOWN: counted.unknown,
        Group.PASSED: counted.passed,
        Group.EXPIRING: sizes[Group.EXPIRING],
    }
    week = NOW + timedelta(days=7)
    registered = {each["registrationId"] for each in registrations}
    soon = [each for each in records if each["status"] == "success" and each["expiresAt"] <= week]
    assert sizes[Group.EXPIRING] == sum(each["registrationId"] in registered for each in soon)


def test_the_same_registration_of_another_user_is_somebody_else() -> None:
    rows = everybody([registration(1)], [record(1, userId="another")])
    assert list(rows["status"]) == [NEVER_TRIED]


def test_an_event_without_anybody_is_an_empty_list() -> None:
    rows = everybody([], [])
    assert [len(listed(rows, group, "x", Order.NAME, NOW)) for group in Group] == [0] * len(Group)


@pytest.mark.parametrize(
    ("status", "codes", "message"),
    [
        ("failed", "TOO_DARK FACE_MISMATCH", [Reason.FACE_MISMATCH, Reason.TOO_DARK]),
        ("failed", "BLURRED BLURRED", [Reason.BLURRED]),
        ("failed", "", [""]),
        ("pending", "ENGINE_UNAVAILABLE", [Reason.ENGINE_UNAVAILABLE]),
    ],
)
def test_who_failed_or_waits_is_told_why(status: str, codes: str, message: list[str]) -> None:
    (row,) = everybody([registration(1)], [record(1, status=status, reasons=codes)]).to_dict("records")
    assert row["message"] == " ".join(map(reasons.advice, message))
    assert row["why"] == reasons.labels(codes.split())


def test_nothing_is_sent_to_whoever_passed() -> None:
    (row,) = everybody([registration(1)], [record(1, reasons="FACE_MISMATCH")]).to_dict("records")
    assert row["message"] == ""


def test_whoever_was_approved_passed_when_it_was_decided() -> None:
    decided = NOW - timedelta(days=1)
    sent = NOW - timedelta(days=2)
    rows = everybody(
        [registration(number) for number in range(3)],
        [
            record(0, timestamp=sent, decision="approved", decidedAt=decided),
            record(1, timestamp=sent),
            record(2, timestamp=sent, status="failed"),
        ],
    )
    assert list(passed_at(rows)) == [decided, sent]


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("zoe", ["r1"]),
        ("MULLER zoe", ["r1"]),
        ("obrien", ["r2"]),
        ("anne marie", ["r3"]),
        ("山田", ["r4"]),
        ("p3@example.com", ["r3"]),
        ("r2", ["r2"]),
        ("u4", ["r4"]),
        ("example", ["r1", "r2", "r3", "r4"]),
        ("zoe obrien", []),
        ("", ["r1", "r2", "r3", "r4"]),
        ("  ", ["r1", "r2", "r3", "r4"]),
        ("(", []),
    ],
)
def test_people_are_found_as_they_are_typed(text: str, ids: list[str]) -> None:
    names = ["Zoë Müller", "Seán O’Brien", "Anne-Marie\ue000 Berg", "山田 太郎"]
    rows = everybody([registration(number, name=name) for number, name in enumerate(names, 1)], [])
    assert list(found(rows, searchable(rows), text)["registrationId"]) == ids


def test_a_search_within_a_group_finds_nobody_else() -> None:
    rows = everybody([registration(1, name="Ada"), registration(2, name="Ada")], [record(1)])
    assert list(listed(rows, Group.NEVER_TRIED, "ada", Order.NAME, NOW)["registrationId"]) == ["r2"]


@pytest.mark.parametrize(
    ("order", "ids"),
    [
        (Order.NAME, ["r2", "r1", "r0", "r3"]),
        (Order.OLDEST, ["r1", "r0", "r2", "r3"]),
        (Order.NEWEST, ["r2", "r0", "r1", "r3"]),
        (Order.ATTEMPTS, ["r1", "r0", "r2", "r3"]),
    ],
)
def test_a_list_is_sorted_and_what_is_absent_comes_last(order: Order, ids: list[str]) -> None:
    names = ["charles", "Bob", "ada", ""]
    rows = everybody(
        [registration(number, name=name) for number, name in enumerate(names)],
        [
            record(0, timestamp=NOW - timedelta(days=2), attempts=1),
            record(1, timestamp=NOW - timedelta(days=3), attempts=4),
            record(2, timestamp=NOW - timedelta(days=1), attempts=1),
        ],
    )
    assert list(in_order(rows, order)["registrationId"]) == ids


def test_the_list_of_an_event_is_made_without_looking_at_its_people_one_by_one() -> None:
    """However many they are, words are made once for each combination of status and reasons."""
    asked: Counter[str] = Counter()
    rows = [record(number, status="failed", reasons=("BLURRED", "TOO_DARK")[number % 2]) for number in range(2000)]
    whole = reasons.labels
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reasons, "labels", lambda codes: asked.update(["asked"]) or whole(codes))
        everybody([registration(number) for number in range(2000)], rows)
    assert asked["asked"] == 2
