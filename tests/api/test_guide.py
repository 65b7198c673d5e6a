"""The answers that callers of the service before this one rely on: each documented example, over real HTTP, from a
dashboard in a process of its own, with either backend.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import httpx
import pytest

from core.domain.clock import utc_now
from core.domain.records import Registration
from tests.api.conftest import rows
from tests.support.browser import dashboard
from tests.support.dynamodb import Proxy
from tests.support.production import QUICK, Servers, Site, embedded, environment_of, production
from tests.support.records import an_outcome

KEY = "face-images/user-photo.jpg"
A_RECORD = {
    "userId": "user123",
    "registrationId": "reg456",
    "validationStatus": "success",
    "confidence": 95.5,
    "quality": "high",
    "comparisonResult": {"similarity": 92.5, "threshold": 80, "isMatch": True},
    "attributes": {"age": "25-35", "gender": "male"},
    "timestamp": "2025-11-13T10:30:00Z",
}
HISTORY = {
    "status": "success",
    "message": "Retrieved 5 face validation records for user",
    "data": {
        "count": 5,
        "data": [
            {
                "userId": "user123",
                "registrationId": "reg456",
                "validationStatus": "success",
                "confidence": 95,
                "quality": "high",
                "faceImageKey": "face-images/verify.jpg",
                "timestamp": "2025-11-13T10:30:00Z",
                "metadata": {"eventId": "event789"},
            }
        ],
    },
}
STATS = {
    "status": "success",
    "message": "Face validation statistics retrieved",
    "data": {
        "userId": "user123",
        "totalAttempts": 5,
        "successfulValidations": 4,
        "failedValidations": 1,
        "averageConfidence": 91.2,
        "qualityBreakdown": {"high": 3, "medium": 2},
    },
}
CHECK = {
    "status": "success",
    "message": "User has valid recent face validation",
    "data": {"userId": "user123", "hasRecentValidation": True, "daysChecked": 30},
}
EVENT = {
    "status": "success",
    "message": "Retrieved 5 face validations for event",
    "data": {
        "count": 5,
        "data": [
            {"userId": "user123", "registrationId": "reg456", "validationStatus": "success", "confidence": 95},
        ],
    },
}
VERDICT = {
    "status": "success",
    "data": {
        "success": True,
        "message": "Face image is valid",
        "confidence": 95.5,
        "quality": "high",
        # The engines that the tests have do not guess age and gender.
        "attributes": {"smile": True},
    },
    "dynamodbStored": True,
}


@dataclass(frozen=True)
class Running:
    """A dashboard, and the stores that it shares with the test."""

    address: str
    site: Site

    def get(self, path: str) -> Any:
        answer = httpx.get(f"{self.address}/api/registrations/{path}", timeout=60)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def validate(self, registration_id: str, key: str = KEY) -> httpx.Response:
        return httpx.post(
            f"{self.address}/api/registrations/{registration_id}/validate-face-image",
            json={"faceImageKey": key},
            timeout=60,
        )


@pytest.fixture(scope="module", params=["embedded", "aws"])
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, astronaut_jpeg: bytes
) -> Iterator[Running]:
    """With the guide's user: five records, four passed, and a registration with a reference photo."""
    folder = tmp_path_factory.mktemp("guide")
    place = production(request.getfixturevalue("servers")) if request.param == "aws" else embedded(folder / "data")
    with (
        place as site,
        environment_of(site.environment),
        dashboard({"ENGINE_DEADLINE_SECONDS": "60", "INFER_AGE_GENDER_SMILE": "true"}, folder / "log") as address,
    ):
        site.services.photos.put(KEY, astronaut_jpeg)
        site.register(astronaut_jpeg, registration_id="reg-validated", user_id="user-validated")
        for number in range(5):
            outcome = an_outcome(
                f"a{number}",
                user_id="user123",
                registration_id="reg456" if number == 4 else f"reg{number}",
                event_id="event789",
                timestamp=utc_now() - timedelta(minutes=5 - number),
                status="success" if number else "failed",
                confidence=95.5 if number == 4 else 90,
                quality="high" if number > 1 else "medium",
                comparison_result={"similarity": 92.5, "threshold": 80, "is_match": True},
                attributes={"age": "25-35", "gender": "male"},
            )
            site.services.records.record_attempt(outcome, timedelta(days=30))
        yield Running(address, site)


def assert_like(example: Any, found: Any, path: str = "answer") -> None:
    """Every field of the example is there, with a value of its type; ``found`` may have more."""
    if isinstance(example, Mapping):
        assert isinstance(found, dict), path
        for name, value in example.items():
            assert name in found, f"{path}.{name}"
            assert_like(value, found[name], f"{path}.{name}")
    elif isinstance(example, list):
        assert isinstance(found, list), path
        assert found, path
        for value in found:
            assert_like(example[0], value, path)
    elif isinstance(example, bool) or not isinstance(example, int | float):
        assert type(found) is type(example), path
    else:
        assert isinstance(found, int | float), path
        assert not isinstance(found, bool), path


