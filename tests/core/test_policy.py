"""The rules, each at its boundary."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from core.domain import policy as rules
from core.domain.policy import Policy, Verdict, judge
from core.domain.reasons import Reason
from core.domain.records import Box, Quality, Status
from core.settings import Settings

POLICY = Policy()
SIZE = (1000, 800)
PERCENT = st.floats(0, 100)


def a_face(**changes: Any) -> dict[str, Any]:
    """A face without fault, in Rekognition's shape; an attribute set to None is absent."""
    face = {
        "BoundingBox": {"Left": 0.3, "Top": 0.2, "Width": 0.4, "Height": 0.5},
        "Confidence": 99.9,
        "Pose": {"Roll": 1.0, "Yaw": -2.0, "Pitch": 3.0},
        "Quality": {"Brightness": 80.0, "Sharpness": 80.0},
        "EyesOpen": {"Value": True, "Confidence": 99.0},
        "Sunglasses": {"Value": False, "Confidence": 99.0},
        "FaceOccluded": {"Value": False, "Confidence": 99.0},
        **changes,
    }
    return {name: value for name, value in face.items() if value is not None}


def a_box(width: float, height: float) -> dict[str, float]:
    return {"Left": 0.1, "Top": 0.1, "Width": width, "Height": height}


def a_comparison(*similarities: float) -> dict[str, Any]:
    matches = [{"Similarity": value, "Face": {"BoundingBox": a_box(0.2, 0.3)}} for value in similarities]
    return {"SourceImageFace": {"BoundingBox": a_box(0.4, 0.5)}, "FaceMatches": matches}


def verdict(
    *faces: Mapping[str, Any], compared: Mapping[str, Any] | None = None, policy: Policy = POLICY, **options: Any
) -> Verdict:
    return judge(policy, {"FaceDetails": faces}, SIZE, compared, **options)


def reasons(**changes: Any) -> tuple[str, ...]:
    return verdict(a_face(**changes)).reasons


# Passing


def test_a_faultless_face_that_matches_is_a_success() -> None:
    result = verdict(a_face(), compared=a_comparison(95))
    assert (result.status, result.reasons) == (Status.SUCCESS, ())


def test_without_a_reference_the_face_alone_decides() -> None:
    result = verdict(a_face())
    assert (result.status, result.comparison_result, result.stored_face_box) == (Status.SUCCESS, None, None)


def test_what_the_engine_did_not_measure_is_not_held_against_the_person() -> None:
    bare = a_face(Pose=None, Quality=None, EyesOpen=None, Sunglasses=None, FaceOccluded=None)
    result = verdict(bare, compared=a_comparison(95))
    assert (result.status, result.quality, result.attributes) == (Status.SUCCESS, None, {})


# The face


def test_no_face_fails_with_that_reason_alone() -> None:
    assert verdict() == Verdict(status=Status.FAILED, reasons=(Reason.NO_FACE,))


@pytest.mark.parametrize(
    ("brightness", "sharpness", "besides"),
    [
        (60, 60, ()),
        (5, 60, (Reason.TOO_DARK,)),
        (99, 60, (Reason.TOO_BRIGHT,)),
        (60, 5, (Reason.BLURRED,)),
        (5, 5, (Reason.TOO_DARK,)),  # in the dark nothing is sharp
    ],
)
def test_a_photo_without_a_face_says_what_else_is_wrong_with_it(
    brightness: float, sharpness: float, besides: tuple[Reason, ...]
) -> None:
    seen = {"FaceDetails": [], "PhotoQuality": {"Brightness": brightness, "Sharpness": sharpness}}
    assert judge(POLICY, seen, (600, 600), None).reasons == (Reason.NO_FACE, *besides)


def test_a_face_that_could_not_be_compared_waits_for_a_person() -> None:
    result = verdict(a_face(), compared={"FaceMatches": []})
    assert (result.status, result.reasons) == (Status.PENDING, (Reason.REFERENCE_UNUSABLE,))


@pytest.mark.parametrize(("share", "expected"), [(0.24, ()), (0.25, ("MULTIPLE_FACES",)), (1.0, ("MULTIPLE_FACES",))])
def test_another_face_counts_from_a_quarter_of_the_largest(share: float, expected: tuple[str, ...]) -> None:
    largest, other = a_face(BoundingBox=a_box(0.5, 0.5)), a_face(BoundingBox=a_box(0.5 * share, 0.5))
    assert verdict(other, largest).reasons == expected


