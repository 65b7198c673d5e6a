"""Erasing a person: what goes, what stays, what is told, and how it ends whatever happens."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest

from core.adapters.embedded.erasures import SqliteErasures
from core.domain.audit import BEGUN, AuditEntry
from core.domain.clock import utc_now
from core.domain.errors import InvalidInput, Refused, RegistrationNotFound, ServiceError, Unavailable
from core.domain.records import Source
from core.domain.roles import Action, Principal, local
from core.photos.keys import folder_of
from core.services.erasure import Erasures
from core.services.validation import Submitter
from tests.support.desk import HASHED, REFERENCE_KEY, REGISTERED, Desk
from tests.support.records import an_outcome

ADMIN = local("ada", "203.0.113.7")
AT_THE_DESK = Submitter(Source.DASHBOARD, "asha", "127.0.0.1")


def validated(desk: Desk, photo: bytes, registration_id: str = "reg-1", attempt_id: str = "a1") -> None:
    desk.validation.validate_upload(registration_id, photo, attempt_id, AT_THE_DESK)


def erase(desk: Desk, user_id: str = "user-1", by: Principal = ADMIN) -> Any:
    return desk.erasures.erase(user_id, user_id, by)


def told(desk: Desk) -> list[AuditEntry]:
    now = utc_now()
    return list(desk.audit.entries(now - timedelta(days=1), now + timedelta(days=1)))[::-1]


def recorded(desk: Desk, key: str, **changes: Any) -> None:
    """A record that names the photo, as another service may write it."""
    desk.records.record_attempt(an_outcome(face_image_key=key, timestamp=utc_now(), **changes), timedelta(days=1))


def files(desk: Desk) -> set[str]:
    return {str(path.relative_to(desk.photo_folder)) for path in desk.stored_files}


def test_a_preview_counts_and_changes_nothing(desk: Desk, hopper_jpeg: bytes) -> None:
    validated(desk, hopper_jpeg)
    validated(desk, hopper_jpeg, attempt_id="a2")
    counts = desk.erasures.preview("user-1").counts
    assert counts.model_dump() == {
        "records": 1,
        "attempts": 2,
        "photos": 3,
        "registrations": 2,
        "shared_photos": 0,
        "case_notes": 0,
        "pairs": 0,
    }
    assert (len(desk.records.history("user-1")), len(files(desk))) == (1, 3)


def test_nothing_of_the_person_is_left(desk: Desk, hopper_jpeg: bytes) -> None:
    validated(desk, hopper_jpeg)
    erase(desk)
    assert (desk.records.history("user-1"), desk.registrations.of_user("user-1"), files(desk)) == ([], [], set())


def test_other_people_stay(desk: Desk, hopper_jpeg: bytes) -> None:
    desk.registrations.import_many([REGISTERED.model_copy(update={"registration_id": "reg-9", "user_id": "user-9"})])
    validated(desk, hopper_jpeg, "reg-9")
    validated(desk, hopper_jpeg)
    erase(desk)
    assert (len(desk.records.history("user-9")), len(desk.registrations.of_user("user-9"))) == (1, 1)
    assert {name.rpartition("/")[0] + "/" for name in files(desk)} == {"reference-faces/", folder_of("reg-9")}


def test_a_photo_that_another_person_has_too_stays_and_is_told(desk: Desk) -> None:
    desk.registrations.import_many([REGISTERED.model_copy(update={"registration_id": "reg-9", "user_id": "user-9"})])
    receipt = erase(desk)
    assert (receipt.counts.photos, receipt.counts.shared_photos, files(desk)) == (0, 1, {REFERENCE_KEY})
    assert any("another person" in note for note in receipt.notes)


def test_an_uploaded_photo_goes_with_its_person_though_another_persons_record_names_it(
    desk: Desk, hopper_jpeg: bytes
) -> None:
    validated(desk, hopper_jpeg)
    (key,) = desk.photos.under(folder_of("reg-1"))
    recorded(desk, key, user_id="user-9")
    erase(desk)
    assert files(desk) == set()


def test_a_photo_outside_of_their_folders_that_another_persons_record_names_stays(
    desk: Desk, hopper_jpeg: bytes
) -> None:
    desk.photos.put("face-images/both.jpg", hopper_jpeg)
    for user_id in ("user-1", "user-9"):
        recorded(desk, "face-images/both.jpg", user_id=user_id)
    assert erase(desk).counts.shared_photos == 1
    assert files(desk) == {"face-images/both.jpg"}


def test_a_registration_that_changed_hands_leaves_its_new_person_their_photos(desk: Desk, hopper_jpeg: bytes) -> None:
    validated(desk, hopper_jpeg)
    desk.registrations.import_many([REGISTERED.model_copy(update={"user_id": "user-9"})])
    validated(desk, hopper_jpeg, attempt_id="a2")
    (theirs,) = desk.erasure_store.records_of("user-9")
    erase(desk)
    assert files(desk) == {REFERENCE_KEY, *theirs.photo_keys}


def test_a_record_with_a_registration_of_somebody_else_takes_none_of_their_photos(
    desk: Desk, hopper_jpeg: bytes
) -> None:
    validated(desk, hopper_jpeg)
    (key,) = desk.photos.under(folder_of("reg-1"))
    recorded(desk, "face-images/another.jpg", user_id="user-9", registration_id="reg-1")
    recorded(desk, key, user_id="user-9", registration_id="reg-8")
    erase(desk, "user-9")
    assert files(desk) == {key, REFERENCE_KEY}


def test_for_photos_in_the_persons_own_folders_nobodys_records_are_searched(
    desk: Desk, hopper_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where registrations are another service's: copies of reference photos lie in no folder."""
    validated(desk, hopper_jpeg)
    recorded(desk, f"{folder_of('reg-gone')}a.jpg", registration_id="reg-gone")
    asked: list[Any] = []
    monkeypatch.setattr(desk.erasure_store, "named_elsewhere", lambda *given: asked.append(given))
    Erasures(desk.erasure_store, desk.registrations, None, desk.photos, desk.audit, HASHED, utc_now).erase(
        "user-1", "user-1", ADMIN
    )
    assert (asked, files(desk)) == ([], {REFERENCE_KEY})


