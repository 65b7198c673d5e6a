"""What all AWS adapters share: which errors pass, and credentials that a service no longer accepts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, CredentialRetrievalError

from core.adapters.aws import clients, credentials
from core.adapters.aws.engine import Quota, RekognitionEngine
from core.domain.errors import NotConfigured, Refused, ServiceError, SettingsError, Throttled, Unavailable
from core.flow.retry import Retry
from tests.support.rekognition import RekognitionServer, SameFace

EAGER = Retry(deadline=30, call_timeout=1, base=0.001, cap=0.001)
PHOTO = b"\xff\xd8\xff photo"


def translation(error: Exception) -> ServiceError:
    with pytest.raises(ServiceError) as caught, clients.translated("photos"):
        raise error
    return caught.value


def answer(code: str, status: int = 400) -> ClientError:
    return ClientError({"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}}, "Any")  # type: ignore[typeddict-item]


# These and the timeouts below are on botocore's own lists: a code that leaves them is noticed here.
@pytest.mark.parametrize(
    "code",
    [
        "BandwidthLimitExceeded",
        "LimitExceededException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
    ],
)
def test_a_call_that_was_throttled_is_known_by_its_code(code: str) -> None:
    assert type(translation(answer(code))) is Throttled


@pytest.mark.parametrize("code", ["", "429", "SomethingNew"])
def test_a_call_that_was_throttled_is_known_by_its_status(code: str) -> None:
    assert type(translation(answer(code, 429))) is Throttled


@pytest.mark.parametrize(
    "code",
    [
        "RequestTimeout",
        "RequestTimeoutException",
        "BadDigest",
        "IDPCommunicationError",
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "OperationAborted",
        "ReplicatedWriteConflictException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "TransactionConflictException",
    ],
)
def test_a_passing_fault_is_known_by_its_code(code: str) -> None:
    assert type(translation(answer(code))) is Unavailable


@pytest.mark.parametrize("status", [500, 502, 503, 504, 507])
def test_a_passing_fault_is_known_by_its_status(status: int) -> None:
    assert type(translation(answer("SomethingNew", status))) is Unavailable


def test_a_metadata_service_that_does_not_answer_is_a_passing_fault() -> None:
    error = translation(CredentialRetrievalError(provider="iam-role", error_msg="timed out"))
    assert (type(error), error.code) == (Unavailable, "CredentialRetrievalError")


@pytest.mark.parametrize("code", ["ResourceNotFoundException", "NoSuchBucket"])
def test_what_is_missing_is_not_configured(code: str) -> None:
    assert type(translation(answer(code))) is NotConfigured


@pytest.mark.parametrize("code", ["AccessDenied", "RequestTimeTooSkewed", "ExpiredToken", "SomethingNew"])
def test_any_other_code_is_final(code: str) -> None:
    assert type(translation(answer(code))) is Refused


@pytest.mark.parametrize(
    ("region", "profile", "said"),
    [("eu west 1", None, "AWS_REGION"), ("eu-west-1", "no-such-profile", "AWS_PROFILE")],
)
def test_bad_settings_of_aws_are_a_settings_error_that_says_which(
    monkeypatch: pytest.MonkeyPatch, region: str, profile: str | None, said: str
) -> None:
    if profile:
        monkeypatch.setenv("AWS_PROFILE", profile)
    with pytest.raises(SettingsError, match=said):
        clients.client("s3", region)


# Credentials


@pytest.fixture
def key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rekognition_server: RekognitionServer) -> Path:
    """The only place where credentials are."""
    rekognition_server.engine = SameFace()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    return tmp_path / "credentials"


def put_key(key_file: Path, key: str) -> None:
    key_file.write_text(f"[default]\naws_access_key_id = {key}\naws_secret_access_key = secret\n")


def engine(retry: Retry = EAGER) -> RekognitionEngine:
    return RekognitionEngine(clients.client("rekognition", "eu-west-1"), retry, Quota.of(1000))


@pytest.fixture
def expired(key_file: Path, rekognition_server: RekognitionServer) -> RekognitionEngine:
    """An engine whose credentials have expired."""
    put_key(key_file, "OLD")
    made = engine()
    rekognition_server.expired = {"OLD"}
    return made


@pytest.mark.parametrize(
    "call", [lambda engine: engine.detect(PHOTO), RekognitionEngine.ping], ids=["a call", "a ping"]
)
def test_expired_credentials_are_looked_up_again_in_the_same_call(
    expired: RekognitionEngine,
    key_file: Path,
    rekognition_server: RekognitionServer,
    call: Callable[[RekognitionEngine], object],
) -> None:
    put_key(key_file, "NEW")
    call(expired)
    assert rekognition_server.calls["DetectFaces"] == 2


def test_expired_credentials_without_others_are_refused_at_the_first_try(
    expired: RekognitionEngine, rekognition_server: RekognitionServer
) -> None:
    with pytest.raises(Refused, match="ExpiredTokenException"):
        expired.detect(PHOTO)
    assert rekognition_server.calls["DetectFaces"] == 1


def test_a_refusal_keeps_its_code_where_no_credentials_are_left(expired: RekognitionEngine, key_file: Path) -> None:
    key_file.unlink()
    with pytest.raises(Refused, match="ExpiredTokenException"):
        expired.detect(PHOTO)


def test_other_credentials_that_have_expired_too_are_refused(
    expired: RekognitionEngine, key_file: Path, rekognition_server: RekognitionServer
) -> None:
    rekognition_server.expired |= {"NEW"}
    put_key(key_file, "NEW")
    with pytest.raises(Refused, match="ExpiredTokenException"):
        expired.detect(PHOTO)
    assert rekognition_server.calls["DetectFaces"] == 2


@pytest.fixture
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the next looks for credentials find; the last one stays."""
    to_find: list[Any] = []

    def looked_up() -> Any:
        found = to_find.pop(0) if len(to_find) > 1 else to_find[0]
        if isinstance(found, Exception):
            raise found
        return found

    monkeypatch.setattr(credentials, "_looked_up", looked_up)
    return to_find


