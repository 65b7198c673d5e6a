"""Which cases want a second look and by whom, and what is stored of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from core.domain.clock import utc_now
from core.domain.errors import Conflict, InvalidInput
from core.domain.frames import frame_of
from core.domain.records import Decision, ValidationRecord
from core.domain.second_looks import Kind
from core.ports import SecondLooks
from core.services.second_looks import FRESH, SecondLookService, Shares, first_of
from tests.support.clock import FakeClock
from tests.support.desk import HASHED, Desk
from tests.support.records import a_review, an_outcome
from tests.support.second_looks import a_look

TTL = timedelta(days=30)
A, R = Decision.APPROVED, Decision.REJECTED
EVERY, NONE = Shares(1, 1), Shares(0, 0)
WAITING = {"status": "pending", "comparison_result": {"similarity": 75.0, "threshold": 80.0, "is_match": False}}
FAILED = {"status": "failed", "reasons": ("BLURRED",)}


def service_of(desk: Desk, shares: Shares = EVERY, looks: SecondLooks | None = None) -> SecondLookService:
    clock = FakeClock(utc_now())
    looks = looks or desk.second_looks
    return SecondLookService(desk.records, looks, HASHED, shares, 80, utc_now, clock.elapsed)


def attempted(desk: Desk, number: int = 1, **changes: Any) -> ValidationRecord:
    """A photo that passed, with a reference photo to compare it with."""
    outcome = an_outcome(
        **{
            "user_id": f"user-{number}",
            "registration_id": f"reg-{number}",
            "timestamp": utc_now(),
            "stored_face_key": "reference-faces/one.jpg",
            **changes,
        }
    )
    return desk.records.record_attempt(outcome, TTL)


def decided(desk: Desk, number: int = 1, decision: Decision = A, **changes: Any) -> ValidationRecord:
    """A case that waited and that Bob decided."""
    record = attempted(desk, number, **WAITING)
    given = {"reviewer": "Bob", "decided_at": utc_now(), "reason": None if decision is A else "FACE_MISMATCH"}
    review = a_review(decision, **{**given, **changes})
    return desk.records.decide(record.user_id, record.registration_id, review, record.version)


def wanted(service: SecondLookService, reviewer: str = "Ada") -> set[str]:
    return set(service.wanted("event-1", reviewer)["registrationId"])


# Which cases, and by whom


def test_decisions_and_passes_want_a_look_but_not_what_waits_or_failed_by_itself(desk: Desk) -> None:
    attempted(desk, 1)
    decided(desk, 2)
    decided(desk, 3, R)
    attempted(desk, 4, **WAITING)
    attempted(desk, 5, **FAILED)
    assert wanted(service_of(desk)) == {"reg-1", "reg-2", "reg-3"}


def test_nothing_wants_a_look_unless_it_is_switched_on(desk: Desk) -> None:
    attempted(desk, 1)
    decided(desk, 2)
    assert wanted(service_of(desk, NONE)) == set()
    assert wanted(service_of(desk, Shares(decisions=1, passes=0))) == {"reg-2"}
    assert wanted(service_of(desk, Shares(decisions=0, passes=1))) == {"reg-1"}


@pytest.mark.parametrize("name", ["Bob", "bob", "  BOB "])
def test_nobody_gets_their_own_decision_however_they_write_their_name(desk: Desk, name: str) -> None:
    record = decided(desk)
    service = service_of(desk)
    assert wanted(service, name) == set()
    assert not service.wants(record, name)
    with pytest.raises(Conflict):
        service.store(record, A, name)
    assert desk.second_looks.of_event("event-1") == []


def test_nobody_gets_a_case_that_they_decided_before_somebody_else_did(desk: Desk) -> None:
    first = decided(desk)
    second = a_review(R, reviewer="Cleo", decided_at=utc_now(), reason="FACE_MISMATCH")
    record = desk.records.decide(first.user_id, first.registration_id, second, first.version)
    service = service_of(desk)
    assert [service.wants(record, name) for name in ("Bob", "Cleo", "Ada")] == [False, False, True]


def test_nobody_gets_a_photo_that_they_submitted_themselves(desk: Desk) -> None:
    record = attempted(desk, operator="Ada")
    service = service_of(desk)
    assert not service.wants(record, "Ada")
    assert service.wants(record, "Cleo")


def test_a_decision_of_nobody_known_may_be_anybodys(desk: Desk) -> None:
    decided(desk, reviewer=None)
    assert wanted(service_of(desk)) == set()


@pytest.mark.parametrize("key", ["face_image_key", "stored_face_key"])
def test_a_case_needs_two_photos_to_compare(desk: Desk, key: str) -> None:
    record = attempted(desk)
    assert first_of(record)
    assert first_of(record.model_copy(update={key: None})) is None


def test_a_pass_without_a_comparison_is_no_case(desk: Desk) -> None:
    attempted(desk, comparison_result=None)
    assert wanted(service_of(desk)) == set()


def test_a_decision_that_another_service_wrote_over_is_no_case(desk: Desk) -> None:
    record = decided(desk)
    assert first_of(record.model_copy(update={"validation_status": "failed"})) is None


def test_a_new_attempt_is_another_case(desk: Desk) -> None:
    service = service_of(desk)
    service.store(decided(desk), A, "Ada")
    assert wanted(service) == set()
    attempted(desk, attempt_id="attempt-2")
    assert wanted(service) == {"reg-1"}


def test_an_expired_record_wants_no_look(desk: Desk) -> None:
    record = decided(desk)
    expired = record.model_copy(update={"expires_at": int(utc_now().timestamp()) - 1})
    assert not service_of(desk).wants(expired, "Ada")


def test_a_frame_and_its_records_say_the_same(desk: Desk) -> None:
    makers = [attempted, decided]
    records = [makers[number % 2](desk, number) for number in range(20)]
    odd = [
        record.model_copy(update=change)
        for record in records[:2]
        for change in (
            {"face_image_key": None},
            {"stored_face_key": None},
            {"comparison_result": None},
            {"validation_status": "failed"},
            {"validation_status": "pending"},
            {"review": a_review(R, reviewer="Bob")},
            {"review": a_review(A, reviewer="")},
        )
    ]
    for record in (*records, *odd):
        service = service_of(desk, Shares(decisions=0.5, passes=0.3))
        in_frame = not service._sample(frame_of([record])).empty
        assert in_frame == service.wants(record, "Cleo")


def test_the_list_tells_nothing_of_what_came_first(desk: Desk) -> None:
    attempted(desk, 1)
    decided(desk, 2, R)
    frame = service_of(desk).wanted("event-1", "Ada")
    assert list(frame) == ["userId", "registrationId", "eventId", "attempts", "timestamp", "turn"]


def test_of_a_share_only_its_sample_is_wanted_and_the_same_one_again(desk: Desk) -> None:
    for number in range(60):
        attempted(desk, number)
    small, large = (wanted(service_of(desk, Shares(0, share))) for share in (0.2, 0.6))
    assert 0 < len(small) < len(large) < 60
    assert small < large
    assert wanted(service_of(desk, Shares(0, 0.2))) == small


# What is stored


def test_a_look_has_both_answers_and_no_id(desk: Desk) -> None:
    record = decided(desk, 7, R)
    look = service_of(desk, Shares(decisions=0.9999, passes=0)).store(record, A, "Ada")
    assert desk.second_looks.of_event("event-1") == [look]
    assert (look.kind, look.share, look.similarity) == (Kind.DECISION, 0.9999, 75.0)
    assert (look.first, look.first_reason, look.first_reviewer) == (R, "FACE_MISMATCH", "Bob")
    assert (look.second, look.second_reason, look.second_reviewer) == (A, None, "Ada")
    assert "user-7" not in look.to_json().decode()
    assert "reg-7" not in look.to_json().decode()


def test_a_pass_counts_as_approved_by_nobody(desk: Desk) -> None:
    look = service_of(desk).store(attempted(desk), R, "Ada", "FACE_MISMATCH")
    assert (look.kind, look.first, look.first_reviewer) == (Kind.PASS, A, None)
    assert (look.second, look.second_reason) == (R, "FACE_MISMATCH")


def test_a_look_changes_nothing_of_the_record(desk: Desk) -> None:
    record = decided(desk)
    service_of(desk).store(record, R, "Ada", "BLURRED")
    assert desk.records.get("user-1", "reg-1") == record


def test_a_case_that_was_looked_at_wants_no_other_look(desk: Desk) -> None:
    record, service = decided(desk), service_of(desk)
    service.store(record, A, "Ada")
    assert wanted(service, "Cleo") == set()
    assert not service.wants(record, "Cleo")


def test_the_first_look_stays(desk: Desk) -> None:
    record, service = decided(desk), service_of(desk)
    first = service.store(record, A, "Ada")
    assert service.store(record, A, "Ada").second is A
    with pytest.raises(Conflict):
        service.store(record, R, "Cleo", "BLURRED")
    assert desk.second_looks.of_event("event-1") == [first]


def test_a_rejection_needs_a_reason_and_an_approval_has_none(desk: Desk) -> None:
    record, service = decided(desk), service_of(desk)
    with pytest.raises(InvalidInput):
        service.store(record, R, "Ada")
    with pytest.raises(InvalidInput):
        service.store(record, R, "Ada", "ENGINE_UNAVAILABLE")
    assert service.store(record, A, "Ada", "BLURRED").second_reason is None


def test_a_case_outside_of_the_sample_takes_no_look(desk: Desk) -> None:
    with pytest.raises(Conflict):
        service_of(desk, NONE).store(decided(desk), A, "Ada")


# What is known


def test_what_another_process_stored_is_known_after_some_seconds(desk: Desk) -> None:
    record, clock = decided(desk), FakeClock(utc_now())
    service = SecondLookService(desk.records, desk.second_looks, HASHED, EVERY, 80, utc_now, clock.elapsed)
    assert wanted(service) == {"reg-1"}
    service_of(desk).store(record, A, "Cleo")
    clock.advance(FRESH)
    assert wanted(service) == set()


def test_an_event_that_nobody_looks_at_for_long_is_read_again(desk: Desk) -> None:
    service = service_of(desk)
    for number in range(70):  # more than are kept
        assert service.error_rates([f"event-{number}"]).false_accepts.looks == 0
    desk.second_looks.add(a_look())
    assert service.error_rates(["event-1"]).false_accepts.looks == 1


def test_the_figures_of_several_events_are_those_of_all_their_looks(desk: Desk) -> None:
    for number, event_id in enumerate(["event-1", "event-1", "event-2"]):
        desk.second_looks.add(a_look(number, event_id=event_id, second=R if number else A))
    service = service_of(desk)
    found = service.error_rates(["event-1", "event-2"])
    assert (found.approvals.looks, found.approvals.errors) == (3, 2)
    assert service.agreements(["event-1", "event-2"]).overall.pairs == 3
    assert service.false_accepts_at(["event-2"], 70).errors == 1
