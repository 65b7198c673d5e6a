"""Rekognition as the engine: what is asked, which errors mean what, and that deadlines hold."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.stub import Stubber

from core.adapters.aws import clients
from core.adapters.aws.engine import Quota, RekognitionEngine
from core.domain.errors import Refused, Unavailable
from core.domain.records import Provenance
from core.flow.retry import Retry
from tests.support.rekognition import Faults, RekognitionServer, SameFace

PHOTO = b"\xff\xd8\xff submitted"
REFERENCE = b"\xff\xd8\xff reference"
BOX = {"Left": 0.1, "Top": 0.2, "Width": 0.3, "Height": 0.4}
NEEDED = ["DEFAULT", "EYES_OPEN", "SUNGLASSES", "FACE_OCCLUDED"]
DETECT = {"Image": {"Bytes": PHOTO}, "Attributes": NEEDED}
COMPARE = {
    "SourceImage": {"Bytes": PHOTO},
    "TargetImage": {"Bytes": REFERENCE},
    "SimilarityThreshold": 0,
    "QualityFilter": "NONE",
}
#: Tries again at once, and as often as a test needs.
EAGER = Retry(deadline=30, call_timeout=1, base=0.001, cap=0.001)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stubber]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with Stubber(clients.client("rekognition", "eu-west-1")) as stubber:
        yield stubber
        stubber.assert_no_pending_responses()


@pytest.fixture
def stubbed(stub: Stubber) -> RekognitionEngine:
    return RekognitionEngine(stub.client, EAGER, Quota.of(1000))


def fail(stub: Stubber, operation: str, code: str, status: int = 400) -> None:
    stub.add_client_error(operation, service_error_code=code, http_status_code=status)


def test_detect_asks_for_what_the_rules_need_and_no_more(stub: Stubber, stubbed: RekognitionEngine) -> None:
    stub.add_response("detect_faces", {"FaceDetails": [{"BoundingBox": BOX, "Confidence": 99.0}]}, DETECT)
    assert stubbed.detect(PHOTO) == {"FaceDetails": [{"BoundingBox": BOX, "Confidence": 99.0}]}


def test_age_gender_and_smile_are_asked_for_where_they_are_wanted(stub: Stubber) -> None:
    asked = {**DETECT, "Attributes": [*NEEDED, "AGE_RANGE", "GENDER", "SMILE"]}
    stub.add_response("detect_faces", {"FaceDetails": []}, asked)
    RekognitionEngine(stub.client, EAGER, Quota.of(1000), infer=True).detect(PHOTO)


def test_every_attribute_that_is_asked_for_is_one_that_rekognition_knows(stub: Stubber) -> None:
    engine = RekognitionEngine(stub.client, EAGER, Quota.of(1000), infer=True)
    assert set(engine._attributes) <= set(stub.client.meta.service_model.shape_for("Attribute").enum)


@pytest.mark.parametrize("operation", ["DetectFaces", "CompareFaces"])
def test_rekognition_names_no_model_so_that_the_version_of_the_api_stands_for_it(
    stub: Stubber, stubbed: RekognitionEngine, operation: str
) -> None:
    """Fails when answers begin to name a model: then that is what records must keep."""
    answer = stub.client.meta.service_model.operation_model(operation).output_shape
    assert not [name for name in answer.members if "Model" in name]
    assert stubbed.provenance == Provenance(engine="rekognition", model="api-2016-06-27")


def test_compare_asks_for_every_similarity(stub: Stubber, stubbed: RekognitionEngine) -> None:
    face = {"BoundingBox": BOX, "Confidence": 99.0}
    answer = {
        "SourceImageFace": face,
        "FaceMatches": [{"Similarity": 12.5, "Face": face}],
        "UnmatchedFaces": [],
    }
    stub.add_response("compare_faces", answer, COMPARE)
    assert stubbed.compare(PHOTO, REFERENCE) == answer


def test_no_face_in_the_source_is_an_answer(stub: Stubber, stubbed: RekognitionEngine) -> None:
    fail(stub, "compare_faces", "InvalidParameterException")
    assert stubbed.compare(PHOTO, REFERENCE) == {"FaceMatches": [], "UnmatchedFaces": []}


def test_an_invalid_parameter_in_detect_is_refused(stub: Stubber, stubbed: RekognitionEngine) -> None:
    fail(stub, "detect_faces", "InvalidParameterException")
    with pytest.raises(Refused):
        stubbed.detect(PHOTO)


@pytest.mark.parametrize(
    "code",
    ["ImageTooLargeException", "InvalidImageFormatException", "AccessDeniedException", "UnrecognizedClientException"],
)
def test_what_cannot_get_better_is_refused_at_the_first_try(
    stub: Stubber, stubbed: RekognitionEngine, code: str
) -> None:
    fail(stub, "compare_faces", code)
    with pytest.raises(Refused) as caught:
        stubbed.compare(PHOTO, REFERENCE)
    assert (caught.value.service, caught.value.code) == ("face engine", code)


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 400),
        ("ProvisionedThroughputExceededException", 400),
        ("InternalServerError", 500),
        ("SomethingNew", 503),
    ],
)
def test_what_passes_is_tried_again(stub: Stubber, stubbed: RekognitionEngine, code: str, status: int) -> None:
    fail(stub, "detect_faces", code, status)
    stub.add_response("detect_faces", {"FaceDetails": []}, DETECT)
    assert stubbed.detect(PHOTO) == {"FaceDetails": []}


def test_after_the_last_try_the_engine_is_unavailable_with_the_services_own_code(stub: Stubber) -> None:
    for _ in range(3):
        fail(stub, "detect_faces", "ThrottlingException")
    engine = RekognitionEngine(stub.client, Retry(deadline=30, call_timeout=1, base=0.001, tries=3), Quota.of(1000))
    with pytest.raises(Unavailable) as caught:
        engine.detect(PHOTO)
    assert (caught.value.service, caught.value.code) == ("face engine", "ThrottlingException")


def test_missing_credentials_are_refused(monkeypatch: pytest.MonkeyPatch, rekognition_server: Any) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    # A session of its own: boto3's default one remembers credentials that it has found before.
    client = boto3.session.Session().client("rekognition", region_name="eu-west-1")
    with pytest.raises(Refused, match="NoCredentialsError"):
        RekognitionEngine(client, EAGER, Quota.of(1000)).detect(PHOTO)


@pytest.mark.parametrize("code", ["InvalidParameterException", "InvalidImageFormatException"])
def test_ping_is_content_when_only_the_picture_is_missing(
    stub: Stubber, stubbed: RekognitionEngine, code: str
) -> None:
    stub.add_client_error("detect_faces", service_error_code=code, expected_params={"Image": {}})
    stubbed.ping()


def test_ping_tells_of_a_missing_permission(stub: Stubber, stubbed: RekognitionEngine) -> None:
    fail(stub, "detect_faces", "AccessDeniedException")
    with pytest.raises(Refused, match="AccessDenied"):
        stubbed.ping()


def test_ping_tries_once(stub: Stubber, stubbed: RekognitionEngine) -> None:
    fail(stub, "detect_faces", "ThrottlingException")
    with pytest.raises(Unavailable):
        stubbed.ping()


# Over the wire, with a server that misbehaves.


@pytest.fixture
def server(rekognition_server: RekognitionServer) -> RekognitionServer:
    rekognition_server.engine = SameFace()
    return rekognition_server


def engine_with(retry: Retry, call_timeout: float = 3) -> RekognitionEngine:
    """Against the loopback server; ``call_timeout`` in seconds, shorter than the real one for quick tests."""
    client = clients.client("rekognition", "eu-west-1")
    if call_timeout != clients.READ_TIMEOUT_SECONDS:
        client = boto3.client(
            "rekognition",
            region_name="eu-west-1",
            config=client.meta.config.merge(Config(connect_timeout=call_timeout, read_timeout=call_timeout)),
        )
    return RekognitionEngine(client, retry, Quota.of(1000))


@pytest.mark.parametrize(
    "faults",
    [
        Faults(throttle=0.5),
        Faults(overload=0.5),
        Faults(error=0.5),
        Faults(bad_gateway=0.5),
        Faults(hang_up=0.5),
        Faults(garbage=0.5),
        Faults(throttle=0.2, error=0.2, hang_up=0.2, garbage=0.2),
    ],
    ids=["throttle", "overload", "error", "bad gateway", "hang up", "garbage", "all at once"],
)
def test_every_call_gets_its_answer_though_many_tries_fail(server: RekognitionServer, faults: Faults) -> None:
    server.misbehave(faults)
    engine = engine_with(Retry(deadline=30, call_timeout=1, base=0.001, cap=0.01, tries=100))
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda _: engine.compare(PHOTO, REFERENCE), range(150)))
    assert all(answer["FaceMatches"] for answer in answers)


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"<html>", b"null", b"5", b"[]", b'{"FaceDetails": 5}', b'{"FaceDetails": [5]}']
)
def test_an_answer_that_rekognition_would_not_give_is_no_answer(server: RekognitionServer, body: bytes) -> None:
    server.misbehave(Faults(garbage=1, garbage_body=body))
    with pytest.raises(Unavailable, match="UnreadableAnswer"):
        engine_with(Retry(deadline=30, call_timeout=1, tries=1)).detect(PHOTO)


def test_a_call_that_stalls_is_left_and_made_again(server: RekognitionServer) -> None:
    server.misbehave(Faults(stall=0.5))
    engine = engine_with(Retry(deadline=30, call_timeout=0.2, base=0.001, cap=0.01, tries=100), call_timeout=0.2)
    with ThreadPoolExecutor(30) as pool:
        answers = list(pool.map(lambda _: engine.detect(PHOTO), range(60)))
    assert all(answer["FaceDetails"] for answer in answers)


@pytest.mark.parametrize(
    "faults",
    [Faults(throttle=1), Faults(error=1), Faults(stall=1), Faults(hang_up=1), Faults(garbage=1)],
    ids=["throttle", "error", "stall", "hang up", "garbage"],
)
def test_an_engine_that_never_answers_is_unavailable_within_the_deadline(
    server: RekognitionServer, faults: Faults
) -> None:
    server.misbehave(faults)
    engine = engine_with(Retry(deadline=1.5, call_timeout=0.5, tries=1000), call_timeout=0.5)
    started = time.monotonic()
    with pytest.raises(Unavailable):
        engine.detect(PHOTO)
    assert time.monotonic() - started < 2.5


def test_an_engine_that_is_gone_is_unavailable(server: RekognitionServer) -> None:
    server.stop()
    with pytest.raises(Unavailable):
        engine_with(Retry(deadline=1, call_timeout=0.5)).detect(PHOTO)


def test_an_engine_that_comes_back_answers_again(server: RekognitionServer) -> None:
    engine = engine_with(EAGER)
    engine.detect(PHOTO)
    server.stop()
    with pytest.raises(Unavailable):
        engine.detect(PHOTO)
    server.start()
    assert engine.detect(PHOTO)["FaceDetails"]


def test_a_client_makes_one_attempt_a_call(server: RekognitionServer) -> None:
    server.misbehave(Faults(error=1))
    with pytest.raises(Unavailable):
        engine_with(Retry(deadline=30, call_timeout=1, base=0.001, tries=3)).detect(PHOTO)
    assert server.calls["DetectFaces"] == 3


def test_a_refusal_is_not_tried_again_over_the_wire(server: RekognitionServer) -> None:
    server.misbehave(Faults(deny=1))
    with pytest.raises(Refused, match="AccessDenied"):
        engine_with(EAGER).compare(PHOTO, REFERENCE)
    assert server.calls["CompareFaces"] == 1


def test_an_image_above_the_limit_is_refused(server: RekognitionServer) -> None:
    with pytest.raises(Refused, match="ImageTooLarge"):
        engine_with(EAGER).detect(PHOTO + bytes(5 * 1024 * 1024))


def test_answers_carry_no_metadata_of_the_transport(server: RekognitionServer) -> None:
    assert set(engine_with(EAGER).detect(PHOTO)) == {"FaceDetails"}


def test_a_closed_port_shows_in_a_ping(server: RekognitionServer) -> None:
    server.stop()
    with pytest.raises(Unavailable):
        engine_with(EAGER).ping()


# The quota


class CountedPace:
    """Who waited, who did not, and what it was told of refusals."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def wait(self) -> None:
        self.said.append("wait")

    def spend(self) -> None:
        self.said.append("spend")

    def slow_down(self) -> None:
        self.said.append("slow")

    def speed_up(self) -> None:
        self.said.append("fast")


