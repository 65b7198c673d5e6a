"""The pure functions of ``core.domain.records``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.domain.attempts import decided, newest_first, with_attempt, with_decision, without_attempt
from core.domain.errors import Conflict, RecordNotFound
from core.domain.records import MAX_ATTEMPTS, Box, Decision, Provenance, Status, ValidationRecord, isoformat
from tests.support.clock import NOON
from tests.support.records import a_foreign_item, a_review, an_outcome

TTL = timedelta(days=30)
MILLISECOND = timedelta(milliseconds=1)
MOMENTS = st.datetimes(
    min_value=datetime(2, 1, 1), max_value=datetime(9998, 1, 1), timezones=st.timezones() | st.just(UTC)
)


def a_record(**changes: Any) -> ValidationRecord:
    return ValidationRecord.from_item(a_foreign_item(**changes))


# Timestamps


def test_a_time_is_written_in_utc_with_milliseconds() -> None:
    in_india = datetime(2026, 3, 1, 17, 30, 0, 7_999, timezone(timedelta(hours=5, minutes=30)))
    assert isoformat(in_india) == "2026-03-01T12:00:00.007Z"


@given(MOMENTS, MOMENTS)
def test_text_order_is_time_order(one: datetime, other: datetime) -> None:
    assert len(isoformat(one)) == len(isoformat(other)) == 24
    if isoformat(one) < isoformat(other):
        assert one < other


@given(MOMENTS)
def test_a_time_in_memory_is_the_one_that_is_stored(moment: datetime) -> None:
    timestamp = an_outcome(timestamp=moment).timestamp
    assert datetime.fromisoformat(isoformat(timestamp)) == timestamp


def test_a_time_without_a_zone_is_utc() -> None:
    assert a_record(timestamp="2026-03-01T12:00:00").timestamp == NOON


# Reading an item


def test_an_item_survives_reading_and_writing() -> None:
    item = with_attempt(None, an_outcome(reasons=("BLURRED",), stored_face_key="k"), TTL).to_dict()
    assert ValidationRecord.from_item(item).to_dict() == item


@pytest.mark.parametrize("missing", ["userId", "registrationId"])
def test_an_item_without_its_keys_is_an_error(missing: str) -> None:
    item = {name: value for name, value in a_foreign_item().items() if name != missing}
    with pytest.raises(ValueError, match="cannot be read"):
        ValidationRecord.from_item(item)


def test_a_record_without_status_and_time_is_read() -> None:
    record = ValidationRecord.from_item({"userId": "u", "registrationId": "r"})
    assert (record.validation_status, record.timestamp, record.unread) == (Status.UNKNOWN, None, ())


def test_an_unreadable_nested_attribute_is_named_by_its_path() -> None:
    assert list(map(str, a_record(comparisonResult={"similarity": "much"}).unread)) == [
        "comparisonResult.similarity:text"
    ]


def test_what_others_wrote_into_an_attempt_is_kept() -> None:
    record = a_record(attempts=[{"number": 1, "status": "failed", "device": "kiosk"}])
    assert record.to_dict()["attempts"][0]["device"] == "kiosk"


def test_an_attempt_that_cannot_be_read_still_counts() -> None:
    record = a_record(attempts=[5, {"number": 2, "status": "failed"}])
    assert [(each.number, each.status) for each in record.attempts] == [(1, "unknown"), (2, "failed")]


def test_a_box_that_cannot_be_read_is_left_out_and_named() -> None:
    box = {"left": 0.1, "top": "0.2", "width": 0.3, "height": 0.4}
    record = a_record(otherFaceBoxes=[box, {"left": 0.1}, "nonsense"])
    assert record.other_face_boxes == (Box(left=0.1, top=0.2, width=0.3, height=0.4),)
    assert [str(each) for each in record.unread] == ["otherFaceBoxes:map", "otherFaceBoxes:text"]


def test_an_unknown_attribute_named_like_a_field_of_ours_stays_apart() -> None:
    record = a_record(user_id="other", validation_status="failed")
    assert (record.user_id, record.validation_status) == ("user-1", Status.SUCCESS)


def test_the_event_is_the_top_level_one_before_the_one_in_metadata() -> None:
    assert a_record(eventId="event-2").event == "event-2"
    assert a_record().event == "event-1"


def test_a_record_without_attempts_counts_as_one_outcome() -> None:
    (outcome,) = a_record().outcomes
    assert (outcome.status, outcome.confidence, outcome.similarity, outcome.source) == ("success", 95.5, 92.5, "api")


@pytest.mark.parametrize(("seconds", "expired"), [(-1, True), (0, True), (1, False)])
def test_a_record_is_expired_from_the_second_that_it_names(seconds: int, expired: bool) -> None:
    assert a_record(expiresAt=int(NOON.timestamp()) + seconds).is_expired(NOON) is expired


def test_a_record_without_an_expiry_never_expires() -> None:
    assert not a_record(expiresAt=None).is_expired(datetime.max.replace(tzinfo=UTC))


# Attempts


def test_the_first_attempt_makes_a_record_that_expires_after_the_ttl() -> None:
    record = with_attempt(None, an_outcome(), TTL)
    assert record.expires_at == int((NOON + TTL).timestamp())


def test_the_event_is_written_where_an_index_finds_it() -> None:
    assert with_attempt(None, an_outcome(), TTL).to_dict()["eventId"] == "event-1"


def test_an_attempt_that_is_listed_changes_nothing() -> None:
    record = with_attempt(None, an_outcome(), TTL)
    assert with_attempt(record, an_outcome(status="failed"), TTL) is record


def test_an_attempt_with_an_older_clock_does_not_turn_time_back() -> None:
    record = with_attempt(None, an_outcome("attempt-1"), TTL)
    later = with_attempt(record, an_outcome("attempt-2", timestamp=NOON - timedelta(hours=1)), TTL)
    assert later.timestamp == NOON


@given(st.lists(st.integers(-5, 5), min_size=2, max_size=8))
def test_every_change_makes_a_new_version(offsets: list[int]) -> None:
    record, versions = None, set()
    for number, offset in enumerate(offsets):
        timestamp = NOON + offset * MILLISECOND
        record = with_attempt(record, an_outcome(f"attempt-{number}", timestamp=timestamp), TTL)
        versions.add(record.version)
        record = with_decision(record, a_review(decided_at=timestamp))
        versions.add(record.version)
    assert len(versions) == 2 * len(offsets)


@given(st.integers(1, 3 * MAX_ATTEMPTS))
def test_the_count_goes_on_beyond_the_listed_attempts(attempts: int) -> None:
    record = None
    for number in range(attempts):
        record = with_attempt(record, an_outcome(f"attempt-{number}"), TTL)
    assert record is not None
    assert record.verification_attempt == record.attempts[-1].number == attempts
    assert len(record.attempts) == min(attempts, MAX_ATTEMPTS)


def test_a_key_older_than_the_kept_attempts_is_unknown() -> None:
    record = None
    for number in range(MAX_ATTEMPTS + 1):
        record = with_attempt(record, an_outcome(f"attempt-{number}"), TTL)
    assert record
    assert with_attempt(record, an_outcome("attempt-1"), TTL) is record
    again = with_attempt(record, an_outcome("attempt-0"), TTL)
    assert again.verification_attempt == MAX_ATTEMPTS + 2


def test_a_foreign_outcome_becomes_the_first_entry() -> None:
    record = with_attempt(a_record(), an_outcome(), TTL)
    assert [(entry.attempt_id, entry.number) for entry in record.attempts] == [(None, 2), ("attempt-1", 3)]


def test_unknown_attributes_stay_through_an_attempt() -> None:
    known = a_record(legacyScore=7, metadata={"eventId": "event-1", "device": "x"})
    record = with_attempt(known, an_outcome(), TTL)
    assert (record.model_extra, record.metadata.model_extra) == ({"legacyScore": 7}, {"device": "x"})


# What a verdict was made with


def judged_with(rules: str) -> Provenance:
    return Provenance(engine="rekognition", model="api-1", rules=rules)


def after(*rules: str) -> ValidationRecord:
    """A record after an attempt under each of these rules."""
    record = None
    for number, each in enumerate(rules, 1):
        record = with_attempt(record, an_outcome(f"attempt-{number}", provenance=judged_with(each)), TTL)
    assert record is not None
    return record


def test_each_attempt_keeps_its_own_and_the_record_the_newest() -> None:
    record = after("old", "new")
    assert [entry.provenance for entry in record.attempts] == [judged_with("old"), judged_with("new")]
    assert record.provenance == judged_with("new")


def test_without_its_newest_attempt_a_record_has_that_of_the_one_before() -> None:
    left = without_attempt(after("old", "new"), "attempt-2")
    assert left is not None
    assert left.provenance == judged_with("old")


def test_an_attempt_of_which_it_is_not_known_leaves_the_record_without() -> None:
    record = with_attempt(after("old"), an_outcome("attempt-2", provenance=None), TTL)
    assert record.provenance is None
    assert "provenance" not in record.to_dict()["metadata"]


def test_a_decision_changes_nothing_about_it() -> None:
    record = with_decision(after("old", "new"), a_review(Decision.REJECTED))
    assert record.provenance == record.attempts[-1].provenance == judged_with("new")


def test_a_record_that_lists_no_attempts_has_it_in_its_one_outcome() -> None:
    record = a_record(metadata={"eventId": "event-1", "provenance": judged_with("old").to_dict()})
    assert record.outcomes[0].provenance == judged_with("old")
    assert with_attempt(record, an_outcome(), TTL).attempts[0].provenance == judged_with("old")


def test_what_is_not_readable_of_it_is_absent_and_named() -> None:
    record = a_record(metadata={"provenance": {"engine": "a", "rules": ["x"]}}, attempts=[{"provenance": "b"}])
    assert record.provenance == Provenance(engine="a")
    assert set(map(str, record.unread)) == {"metadata.provenance.rules:list", "attempts.provenance:text"}


# Decisions


def test_an_approval_leaves_no_reasons() -> None:
    record = with_decision(a_record(failureReasons=["FACE_MISMATCH"]), a_review(Decision.APPROVED))
    assert (record.validation_status, record.failure_reasons) == (Status.SUCCESS, ())


@pytest.mark.parametrize(("reason", "expected"), [("OTHER", ("OTHER",)), (None, ("BLURRED",))])
def test_a_rejection_gives_its_reason_or_leaves_the_rules(reason: str | None, expected: tuple[str, ...]) -> None:
    record = with_decision(a_record(failureReasons=["BLURRED"]), a_review(Decision.REJECTED, reason=reason))
    assert (record.validation_status, record.failure_reasons) == (Status.FAILED, expected)


def test_a_decision_changes_the_newest_attempt_alone() -> None:
    record = None
    for number in (1, 2):
        record = with_attempt(record, an_outcome(f"attempt-{number}", status="pending"), TTL)
    assert record is not None
    entries = with_decision(record, a_review(Decision.REJECTED)).attempts
    assert [(entry.status, entry.review is not None) for entry in entries] == [("pending", False), ("failed", True)]


def test_a_decision_on_another_version_is_a_conflict() -> None:
    with pytest.raises(Conflict, match="changed since"):
        decided(a_record(), a_review(), "another")


def test_a_decision_that_the_record_has_changes_nothing() -> None:
    record = a_record()
    first = decided(record, a_review(), record.version)
    assert decided(first, a_review(), record.version) is first


def test_a_decision_on_no_record_is_not_found() -> None:
    with pytest.raises(RecordNotFound):
        decided(None, a_review(), "any")


# Lists


def test_records_of_one_moment_are_ordered_by_registration() -> None:
    ids = ["reg-2", "reg-3", "reg-1"]
    listed = newest_first([a_record(registrationId=name) for name in ids], NOON, None)
    assert [record.registration_id for record in listed] == sorted(ids)


def test_a_record_as_json_is_the_same_as_its_dictionary() -> None:
    record = with_attempt(None, an_outcome(), TTL)
    record = record.model_copy(update={"attributes": {"smile": True, "text": "größer", "age": None, "share": 0.1}})
    assert orjson.loads(record.to_json()) == record.to_dict()
