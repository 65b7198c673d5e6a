"""Makers of outcomes, reviews and stored items with sensible defaults; a test states only what it is about."""

from __future__ import annotations

from typing import Any

from core.domain.records import Decision, Outcome, Review
from tests.support.clock import NOON

SUCCESS = {
    "status": "success",
    "confidence": 99.5,
    "quality": "high",
    "comparison_result": {"similarity": 92.25, "threshold": 80.0, "is_match": True},
    "attributes": {"age": "25-35", "smile": True, "yaw": -3.5},
    "provenance": {"engine": "rekognition", "model": "api-2016-06-27", "rules": "r0a1b2c3d"},
}


def an_outcome(attempt_id: str = "attempt-1", **changes: Any) -> Outcome:
    return Outcome(
        **{
            "attempt_id": attempt_id,
            "user_id": "user-1",
            "registration_id": "reg-1",
            "event_id": "event-1",
            "timestamp": NOON,
            "face_image_key": f"face-images/{attempt_id}.jpg",
            **SUCCESS,
            **changes,
        }
    )


def a_review(decision: Decision = Decision.APPROVED, **changes: Any) -> Review:
    return Review(**{"decision": decision, "reviewer": "Ada", "decided_at": NOON, **changes})


def a_foreign_item(**changes: Any) -> dict[str, Any]:
    """What another service writes: the fourteen documented attributes, timestamps in whole seconds."""
    return {
        "userId": "user-1",
        "registrationId": "reg-1",
        "validationStatus": "success",
        "confidence": 95.5,
        "quality": "high",
        "faceImageKey": "face-images/verify.jpg",
        "storedFaceKey": "face-images/stored.jpg",
        "comparisonResult": {"similarity": 92.5, "threshold": 80, "isMatch": True},
        "attributes": {"age": "25-35", "gender": "male", "smile": True},
        "verificationAttempt": 2,
        "timestamp": "2026-02-28T10:30:00Z",
        "expiresAt": int(NOON.timestamp()) + 29 * 86_400,
        "metadata": {"eventId": "event-1", "ipAddress": "203.0.113.7", "source": "api"},
        "updatedAt": "2026-02-28T10:30:00Z",
        **changes,
    }