def test_validating_a_photo_answers_as_documented(running: Running) -> None:
    answer = running.validate("reg-validated")
    assert answer.status_code == 200, answer.text
    assert_like(VERDICT, answer.json())
    assert (answer.json()["data"]["success"], answer.json()["data"]["message"]) == (True, "Face image is valid")
    assert answer.json()["dynamodbStored"] is True


def test_what_was_validated_is_in_the_store(running: Running) -> None:
    running.validate("reg-validated")
    stored = running.site.services.records.get("user-validated", "reg-validated")
    assert stored is not None
    assert running.get("user-validated/face-validation/reg-validated")["data"] == stored.to_dict()


def test_a_history_answers_as_documented(running: Running) -> None:
    found = running.get("user123/face-validation/history?limit=10")
    assert_like(HISTORY, found)
    assert found["message"] == HISTORY["message"]
    assert found["data"]["data"][0]["registrationId"] == "reg456"


def test_a_record_answers_as_documented(running: Running) -> None:
    found = running.get("user123/face-validation/reg456")
    assert found["message"] == "Face validation record retrieved"
    assert_like(A_RECORD, found["data"])
    same = A_RECORD.keys() - {"timestamp"}
    assert {name: found["data"][name] for name in same} == {name: A_RECORD[name] for name in same}


def test_statistics_answer_as_documented(running: Running) -> None:
    found = running.get("user123/face-validation/stats")
    assert_like(STATS, found)
    expected = {**STATS["data"], "averageConfidence": 91.1}  # type: ignore[dict-item]
    assert {name: found["data"][name] for name in expected} == expected


def test_a_check_answers_as_documented(running: Running) -> None:
    assert running.get("user123/face-validation/check-recent?daysBack=30") == CHECK


def test_an_event_answers_as_documented(running: Running) -> None:
    found = running.get("event/event789/face-validations?limit=100")
    assert_like(EVENT, found)
    assert found["message"] == EVENT["message"]


@pytest.mark.parametrize(("name", "count"), [("records", 5), ("expiring", 0), ("never-tried", 0)])
def test_an_events_csvs_are_those_of_the_backend(running: Running, name: str, count: int) -> None:
    answer = httpx.get(f"{running.address}/api/exports/events/event789/{name}.csv", timeout=60)
    assert answer.status_code == 200
    assert len(rows(answer)) == count


def test_a_record_that_is_not_there_answers_as_documented(running: Running) -> None:
    answer = httpx.get(f"{running.address}/api/registrations/user123/face-validation/none")
    assert answer.status_code == 404
    assert answer.json() == {
        "status": "error",
        "message": "Face validation record not found",
        "statusCode": 404,
    }


@pytest.fixture(scope="module")
def refusing(servers: Servers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Running, Proxy]]:
    """Production, with a DynamoDB that can be told to refuse."""
    log, proxy = tmp_path_factory.mktemp("refusing") / "log", Proxy(servers.dynamodb)
    with (
        production(replace(servers, dynamodb=proxy.url), **QUICK) as site,
        environment_of(site.environment),
        dashboard({}, log) as address,
    ):
        yield Running(address, site), proxy
    proxy.close()


@pytest.fixture
def registration(refusing: tuple[Running, Proxy], astronaut_jpeg: bytes) -> Registration:
    site = refusing[0].site
    site.services.photos.put(KEY, astronaut_jpeg)
    return site.register()


def test_credentials_that_are_refused_answer_as_documented(
    refusing: tuple[Running, Proxy], registration: Registration
) -> None:
    running, proxy = refusing
    proxy.fault = lambda _operation: ("InvalidSignatureException", 400)
    answer = running.validate(registration.registration_id)
    assert answer.status_code == 500
    assert answer.json() == {
        "status": "error",
        "message": "Failed to store face validation: InvalidSignatureException",
        "statusCode": 500,
    }


@pytest.mark.parametrize("path", ["history", "stats", "check-recent", "reg-1", "validate"])
def test_a_table_that_is_not_there_answers_as_documented(
    refusing: tuple[Running, Proxy], registration: Registration, path: str
) -> None:
    running, proxy = refusing
    proxy.fault = lambda _operation: ("ResourceNotFoundException", 400)
    if path == "validate":
        answer = running.validate(registration.registration_id)
    else:
        answer = httpx.get(f"{running.address}/api/registrations/user123/face-validation/{path}", timeout=60)
    assert answer.status_code == 503
    assert "retry-after" in answer.headers
    assert answer.json() == {
        "status": "error",
        "message": "DynamoDB face validation table not configured",
        "statusCode": 503,
    }


def test_a_dynamodb_that_throttles_for_good_is_a_503(refusing: tuple[Running, Proxy]) -> None:
    running, proxy = refusing
    proxy.fault = lambda _operation: ("ThrottlingException", 400)
    answer = httpx.get(f"{running.address}/api/registrations/user123/face-validation/history", timeout=60)
    assert answer.status_code == 503
    assert "ThrottlingException" in answer.json()["message"]
