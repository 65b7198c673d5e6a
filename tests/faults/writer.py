"""The process that is killed: it submits one photo after another, and reports what was acknowledged to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from multiprocessing.connection import Connection

from core.domain.records import Source
from core.services.validation import Submitter
from tests.support.production import built, validation_by
from tests.support.rekognition import SameFace


@dataclass(frozen=True)
class Acknowledged:
    """What the service returned for one submission."""

    user_id: str
    registration_id: str
    attempt_id: str
    photo_key: str


@dataclass(frozen=True)
class Job:
    """``submissions`` of ``photo``, to ``registration_ids`` in turn, by services built from ``environment``."""

    name: str
    environment: Mapping[str, str]
    registration_ids: tuple[str, ...]
    photo: bytes
    submissions: int


def write(job: Job, reports: Connection) -> None:
    """Everything as in production but the engine, which costs nothing: the time goes where a kill can hurt."""
    services = built(job.environment)
    validation = validation_by(SameFace(), services)
    for number in range(job.submissions):
        registration_id = job.registration_ids[number % len(job.registration_ids)]
        attempt_id = f"{job.name}-{number}"
        stored = validation.validate_upload(registration_id, job.photo, attempt_id, Submitter(Source.BATCH))
        key = stored.attempt.face_image_key or ""
        # Returned: from here on it must survive. A pipe keeps what was written to it when the writer dies.
        reports.send(Acknowledged(stored.record.user_id, registration_id, attempt_id, key))
    services.close()