def test_photos_that_no_record_lists_any_more_go_too(desk: Desk) -> None:
    desk.photos.put(f"{folder_of('reg-1')}forgotten.jpg", b"a photo")
    erase(desk)
    assert files(desk) == set()


def test_the_photos_of_another_service_stay_though_a_record_names_them(desk: Desk) -> None:
    desk.photos.put("elsewhere/a.jpg", b"a photo")
    recorded(desk, "elsewhere/a.jpg")
    erase(desk)
    assert files(desk) == {"elsewhere/a.jpg"}


def test_where_registrations_are_not_ours_they_and_their_photos_stay(desk: Desk, hopper_jpeg: bytes) -> None:
    validated(desk, hopper_jpeg)
    store = SqliteErasures(desk.photo_folder.parent / "facedesk.sqlite3")
    read_only = Erasures(store, desk.registrations, None, desk.photos, desk.audit, HASHED, utc_now)
    receipt = read_only.erase("user-1", "user-1", ADMIN)
    read_only.close()
    assert (len(desk.registrations.of_user("user-1")), files(desk)) == (2, {REFERENCE_KEY})
    assert any("MongoDB" in note for note in receipt.notes)


@pytest.mark.parametrize("typed", ["", "user-2", "user-1 ", "USER-1"])
def test_another_confirmation_than_the_id_erases_nothing(desk: Desk, typed: str) -> None:
    with pytest.raises(InvalidInput):
        desk.erasures.erase("user-1", typed, ADMIN)
    assert (len(desk.registrations.of_user("user-1")), told(desk)) == (2, [])


def test_nobody_is_named_by_a_blank_id(desk: Desk) -> None:
    with pytest.raises(InvalidInput):
        erase(desk, " ")


def test_somebody_of_whom_there_is_nothing_gets_a_receipt_that_says_so(desk: Desk) -> None:
    assert erase(desk, "nobody").counts.nothing


def test_the_trail_has_the_beginning_and_the_end_and_no_id(desk: Desk, hopper_jpeg: bytes) -> None:
    validated(desk, hopper_jpeg)
    erase(desk)
    begun, ended = told(desk)
    assert [(entry.action, entry.who, entry.user, entry.ip_address) for entry in (begun, ended)] == [
        (Action.ERASE, "ada", HASHED("user-1"), "203.0.113.7")
    ] * 2
    assert (begun.outcome, ended.outcome, ended.details["photos"]) == (BEGUN, "ok", "2")
    assert "user-1" not in f"{begun}{ended}"


def test_the_receipt_says_what_when_and_who_and_holds_no_id(desk: Desk, hopper_jpeg: bytes) -> None:
    validated(desk, hopper_jpeg)
    receipt = erase(desk)
    assert (receipt.who, receipt.user, receipt.counts.records) == ("ada", HASHED("user-1"), 1)
    assert not {"user-1", "reg-1", "Ada Example", "ada@example.com"} & set(receipt.model_dump_json().split('"'))


