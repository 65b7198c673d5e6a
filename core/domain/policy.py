"""The rules that make a verdict of what the engine saw. Every number is a setting, with its default here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.domain.reasons import Reason
from core.domain.records import Box, ComparisonResult, Percent, Quality, Status

Face = Mapping[str, Any]

#: Attributes of a face for which a photo fails if the engine is sure of them: the value that fails, and the reason.
#: The rules need no others beside box, confidence, pose and quality, which engines always report.
FAILING: Mapping[str, tuple[bool, Reason]] = {
    "EyesOpen": (False, Reason.EYES_CLOSED),
    "Sunglasses": (True, Reason.SUNGLASSES),
    "FaceOccluded": (True, Reason.FACE_OCCLUDED),
}
#: Attributes that no rule needs: an engine infers them only where the setting ``INFER_AGE_GENDER_SMILE`` says so.
INFERRED = ("AgeRange", "Gender", "Smile")
#: Raised by one with each change of this module that makes other verdicts of the same numbers.
VERSION = 2


class Policy(BaseModel):
    """The numbers of the rules. Percentages are 0-100, angles degrees, sizes pixels of the examined photo."""

    model_config = ConfigDict(frozen=True)

    similarity_threshold: Percent = Field(80, description="similarity from which two faces match")
    review_threshold: Percent = Field(
        70, description="similarity from which a person decides; below it the photo fails"
    )
    min_confidence: Percent = Field(90, description="engine's confidence that a face must reach")
    min_face_pixels: int = Field(50, ge=1, description="shorter side that a face must have, pixels")
    other_face_ratio: float = Field(
        0.25, gt=0, le=1, description="share of the largest face's area from which another face counts"
    )
    min_brightness: Percent = Field(20, description="below: too dark (0-100)")
    max_brightness: Percent = Field(97, description="above: too bright (0-100)")
    min_sharpness: Percent = Field(15, description="below: blurred (0-100)")
    high_quality_brightness: Percent = Field(35, description="brightness from which quality is high")
    high_quality_sharpness: Percent = Field(40, description="sharpness from which quality is high")
    max_yaw: float = Field(45, ge=0, le=180, description="degrees that the head may be turned to either side")
    min_pitch: float = Field(-30, ge=-180, le=0, description="degrees that the head may be lowered (negative)")
    max_pitch: float = Field(45, ge=0, le=180, description="degrees that the head may be raised")
    min_attribute_confidence: Percent = Field(
        90,
        description="engine's confidence from which closed eyes, sunglasses or a covered face count; the engine of "
        "`embedded` can see closed eyes only",
    )

    @model_validator(mode="after")
    def _in_order(self) -> Policy:
        if self.review_threshold > self.similarity_threshold:
            raise ValueError("REVIEW_THRESHOLD must not be above SIMILARITY_THRESHOLD")
        if self.min_brightness >= self.max_brightness:
            raise ValueError("MIN_BRIGHTNESS must be below MAX_BRIGHTNESS")
        return self

    @property
    def digest(self) -> str:
        """A short text that differs wherever a number of the rules or their ``VERSION`` does."""
        # 80 and 80.0 are one number, and so are 0.0 and -0.0.
        numbers = [(name, float(getattr(self, name)) + 0.0) for name in sorted(Policy.model_fields)]
        # With a letter in front, or a spreadsheet would take some of them for numbers.
        return "r" + hashlib.sha256(repr((VERSION, numbers)).encode()).hexdigest()[:8]


class Verdict(BaseModel):
    """What the rules make of a photo. ``reasons`` is empty for a pass and for a borderline similarity."""

    model_config = ConfigDict(frozen=True)

    status: Status
    reasons: tuple[str, ...] = ()
    confidence: Percent | None = None
    quality: Quality | None = None
    comparison_result: ComparisonResult | None = None
    attributes: Mapping[str, Any] = Field(default_factory=dict)
    face_box: Box | None = None
    other_face_boxes: tuple[Box, ...] | None = None
    stored_face_box: Box | None = None

    def as_outcome(self) -> dict[str, Any]:
        """Its fields, as keyword arguments for ``Outcome``, which has them all by the same names."""
        return dict(self)


def by_similarity(similarity: Any, threshold: Any, review_from: float) -> tuple[Any, Any]:
    """What the similarity alone says: whether it passes, and whether a person decides; else it fails.

    All are 0-100. ``similarity`` and ``threshold`` are numbers, or columns of numbers, and so are the answers.
    """
    passes = similarity >= threshold
    return passes, (similarity >= review_from) & (similarity < threshold)


def judge(
    policy: Policy,
    detected: Mapping[str, Any],
    photo_size: tuple[int, int],
    compared: Mapping[str, Any] | None,
    *,
    reference_unusable: bool = False,
) -> Verdict:
    """Judge a photo of ``photo_size`` (width, height in pixels) by the engine's answers.

    ``detected`` and ``compared`` have the shapes of ``FaceEngine.detect`` and ``compare``; ``compared`` is None where
    there was nothing to compare with: then the face alone decides, unless ``reference_unusable`` says that
    there should have been a reference; then a person does. So too where the engine found a face in the photo but
    could not compare it: Rekognition says the same of a photo and of a reference that it cannot use.
    """
    faces = sorted(detected["FaceDetails"], key=_area, reverse=True)
    if not faces:
        # What can be mended is said besides: a photo too dark, too bright or too blurred may well show a face. In bad
        # light nothing is sharp.
        _, poor = _quality(policy, detected.get("PhotoQuality"))
        return Verdict(status=Status.FAILED, reasons=(Reason.NO_FACE, *poor[:1]))
    face, others = faces[0], faces[1:]
    quality, quality_reasons = _quality(policy, face.get("Quality"))
    reasons = [*_face_reasons(policy, face, others, photo_size), *quality_reasons]

    match = _best_match(compared)
    comparison, waits = _comparison(policy, match) if match else (None, False)
    if comparison and not (comparison.is_match or waits):
        reasons.append(Reason.FACE_MISMATCH)

    if reasons:
        status = Status.FAILED
    elif reference_unusable or (compared is not None and comparison is None):
        status, reasons = Status.PENDING, [Reason.REFERENCE_UNUSABLE]
    elif comparison and not comparison.is_match:
        status = Status.PENDING
    else:
        status = Status.SUCCESS
    return Verdict(
        status=status,
        reasons=tuple(reasons),
        confidence=_percent(face["Confidence"]),
        quality=quality,
        comparison_result=comparison,
        attributes=_attributes(face),
        face_box=_box(face),
        other_face_boxes=tuple(map(_box, others)) or None,
        stored_face_box=_box(match["Face"]) if match else None,
    )


def _percent(value: float) -> float:
    """Rounded before it is judged: what is stored is what was decided on."""
    return round(min(max(float(value), 0.0), 100.0), 2)


def _area(face: Face) -> float:
    box = face["BoundingBox"]
    return float(box["Width"] * box["Height"])


def _box(face: Face) -> Box:
    box = face["BoundingBox"]
    return Box(
        left=round(box["Left"], 4),
        top=round(box["Top"], 4),
        width=round(box["Width"], 4),
        height=round(box["Height"], 4),
    )


def _face_reasons(policy: Policy, face: Face, others: list[Face], size: tuple[int, int]) -> list[Reason]:
    reasons = []
    if others and _area(others[0]) >= policy.other_face_ratio * _area(face):
        reasons.append(Reason.MULTIPLE_FACES)
    box = face["BoundingBox"]
    if min(box["Width"] * size[0], box["Height"] * size[1]) < policy.min_face_pixels:
        reasons.append(Reason.FACE_TOO_SMALL)
    if _percent(face["Confidence"]) < policy.min_confidence:
        reasons.append(Reason.LOW_CONFIDENCE)
    pose = face.get("Pose", {})
    if abs(pose.get("Yaw", 0)) > policy.max_yaw or not policy.min_pitch <= pose.get("Pitch", 0) <= policy.max_pitch:
        reasons.append(Reason.HEAD_TURNED)
    for attribute, (bad_value, reason) in FAILING.items():
        seen = face.get(attribute)
        if seen and seen["Value"] is bad_value and seen["Confidence"] >= policy.min_attribute_confidence:
            reasons.append(reason)
    return reasons


def _quality(policy: Policy, measured: Mapping[str, float] | None) -> tuple[Quality | None, list[Reason]]:
    if measured is None:
        return None, []
    brightness, sharpness = _percent(measured["Brightness"]), _percent(measured["Sharpness"])
    reasons = []
    if brightness < policy.min_brightness:
        reasons.append(Reason.TOO_DARK)
    if brightness > policy.max_brightness:
        reasons.append(Reason.TOO_BRIGHT)
    if sharpness < policy.min_sharpness:
        reasons.append(Reason.BLURRED)
    if reasons:
        return Quality.LOW, reasons
    good = brightness >= policy.high_quality_brightness and sharpness >= policy.high_quality_sharpness
    return (Quality.HIGH if good else Quality.MEDIUM), []


def _best_match(compared: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    matches = compared["FaceMatches"] if compared else ()
    return max(matches, key=lambda match: match["Similarity"], default=None)


def _comparison(policy: Policy, match: Mapping[str, Any]) -> tuple[ComparisonResult, bool]:
    """The comparison, and whether its similarity is for a person to decide on."""
    similarity = _percent(match["Similarity"])
    passes, waits = by_similarity(similarity, policy.similarity_threshold, policy.review_threshold)
    comparison = ComparisonResult(similarity=similarity, threshold=policy.similarity_threshold, is_match=bool(passes))
    return comparison, bool(waits)


#: Rekognition's name -> ours, for the attributes that are a value with a confidence.
_VALUED = {
    "Smile": "smile",
    "EyesOpen": "eyesOpen",
    "MouthOpen": "mouthOpen",
    "Eyeglasses": "eyeglasses",
    "Sunglasses": "sunglasses",
    "FaceOccluded": "faceOccluded",
    "Beard": "beard",
    "Mustache": "mustache",
}


def _attributes(face: Face) -> dict[str, Any]:
    """What the engine reported, and nothing else: an absent attribute was not measured."""
    found: dict[str, Any] = {}
    if "AgeRange" in face:
        found["age"] = f"{face['AgeRange']['Low']}-{face['AgeRange']['High']}"
    if "Gender" in face:
        found["gender"] = face["Gender"]["Value"].lower()
    found |= {ours: face[theirs]["Value"] for theirs, ours in _VALUED.items() if theirs in face}
    for group in ("Pose", "Quality"):
        found |= {name.lower(): round(float(value), 1) for name, value in face.get(group, {}).items()}
    return found