def test_the_largest_face_is_examined_wherever_it_is_listed() -> None:
    small_and_bad = a_face(BoundingBox=a_box(0.05, 0.07), Confidence=50.0)
    assert verdict(small_and_bad, a_face(Confidence=98.0)).confidence == 98.0


@pytest.mark.parametrize(
    ("width", "height", "expected"),
    [(0.05, 0.5, ()), (0.0499, 0.5, ("FACE_TOO_SMALL",)), (0.5, 0.0625, ()), (0.5, 0.0624, ("FACE_TOO_SMALL",))],
)
def test_a_faces_shorter_side_must_have_fifty_pixels(width: float, height: float, expected: tuple[str, ...]) -> None:
    assert reasons(BoundingBox=a_box(width, height)) == expected


@pytest.mark.parametrize(("confidence", "expected"), [(90.0, ()), (89.99, ("LOW_CONFIDENCE",))])
def test_a_face_must_be_certain_to_ninety_percent(confidence: float, expected: tuple[str, ...]) -> None:
    assert reasons(Confidence=confidence) == expected


@pytest.mark.parametrize("pose", [{"Yaw": 45}, {"Yaw": -45}, {"Pitch": -30}, {"Pitch": 45}, {"Roll": 180}, {}])
def test_a_head_may_be_turned_up_to_the_limits(pose: dict[str, float]) -> None:
    assert reasons(Pose=pose) == ()


@pytest.mark.parametrize("pose", [{"Yaw": 45.1}, {"Yaw": -45.1}, {"Pitch": -30.1}, {"Pitch": 45.1}])
def test_a_head_turned_further_fails(pose: dict[str, float]) -> None:
    assert reasons(Pose=pose) == ("HEAD_TURNED",)


SEEN = [
    ("EyesOpen", False, "EYES_CLOSED"),
    ("Sunglasses", True, "SUNGLASSES"),
    ("FaceOccluded", True, "FACE_OCCLUDED"),
]


@pytest.mark.parametrize(("attribute", "bad", "reason"), SEEN)
def test_an_obstruction_counts_from_ninety_percent_certainty(attribute: str, bad: bool, reason: str) -> None:
    assert reasons(**{attribute: {"Value": bad, "Confidence": 90.0}}) == (reason,)
    assert reasons(**{attribute: {"Value": bad, "Confidence": 89.9}}) == ()


@pytest.mark.parametrize(("attribute", "bad", "_reason"), SEEN)
def test_the_absence_of_an_obstruction_is_no_fault(attribute: str, bad: bool, _reason: str) -> None:
    assert reasons(**{attribute: {"Value": not bad, "Confidence": 100.0}}) == ()


# Quality


@pytest.mark.parametrize(
    ("brightness", "sharpness", "expected"),
    [
        (19.99, 80, ("TOO_DARK",)),
        (97.01, 80, ("TOO_BRIGHT",)),
        (80, 14.99, ("BLURRED",)),
        (10, 5, ("TOO_DARK", "BLURRED")),
    ],
)
def test_light_and_sharpness_out_of_bounds_fail_as_low_quality(
    brightness: float, sharpness: float, expected: tuple[str, ...]
) -> None:
    result = verdict(a_face(Quality={"Brightness": brightness, "Sharpness": sharpness}))
    assert (result.reasons, result.quality) == (expected, Quality.LOW)


@pytest.mark.parametrize(
    ("brightness", "sharpness", "expected"),
    [(35, 40, "high"), (97, 100, "high"), (34.99, 40, "medium"), (35, 39.99, "medium"), (20, 15, "medium")],
)
def test_quality_within_bounds_is_high_or_medium(brightness: float, sharpness: float, expected: str) -> None:
    result = verdict(a_face(Quality={"Brightness": brightness, "Sharpness": sharpness}))
    assert (result.reasons, result.quality) == ((), expected)


# The comparison


@pytest.mark.parametrize(
    ("similarity", "status", "expected"),
    [
        (100, "success", ()),
        (80, "success", ()),
        (79.99, "pending", ()),
        (70, "pending", ()),
        (69.99, "failed", ("FACE_MISMATCH",)),
        (0, "failed", ("FACE_MISMATCH",)),
    ],
)
def test_similarity_decides_between_match_person_and_mismatch(
    similarity: float, status: str, expected: tuple[str, ...]
) -> None:
    result = verdict(a_face(), compared=a_comparison(similarity))
    assert (result.status, result.reasons) == (status, expected)