@pytest.fixture
def paced(stub: Stubber) -> Callable[..., tuple[RekognitionEngine, CountedPace, CountedPace]]:
    def make(patient: bool) -> tuple[RekognitionEngine, CountedPace, CountedPace]:
        detect, compare = CountedPace(), CountedPace()
        quota = Quota(detect, compare)  # type: ignore[arg-type]
        return RekognitionEngine(stub.client, EAGER, quota, patient=patient), detect, compare

    return make


@pytest.mark.parametrize(("patient", "turn"), [(True, "wait"), (False, "spend")])
def test_every_try_counts_for_the_operations_own_quota(
    stub: Stubber, paced: Callable[..., tuple[RekognitionEngine, CountedPace, CountedPace]], patient: bool, turn: str
) -> None:
    engine, detect, compare = paced(patient)
    fail(stub, "detect_faces", "ThrottlingException")
    fail(stub, "detect_faces", "InternalServerError", 500)
    stub.add_response("detect_faces", {"FaceDetails": []}, DETECT)
    engine.detect(PHOTO)
    assert (detect.said, compare.said) == ([turn, "slow", turn, turn, "fast"], [])


def test_a_batch_keeps_its_pace_while_people_are_answered_at_once(rekognition_server: RekognitionServer) -> None:
    rekognition_server.engine = SameFace()
    client = clients.client("rekognition", "eu-west-1")
    quota = Quota.of(10)
    people = RekognitionEngine(client, EAGER, quota)
    batch = RekognitionEngine(client, EAGER, quota, patient=True)
    with ThreadPoolExecutor(8) as threads:
        waiting = [threads.submit(batch.detect, PHOTO) for _ in range(30)]
        for _ in range(10):
            people.detect(PHOTO)
        left = sum(not each.done() for each in waiting)
    # Ten people were served while the batch could have made few of its calls, and it made room for them.
    assert left > 15
