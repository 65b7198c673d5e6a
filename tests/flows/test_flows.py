"""Whole flows through the services that settings build, the same for both backends, on real input."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import uuid4

import pytest

from core.domain.errors import Conflict, InvalidInput, PhotoNotFound, PhotoRefused, RegistrationNotFound
from core.domain.reasons import Reason
from core.domain.records import Decision, Source, Status, ValidationRecord
from core.services.validation import Submitter
from core.settings import Backend
from tests.support.portraits import as_jpeg, hopper
from tests.support.production import Site, backend_of

AT_THE_DESK = Submitter(Source.DASHBOARD, "asha", "127.0.0.1")


@pytest.fixture(scope="module", params=list(Backend))
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with backend_of(request, tmp_path_factory) as site:
        yield site


def submitted(site: Site, registration_id: str, photo: bytes) -> ValidationRecord:
    return site.services.validation.validate_upload(registration_id, photo, uuid4().hex, AT_THE_DESK).record


def test_the_registered_person_passes_with_a_similarity(site: Site, astronaut_jpeg: bytes) -> None:
    registration = site.register(astronaut_jpeg)
    record = submitted(site, registration.registration_id, astronaut_jpeg)
    assert (record.validation_status, record.failure_reasons) == (Status.SUCCESS, ())
    assert record.similarity is not None
    assert record.similarity >= 80


def test_what_is_answered_is_what_is_kept(site: Site, astronaut_jpeg: bytes) -> None:
    registration = site.register(astronaut_jpeg)
    record = submitted(site, registration.registration_id, astronaut_jpeg)
    assert site.services.records.get(registration.user_id, registration.registration_id) == record


def test_another_person_fails_with_a_similarity(site: Site, astronaut_jpeg: bytes, hopper_jpeg: bytes) -> None:
    record = submitted(site, site.register(astronaut_jpeg).registration_id, hopper_jpeg)
    assert (record.validation_status, record.failure_reasons) == (Status.FAILED, (Reason.FACE_MISMATCH,))
    assert record.similarity is not None
    assert record.similarity < 70


def test_a_landscape_shows_no_face(site: Site, astronaut_jpeg: bytes, landscape_jpeg: bytes) -> None:
    record = submitted(site, site.register(astronaut_jpeg).registration_id, landscape_jpeg)
    assert (record.validation_status, record.failure_reasons) == (Status.FAILED, (Reason.NO_FACE,))


def test_twelve_megapixels_lying_on_their_side_are_judged_right_and_stored_upright(
    site: Site, hopper_jpeg: bytes
) -> None:
    lying = as_jpeg(hopper(), size=(3200, 3750), orientation=6)
    record = submitted(site, site.register(hopper_jpeg).registration_id, lying)
    assert record.validation_status is Status.SUCCESS
    stored = site.services.validation.photo(record.face_image_key or "")
    assert (stored.width, stored.height) == (1638, 1920)


def test_a_text_named_jpg_is_refused_and_nothing_is_stored(site: Site, astronaut_jpeg: bytes) -> None:
    registration = site.register(astronaut_jpeg)
    before = site.photo_keys()
    with pytest.raises(PhotoRefused):
        submitted(site, registration.registration_id, b"only text, whatever its name says")
    assert site.photo_keys() == before
    assert site.services.records.get(registration.user_id, registration.registration_id) is None


def test_a_photo_in_the_store_is_validated_by_its_key(site: Site, astronaut_jpeg: bytes) -> None:
    registration, key = site.register(astronaut_jpeg), f"face-images/{uuid4()}.jpg"
    site.services.photos.put(key, astronaut_jpeg)
    validation = site.services.validation.validate_stored(registration.registration_id, key, "a1", AT_THE_DESK)
    assert (validation.record.validation_status, validation.record.face_image_key) == (Status.SUCCESS, key)


def test_an_unknown_key_is_not_found_and_nothing_is_recorded(site: Site, astronaut_jpeg: bytes) -> None:
    registration = site.register(astronaut_jpeg)
    with pytest.raises(PhotoNotFound):
        site.services.validation.validate_stored(registration.registration_id, "no/such.jpg", "a1", AT_THE_DESK)
    assert site.services.records.get(registration.user_id, registration.registration_id) is None


def test_an_unknown_registration_is_not_found_and_nothing_is_stored(site: Site, astronaut_jpeg: bytes) -> None:
    before = site.photo_keys()
    with pytest.raises(RegistrationNotFound):
        submitted(site, "reg-404", astronaut_jpeg)
    assert site.photo_keys() == before


def test_the_history_of_a_user_is_newest_first(site: Site, astronaut_jpeg: bytes) -> None:
    user = f"user-{uuid4().hex}"
    # In an order that the sort key gives neither forwards nor backwards.
    submissions = [f"{name}-{user}" for name in "bca"]
    for registration_id in submissions:
        site.register(user_id=user, registration_id=registration_id)
        submitted(site, registration_id, astronaut_jpeg)
    assert [record.registration_id for record in site.services.records.history(user)] == submissions[::-1]


def test_a_resubmitted_attempt_counts_once(site: Site, astronaut_jpeg: bytes) -> None:
    registration = site.register(astronaut_jpeg)
    for _ in range(2):
        validation = site.services.validation.validate_upload(
            registration.registration_id, astronaut_jpeg, "a1", AT_THE_DESK
        )
    assert validation.record.verification_attempt == 1


def waiting(site: Site, photo: bytes) -> ValidationRecord:
    """A case for a person: its reference photo is not where the registration says."""
    registration = site.register(reference_photo_key="reference-faces/never-stored.jpg")
    return submitted(site, registration.registration_id, photo)


def test_a_case_without_its_reference_photo_waits_for_a_person(site: Site, astronaut_jpeg: bytes) -> None:
    record = waiting(site, astronaut_jpeg)
    assert (record.validation_status, record.failure_reasons) == (Status.PENDING, (Reason.REFERENCE_UNUSABLE,))


def test_a_decision_is_kept(site: Site, astronaut_jpeg: bytes) -> None:
    seen = waiting(site, astronaut_jpeg)
    decided = site.services.validation.decide(seen, Decision.APPROVED, "cleo", note="checked the passport")
    assert decided.validation_status is Status.SUCCESS
    assert site.services.records.get(seen.user_id, seen.registration_id) == decided


def test_an_undone_decision_leaves_the_case_waiting_with_the_decision_in_its_history(
    site: Site, astronaut_jpeg: bytes
) -> None:
    seen = waiting(site, astronaut_jpeg)
    decided = site.services.validation.decide(seen, Decision.APPROVED, "cleo")
    undone = site.services.validation.undo(decided, "cleo")
    assert (undone.validation_status, undone.failure_reasons) == (seen.validation_status, seen.failure_reasons)
    assert [(each.reviewer, each.withdrawn_by) for each in undone.attempts[-1].reviews] == [("cleo", "cleo")]
    assert site.services.records.get(seen.user_id, seen.registration_id) == undone


def test_nobody_else_can_undo_a_decision(site: Site, astronaut_jpeg: bytes) -> None:
    decided = site.services.validation.decide(waiting(site, astronaut_jpeg), Decision.APPROVED, "cleo")
    with pytest.raises(Conflict, match="Only whoever made"):
        site.services.validation.undo(decided, "dora")
    assert site.services.records.get(decided.user_id, decided.registration_id) == decided


def test_what_was_approved_can_be_rejected_later_with_a_reason_and_both_are_kept(
    site: Site, astronaut_jpeg: bytes
) -> None:
    approved = site.services.validation.decide(waiting(site, astronaut_jpeg), Decision.APPROVED, "cleo")
    with pytest.raises(InvalidInput, match="why"):
        site.services.validation.decide(approved, Decision.REJECTED, "dora", Reason.FACE_MISMATCH)
    rejected = site.services.validation.decide(
        approved, Decision.REJECTED, "dora", Reason.FACE_MISMATCH, note="it is the sister"
    )
    assert (rejected.validation_status, rejected.failure_reasons) == (Status.FAILED, (Reason.FACE_MISMATCH,))
    assert [each.reviewer for each in rejected.attempts[-1].reviews] == ["cleo", "dora"]


def test_a_photo_that_failed_is_approved_only_with_a_reason(
    site: Site, astronaut_jpeg: bytes, hopper_jpeg: bytes
) -> None:
    failed = submitted(site, site.register(astronaut_jpeg).registration_id, hopper_jpeg)
    with pytest.raises(InvalidInput, match="why"):
        site.services.validation.decide(failed, Decision.APPROVED, "cleo", note="  ")
    approved = site.services.validation.decide(failed, Decision.APPROVED, "cleo", note="shaved, same passport")
    assert (approved.validation_status, approved.failure_reasons) == (Status.SUCCESS, ())


def test_a_second_decision_on_the_same_sight_is_a_conflict_and_changes_nothing(
    site: Site, astronaut_jpeg: bytes
) -> None:
    seen = waiting(site, astronaut_jpeg)
    first = site.services.validation.decide(seen, Decision.APPROVED, "cleo")
    with pytest.raises(Conflict):
        site.services.validation.decide(seen, Decision.REJECTED, "dora", Reason.FACE_MISMATCH)
    assert site.services.records.get(seen.user_id, seen.registration_id) == first