@pytest.mark.parametrize(("similarity", "is_match"), [(80, True), (79.99, False), (12.5, False)])
def test_similarity_is_kept_with_its_threshold_even_below_it(similarity: float, is_match: bool) -> None:
    result = verdict(a_face(), compared=a_comparison(similarity)).comparison_result
    assert result is not None
    assert (result.similarity, result.threshold, result.is_match) == (similarity, 80, is_match)


def test_a_borderline_similarity_does_not_excuse_another_reason() -> None:
    result = verdict(a_face(Confidence=50.0), compared=a_comparison(75))
    assert (result.status, result.reasons) == (Status.FAILED, ("LOW_CONFIDENCE",))


def test_a_match_does_not_excuse_another_reason() -> None:
    result = verdict(a_face(Sunglasses={"Value": True, "Confidence": 99.0}), compared=a_comparison(99))
    assert (result.status, result.reasons) == (Status.FAILED, ("SUNGLASSES",))


def test_the_most_similar_face_of_the_reference_counts() -> None:
    result = verdict(a_face(), compared=a_comparison(10, 92, 40)).comparison_result
    assert result is not None
    assert result.similarity == 92


def test_a_reference_without_a_face_waits_for_a_person() -> None:
    result = verdict(a_face(), compared=a_comparison())
    assert (result.status, result.reasons) == (Status.PENDING, (Reason.REFERENCE_UNUSABLE,))


def test_an_unusable_reference_waits_for_a_person() -> None:
    result = verdict(a_face(), reference_unusable=True)
    assert (result.status, result.reasons) == (Status.PENDING, (Reason.REFERENCE_UNUSABLE,))


def test_a_bad_photo_fails_even_where_the_reference_is_unusable() -> None:
    result = verdict(a_face(Confidence=10.0), reference_unusable=True)
    assert (result.status, result.reasons) == (Status.FAILED, ("LOW_CONFIDENCE",))


def test_all_reasons_are_given_at_once() -> None:
    everything_wrong = a_face(
        BoundingBox=a_box(0.04, 0.04),
        Confidence=50.0,
        Pose={"Yaw": 60.0},
        Quality={"Brightness": 5.0, "Sharpness": 5.0},
        EyesOpen={"Value": False, "Confidence": 99.0},
        Sunglasses={"Value": True, "Confidence": 99.0},
        FaceOccluded={"Value": True, "Confidence": 99.0},
    )
    found = verdict(everything_wrong, everything_wrong, compared=a_comparison(5)).reasons
    never_a_fault = {Reason.NO_FACE, Reason.TOO_BRIGHT, Reason.ENGINE_UNAVAILABLE, Reason.REFERENCE_UNUSABLE}
    assert set(found) == set(Reason) - never_a_fault


# What is kept


def test_boxes_are_kept_as_shares_of_the_photo() -> None:
    result = verdict(a_face(), compared=a_comparison(95))
    assert result.face_box == Box(left=0.3, top=0.2, width=0.4, height=0.5)
    assert result.stored_face_box == Box(left=0.1, top=0.1, width=0.2, height=0.3)


def test_attributes_are_those_that_the_engine_reported() -> None:
    face = a_face(
        AgeRange={"Low": 25, "High": 35},
        Gender={"Value": "Male", "Confidence": 99.0},
        Smile={"Value": True, "Confidence": 80.0},
        Emotions=[{"Type": "HAPPY", "Confidence": 99.0}],
        Sunglasses=None,
    )
    assert verdict(face).attributes == {
        "age": "25-35",
        "gender": "male",
        "smile": True,
        "eyesOpen": True,
        "faceOccluded": False,
        "roll": 1.0,
        "yaw": -2.0,
        "pitch": 3.0,
        "brightness": 80.0,
        "sharpness": 80.0,
    }


def test_engine_figures_just_beyond_their_scale_are_brought_into_it() -> None:
    result = verdict(a_face(Confidence=100.0000076), compared=a_comparison(100.0000076))
    assert result.comparison_result is not None
    assert (result.confidence, result.comparison_result.similarity) == (100, 100)


# All of it


@given(similarity=PERCENT, confidence=PERCENT, brightness=PERCENT, sharpness=PERCENT, yaw=st.floats(-180, 180))
def test_a_status_always_agrees_with_its_reasons(
    similarity: float, confidence: float, brightness: float, sharpness: float, yaw: float
) -> None:
    face = a_face(
        Confidence=confidence, Quality={"Brightness": brightness, "Sharpness": sharpness}, Pose={"Yaw": yaw}
    )
    result = verdict(face, compared=a_comparison(similarity))
    assert result.comparison_result is not None
    assert (result.status == Status.FAILED) == bool(result.reasons)
    assert (result.status == Status.SUCCESS) <= bool(result.comparison_result.is_match)


