"""Profiles of events: what they may say, and until when they keep records."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from core.domain.errors import InvalidInput
from core.domain.policy import Policy
from core.domain.profiles import MAX_NAME, EventProfile, EventRules, checked, told_apart
from tests.support.clock import NOON

DAY = timedelta(days=1)


def test_records_are_kept_until_the_end_and_some_days() -> None:
    assert EventProfile(event_id="e", ends_at=NOON, keep_days=3).kept_until == NOON + 3 * DAY


def test_an_event_without_an_end_is_over_when_it_starts() -> None:
    assert EventProfile(event_id="e", starts_at=NOON, keep_days=0).kept_until == NOON


def test_an_event_without_a_date_keeps_nothing_longer() -> None:
    assert EventProfile(event_id="e").kept_until is None


def test_an_event_without_a_name_is_called_by_its_id() -> None:
    assert [EventProfile(event_id="e", name=name).title for name in (None, "Expo")] == ["e", "Expo"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"starts_at": NOON, "ends_at": NOON - DAY},
        {"ends_at": NOON, "photo_deadline": NOON + DAY},
        *({"time_zone": zone} for zone in ("Mars/Olympus", "", "Europe", "../UTC", "/etc/passwd", "\0", "Ω")),
        {"keep_days": -1},
        {"name": "x" * (MAX_NAME + 1)},
        {"event_id": ""},
    ],
)
def test_what_no_event_can_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        EventProfile(**{"event_id": "e", **wrong})


@pytest.mark.parametrize(
    "rules",
    [
        {"similarity_threshold": 80, "review_threshold": 90},
        {"similarity_threshold": 80},
        {"review_threshold": 70},
        {"min_confidence": 101},
        {"min_face_pixels": 0},
    ],
)
def test_rules_that_contradict_each_other_are_refused_with_a_sentence(rules: dict[str, float]) -> None:
    with pytest.raises(InvalidInput, match=r"^Not saved: .*\.$"):
        checked(EventProfile(event_id="e").model_copy(update={"rules": EventRules().model_copy(update=rules)}))


def test_rules_of_an_event_replace_those_numbers_alone() -> None:
    policy = EventRules(similarity_threshold=90, review_threshold=85, min_face_pixels=80).over(Policy(max_yaw=30))
    changed = {"similarity_threshold": 90, "review_threshold": 85, "min_face_pixels": 80}
    assert policy == Policy(max_yaw=30).model_copy(update=changed)
    assert policy.digest != Policy(max_yaw=30).digest


def test_events_of_one_name_are_told_apart_whatever_their_ids_are() -> None:
    names = {"a": "Gala", "b": "Gala", "c": "Gala (a)", "d": "All", "Gala": "Gala", "e": "Another"}
    told = told_apart(names, taken=["All"])
    assert len({*told.values(), "All"}) == len(names) + 1
    assert told["b"] == "Gala (b)"
    assert told["e"] == "Another"