def test_without_the_trail_nothing_is_erased(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(entry: AuditEntry) -> None:
        raise Unavailable("audit trail", "gone")

    monkeypatch.setattr(desk.audit, "append", away)
    with pytest.raises(Unavailable):
        erase(desk)
    assert (len(desk.registrations.of_user("user-1")), desk.erasures.unfinished()) == (2, [])


STEPS = [
    ("photos", "erase"),
    ("photos", "erase_under"),
    ("registrations", "erase"),
    ("store", "erase_records"),
    ("store", "forget"),
    ("store", "scrub"),
    ("store", "finish"),
]


def fail_once(desk: Desk, part: str, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next call of the method fails; those after it do not."""
    owner = desk.erasure_store if part == "store" else getattr(desk, part)
    working = getattr(owner, method)

    def failing(*_: Any) -> None:
        monkeypatch.setattr(owner, method, working)
        raise Unavailable("a store", "gone")

    monkeypatch.setattr(owner, method, failing)


@pytest.mark.parametrize(("part", "method"), STEPS, ids=lambda name: name)
def test_a_store_that_fails_midway_leaves_an_erasure_that_goes_on(
    desk: Desk, hopper_jpeg: bytes, monkeypatch: pytest.MonkeyPatch, part: str, method: str
) -> None:
    validated(desk, hopper_jpeg)
    fail_once(desk, part, method, monkeypatch)
    with pytest.raises(Unavailable):
        erase(desk)
    assert len(desk.erasures.unfinished()) == 1
    (receipt,) = desk.erasures.resume()
    assert (receipt.counts.photos, receipt.who) == (2, "ada")
    assert (desk.records.history("user-1"), desk.registrations.of_user("user-1"), files(desk)) == ([], [], set())
    assert desk.erasures.unfinished() == []
    assert [entry.outcome for entry in told(desk)] == [BEGUN, "ok"]


def test_asked_for_again_a_cut_off_erasure_goes_on_and_is_the_same(
    desk: Desk, hopper_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    validated(desk, hopper_jpeg)
    fail_once(desk, "store", "erase_records", monkeypatch)
    with pytest.raises(Unavailable):
        erase(desk)
    assert erase(desk, by=local("eve")).who == "ada"
    assert [entry.outcome for entry in told(desk)] == [BEGUN, "ok"]


def test_one_that_cannot_end_keeps_no_other_from_ending(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for user_id in ("one", "two"):
        fail_once(desk, "store", "erase_records", monkeypatch)
        with pytest.raises(Unavailable):
            erase(desk, user_id)
    fail_once(desk, "store", "erase_records", monkeypatch)
    with pytest.raises(Unavailable):
        desk.erasures.resume()
    assert len(desk.erasures.unfinished()) == 1


@pytest.mark.parametrize("moment", ["detect", "recorded"])
def test_an_attempt_that_an_erasure_overtakes_leaves_nothing(
    desk: Desk, hopper_jpeg: bytes, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The whole erasure happens while the engine looks, or between the attempt's write and its answer."""
    record_attempt = desk.records.record_attempt

    def recorded(*given: Any) -> Any:
        record = record_attempt(*given)
        if moment == "recorded":
            erase(desk)
        return record

    monkeypatch.setattr(desk.records, "record_attempt", recorded)
    if moment == "detect":
        desk.engine.stalled = threading.Event()
        desk.engine.stalled.wait = lambda _seconds: erase(desk)  # type: ignore[method-assign, assignment]
    with pytest.raises(RegistrationNotFound, match="erased"):
        validated(desk, hopper_jpeg)
    assert (desk.erasure_store.records_of("user-1"), files(desk)) == ([], set())


def test_attempts_that_race_with_an_erasure_leave_nothing(desk: Desk, hopper_jpeg: bytes) -> None:
    def submit(number: int) -> None:
        for attempt in range(5):
            try:
                validated(desk, hopper_jpeg, attempt_id=f"a{number}-{attempt}")
            except RegistrationNotFound:
                return

    threads = [threading.Thread(target=submit, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    while not desk.records.history("user-1"):
        pass
    erase(desk)
    for thread in threads:
        thread.join()
    assert (desk.erasure_store.records_of("user-1"), files(desk)) == ([], set())


def test_a_receipt_says_that_the_erasure_is_finished(desk: Desk) -> None:
    assert erase(desk).finished
    assert erase(desk, "nobody").finished


def test_an_attempt_whose_photo_goes_with_the_person_hears_of_the_erasure_not_of_a_fault(
    desk: Desk, hopper_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    def put_too_late(_key: str, _data: bytes) -> None:
        erase(desk)
        raise Refused("photos", "ENOENT")

    monkeypatch.setattr(desk.photos, "put", put_too_late)
    with pytest.raises(RegistrationNotFound, match="erased"):
        validated(desk, hopper_jpeg)


def test_who_registers_again_after_an_erasure_can_submit(desk: Desk, hopper_jpeg: bytes) -> None:
    erase(desk)
    desk.registrations.import_many([REGISTERED.model_copy(update={"reference_photo_key": None})])
    validated(desk, hopper_jpeg)
    assert len(desk.records.history("user-1")) == 1


def test_whoever_keeps_something_of_the_person_is_told_once_the_records_have_gone(desk: Desk) -> None:
    desk.records.record_attempt(an_outcome(timestamp=utc_now()), timedelta(days=1))
    told_when: list[tuple[str, int]] = []
    desk.erasures._of._keepers = [lambda user_id: told_when.append((user_id, len(desk.records.history(user_id))))]
    erase(desk)
    assert told_when == [("user-1", 0)]


def test_what_comes_between_the_look_and_the_journal_goes_too(
    desk: Desk, hopper_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = desk.erasure_store.begin

    def late(*given: Any) -> Any:
        desk.photos.put("face-images/theirs.jpg", hopper_jpeg)
        desk.photos.put("reference-faces/new.jpg", hopper_jpeg)
        changes = {"registration_id": "reg-3", "reference_photo_key": "reference-faces/new.jpg"}
        desk.registrations.import_many([REGISTERED.model_copy(update=changes)])
        desk.validation.validate_stored("reg-3", "face-images/theirs.jpg", "a1", AT_THE_DESK)
        return begin(*given)

    monkeypatch.setattr(desk.erasure_store, "begin", late)
    erase(desk)
    assert (desk.registrations.of_user("user-1"), desk.records.history("user-1"), files(desk)) == ([], [], set())


def test_of_two_erasures_at_once_the_second_carries_on_the_first(
    desk: Desk, hopper_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    validated(desk, hopper_jpeg)
    begin = desk.erasure_store.begin

    def after_another(erasure: Any) -> Any:
        monkeypatch.setattr(desk.erasure_store, "begin", begin)
        fail_once(desk, "photos", "erase", monkeypatch)
        with pytest.raises(ServiceError):
            erase(desk, by=local("eve"))
        return begin(erasure)

    monkeypatch.setattr(desk.erasure_store, "begin", after_another)
    receipt = erase(desk)
    assert (receipt.who, receipt.finished, desk.erasures.unfinished()) == ("eve", True, [])
    assert files(desk) == set()


def test_who_carries_on_an_erasure_that_another_has_ended_takes_nothing_of_the_person_registered_again(
    desk: Desk, hopper_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    validated(desk, hopper_jpeg)
    erase_under = desk.photos.erase_under

    def slow(*given: Any) -> None:
        monkeypatch.setattr(desk.photos, "erase_under", erase_under)
        desk.erasures.resume()
        desk.registrations.import_many([REGISTERED.model_copy(update={"reference_photo_key": None})])
        validated(desk, hopper_jpeg, attempt_id="again")

    monkeypatch.setattr(desk.photos, "erase_under", slow)
    assert erase(desk).finished
    assert [each.attempt("again") is not None for each in desk.records.history("user-1")] == [True]
    assert len(desk.registrations.of_user("user-1")) == 1
    assert len(files(desk)) == 1


def test_while_a_person_is_being_erased_nothing_is_begun_for_them(
    desk: Desk, hopper_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    fail_once(desk, "photos", "erase", monkeypatch)
    with pytest.raises(Unavailable):
        erase(desk)
    with pytest.raises(RegistrationNotFound, match="being erased"):
        validated(desk, hopper_jpeg)
    assert (desk.engine.calls, files(desk)) == ([], {REFERENCE_KEY})


@pytest.mark.parametrize("store", ["required", "optional"])
def test_an_attempt_that_could_not_read_the_journal_is_taken_back_if_the_person_was_ever_erased(
    desk: Desk, hopper_jpeg: bytes, monkeypatch: pytest.MonkeyPatch, store: str
) -> None:
    erase(desk)
    desk.registrations.import_many([REGISTERED.model_copy(update={"reference_photo_key": None})])
    fail_once(desk, "store", "journal_entry", monkeypatch)
    expected = Unavailable if store == "required" else RegistrationNotFound
    with pytest.raises(expected):
        desk.validation.validate_upload("reg-1", hopper_jpeg, "a1", AT_THE_DESK, must_store=store == "required")
    assert (desk.erasure_store.records_of("user-1"), files(desk)) == ([], set())


def test_an_erasure_between_reading_the_registration_and_the_journal_is_seen(
    desk: Desk, hopper_jpeg: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal_entry = desk.erasure_store.journal_entry

    def late(user: str) -> Any:
        monkeypatch.setattr(desk.erasure_store, "journal_entry", journal_entry)
        erase(desk)
        return journal_entry(user)

    monkeypatch.setattr(desk.erasure_store, "journal_entry", late)
    with pytest.raises(RegistrationNotFound):
        validated(desk, hopper_jpeg)
    assert (desk.erasure_store.records_of("user-1"), files(desk)) == ([], set())
