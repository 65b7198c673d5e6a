"""ValidationService: what is kept, what counts, and what happens when a part of it fails."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from core.domain.clock import utc_now
from core.domain.errors import (
    Conflict,
    InvalidInput,
    NotConfigured,
    PhotoNotFound,
    PhotoOfAnother,
    PhotoRefused,
    Refused,
    RegistrationNotFound,
    Unavailable,
)
from core.domain.profiles import EventProfile, EventRules
from core.domain.reasons import Reason
from core.domain.records import Decision, Provenance, Source, Status
from core.photos.keys import folder_of
from core.services.validation import Submitter
from tests.support.desk import REFERENCE_KEY, REGISTERED, Desk

AT_THE_DESK = Submitter(Source.DASHBOARD, "asha", "127.0.0.1")


def test_a_good_photo_of_the_same_person_passes_and_is_kept(desk: Desk, astronaut_jpeg: bytes) -> None:
    stored = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK).record
    assert stored.validation_status is Status.SUCCESS
    assert desk.records.get("user-1", "reg-1") == stored
    assert desk.photos.exists(stored.face_image_key or "")


def test_who_submitted_and_from_where_is_in_the_record(desk: Desk, astronaut_jpeg: bytes) -> None:
    validation = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK)
    assert validation.attempt.operator == "asha"
    assert validation.record.metadata.ip_address == "127.0.0.1"
    assert validation.record.metadata.source == "dashboard"


def test_without_a_reference_photo_the_face_alone_decides(desk: Desk, astronaut_jpeg: bytes) -> None:
    record = desk.validation.validate_upload("reg-2", astronaut_jpeg, "a1", AT_THE_DESK).record
    assert record.validation_status is Status.SUCCESS
    assert record.comparison_result is None
    assert desk.engine.calls == ["detect"]


@pytest.mark.parametrize(
    ("similarity", "status", "reasons"),
    [
        (80.0, Status.SUCCESS, ()),
        (79.99, Status.PENDING, ()),
        (70.0, Status.PENDING, ()),
        (69.99, Status.FAILED, (Reason.FACE_MISMATCH,)),
    ],
)
def test_similarity_decides_between_passing_waiting_and_failing(
    desk: Desk, astronaut_jpeg: bytes, similarity: float, status: Status, reasons: tuple[str, ...]
) -> None:
    desk.engine.similarity = similarity
    record = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK).record
    assert (record.validation_status, record.failure_reasons) == (status, reasons)


def test_a_stored_photo_is_validated_by_its_key(desk: Desk, hopper_jpeg: bytes) -> None:
    desk.photos.put("face-images/user-photo.jpg", hopper_jpeg)
    record = desk.validation.validate_stored("reg-1", "face-images/user-photo.jpg", "a1", AT_THE_DESK).record
    assert record.face_image_key == "face-images/user-photo.jpg"


def test_an_unknown_key_is_not_found_and_nothing_is_recorded(desk: Desk) -> None:
    with pytest.raises(PhotoNotFound):
        desk.validation.validate_stored("reg-1", "face-images/none.jpg", "a1", AT_THE_DESK)
    assert desk.records.get("user-1", "reg-1") is None


@pytest.mark.parametrize("spelled", [str, "/{}".format, lambda key: quote(key, safe="")])
def test_a_photo_that_was_uploaded_for_somebody_else_is_refused(
    desk: Desk, hopper_jpeg: bytes, spelled: Callable[[str], str]
) -> None:
    another = REGISTERED.model_copy(update={"registration_id": "reg-9", "user_id": "user-9"})
    desk.registrations.import_many([another])
    desk.validation.validate_upload("reg-9", hopper_jpeg, "a1", AT_THE_DESK)
    (key,) = desk.photos.under(folder_of("reg-9"))
    with pytest.raises(PhotoOfAnother, match="Upload the photo"):
        desk.validation.validate_stored("reg-1", spelled(key), "a1", AT_THE_DESK)
    assert desk.records.get("user-1", "reg-1") is None


def test_a_photo_that_was_uploaded_for_another_registration_of_the_person_is_validated(
    desk: Desk, hopper_jpeg: bytes
) -> None:
    desk.validation.validate_upload("reg-2", hopper_jpeg, "a1", AT_THE_DESK)
    (key,) = desk.photos.under(folder_of("reg-2"))
    assert desk.validation.validate_stored("reg-1", key, "a1", AT_THE_DESK).record.face_image_key == key


def test_a_photo_in_a_folder_of_another_service_is_validated(desk: Desk, hopper_jpeg: bytes) -> None:
    key = "face-images/0b8ff3a4-52e5-4b1a-9a53-0e0d3f0c9a55/photo.jpg"
    desk.photos.put(key, hopper_jpeg)
    assert desk.validation.validate_stored("reg-1", key, "a1", AT_THE_DESK).record.face_image_key == key


def test_an_unknown_registration_is_not_found_and_nothing_is_kept(desk: Desk, astronaut_jpeg: bytes) -> None:
    before = desk.stored_files
    with pytest.raises(RegistrationNotFound):
        desk.validation.validate_upload("reg-404", astronaut_jpeg, "a1", AT_THE_DESK)
    assert desk.stored_files == before


def test_a_file_that_is_no_photo_is_refused_and_nothing_is_kept(desk: Desk) -> None:
    before = desk.stored_files
    with pytest.raises(PhotoRefused):
        desk.validation.validate_upload("reg-1", b"hello, I am a text", "a1", AT_THE_DESK)
    assert desk.stored_files == before
    assert desk.records.get("user-1", "reg-1") is None


def test_a_retried_upload_counts_once_and_asks_the_engine_once(desk: Desk, astronaut_jpeg: bytes) -> None:
    first = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK)
    again = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK)
    assert again == first
    assert desk.engine.calls.count("detect") == 1


def test_the_same_attempt_submitted_by_eight_at_once_counts_once(desk: Desk, astronaut_jpeg: bytes) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(
            threads.map(
                lambda _: desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK), range(8)
            )
        )
    record = desk.records.get("user-1", "reg-1")
    assert record is not None
    assert record.verification_attempt == 1


def test_another_photo_under_a_used_attempt_id_does_not_replace_the_first(
    desk: Desk, astronaut_jpeg: bytes, hopper_jpeg: bytes
) -> None:
    first = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK).record
    before = desk.photos.get(first.face_image_key or "")
    desk.validation.validate_upload("reg-1", hopper_jpeg, "a1", AT_THE_DESK)
    assert desk.photos.get(first.face_image_key or "") == before


def test_an_attempt_keeps_what_it_was_judged_with(desk: Desk, astronaut_jpeg: bytes) -> None:
    validation = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK)
    expected = Provenance(engine="chosen", model="m1", rules=desk.services.settings.policy.digest)
    assert validation.attempt.provenance == validation.record.provenance == expected


def test_an_attempt_that_the_engine_gave_no_answer_to_names_the_engine_alone(
    desk: Desk, astronaut_jpeg: bytes
) -> None:
    desk.engine.error = Unavailable("face engine", "ThrottlingException")
    validation = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK)
    assert validation.attempt.provenance == Provenance(engine="chosen")


@pytest.mark.parametrize(
    "error",
    [
        Unavailable("face engine", "ThrottlingException"),
        Refused("face engine", "AccessDenied"),
        KeyError("odd answer"),
    ],
)
def test_an_engine_that_fails_leaves_a_waiting_record_and_the_photo(
    desk: Desk, astronaut_jpeg: bytes, error: Exception
) -> None:
    desk.engine.error = error
    record = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK).record
    assert (record.validation_status, record.failure_reasons) == (Status.PENDING, (Reason.ENGINE_UNAVAILABLE,))
    assert desk.photos.exists(record.face_image_key or "")


def test_an_engine_that_never_answers_leaves_a_waiting_record_at_the_deadline(
    desk: Desk, astronaut_jpeg: bytes
) -> None:
    desk.engine.stalled = threading.Event()
    try:
        record = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK).record
    finally:
        desk.engine.stalled.set()
    assert record.failure_reasons == (Reason.ENGINE_UNAVAILABLE,)


def test_a_waiting_photo_can_be_run_again_once_the_engine_is_back(desk: Desk, astronaut_jpeg: bytes) -> None:
    desk.engine.error = Unavailable("face engine", "ThrottlingException")
    waiting = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK).record
    desk.engine.error = None
    record = desk.validation.validate_stored("reg-1", waiting.face_image_key or "", "a2", AT_THE_DESK).record
    assert (record.validation_status, record.verification_attempt) == (Status.SUCCESS, 2)


def test_a_missing_reference_file_makes_the_photo_wait_for_a_person(desk: Desk, astronaut_jpeg: bytes) -> None:
    (found,) = desk.stored_files
    found.unlink()
    record = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK).record
    assert (record.validation_status, record.failure_reasons) == (Status.PENDING, (Reason.REFERENCE_UNUSABLE,))


def test_a_reference_photo_without_a_face_makes_the_photo_wait_for_a_person(
    desk: Desk, astronaut_jpeg: bytes
) -> None:
    desk.engine.reference_faces = 0
    record = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK).record
    assert (record.validation_status, record.failure_reasons) == (Status.PENDING, (Reason.REFERENCE_UNUSABLE,))


def test_approving_a_waiting_case_passes_it(desk: Desk, astronaut_jpeg: bytes) -> None:
    desk.engine.similarity = 75
    seen = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK).record
    decided = desk.validation.decide(seen, Decision.APPROVED, "ben", note="saw the passport")
    assert decided.validation_status is Status.SUCCESS
    assert decided.review is not None
    assert (decided.review.reviewer, decided.review.note) == ("ben", "saw the passport")


def test_rejecting_needs_one_of_the_listed_reasons(desk: Desk, astronaut_jpeg: bytes) -> None:
    desk.engine.similarity = 75
    seen = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK).record
    with pytest.raises(InvalidInput):
        desk.validation.decide(seen, Decision.REJECTED, "ben", reason="because")


def test_a_rejected_case_fails_for_the_given_reason(desk: Desk, astronaut_jpeg: bytes) -> None:
    desk.engine.similarity = 75
    seen = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK).record
    decided = desk.validation.decide(seen, Decision.REJECTED, "ben", reason=Reason.FACE_MISMATCH)
    assert (decided.validation_status, decided.failure_reasons) == (Status.FAILED, (Reason.FACE_MISMATCH,))


def test_a_failed_photo_can_be_approved_but_not_rejected_again(desk: Desk, astronaut_jpeg: bytes) -> None:
    desk.engine.similarity = 20
    seen = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK).record
    with pytest.raises(Conflict):
        desk.validation.decide(seen, Decision.REJECTED, "ben", reason=Reason.BLURRED)
    approved = desk.validation.decide(seen, Decision.APPROVED, "ben", note="same passport")
    assert approved.validation_status is Status.SUCCESS


def test_there_is_nothing_to_decide_on_a_passed_photo(desk: Desk, astronaut_jpeg: bytes) -> None:
    seen = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK).record
    with pytest.raises(Conflict):
        desk.validation.decide(seen, Decision.APPROVED, "ben")


def test_of_two_people_deciding_at_once_the_first_stands(desk: Desk, astronaut_jpeg: bytes) -> None:
    desk.engine.similarity = 75
    seen = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK).record
    first = desk.validation.decide(seen, Decision.APPROVED, "ben")
    with pytest.raises(Conflict):
        desk.validation.decide(seen, Decision.REJECTED, "cleo", reason=Reason.FACE_MISMATCH)
    assert desk.records.get("user-1", "reg-1") == first


def test_a_decision_on_a_record_that_was_validated_anew_is_a_conflict(desk: Desk, astronaut_jpeg: bytes) -> None:
    desk.engine.similarity = 75
    seen = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK).record
    desk.validation.validate_stored("reg-1", seen.face_image_key or "", "a2", AT_THE_DESK)
    with pytest.raises(Conflict):
        desk.validation.decide(seen, Decision.APPROVED, "ben")


def test_the_stored_photo_carries_no_metadata_of_the_upload(desk: Desk, astronaut_jpeg: bytes) -> None:
    record = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK).record
    assert b"Exif" not in desk.photos.get(record.face_image_key or "")


def test_an_uploaded_photo_never_lies_under_a_name_that_was_typed(desk: Desk, astronaut_jpeg: bytes) -> None:
    record = desk.validation.validate_upload("reg-1", astronaut_jpeg, "../../evil", AT_THE_DESK).record
    assert "evil" not in (record.face_image_key or "")
    assert record.face_image_key != REFERENCE_KEY


def not_stored(*_args: object) -> None:
    raise Refused("validation records", "InvalidSignatureException")


@pytest.mark.parametrize("method", ["get", "record_attempt"])
def test_a_verdict_that_the_store_did_not_take_is_an_error(
    desk: Desk, astronaut_jpeg: bytes, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    monkeypatch.setattr(desk.records, method, not_stored)
    with pytest.raises(Refused):
        desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK)


def test_a_caller_may_take_a_verdict_that_was_not_stored_and_is_told(
    desk: Desk, astronaut_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    for method in ("get", "record_attempt"):
        monkeypatch.setattr(desk.records, method, not_stored)
    found = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK, must_store=False)
    assert not found.stored
    assert (found.record.validation_status, found.attempt.attempt_id) == (Status.SUCCESS, "a1")


def test_a_caller_who_would_do_without_storing_still_has_it_stored(desk: Desk, astronaut_jpeg: bytes) -> None:
    found = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK, must_store=False)
    assert found.stored
    assert desk.records.get("user-1", "reg-1") == found.record


# Events with a profile

IN_60_DAYS = timedelta(days=60)


def described(desk: Desk, **changes: Any) -> EventProfile:
    seen = desk.services.profile_service.get("event-1")
    return desk.services.profile_service.save(seen.model_copy(update=changes), "Ada")


def expiry_of(desk: Desk) -> datetime:
    record = desk.records.get("user-1", "reg-1")
    assert record
    assert record.expires_at
    return datetime.fromtimestamp(record.expires_at, UTC)


def test_an_event_judges_by_its_own_rules(desk: Desk, astronaut_jpeg: bytes) -> None:
    everywhere = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK)
    described(desk, rules=EventRules(similarity_threshold=95, review_threshold=90))
    desk.engine.similarity = 92.0
    here = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a2", AT_THE_DESK)
    assert here.record.validation_status is Status.PENDING
    assert here.record.comparison_result
    assert here.record.comparison_result.threshold == 95
    assert here.attempt.provenance
    assert everywhere.attempt.provenance
    assert here.attempt.provenance.rules != everywhere.attempt.provenance.rules


def test_a_record_is_kept_until_its_event_is_over(desk: Desk, astronaut_jpeg: bytes) -> None:
    profile = described(desk, ends_at=utc_now() + IN_60_DAYS)
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK)
    assert profile.kept_until
    assert expiry_of(desk) == profile.kept_until.replace(microsecond=0)


def test_an_attempt_during_which_the_event_was_moved_is_kept_until_the_new_end(
    desk: Desk, astronaut_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    described(desk, ends_at=utc_now() + timedelta(days=40))
    detect = desk.engine.detect
    later = []

    def moved(jpeg: bytes) -> Any:
        later.append(described(desk, ends_at=utc_now() + IN_60_DAYS).kept_until)
        return detect(jpeg)

    monkeypatch.setattr(desk.engine, "detect", moved)
    desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK)
    assert expiry_of(desk) == later[0].replace(microsecond=0)


def test_nothing_is_judged_while_the_events_rules_are_out_of_reach(
    desk: Desk, astronaut_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def down(_: object, event_id: str) -> None:
        raise Unavailable("event profiles", "Down")

    monkeypatch.setattr(type(desk.services.profiles), "get", down)
    with pytest.raises(Unavailable):
        desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK)
    assert desk.records.get("user-1", "reg-1") is None


def test_an_installation_without_a_store_of_profiles_judges_as_before(
    desk: Desk, astronaut_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(_: object, event_id: str) -> None:
        raise NotConfigured("event profiles", "ResourceNotFoundException")

    monkeypatch.setattr(type(desk.services.profiles._profiles), "get", absent)
    record = desk.validation.validate_upload("reg-1", astronaut_jpeg, "a1", AT_THE_DESK).record
    assert record.validation_status is Status.SUCCESS