@given(similarity=PERCENT, more=PERCENT)
def test_more_similarity_never_makes_the_verdict_worse(similarity: float, more: float) -> None:
    order = [Status.FAILED, Status.PENDING, Status.SUCCESS]
    low, high = sorted((similarity, more))
    worse, better = (verdict(a_face(), compared=a_comparison(value)).status for value in (low, high))
    assert order.index(worse) <= order.index(better)


@given(review=PERCENT, threshold=PERCENT, similarity=PERCENT)
def test_thresholds_are_settings(review: float, threshold: float, similarity: float) -> None:
    review, threshold = sorted((round(review, 2), round(threshold, 2)))
    policy = Policy(review_threshold=review, similarity_threshold=threshold)
    result = verdict(a_face(), compared=a_comparison(similarity), policy=policy)
    similarity = round(similarity, 2)
    if similarity >= threshold:
        assert result.status == Status.SUCCESS
    else:
        assert result.status == (Status.PENDING if similarity >= review else Status.FAILED)


@pytest.mark.parametrize(
    ("numbers", "named"),
    [
        ({"review_threshold": 81}, "REVIEW_THRESHOLD"),
        ({"min_brightness": 97}, "MIN_BRIGHTNESS"),
        ({"similarity_threshold": 101}, "similarity_threshold"),
        ({"min_face_pixels": 0}, "min_face_pixels"),
        ({"other_face_ratio": 0}, "other_face_ratio"),
    ],
)
def test_numbers_that_make_no_sense_are_named(numbers: dict[str, float], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        Policy(**numbers)


def test_the_other_faces_have_their_boxes_whether_they_count_or_not() -> None:
    large, small = a_face(BoundingBox=a_box(0.4, 0.5)), a_face(BoundingBox=a_box(0.05, 0.05))
    result = verdict(small, large, compared=a_comparison(95))
    assert (result.status, result.other_face_boxes) == (
        Status.SUCCESS,
        (Box(left=0.1, top=0.1, width=0.05, height=0.05),),
    )
    assert verdict(large).other_face_boxes is None


# The digest


@pytest.mark.parametrize("name", Policy.model_fields)
def test_the_digest_changes_with_every_number(name: str) -> None:
    least = 1 if Policy.model_fields[name].annotation is int else 0.01
    changed = Policy(**{name: getattr(POLICY, name) + least})
    assert changed.digest != POLICY.digest


def test_the_digest_is_that_of_equal_numbers_however_they_are_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SIMILARITY_THRESHOLD", "80.00")
    by_settings = Settings(_env_file=None).policy  # type: ignore[call-arg]
    assert by_settings.digest == Policy(similarity_threshold=80.0, max_yaw=45).digest == POLICY.digest


def test_the_digest_is_the_same_in_every_process() -> None:
    script = "from core.domain.policy import Policy; print(Policy().digest)"
    found = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert found == {POLICY.digest}


def test_a_spreadsheet_does_not_take_the_digest_for_a_number() -> None:
    assert POLICY.digest.startswith("r")


def test_the_version_of_the_rules_is_that_of_their_verdicts() -> None:
    """Fails where the same numbers give other verdicts than before: then ``VERSION`` is to be raised, and the new
    hash to be written here beside it.
    """
    verdicts = [
        verdict(
            a_face(
                BoundingBox=a_box(width, 0.5),
                Confidence=confidence,
                Pose={"Yaw": yaw, "Pitch": pitch},
                Quality={"Brightness": brightness, "Sharpness": sharpness},
                **{name: {"Value": value, "Confidence": sure} for name, (value, _) in rules.FAILING.items()},
            ),
            *[a_face(BoundingBox=a_box(0.2, other))] * (other > 0),
            compared=a_comparison(similarity) if similarity else None,
        ).model_dump(mode="json", include={"status", "reasons", "confidence", "quality", "comparison_result"})
        for width, confidence, yaw, pitch in product((0.04, 0.4), (80, 95), (0, 50), (0, -40, 50))
        for brightness, sharpness, sure in ((80, 80, 50), (10, 80, 50), (99, 80, 95), (30, 10, 50), (30, 30, 89))
        for other, similarity in product((0, 0.1, 0.4), (0, 60, 75, 90))
    ]
    found = hashlib.sha256(json.dumps(verdicts, sort_keys=True).encode()).hexdigest()[:12]
    assert (rules.VERSION, found) == (2, "477aeb662b60")