def test_credentials_that_change_with_each_look_are_tried_once_more_only(
    lookups: list[Any], rekognition_server: RekognitionServer
) -> None:
    lookups += [Credentials(f"KEY{number}", "secret") for number in range(5)]
    rekognition_server.expired = {f"KEY{number}" for number in range(5)}
    with pytest.raises(Refused, match="ExpiredTokenException"):
        engine().detect(PHOTO)
    assert rekognition_server.calls["DetectFaces"] == 2


def test_calls_that_meet_expired_credentials_at_once_look_once(
    lookups: list[Any], rekognition_server: RekognitionServer
) -> None:
    rekognition_server.engine = SameFace()
    lookups += [Credentials(name, "secret") for name in ("OLD", "NEW", "UNUSED", "UNUSED")]
    rekognition_server.expired = {"OLD"}
    made, together = engine(), threading.Barrier(8)

    def call(_: int) -> object:
        together.wait(30)
        return made.detect(PHOTO)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(call, range(8)))
    assert [found.access_key for found in lookups] == ["UNUSED", "UNUSED"]


def test_a_credentials_service_that_was_away_at_the_start_is_asked_again(
    lookups: list[Any], rekognition_server: RekognitionServer
) -> None:
    rekognition_server.engine = SameFace()
    away = CredentialRetrievalError(provider="container-role", error_msg="timed out")
    lookups += [away, away, Credentials("KEY", "secret")]
    assert engine().detect(PHOTO)["FaceDetails"]


def test_credentials_that_are_given_out_expired_are_a_passing_fault(
    lookups: list[Any], rekognition_server: RekognitionServer
) -> None:
    class Expired(Credentials):
        def get_frozen_credentials(self) -> Any:
            raise RuntimeError("Credentials were refreshed, but the refreshed credentials are still expired.")

    lookups += [Expired("KEY", "secret")]
    with pytest.raises(Unavailable, match="CredentialRetrievalError"):
        engine(Retry(deadline=5, call_timeout=1, tries=1)).detect(PHOTO)


def test_credentials_that_come_after_the_start_are_found(key_file: Path) -> None:
    made = engine()
    put_key(key_file, "KEY")
    assert made.detect(PHOTO)["FaceDetails"]


def test_no_credentials_are_refused(key_file: Path) -> None:
    with pytest.raises(Refused, match="NoCredentialsError"):
        engine().detect(PHOTO)
