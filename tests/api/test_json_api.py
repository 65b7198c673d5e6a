"""The JSON API's rules: what is asked for how, what is answered, and what is refused."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
import pytest

import core
from core.domain.clock import utc_now
from core.domain.errors import Conflict, NotConfigured, Refused, SettingsError, Unavailable
from core.domain.hints import Hint
from core.domain.records import Decision, isoformat
from core.files import disk
from tests.api.conftest import A_PAGE, Client, is_error
from tests.api.test_routes import ODD_IDS
from tests.pages.test_validate import down
from tests.support.desk import REFERENCE_KEY, Desk
from tests.support.records import an_outcome

VALIDATE = "/api/registrations/reg-1/validate-face-image"
HISTORY = "/api/registrations/user-1/face-validation/history"
STATS = "/api/registrations/user-1/face-validation/stats"
CHECK = "/api/registrations/user-1/face-validation/check-recent"
RECORD = "/api/registrations/user-1/face-validation/reg-1"
EVENT = "/api/registrations/event/event-1/face-validations"
READS = (HISTORY, STATS, CHECK, RECORD, EVENT)
STORED = {"faceImageKey": REFERENCE_KEY}
FORM = "multipart/form-data; boundary=b"
PHOTO_PART = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\n'


def record_attempts(desk: Desk, count: int = 1, **changes: Any) -> None:
    """Each of a registration of its own, a minute after the one before; recorded just now."""
    for number in range(1, count + 1):
        outcome = an_outcome(
            **{
                "registration_id": f"reg-{number}",
                "timestamp": utc_now() + timedelta(minutes=number - count),
                **changes,
            }
        )
        desk.records.record_attempt(outcome, timedelta(days=30))


def data(answer: httpx.Response) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def names(answer: httpx.Response, parameter: str) -> bool:
    return is_error(answer, 400) and parameter in answer.json()["message"]


# Reading


def test_a_history_is_newest_first(client: Client, desk: Desk) -> None:
    record_attempts(desk, 3)
    assert [each["registrationId"] for each in data(client.get(HISTORY))["data"]] == ["reg-3", "reg-2", "reg-1"]


@pytest.mark.parametrize(("path", "default"), [(HISTORY, 10), (EVENT, 100)])
def test_a_list_without_a_limit_has_the_documented_one(client: Client, desk: Desk, path: str, default: int) -> None:
    record_attempts(desk, default + 1)
    assert data(client.get(path))["count"] == default


@pytest.mark.parametrize("path", [HISTORY, EVENT])
def test_a_limit_keeps_the_newest(client: Client, desk: Desk, path: str) -> None:
    record_attempts(desk, 3)
    listed = data(client.get(f"{path}?limit=2"))
    assert listed["count"] == 2
    assert [each["registrationId"] for each in listed["data"]] == ["reg-3", "reg-2"]


@pytest.mark.parametrize(
    ("path", "count", "message"),
    [
        (HISTORY, 0, "Retrieved 0 face validation records for user"),
        (HISTORY, 1, "Retrieved 1 face validation record for user"),
        (HISTORY, 2, "Retrieved 2 face validation records for user"),
        (EVENT, 1, "Retrieved 1 face validation for event"),
        (EVENT, 2, "Retrieved 2 face validations for event"),
    ],
)
def test_a_list_says_how_many_there_are(client: Client, desk: Desk, path: str, count: int, message: str) -> None:
    record_attempts(desk, count)
    assert client.get(path).json()["message"] == message


def test_a_record_is_answered_as_the_store_has_it(client: Client, desk: Desk) -> None:
    record_attempts(desk)
    stored = desk.records.get("user-1", "reg-1")
    assert stored is not None
    assert data(client.get(RECORD)) == stored.to_dict()


def test_an_events_records_come_without_their_attempts(client: Client, desk: Desk) -> None:
    record_attempts(desk)
    assert data(client.get(EVENT))["data"][0]["attempts"] == []


@pytest.mark.parametrize("word", ["history", "stats", "check-recent"])
def test_a_registration_of_a_routes_name_does_not_win_over_it(client: Client, desk: Desk, word: str) -> None:
    record_attempts(desk, registration_id=word)
    assert "validationStatus" not in data(client.get(f"/api/registrations/user-1/face-validation/{word}"))


def test_an_event_wins_over_the_user_of_that_name(client: Client, desk: Desk) -> None:
    record_attempts(desk, event_id="face-validation")
    record_attempts(desk, user_id="event", registration_id="face-validations")
    assert data(client.get("/api/registrations/event/face-validation/face-validations"))["count"] == 1


@pytest.mark.parametrize("name", ODD_IDS)
def test_a_record_is_found_whatever_characters_its_ids_have(client: Client, desk: Desk, name: str) -> None:
    odd = ODD_IDS[name]
    record_attempts(desk, user_id=odd, registration_id=f"{odd}!", event_id=odd)
    user, registration = quote(odd, safe=""), quote(f"{odd}!", safe="")
    found = data(client.get(f"/api/registrations/{user}/face-validation/{registration}"))
    assert (found["userId"], found["registrationId"], found["eventId"]) == (odd, f"{odd}!", odd)
    assert data(client.get(f"/api/registrations/{user}/face-validation/history"))["count"] == 1
    assert data(client.get(f"/api/registrations/event/{user}/face-validations"))["count"] == 1


@pytest.mark.parametrize("odd", ["..", ".", "C:\\x", "\\\\server\\share", "~", "a/../b", "\u202e", "ﷺ" * 100])
def test_an_id_that_looks_like_a_dangerous_path_is_but_an_id(client: Client, desk: Desk, odd: str) -> None:
    record_attempts(desk, user_id=odd)
    encoded = "".join(f"%{byte:02X}" for byte in odd.encode())
    assert data(client.get(f"/api/registrations/{encoded}/face-validation/reg-1"))["userId"] == odd


def test_a_path_may_encode_what_needs_no_encoding(client: Client, desk: Desk) -> None:
    record_attempts(desk)
    assert data(client.get(RECORD.replace("registrations", "%72egistrations").replace("user-1", "%75ser%2d1")))


@pytest.mark.parametrize(
    ("path", "parameter", "most"),
    [
        ("/api/registrations/{}/face-validation/history", "userId", 2048),
        ("/api/registrations/{}/face-validation/stats", "userId", 2048),
        ("/api/registrations/{}/face-validation/check-recent", "userId", 2048),
        ("/api/registrations/{}/face-validation/reg-1", "userId", 2048),
        ("/api/registrations/user-1/face-validation/{}", "registrationId", 1024),
        ("/api/registrations/event/{}/face-validations", "eventId", 2048),
        ("/api/exports/users/{}/history.csv", "userId", 2048),
        ("/api/exports/events/{}/records.csv", "eventId", 2048),
    ],
)
def test_an_id_that_no_record_can_have_is_named(client: Client, path: str, parameter: str, most: int) -> None:
    longest = quote("é" * (most // 2), safe="")
    assert client.get(path.format(longest)).status_code in (200, 404)
    for bad in (f"{longest}x", "a%00b", "%FF", "%ED%A0%80"):
        assert names(client.get(path.format(bad)), parameter)


@pytest.mark.parametrize(
    "bad", ["0", "1001", "-1", "+5", "1.0", "1e2", "٥", "５", " 5", "", "x", "9" * 5000, "5&limit=6"]
)
@pytest.mark.parametrize("path", [HISTORY, EVENT])
def test_a_limit_is_a_whole_number_from_1_to_1000(client: Client, path: str, bad: str) -> None:
    assert names(client.get(f"{path}?limit={bad}"), "limit")


@pytest.mark.parametrize("bad", ["0", "366", "-1", "1.5", "", "x", "5&daysBack=5"])
def test_days_back_is_a_whole_number_from_1_to_365(client: Client, bad: str) -> None:
    assert names(client.get(f"{CHECK}?daysBack={bad}"), "daysBack")


@pytest.mark.parametrize("query", ["limit=1", "limit=1000"])
def test_the_limits_own_limits_are_within(client: Client, query: str) -> None:
    assert client.get(f"{HISTORY}?{query}").status_code == 200


@pytest.mark.parametrize(
    ("age_days", "days_back", "recent"), [(1, "", True), (40, "?daysBack=365", True), (40, "", False)]
)
def test_a_recent_validation_is_one_within_the_days(
    client: Client, desk: Desk, age_days: int, days_back: str, recent: bool
) -> None:
    outcome = an_outcome(timestamp=utc_now() - timedelta(days=age_days))
    desk.records.record_attempt(outcome, timedelta(days=365))
    assert data(client.get(f"{CHECK}{days_back}"))["hasRecentValidation"] is recent


def test_nobodys_check_says_so(client: Client) -> None:
    answer = client.get(CHECK).json()
    assert answer["message"] == "User has no valid recent face validation"
    assert answer["data"] == {"userId": "user-1", "hasRecentValidation": False, "daysChecked": 30}


def test_nobodys_statistics_are_zero(client: Client) -> None:
    assert data(client.get(STATS)) == {
        "userId": "user-1",
        "totalAttempts": 0,
        "successfulValidations": 0,
        "failedValidations": 0,
        "pendingValidations": 0,
        "unknownValidations": 0,
        "averageConfidence": None,
        "qualityBreakdown": {},
    }


# Validating


def test_a_stored_photo_is_validated_by_its_key(client: Client) -> None:
    found = data(client.post(VALIDATE, json=STORED))
    assert (found["success"], found["validationStatus"], found["faceImageKey"]) == (True, "success", REFERENCE_KEY)


def test_an_uploaded_photo_is_validated(client: Client, desk: Desk, astronaut_jpeg: bytes) -> None:
    found = data(client.post(VALIDATE, files={"photo": ("a.jpg", astronaut_jpeg)}))
    assert found["success"]
    assert desk.photos.exists(found["faceImageKey"])


def test_a_validation_is_recorded_with_where_it_came_from(client: Client, desk: Desk) -> None:
    client.post(VALIDATE, json=STORED)
    record = desk.records.get("user-1", "reg-1")
    assert record is not None
    assert (record.metadata.source, record.metadata.ip_address) == ("api", "203.0.113.7")


def test_what_was_answered_is_what_was_stored(client: Client, desk: Desk) -> None:
    answer = client.post(VALIDATE, json=STORED)
    record = desk.records.get("user-1", "reg-1")
    assert record is not None
    assert answer.json()["dynamodbStored"] is True
    assert data(answer) == {
        "success": True,
        "message": "Face image is valid",
        "confidence": record.confidence,
        "quality": record.quality,
        "attributes": dict(record.attributes),
        "validationStatus": "success",
        "failureReasons": [],
        "comparisonResult": {"similarity": 95, "threshold": 80, "isMatch": True},
        "attemptId": record.attempts[0].attempt_id,
        "verificationAttempt": 1,
        "userId": "user-1",
        "registrationId": "reg-1",
        "timestamp": isoformat(record.timestamp),
        "faceImageKey": REFERENCE_KEY,
        "provenance": {"engine": "chosen", "model": "m1", "rules": desk.services.settings.policy.digest},
    }


def test_a_failure_says_why_in_words_and_codes(client: Client, desk: Desk) -> None:
    desk.engine.similarity = 20
    found = data(client.post(VALIDATE, json=STORED))
    assert (found["success"], found["failureReasons"]) == (False, ["FACE_MISMATCH"])
    assert found["message"] == "Face image is not valid: Not the same person"


@pytest.mark.parametrize(
    ("similarity", "error", "message"),
    [
        (75, None, "Face image waits for a person to decide"),
        (95, Unavailable("face engine", "Timeout"), "Face image waits: Not checked yet"),
    ],
)
def test_what_waits_says_for_what(
    client: Client, desk: Desk, similarity: float, error: Exception | None, message: str
) -> None:
    desk.engine.similarity, desk.engine.error = similarity, error
    found = data(client.post(VALIDATE, json=STORED))
    assert (found["success"], found["validationStatus"], found["message"]) == (False, "pending", message)


def test_what_was_not_measured_is_left_out(client: Client, desk: Desk) -> None:
    desk.engine.faces = ()
    assert not {"confidence", "quality", "comparisonResult"} & set(data(client.post(VALIDATE, json=STORED)))


def test_the_same_idempotency_key_counts_once_and_answers_the_same(client: Client) -> None:
    first, again = (client.post(VALIDATE, json=STORED, headers={"Idempotency-Key": "k"}) for _ in range(2))
    assert data(again) == data(first)
    assert data(client.get(STATS))["totalAttempts"] == 1


def test_without_an_idempotency_key_each_is_an_attempt(client: Client) -> None:
    assert [data(client.post(VALIDATE, json=STORED))["verificationAttempt"] for _ in range(2)] == [1, 2]


def test_a_repeated_key_answers_its_own_attempt_not_the_newest(client: Client, desk: Desk) -> None:
    desk.engine.similarity = 20
    client.post(VALIDATE, json=STORED, headers={"Idempotency-Key": "first"})
    desk.engine.similarity = 95
    client.post(VALIDATE, json=STORED, headers={"Idempotency-Key": "second"})
    found = data(client.post(VALIDATE, json=STORED, headers={"Idempotency-Key": "first"}))
    assert (found["success"], found["failureReasons"], found["verificationAttempt"]) == (False, ["FACE_MISMATCH"], 1)
    assert found["comparisonResult"] == {"similarity": 20}


@pytest.mark.parametrize("bad", ["", "x" * 256, b"\xc3\xa9", "a\tb"])
def test_an_idempotency_key_is_1_to_255_printable_characters(client: Client, bad: str | bytes) -> None:
    assert names(client.post(VALIDATE, json=STORED, headers={"Idempotency-Key": bad}), "Idempotency-Key")


def test_an_idempotency_key_is_given_once(client: Client) -> None:
    twice = [("Idempotency-Key", "a"), ("Idempotency-Key", "b")]
    assert names(client.post(VALIDATE, json=STORED, headers=twice), "Idempotency-Key")


def test_the_longest_idempotency_key_is_taken(client: Client) -> None:
    key = "x" * 255
    assert data(client.post(VALIDATE, json=STORED, headers={"Idempotency-Key": key}))["attemptId"] == key


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"{", b"[]", b"null", b"{}", b"[" * 60_000, b'{"faceimagekey":"a"}'),
        *(b'{"faceImageKey":%s}' % bad for bad in (b"1", b"null", b'""', b'"\\ud800"', b'"\xff"', b'["a"]')),
    ],
)
def test_a_body_that_is_not_as_described_is_refused(client: Client, body: bytes) -> None:
    assert names(client.post(VALIDATE, content=body, headers={"Content-Type": "application/json"}), "faceImageKey")


def test_the_type_of_the_body_may_have_parameters(client: Client) -> None:
    typed = {"Content-Type": "Application/JSON; charset=utf-8"}
    assert client.post(VALIDATE, content=json.dumps(STORED), headers=typed).status_code == 200


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "image/jpeg", "", ";"])
def test_another_type_of_body_is_a_415(client: Client, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    assert is_error(client.post(VALIDATE, content=b"x", headers=headers), 415)


def test_a_form_without_a_file_is_named(client: Client) -> None:
    assert names(client.post(VALIDATE, files={"other": ("a.jpg", b"x")}), "photo")


def test_a_form_whose_photo_is_text_is_named(client: Client) -> None:
    assert names(client.post(VALIDATE, files={"photo": (None, "x")}), "photo")


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=b", b"x"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="photo"; filename="a"\r\n\r\nx',
        ),
        ("multipart/form-data; boundary=b", b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\nx\r\n' * 50),
    ],
)
def test_a_broken_form_is_a_400(client: Client, kind: str, body: bytes) -> None:
    assert is_error(client.post(VALIDATE, content=body, headers={"Content-Type": kind}), 400)


def test_a_file_that_is_no_photo_is_a_415(client: Client) -> None:
    assert is_error(client.post(VALIDATE, files={"photo": ("a.jpg", b"not a photo")}), 415)


def test_a_photo_beyond_the_limit_is_a_413(client: Client) -> None:
    assert is_error(client.post(VALIDATE, files={"photo": ("a.jpg", bytes(15 * 2**20 + 1))}), 413)


@pytest.mark.parametrize(
    ("kind", "body"), [("application/json", bytes(64 * 1024 + 1)), (FORM, PHOTO_PART + bytes(16 * 2**20))]
)
@pytest.mark.parametrize("announced", [True, False])
def test_a_body_beyond_the_limit_is_a_413_whatever_length_was_announced(
    client: Client, kind: str, body: bytes, announced: bool
) -> None:
    async def in_chunks() -> AsyncIterator[bytes]:
        for start in range(0, len(body), 65_536):
            yield body[start : start + 65_536]

    answer = client.post(VALIDATE, content=body if announced else in_chunks(), headers={"Content-Type": kind})
    assert is_error(answer, 413)


def test_an_unknown_registration_is_a_404(client: Client) -> None:
    assert is_error(client.post("/api/registrations/none/validate-face-image", json=STORED), 404)


def test_a_key_without_a_photo_is_a_404(client: Client) -> None:
    assert is_error(client.post(VALIDATE, json={"faceImageKey": "face-images/none.jpg"}), 404)


def test_only_optional_can_be_said_of_storing(client: Client) -> None:
    assert names(client.post(f"{VALIDATE}?store=never", json=STORED), "store")


def test_a_verdict_that_cannot_be_stored_is_an_error(
    client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.records, "record_attempt", down("validation records"))
    assert is_error(client.post(VALIDATE, json=STORED), 503)


def test_a_caller_who_allows_it_gets_the_verdict_unstored(
    client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.records, "get", down("validation records"))
    monkeypatch.setattr(desk.records, "record_attempt", down("validation records"))
    answer = client.post(f"{VALIDATE}?store=optional", json=STORED)
    assert answer.json()["dynamodbStored"] is False
    assert data(answer)["success"] is True


def test_where_it_can_be_stored_optional_changes_nothing(client: Client, desk: Desk) -> None:
    assert client.post(f"{VALIDATE}?store=optional", json=STORED).json()["dynamodbStored"] is True
    assert desk.records.get("user-1", "reg-1") is not None


def test_a_decided_attempt_answers_the_decision(client: Client, desk: Desk) -> None:
    desk.engine.similarity = 75
    first = client.post(VALIDATE, json=STORED, headers={"Idempotency-Key": "k"})
    assert not data(first)["success"]
    record = desk.records.get("user-1", "reg-1")
    assert record is not None
    desk.validation.decide(record, Decision.APPROVED, "asha")
    again = data(client.post(VALIDATE, json=STORED, headers={"Idempotency-Key": "k"}))
    assert (again["success"], again["message"]) == (True, "Face image is valid")


# Errors


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        (Unavailable("validation records", "ConnectTimeout"), 503),
        (NotConfigured("validation records", "ResourceNotFoundException"), 503),
        (Refused("validation records", "AccessDeniedException"), 500),
        (SettingsError("Bad setting X: missing"), 503),
        (Conflict("The record changed since."), 409),
    ],
)
@pytest.mark.parametrize("path", READS)
def test_a_failure_of_a_store_has_its_status(
    client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch, path: str, failure: Exception, status: int
) -> None:
    def fail(*_args: object, **_more: object) -> None:
        raise failure

    for method in ("get", "history", "event_records"):
        monkeypatch.setattr(desk.records, method, fail)
    answer = client.get(path)
    assert is_error(answer, status)
    assert answer.json()["message"] == str(failure)
    assert ("retry-after" in answer.headers) is (status == 503)


@pytest.mark.parametrize("method", ["get", "record_attempt"])
def test_a_refused_write_names_the_code(
    client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def fail(*_args: object) -> None:
        raise Refused("validation records", "InvalidSignatureException")

    monkeypatch.setattr(desk.records, method, fail)
    answer = client.post(VALIDATE, json=STORED)
    assert is_error(answer, 500)
    assert answer.json()["message"] == "Failed to store face validation: InvalidSignatureException"


def test_a_refusal_of_another_service_is_told_as_its_own(
    client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise Refused("photos", "AccessDenied")

    monkeypatch.setattr(desk.photos, "get", fail)
    answer = client.post(VALIDATE, json=STORED)
    assert is_error(answer, 500)
    assert "photos" in answer.json()["message"]


@pytest.mark.parametrize("path", [*READS, VALIDATE, "/api/health", "/api/ready", "/api/openapi.json"])
def test_another_method_is_a_405_that_names_those_there_are(client: Client, path: str) -> None:
    answer = client.request("PATCH", path)
    assert is_error(answer, 405)
    assert answer.headers["allow"].split(", ")[0] in ("GET", "HEAD", "POST")


@pytest.mark.parametrize(
    "path",
    ["/api", "/api/", "/api//", "/api/health/", "/api/registrations", "/api/registrations//face-validation/stats"],
)
def test_there_is_nothing_at_other_paths(client: Client, path: str) -> None:
    assert is_error(client.get(path), 404)


@pytest.mark.parametrize("path", ["/", "/apis", "/validate", "/ap"])
def test_all_else_is_left_to_the_pages(client: Client, path: str) -> None:
    assert client.get(path).text == A_PAGE


@pytest.mark.parametrize("path", [HISTORY, RECORD, "/api/none", "/api/health", f"{HISTORY}?limit=x"])
def test_no_answer_is_kept_on_the_way_or_taken_for_something_else(client: Client, path: str) -> None:
    headers = client.get(path).headers
    assert (headers["cache-control"], headers["x-content-type-options"]) == ("no-store", "nosniff")
    assert headers["content-type"] == "application/json"


# Health


def test_the_process_is_alive_whatever_its_services_are(
    client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.records, "ping", down("validation records"))
    assert client.get("/api/health").json() == {
        "status": "success",
        "data": {"alive": True, "version": core.__version__},
    }


def test_it_is_ready_when_every_service_answers(client: Client) -> None:
    listed = data(client.get("/api/ready"))["dependencies"]
    assert [each["service"] for each in listed] == [
        "validation records",
        "registrations",
        "photos",
        "face engine",
        "audit trail",
        "claims and notes",
        "event profiles",
    ]
    assert all(each["ok"] and each["milliseconds"] >= 0 and "error" not in each for each in listed)


def test_a_service_out_of_reach_is_named_with_its_errors_class(
    client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk.photos, "ping", down("photos"))
    answer = client.get("/api/ready")
    assert is_error(answer, 503)
    assert "retry-after" in answer.headers
    failing = [each for each in answer.json()["data"]["dependencies"] if not each["ok"]]
    assert [(each["service"], each["error"]) for each in failing] == [("photos", "Unavailable (ConnectTimeout)")]


def test_a_service_out_of_reach_says_what_to_do_about_it(client: Client, desk: Desk) -> None:
    desk.engine.error = Refused("face engine", "RequestTimeTooSkewed", "with a detail")
    answer = client.get("/api/ready").json()
    hints = {each["service"]: each.get("hint") for each in answer["data"]["dependencies"]}
    assert {service: hint for service, hint in hints.items() if hint} == {"face engine": Hint.CLOCK}
    assert answer["message"] == f"Out of order: face engine. {Hint.CLOCK}"


def test_without_claims_and_notes_it_is_ready_and_says_what_to_do(
    client: Client, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after an update, before the table of Facedesk's own state was made."""

    def missing() -> None:
        raise NotConfigured("claims and notes", "ResourceNotFoundException")

    monkeypatch.setattr(desk.services.claims, "ping", missing)
    (failing,) = (each for each in data(client.get("/api/ready"))["dependencies"] if not each["ok"])
    assert (failing["service"], failing["hint"]) == ("claims and notes", Hint.TABLE)


def test_many_who_ask_at_once_ask_the_services_once(client: Client, desk: Desk) -> None:
    for _ in range(3):
        client.get("/api/ready")
    assert desk.engine.calls.count("ping") == 1


def test_a_full_disk_is_not_ready_and_is_named(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "MIN_FREE_BYTES", 2**60)
    answer = client.get("/api/ready")
    assert is_error(answer, 503)
    assert "The disk is full" in answer.json()["message"]
