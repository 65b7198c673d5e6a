"""What every face engine must do: the local one, and Rekognition's over the wire (a loopback server)."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator
from PIL import Image, ImageEnhance, ImageOps

from core.adapters.aws import clients
from core.adapters.aws.engine import Quota, RekognitionEngine
from core.domain.errors import Refused
from core.domain.policy import Policy, judge
from core.domain.reasons import Reason
from core.flow.retry import Retry
from core.ports import Answer, FaceEngine


@pytest.fixture(params=["local", "rekognition"])
def engine(request: pytest.FixtureRequest) -> Iterator[FaceEngine]:
    if request.param == "local":
        yield request.getfixturevalue("local_engine")
        return
    request.getfixturevalue("rekognition_server")
    client, retry = clients.client("rekognition", "eu-west-1"), Retry(deadline=9, call_timeout=4)
    remote = RekognitionEngine(client, retry, Quota.of(25), infer=True)
    yield remote
    remote.close()


def opened(photo: bytes) -> Image.Image:
    return Image.open(io.BytesIO(photo)).convert("RGB")


def jpeg(image: Image.Image, quality: int = 92) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def similarity(answer: Answer) -> float:
    return float(answer["FaceMatches"][0]["Similarity"])


def beside(*photos: bytes) -> bytes:
    images = [opened(photo) for photo in photos]
    row = Image.new("RGB", (sum(image.width for image in images), max(image.height for image in images)))
    left = 0
    for image in images:
        row.paste(image, (left, 0))
        left += image.width
    return jpeg(row)


def mirrored(photo: bytes) -> bytes:
    return jpeg(ImageOps.mirror(opened(photo)))


def smaller(photo: bytes) -> bytes:
    return jpeg(ImageOps.scale(opened(photo), 0.6))


def darker(photo: bytes) -> bytes:
    return jpeg(ImageEnhance.Brightness(opened(photo)).enhance(0.5))


def tilted(photo: bytes) -> bytes:
    return jpeg(opened(photo).rotate(12))


def recompressed(photo: bytes) -> bytes:
    return jpeg(opened(photo), quality=35)


@pytest.mark.parametrize("change", [mirrored, smaller, darker, tilted, recompressed])
@pytest.mark.parametrize("person", ["astronaut_jpeg", "hopper_jpeg"])
def test_another_photo_of_the_same_person_matches(
    engine: FaceEngine, request: pytest.FixtureRequest, person: str, change: Any
) -> None:
    photo = request.getfixturevalue(person)
    assert similarity(engine.compare(change(photo), photo)) >= Policy().similarity_threshold


def test_two_people_do_not_match(engine: FaceEngine, astronaut_jpeg: bytes, hopper_jpeg: bytes) -> None:
    assert similarity(engine.compare(hopper_jpeg, astronaut_jpeg)) < Policy().review_threshold


def test_a_comparison_gives_the_same_either_way_round(
    engine: FaceEngine, astronaut_jpeg: bytes, hopper_jpeg: bytes
) -> None:
    there = similarity(engine.compare(hopper_jpeg, astronaut_jpeg))
    assert similarity(engine.compare(astronaut_jpeg, hopper_jpeg)) == pytest.approx(there, abs=0.01)


def test_a_landscape_shows_no_face(engine: FaceEngine, landscape_jpeg: bytes) -> None:
    assert engine.detect(landscape_jpeg)["FaceDetails"] == []


def test_comparing_a_photo_without_a_face_names_no_source_face(
    engine: FaceEngine, landscape_jpeg: bytes, astronaut_jpeg: bytes
) -> None:
    assert "SourceImageFace" not in engine.compare(landscape_jpeg, astronaut_jpeg)


def test_a_reference_without_a_face_matches_nothing(
    engine: FaceEngine, landscape_jpeg: bytes, astronaut_jpeg: bytes
) -> None:
    assert engine.compare(astronaut_jpeg, landscape_jpeg)["FaceMatches"] == []


def test_a_reference_without_a_face_still_names_the_source_face(
    engine: FaceEngine, landscape_jpeg: bytes, astronaut_jpeg: bytes
) -> None:
    assert "SourceImageFace" in engine.compare(astronaut_jpeg, landscape_jpeg)


def test_every_face_in_a_photo_is_found(engine: FaceEngine, astronaut_jpeg: bytes, hopper_jpeg: bytes) -> None:
    photo = beside(astronaut_jpeg, hopper_jpeg, astronaut_jpeg)
    assert len(engine.detect(photo)["FaceDetails"]) == 3


def test_the_largest_face_is_the_one_that_is_compared(
    engine: FaceEngine, astronaut_jpeg: bytes, hopper_jpeg: bytes
) -> None:
    # Hopper's face is twice as wide as the astronaut's.
    answer = engine.compare(beside(astronaut_jpeg, hopper_jpeg), hopper_jpeg)
    assert similarity(answer) >= Policy().similarity_threshold


def test_faces_of_the_reference_come_most_similar_first(
    engine: FaceEngine, astronaut_jpeg: bytes, hopper_jpeg: bytes
) -> None:
    matches = engine.compare(astronaut_jpeg, beside(hopper_jpeg, astronaut_jpeg))["FaceMatches"]
    assert [round(match["Face"]["BoundingBox"]["Left"], 1) for match in matches] == [0.7, 0.2]


def test_faces_far_below_every_threshold_come_with_their_similarity(
    engine: FaceEngine, astronaut_jpeg: bytes, hopper_jpeg: bytes
) -> None:
    assert len(engine.compare(astronaut_jpeg, beside(hopper_jpeg, astronaut_jpeg))["FaceMatches"]) == 2


def test_the_box_covers_the_face(engine: FaceEngine, astronaut_jpeg: bytes) -> None:
    [face] = engine.detect(astronaut_jpeg)["FaceDetails"]
    box = face["BoundingBox"]
    assert [box["Left"], box["Top"], box["Width"], box["Height"]] == pytest.approx([0.35, 0.12, 0.18, 0.22], abs=0.03)


def test_the_landmarks_lie_in_the_box_with_left_on_the_pictures_left(
    engine: FaceEngine, astronaut_jpeg: bytes
) -> None:
    [face] = engine.detect(astronaut_jpeg)["FaceDetails"]
    x = {mark["Type"]: mark["X"] for mark in face["Landmarks"]}
    left, width = face["BoundingBox"]["Left"], face["BoundingBox"]["Width"]
    assert left < x["eyeLeft"] < x["nose"] < x["eyeRight"] < left + width


def test_a_good_portrait_passes_the_rules_with_high_quality(
    engine: FaceEngine, astronaut_jpeg: bytes, hopper_jpeg: bytes
) -> None:
    for photo in (astronaut_jpeg, hopper_jpeg):
        verdict = judge(Policy(), engine.detect(photo), opened(photo).size, engine.compare(mirrored(photo), photo))
        assert (verdict.status, verdict.quality) == ("success", "high")


def test_another_persons_photo_fails_the_rules_by_the_mismatch_alone(
    engine: FaceEngine, astronaut_jpeg: bytes, hopper_jpeg: bytes
) -> None:
    size = opened(hopper_jpeg).size
    verdict = judge(Policy(), engine.detect(hopper_jpeg), size, engine.compare(hopper_jpeg, astronaut_jpeg))
    assert verdict.reasons == (Reason.FACE_MISMATCH,)


@pytest.mark.parametrize("data", [b"not a picture", b"\xff\xd8\xff\xe0 only the start of a JPEG"])
def test_bytes_that_are_no_picture_are_refused(engine: FaceEngine, data: bytes) -> None:
    with pytest.raises(Refused, match="InvalidImageFormat"):
        engine.detect(data)


def test_answers_have_the_shapes_of_the_service_model(
    engine: FaceEngine, astronaut_jpeg: bytes, hopper_jpeg: bytes
) -> None:
    model = boto3.client("rekognition", region_name="eu-west-1").meta.service_model
    both = beside(astronaut_jpeg, hopper_jpeg)
    for operation, answer in (
        ("DetectFaces", engine.detect(both)),
        ("CompareFaces", engine.compare(both, both)),
    ):
        report = ParamValidator().validate(answer, model.operation_model(operation).output_shape)
        assert not report.has_errors(), report.generate_report()


def test_detect_and_compare_agree_from_many_threads(
    engine: FaceEngine, astronaut_jpeg: bytes, hopper_jpeg: bytes
) -> None:
    def boxes(_: int) -> tuple[Any, Any]:
        detected, compared = engine.detect(hopper_jpeg), engine.compare(hopper_jpeg, astronaut_jpeg)
        return detected["FaceDetails"][0]["BoundingBox"], compared["SourceImageFace"]["BoundingBox"]

    with ThreadPoolExecutor(16) as pool:
        assert all(one == other for one, other in pool.map(boxes, range(64)))


def test_ping_returns_where_all_is_well(engine: FaceEngine) -> None:
    engine.ping()


def test_an_engine_says_what_it_is_and_which_version_answers(engine: FaceEngine) -> None:
    assert engine.provenance.engine
    assert engine.provenance.model
    assert engine.provenance.rules is None
