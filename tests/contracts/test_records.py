"""The contract of ``core.ports.ValidationRecords``, held by every adapter."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from core.domain.attempts import MAX_DECISIONS
from core.domain.errors import Conflict, RecordNotFound
from core.domain.records import (
    MAX_ATTEMPTS,
    Decision,
    Provenance,
    Status,
    ValidationRecord,
    Withdrawal,
    isoformat,
)
from core.ports import ValidationRecords
from tests.support.clock import NOON
from tests.support.records import a_foreign_item, a_review, an_outcome
from tests.support.stores import Bench, dynamodb_bench, sqlite_bench

TTL = timedelta(days=30)
SECOND = timedelta(seconds=1)
WITHDRAWAL = Withdrawal(withdrawn_by="Ada", withdrawn_at=NOON + SECOND)


def _bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    match request.param:
        case "sqlite":
            bench = sqlite_bench(tmp_path)
            yield bench
            bench.records.close()
        case fixture:
            yield dynamodb_bench(request.getfixturevalue(fixture))


@pytest.fixture(params=["sqlite", "moto_dynamodb", "dynamodb"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    yield from _bench(request, tmp_path)


@pytest.fixture(params=["sqlite", "dynamodb"])
def race_bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """For races: without moto, which loses updates under threads."""
    yield from _bench(request, tmp_path)


@pytest.fixture
def records(bench: Bench) -> ValidationRecords:
    return bench.records


# Reading and writing


def test_a_store_that_is_set_up_answers_a_ping(records: ValidationRecords) -> None:
    records.ping()


def test_an_unknown_record_is_absent(records: ValidationRecords) -> None:
    assert records.get("user-1", "reg-1") is None


def test_an_unknown_user_has_no_history(records: ValidationRecords) -> None:
    assert records.history("user-1") == []


def test_a_record_is_read_back_as_it_was_returned(records: ValidationRecords) -> None:
    written = records.record_attempt(
        an_outcome(
            timestamp=datetime(2026, 3, 1, 12, 0, 0, 123456, UTC),
            face_box={"left": 0.25, "top": 0.1, "width": 0.3333, "height": 0.5},
            other_face_boxes=({"left": 0.75, "top": 0.1, "width": 0.1, "height": 0.2},),
            operator="Ada",
            ip_address="203.0.113.7",
        ),
        TTL,
    )
    assert records.get("user-1", "reg-1") == written


def test_history_has_the_whole_records(records: ValidationRecords) -> None:
    written = records.record_attempt(an_outcome(), TTL)
    assert records.history("user-1") == [written]


def test_attempts_count_up_and_are_listed_oldest_first(records: ValidationRecords) -> None:
    for number in (1, 2, 3):
        record = records.record_attempt(an_outcome(f"attempt-{number}"), TTL)
    assert [(a.number, a.attempt_id) for a in record.attempts] == [(n, f"attempt-{n}") for n in (1, 2, 3)]


def test_a_retried_attempt_counts_once(records: ValidationRecords) -> None:
    records.record_attempt(an_outcome("attempt-1"), TTL)
    last = records.record_attempt(an_outcome("attempt-2"), TTL)
    assert records.record_attempt(an_outcome("attempt-1"), TTL) == last


def test_a_retried_attempt_writes_nothing(records: ValidationRecords) -> None:
    written = records.record_attempt(an_outcome(), TTL)
    records.record_attempt(an_outcome(timestamp=NOON + SECOND, status="failed"), TTL)
    assert records.get("user-1", "reg-1") == written


def test_the_newest_attempt_speaks_for_the_record(records: ValidationRecords) -> None:
    records.record_attempt(an_outcome("attempt-1"), TTL)
    nothing_seen = {"confidence": None, "quality": None, "comparison_result": None, "attributes": {}}
    records.record_attempt(an_outcome("attempt-2", status="failed", reasons=("NO_FACE",), **nothing_seen), TTL)
    found = records.get("user-1", "reg-1")
    assert found is not None
    assert (found.validation_status, found.failure_reasons) == (Status.FAILED, ("NO_FACE",))
    assert (found.confidence, found.quality, found.comparison_result, found.attributes) == (None, None, None, {})


def test_fifty_attempts_are_listed_and_the_count_goes_on(records: ValidationRecords) -> None:
    for number in range(1, MAX_ATTEMPTS + 4):
        records.record_attempt(an_outcome(f"attempt-{number}"), TTL)
    found = records.get("user-1", "reg-1")
    assert found is not None
    assert found.verification_attempt == MAX_ATTEMPTS + 3
    assert [a.number for a in found.attempts] == list(range(4, MAX_ATTEMPTS + 4))


#: Attempts after which a store may keep the earlier ones elsewhere.
MANY = 20


def _many(records: ValidationRecords) -> ValidationRecord:
    """A record of many attempts, the last of which waits for a person."""
    for number in range(1, MANY + 1):
        outcome = an_outcome(f"attempt-{number}", timestamp=NOON + number * SECOND, status="pending")
        record = records.record_attempt(outcome, TTL)
    return record


def test_a_record_of_many_attempts_is_read_back_whole_in_both_ways(records: ValidationRecords) -> None:
    written = _many(records)
    assert [each.number for each in written.attempts] == list(range(1, MANY + 1))
    assert (records.get("user-1", "reg-1"), records.history("user-1")) == (written, [written])


def test_the_first_of_many_attempts_is_still_known(records: ValidationRecords) -> None:
    written = _many(records)
    assert records.record_attempt(an_outcome("attempt-1"), TTL) == written


def test_a_decision_on_the_last_of_many_attempts_leaves_the_others(records: ValidationRecords) -> None:
    written = _many(records)
    decided = records.decide("user-1", "reg-1", a_review(note="n" * 900), written.version)
    assert records.get("user-1", "reg-1") == decided
    assert decided.attempts[:-1] == written.attempts[:-1]


def test_other_dates_leave_all_of_many_attempts(records: ValidationRecords) -> None:
    written = _many(records)
    assert records.redate([("user-1", "reg-1")], TTL, NOON + 5 * TTL) == 1
    found = records.get("user-1", "reg-1")
    assert found is not None
    assert (found.attempts, found.version) == (written.attempts, written.version)


@pytest.mark.parametrize("number", [1, MANY // 2, MANY])
def test_of_many_attempts_any_can_be_taken_back(records: ValidationRecords, number: int) -> None:
    _many(records)
    left = records.take_back("user-1", "reg-1", f"attempt-{number}")
    assert left is not None
    assert (records.get("user-1", "reg-1"), records.history("user-1")) == (left, [left])
    assert [each.attempt_id for each in left.attempts] == [
        f"attempt-{each}" for each in range(1, MANY + 1) if each != number
    ]


def test_many_attempts_that_are_all_taken_back_leave_no_record(records: ValidationRecords) -> None:
    _many(records)
    for number in range(1, MANY + 1):
        records.take_back("user-1", "reg-1", f"attempt-{number}")
    assert (records.get("user-1", "reg-1"), records.history("user-1")) == (None, [])


def test_many_attempts_that_race_are_all_kept(race_bench: Bench) -> None:
    def work(number: int) -> None:
        for turn in range(5):
            race_bench.records.record_attempt(an_outcome(f"attempt-{number}-{turn}"), TTL)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(8)))
    found = race_bench.records.get("user-1", "reg-1")
    assert found is not None
    assert len({each.attempt_id for each in found.attempts}) == found.verification_attempt == 40


def test_a_users_registrations_are_separate_records(records: ValidationRecords) -> None:
    records.record_attempt(an_outcome("attempt-1", registration_id="reg-1"), TTL)
    second = records.record_attempt(an_outcome("attempt-1", registration_id="reg-2"), TTL)
    assert second.verification_attempt == 1


@pytest.mark.parametrize("others", [{}, {"provenance": None}], ids=["another service's", "an earlier version's"])
def test_what_an_attempt_was_judged_with_is_kept_beside_attempts_without(
    bench: Bench, others: dict[str, Any]
) -> None:
    bench.put(a_foreign_item(attempts=[{"number": 2, "status": "failed", **others}]))
    written = bench.records.record_attempt(an_outcome(), TTL)
    found = bench.records.get("user-1", "reg-1")
    assert found == written
    known = Provenance(engine="rekognition", model="api-2016-06-27", rules="r0a1b2c3d")
    assert [attempt.provenance for attempt in found.attempts] == [None, known]
    assert found.provenance == known


# History


def _three_registrations(records: ValidationRecords) -> None:
    for registration, seconds in (("reg-b", 2), ("reg-c", 0), ("reg-a", 1)):
        records.record_attempt(
            an_outcome(f"of-{registration}", registration_id=registration, timestamp=NOON + seconds * SECOND), TTL
        )


def test_history_is_newest_first_whatever_the_ids(records: ValidationRecords) -> None:
    _three_registrations(records)
    assert [record.registration_id for record in records.history("user-1")] == ["reg-b", "reg-a", "reg-c"]


@pytest.mark.parametrize(("limit", "expected"), [(0, []), (2, ["reg-b", "reg-a"]), (10, ["reg-b", "reg-a", "reg-c"])])
def test_a_limit_keeps_the_newest(records: ValidationRecords, limit: int, expected: list[str]) -> None:
    _three_registrations(records)
    assert [record.registration_id for record in records.history("user-1", limit)] == expected


def test_history_is_the_users_own(records: ValidationRecords) -> None:
    records.record_attempt(an_outcome(user_id="user-2"), TTL)
    assert records.history("user-1") == []


def test_history_orders_by_time_and_not_by_a_timestamps_text(bench: Bench) -> None:
    # As text "...00Z" sorts behind "...00.500Z", and an offset hides the hour.
    times = {
        "reg-1": "2026-02-28T10:00:00Z",
        "reg-2": "2026-02-28T10:00:00.500Z",
        "reg-3": "2026-02-28T15:29:59+05:30",
    }
    for registration, timestamp in times.items():
        bench.put(a_foreign_item(registrationId=registration, timestamp=timestamp))
    assert [r.registration_id for r in bench.records.history("user-1")] == ["reg-2", "reg-1", "reg-3"]


# Expiry


@pytest.fixture
def expired(bench: Bench) -> Bench:
    """A store whose only record expires at this very moment."""
    bench.put(a_foreign_item(expiresAt=int((NOON + TTL).timestamp()), legacyScore=7))
    bench.clock.advance(TTL)
    return bench


def test_a_record_lives_until_it_expires(bench: Bench) -> None:
    written = bench.records.record_attempt(an_outcome(), TTL)
    bench.clock.advance(TTL - SECOND)
    assert bench.records.get("user-1", "reg-1") == written


def test_an_expired_record_is_not_found(expired: Bench) -> None:
    assert expired.records.get("user-1", "reg-1") is None


def test_an_expired_record_is_not_in_the_history(expired: Bench) -> None:
    assert expired.records.history("user-1") == []


def test_an_expired_record_cannot_be_decided(expired: Bench) -> None:
    with pytest.raises(RecordNotFound):
        expired.records.decide("user-1", "reg-1", a_review(), "any")


def test_an_attempt_after_expiry_starts_a_new_record(expired: Bench) -> None:
    timestamp = NOON + TTL
    expired.records.record_attempt(an_outcome(timestamp=timestamp, stored_face_key=None), TTL)
    found = expired.records.get("user-1", "reg-1")
    assert found is not None
    assert (found.verification_attempt, len(found.attempts)) == (1, 1)
    assert found.stored_face_key is None
    assert found.model_extra == {}


def test_a_limit_counts_only_what_has_not_expired(expired: Bench) -> None:
    expired.records.record_attempt(an_outcome(registration_id="reg-2", timestamp=NOON), 2 * TTL)
    assert [record.registration_id for record in expired.records.history("user-1", 1)] == ["reg-2"]


# Taking an attempt back


def test_a_record_with_nothing_but_the_attempt_goes_with_it(records: ValidationRecords) -> None:
    records.record_attempt(an_outcome(), TTL)
    assert records.take_back("user-1", "reg-1", "attempt-1") is None
    assert (records.get("user-1", "reg-1"), records.history("user-1")) == (None, [])


def test_without_a_record_there_is_nothing_to_take_back(records: ValidationRecords) -> None:
    assert records.take_back("user-1", "reg-1", "attempt-1") is None


def test_an_attempt_that_is_not_listed_changes_nothing(records: ValidationRecords) -> None:
    written = records.record_attempt(an_outcome(), TTL)
    assert records.take_back("user-1", "reg-1", "another") == written
    assert records.get("user-1", "reg-1") == written


def test_an_earlier_attempt_goes_and_the_newest_still_speaks(records: ValidationRecords) -> None:
    records.record_attempt(an_outcome("attempt-1", status="failed"), TTL)
    both = records.record_attempt(an_outcome("attempt-2", timestamp=NOON + SECOND), TTL)
    left = records.take_back("user-1", "reg-1", "attempt-1")
    assert left is not None
    assert records.get("user-1", "reg-1") == left
    assert left.version != both.version
    same = {"attempts", "verification_attempt", "updated_at"}
    assert left.model_dump(exclude=same) == both.model_dump(exclude=same)
    assert [(each.attempt_id, each.number) for each in left.attempts] == [("attempt-2", 1)]
    assert left.verification_attempt == 1


def test_without_the_newest_attempt_the_one_before_speaks(records: ValidationRecords) -> None:
    pending = records.record_attempt(an_outcome("attempt-1", status="pending"), TTL)
    review = a_review(Decision.REJECTED, reason="FACE_MISMATCH")
    before = records.decide("user-1", "reg-1", review, pending.version)
    later = NOON + timedelta(hours=1)
    records.record_attempt(an_outcome("attempt-2", timestamp=later, status="pending", ip_address="203.0.113.9"), TTL)
    left = records.take_back("user-1", "reg-1", "attempt-2")
    assert left is not None
    assert records.get("user-1", "reg-1") == left
    # What only the record has of the earlier attempt is not known any more, nor when it would have expired.
    unknown = {"updated_at", "expires_at", "comparison_result", "attributes", "stored_face_key"}
    assert left.model_dump(exclude=unknown) == before.model_dump(exclude=unknown)
    assert (left.similarity, left.attributes, left.stored_face_key) == (before.similarity, {}, None)


def test_what_another_service_wrote_over_an_attempt_stays(bench: Bench) -> None:
    entry = {"attemptId": "attempt-1", "number": 1, "timestamp": isoformat(NOON), "status": "success"}
    bench.put(a_foreign_item(attempts=[entry], verificationAttempt=2))
    left = bench.records.take_back("user-1", "reg-1", "attempt-1")
    assert left is not None
    assert (left.face_image_key, left.similarity, left.attempts) == ("face-images/verify.jpg", 92.5, ())


def test_an_expired_attempt_is_taken_back_too(bench: Bench) -> None:
    bench.records.record_attempt(an_outcome(), TTL)
    bench.clock.jump(TTL)
    assert bench.records.take_back("user-1", "reg-1", "attempt-1") is None
    bench.clock.jump(-TTL)
    assert bench.records.get("user-1", "reg-1") is None


def test_attempts_that_race_with_one_taken_back_all_stay(race_bench: Bench) -> None:
    """Each thread records an attempt that stays and one that it takes back."""
    records = race_bench.records

    def work(number: int) -> None:
        records.record_attempt(an_outcome(f"goes-{number}"), TTL)
        records.record_attempt(an_outcome(f"stays-{number}"), TTL)
        records.take_back("user-1", "reg-1", f"goes-{number}")

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(16)))
    found = records.get("user-1", "reg-1")
    assert found is not None
    assert {each.attempt_id for each in found.attempts} == {f"stays-{number}" for number in range(16)}
    assert [each.number for each in found.attempts] == list(range(1, 17))
    assert found.verification_attempt == 16


# Decisions


def _pending(records: ValidationRecords) -> str:
    """Record a borderline attempt; the version that a person sees."""
    return records.record_attempt(an_outcome(status="pending"), TTL).version


def test_an_approval_makes_record_and_attempt_a_success(records: ValidationRecords) -> None:
    records.decide("user-1", "reg-1", a_review(Decision.APPROVED), _pending(records))
    found = records.get("user-1", "reg-1")
    assert found is not None
    assert (found.validation_status, found.attempts[-1].status) == (Status.SUCCESS, Status.SUCCESS)


def test_a_rejection_fails_the_record_for_the_reviewers_reason(records: ValidationRecords) -> None:
    records.decide("user-1", "reg-1", a_review(Decision.REJECTED, reason="FACE_MISMATCH"), _pending(records))
    found = records.get("user-1", "reg-1")
    assert found is not None
    assert (found.validation_status, found.failure_reasons) == (Status.FAILED, ("FACE_MISMATCH",))


def test_a_decision_is_read_back_as_it_was_returned(records: ValidationRecords) -> None:
    review = a_review(note="seen at the gate", reason="OTHER", decision=Decision.REJECTED)
    decided = records.decide("user-1", "reg-1", review, _pending(records))
    assert records.get("user-1", "reg-1") == decided
    assert decided.review == review


def test_a_decision_on_a_changed_record_is_a_conflict(records: ValidationRecords) -> None:
    seen = _pending(records)
    records.record_attempt(an_outcome("attempt-2"), TTL)
    with pytest.raises(Conflict):
        records.decide("user-1", "reg-1", a_review(), seen)


def test_a_conflict_writes_nothing(records: ValidationRecords) -> None:
    seen = _pending(records)
    decided = records.decide("user-1", "reg-1", a_review(Decision.APPROVED), seen)
    with pytest.raises(Conflict):
        records.decide("user-1", "reg-1", a_review(Decision.REJECTED, reviewer="Grace"), seen)
    assert records.get("user-1", "reg-1") == decided


def test_a_retried_decision_changes_nothing(records: ValidationRecords) -> None:
    seen = _pending(records)
    decided = records.decide("user-1", "reg-1", a_review(), seen)
    assert records.decide("user-1", "reg-1", a_review(), seen) == decided


def test_a_decision_on_nothing_is_not_found(records: ValidationRecords) -> None:
    with pytest.raises(RecordNotFound, match="Face validation record not found"):
        records.decide("user-1", "reg-1", a_review(), "any")


def test_a_second_decision_keeps_the_first_in_the_history(records: ValidationRecords) -> None:
    approval = a_review(Decision.APPROVED, before=Status.PENDING)
    rejection = a_review(Decision.REJECTED, reason="FACE_MISMATCH", note="two people", decided_at=NOON + SECOND)
    approved = records.decide("user-1", "reg-1", approval, _pending(records))
    rejected = records.decide("user-1", "reg-1", rejection, approved.version)
    assert (rejected.validation_status, rejected.failure_reasons) == (Status.FAILED, ("FACE_MISMATCH",))
    assert (rejected.review, rejected.attempts[-1].reviews) == (rejection, (approval, rejection))
    assert records.get("user-1", "reg-1") == rejected


def test_a_withdrawn_decision_gives_the_record_its_status_back_and_stays_in_the_history(
    records: ValidationRecords,
) -> None:
    seen = records.record_attempt(an_outcome(status="failed", reasons=("BLURRED",)), TTL)
    approval = a_review(Decision.APPROVED, before=Status.FAILED)
    approved = records.decide("user-1", "reg-1", approval, seen.version)
    records.decide("user-1", "reg-1", WITHDRAWAL, approved.version)
    found = records.get("user-1", "reg-1")
    assert found is not None
    assert (found.validation_status, found.failure_reasons, found.review) == (Status.FAILED, ("BLURRED",), None)
    assert (found.attempts[-1].status, found.attempts[-1].review) == (Status.FAILED, None)
    (earlier,) = found.attempts[-1].reviews
    assert (earlier.decision, earlier.withdrawn_by, earlier.withdrawn_at) == ("approved", "Ada", NOON + SECOND)


def test_a_decision_stands_again_when_the_one_that_replaced_it_is_withdrawn(records: ValidationRecords) -> None:
    approval = a_review(Decision.APPROVED, before=Status.PENDING)
    rejection = a_review(Decision.REJECTED, before=Status.SUCCESS, reason="FACE_MISMATCH", decided_at=NOON + SECOND)
    approved = records.decide("user-1", "reg-1", approval, _pending(records))
    rejected = records.decide("user-1", "reg-1", rejection, approved.version)
    again = records.decide("user-1", "reg-1", WITHDRAWAL, rejected.version)
    assert (again.validation_status, again.failure_reasons, again.review) == (Status.SUCCESS, (), approval)
    assert [review.decision for review in again.attempts[-1].reviews] == ["approved", "rejected"]


def test_a_withdrawal_from_a_changed_record_is_a_conflict_and_writes_nothing(records: ValidationRecords) -> None:
    approved = records.decide("user-1", "reg-1", a_review(before=Status.PENDING), _pending(records))
    newer = records.record_attempt(an_outcome("attempt-2"), TTL)
    with pytest.raises(Conflict):
        records.decide("user-1", "reg-1", WITHDRAWAL, approved.version)
    assert records.get("user-1", "reg-1") == newer


def test_a_retried_withdrawal_changes_nothing(records: ValidationRecords) -> None:
    approved = records.decide("user-1", "reg-1", a_review(before=Status.PENDING), _pending(records))
    withdrawn = records.decide("user-1", "reg-1", WITHDRAWAL, approved.version)
    assert records.decide("user-1", "reg-1", WITHDRAWAL, approved.version) == withdrawn


def test_without_a_decision_there_is_nothing_to_withdraw(records: ValidationRecords) -> None:
    with pytest.raises(Conflict):
        records.decide("user-1", "reg-1", WITHDRAWAL, _pending(records))


def test_the_history_of_one_attempts_decisions_has_an_end(records: ValidationRecords) -> None:
    version = _pending(records)
    for number in range(MAX_DECISIONS):
        decided_at = NOON + number * SECOND
        version = records.decide("user-1", "reg-1", a_review(decided_at=decided_at), version).version
    with pytest.raises(Conflict, match="decided 20 times"):
        records.decide("user-1", "reg-1", a_review(decided_at=NOON + TTL), version)


def test_an_attempt_after_a_decision_keeps_it_in_the_list(records: ValidationRecords) -> None:
    records.decide("user-1", "reg-1", a_review(), _pending(records))
    records.record_attempt(an_outcome("attempt-2"), TTL)
    found = records.get("user-1", "reg-1")
    assert found is not None
    assert found.review is None
    assert [attempt.review for attempt in found.attempts] == [a_review(), None]


# Records of other services


def test_a_foreign_record_is_read(bench: Bench) -> None:
    bench.put(a_foreign_item())
    found = bench.records.get("user-1", "reg-1")
    assert found is not None
    assert found.timestamp == datetime(2026, 2, 28, 10, 30, tzinfo=UTC)
    assert (found.event, found.similarity, found.verification_attempt) == ("event-1", 92.5, 2)


def test_a_foreign_record_is_listed(bench: Bench) -> None:
    bench.put(a_foreign_item())
    assert bench.records.history("user-1") == [bench.records.get("user-1", "reg-1")]


def test_a_record_of_four_attributes_is_enough(bench: Bench) -> None:
    least = ("userId", "registrationId", "validationStatus", "timestamp")
    bench.put({name: value for name, value in a_foreign_item().items() if name in least})
    found = bench.records.get("user-1", "reg-1")
    assert found is not None
    assert (found.confidence, found.expires_at, found.event) == (None, None, None)


def test_null_attributes_count_as_absent(bench: Bench) -> None:
    metadata = {"eventId": "e", "source": None}
    bench.put(a_foreign_item(confidence=None, comparisonResult=None, updatedAt=None, metadata=metadata))
    found = bench.records.get("user-1", "reg-1")
    assert found is not None
    assert (found.confidence, found.comparison_result, found.updated_at) == (None, None, None)
    assert (found.event, found.metadata.source) == ("e", None)


def test_a_foreign_records_own_outcome_stays_in_the_count(bench: Bench) -> None:
    bench.put(a_foreign_item())
    record = bench.records.record_attempt(an_outcome(status="failed"), TTL)
    assert record.verification_attempt == 3
    listed = [(attempt.number, attempt.status, attempt.confidence) for attempt in record.attempts]
    assert listed == [(2, "success", 95.5), (3, "failed", 99.5)]


@pytest.mark.parametrize("updated_at", [{}, {"updatedAt": None}], ids=["absent", "null"])
def test_a_foreign_record_without_updated_at_takes_attempts(bench: Bench, updated_at: dict[str, None]) -> None:
    item = {name: value for name, value in a_foreign_item().items() if name != "updatedAt"}
    bench.put({**item, **updated_at})
    bench.records.record_attempt(an_outcome(), TTL)
    found = bench.records.get("user-1", "reg-1")
    assert found is not None
    assert found.verification_attempt == 3


def test_a_foreign_record_can_be_decided(bench: Bench) -> None:
    bench.put(a_foreign_item(validationStatus="pending"))
    seen = bench.records.get("user-1", "reg-1")
    assert seen is not None
    bench.records.decide("user-1", "reg-1", a_review(), seen.version)
    found = bench.records.get("user-1", "reg-1")
    assert found is not None
    assert (found.validation_status, found.confidence, found.verification_attempt) == (Status.SUCCESS, 95.5, 2)


#: Attributes that we do not know; some bear names that mean something to Python, pydantic or DynamoDB.
UNKNOWN = {
    "legacyScore": 0.125,
    "user_id": "not the key",
    "model_config": {"nested": [1, "two", {"three": False}]},
    "model_extra": "x",
    "version": 3,
    "event": ["a"],
    "status": "reserved",
    "a.b #c :d": "punctuation",
}


@pytest.fixture
def knows_more(bench: Bench) -> Bench:
    """A store with a foreign record full of attributes that we do not know."""
    metadata = {**a_foreign_item()["metadata"], "device": {"os": "x"}, "event_id": "not the event"}
    bench.put(a_foreign_item(**UNKNOWN, metadata=metadata))
    return bench


def _assert_kept(bench: Bench) -> None:
    found = bench.records.get("user-1", "reg-1")
    assert found is not None
    assert found.model_extra == UNKNOWN
    assert found.metadata.model_extra == {"device": {"os": "x"}, "event_id": "not the event"}
    assert (found.user_id, found.event) == ("user-1", "event-1")


def test_unknown_attributes_are_read(knows_more: Bench) -> None:
    _assert_kept(knows_more)


def test_unknown_attributes_survive_an_attempt(knows_more: Bench) -> None:
    knows_more.records.record_attempt(an_outcome(), TTL)
    _assert_kept(knows_more)


def test_unknown_attributes_survive_a_decision(knows_more: Bench) -> None:
    seen = knows_more.records.get("user-1", "reg-1")
    assert seen is not None
    knows_more.records.decide("user-1", "reg-1", a_review(), seen.version)
    _assert_kept(knows_more)


UNREADABLE = [
    {"validationStatus": "canary-value"},
    {"timestamp": "canary-value"},
    {"timestamp": "9999-12-31T23:59:59-14:00"},
    {"confidence": 101},
    {"metadata": "canary-value"},
    {"comparisonResult": {"similarity": "canary-value"}},
]


def _version(records: ValidationRecords) -> str:
    record = records.get("user-1", "reg-1")
    assert record is not None
    return record.version


ACCESSES: dict[str, Callable[[ValidationRecords], object]] = {
    "get": lambda records: records.get("user-1", "reg-1"),
    "history": lambda records: records.history("user-1"),
    "record_attempt": lambda records: records.record_attempt(an_outcome(), TTL),
    "decide": lambda records: records.decide("user-1", "reg-1", a_review(), _version(records)),
}


@pytest.mark.parametrize("broken", UNREADABLE, ids=lambda broken: next(iter(broken)))
def test_an_unreadable_attribute_is_absent_and_named(bench: Bench, broken: dict[str, Any]) -> None:
    bench.put(a_foreign_item(**broken))
    record = bench.records.get("user-1", "reg-1")
    assert record is not None
    assert {each.field.partition(".")[0] for each in record.unread} == set(broken)
    assert "canary" not in str(record.to_dict())


@pytest.mark.parametrize("access", ACCESSES.values(), ids=ACCESSES)
def test_every_method_takes_a_record_of_unknown_status(
    bench: Bench, access: Callable[[ValidationRecords], object]
) -> None:
    bench.put(a_foreign_item(validationStatus="unheard of"))
    assert access(bench.records)


# Ids


HOSTILE_IDS = {
    "formula": '=HYPERLINK("http://example.invalid","x")',
    "path": "../../etc/passwd",
    "quotes": "'; DROP TABLE faceVerifications; --\"`",
    "unicode": "Zoë Ångström 北京 عربى",
    "emoji": "👩‍👩‍👧‍👦🏳️‍🌈",
    "markup": "<script>alert(1)</script>![x](http://example.invalid/x)",
    "spaces": "  \t\r\n ",
    "controls": "\x01\x7f\u202e\ufeff",
    "nul": "a\0b",
    "placeholder": "#userId :userId {} %s ${x} $.a",
    "long": "x" * 1000,
}


@pytest.mark.parametrize("hostile", HOSTILE_IDS.values(), ids=HOSTILE_IDS)
def test_any_id_is_stored_and_found_exactly(records: ValidationRecords, hostile: str) -> None:
    outcome = an_outcome(hostile[:255], user_id=hostile, registration_id=hostile, event_id=hostile)
    written = records.record_attempt(outcome, TTL)
    assert records.get(hostile, hostile) == written
    assert records.history(hostile) == [written]
    assert (written.user_id, written.registration_id, written.event) == (hostile, hostile, hostile)


@pytest.mark.parametrize(
    ("one", "other"),
    [("user", "User"), ("\u00e9", "e\u0301"), ("a", "a "), ("a", "a\0"), ("a\0b", "a\0c"), ("%", "x"), ("1", "01")],
    ids=["case", "normal form", "trailing space", "trailing nul", "after a nul", "wildcard", "number"],
)
def test_similar_ids_are_different_ids(records: ValidationRecords, one: str, other: str) -> None:
    records.record_attempt(an_outcome(user_id=one, registration_id=one), TTL)
    for user, registration in product((one, other), (one, other)):
        assert (records.get(user, registration) is None) is ((user, registration) != (one, one))
    assert records.history(other) == []


# Races


def _race(runners: int, run: Callable[[int], Any]) -> list[Any]:
    """``run(0)`` to ``run(runners - 1)``, all started at once; their results or exceptions."""
    start = threading.Barrier(runners)

    def runner(index: int) -> Any:
        start.wait()
        try:
            return run(index)
        except Exception as error:  # noqa: BLE001 (handed to the test)
            return error

    with ThreadPoolExecutor(runners) as pool:
        return list(pool.map(runner, range(runners)))


def test_1600_attempts_at_once_are_all_counted_and_listed(race_bench: Bench) -> None:
    """100 registrations, 16 validations of each at once."""
    records = race_bench.records

    def validate(registration: int, racer: int) -> None:
        records.record_attempt(an_outcome(f"{registration}-{racer}", registration_id=f"reg-{registration}"), TTL)

    for registration in range(100):
        results = _race(16, lambda racer, registration=registration: validate(registration, racer))
        assert results == [None] * 16
    found = records.history("user-1")
    assert sum(record.verification_attempt for record in found) == 1600
    assert len({attempt.attempt_id for record in found for attempt in record.attempts}) == 1600


def test_attempts_submitted_by_eight_racers_each_count_once(race_bench: Bench) -> None:
    """50 attempt ids, each submitted by all of the racers, each racer in an order of its own."""

    def submit_all(racer: int) -> None:
        for index in range(MAX_ATTEMPTS):
            race_bench.records.record_attempt(an_outcome(f"attempt-{(index + 7 * racer) % MAX_ATTEMPTS}"), TTL)

    assert _race(8, submit_all) == [None] * 8
    found = race_bench.records.get("user-1", "reg-1")
    assert found is not None
    assert found.verification_attempt == MAX_ATTEMPTS
    assert {a.attempt_id for a in found.attempts} == {f"attempt-{number}" for number in range(MAX_ATTEMPTS)}


def test_fifty_writers_of_one_record_all_get_through(race_bench: Bench) -> None:
    results = _race(50, lambda racer: race_bench.records.record_attempt(an_outcome(f"attempt-{racer}"), TTL))
    assert sorted(record.verification_attempt for record in results) == list(range(1, 51))


def test_one_of_eight_racing_deciders_wins(race_bench: Bench) -> None:
    seen = _pending(race_bench.records)
    results = _race(
        8, lambda racer: race_bench.records.decide("user-1", "reg-1", a_review(reviewer=f"Ada {racer}"), seen)
    )
    assert sorted(type(result).__name__ for result in results) == ["Conflict"] * 7 + ["ValidationRecord"]


def test_the_winning_decision_is_the_one_that_is_stored(race_bench: Bench) -> None:
    seen = _pending(race_bench.records)
    results = _race(
        8, lambda racer: race_bench.records.decide("user-1", "reg-1", a_review(reviewer=f"Ada {racer}"), seen)
    )
    assert race_bench.records.get("user-1", "reg-1") in results


def test_an_attempt_is_not_lost_to_a_decision_made_meanwhile(race_bench: Bench) -> None:
    seen = _pending(race_bench.records)
    runs = [
        lambda: race_bench.records.decide("user-1", "reg-1", a_review(), seen),
        lambda: race_bench.records.record_attempt(an_outcome("attempt-2"), TTL),
    ]
    _race(2, lambda racer: runs[racer]())
    found = race_bench.records.get("user-1", "reg-1")
    assert found is not None
    assert found.attempt("attempt-2") is not None


# Dates

DAY = timedelta(days=1)
CASE = ("user-1", "reg-1")


def expires(records: ValidationRecords) -> datetime:
    record = records.get(*CASE)
    assert record
    assert record.expires_at
    return datetime.fromtimestamp(record.expires_at, UTC)


def test_a_record_expires_by_its_age_but_not_before_the_event_lets_it(records: ValidationRecords) -> None:
    records.record_attempt(an_outcome(), TTL, NOON + 40 * DAY)
    assert expires(records) == NOON + 40 * DAY
    records.record_attempt(an_outcome("attempt-2", timestamp=NOON + DAY), TTL, NOON + 10 * DAY)
    assert expires(records) == NOON + 31 * DAY


@pytest.mark.parametrize("days", [10, 40, 50, None])
def test_a_record_that_is_dated_anew_expires_as_if_it_were_recorded_with_the_new_date(
    records: ValidationRecords, days: int | None
) -> None:
    records.record_attempt(an_outcome(), TTL, NOON + 40 * DAY)
    until = None if days is None else NOON + days * DAY
    changed = records.redate([CASE, ("user-2", "reg-2")], TTL, until)
    assert expires(records) == NOON + max(days or 0, 30) * DAY
    assert changed == (days != 40)


def test_a_new_date_leaves_all_else_of_a_record_as_it_was(records: ValidationRecords) -> None:
    before = records.record_attempt(an_outcome(), TTL)
    records.redate([CASE], TTL, NOON + 40 * DAY)
    after = records.get(*CASE)
    assert after
    assert after.model_copy(update={"expires_at": before.expires_at}) == before
    assert after.version == before.version


def test_an_expired_record_is_not_dated_anew(bench: Bench) -> None:
    bench.records.record_attempt(an_outcome(), TTL)
    bench.clock.advance(TTL)
    assert bench.records.redate([CASE], TTL, NOON + 40 * DAY) == 0
    assert bench.records.get(*CASE) is None


def test_the_record_of_another_service_gets_its_own_date_back(bench: Bench) -> None:
    own = NOON + 29 * DAY
    bench.foreign(expiresAt=int(own.timestamp()), theirs={"kept": [1, "two"]})
    for until, wanted in [(NOON + 40 * DAY, 40), (NOON + 60 * DAY, 60), (NOON + 35 * DAY, 35), (NOON + 5 * DAY, 29)]:
        bench.records.redate([CASE], TTL, until)
        assert expires(bench.records) == NOON + wanted * DAY
    record = bench.records.get(*CASE)
    assert record
    assert record.to_dict()["theirs"] == {"kept": [1, "two"]}
    assert "ownExpiresAt" not in record.to_dict()


def test_a_record_that_never_expires_stays_so(bench: Bench) -> None:
    bench.foreign(expiresAt=None)
    bench.records.redate([CASE], TTL, NOON + 40 * DAY)
    record = bench.records.get(*CASE)
    assert record
    assert record.expires_at is None


def test_an_attempt_while_a_record_is_dated_anew_is_not_lost(race_bench: Bench) -> None:
    records = race_bench.records
    records.record_attempt(an_outcome("attempt-0"), TTL)
    with ThreadPoolExecutor(8) as threads:
        attempts = [
            threads.submit(records.record_attempt, an_outcome(f"attempt-{number}"), TTL, NOON + 50 * DAY)
            for number in range(1, 20)
        ]
        dates = [threads.submit(records.redate, [CASE], TTL, NOON + 50 * DAY) for _ in range(20)]
        for done in (*attempts, *dates):
            done.result()
    record = records.get(*CASE)
    assert record
    assert record.verification_attempt == 20
    assert expires(records) == NOON + 50 * DAY
