"""A whole desk on one folder: the embedded stores, with an engine that the test chooses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from core.adapters.embedded.audit import SqliteAudit
from core.adapters.embedded.erasures import SqliteErasures
from core.adapters.embedded.photos import FolderPhotos
from core.adapters.embedded.records import SqliteRecords
from core.adapters.embedded.registrations import SqliteRegistrations
from core.domain.clock import utc_now
from core.domain.policy import Policy
from core.domain.records import Registration
from core.photos.sanitiser import PhotoSanitiser
from core.services.batch import Batches
from core.services.erasure import Erasures
from core.services.forgetting import Forgetting
from core.services.hashing import IdHash
from core.services.reference_check import ReferenceCheck
from core.services.validation import ValidationService
from tests.support.engine import ChosenEngine

HASHED = IdHash(b"a key of these tests")
REFERENCE_KEY = "reference-faces/one.jpg"
REGISTERED = Registration(
    registration_id="reg-1",
    user_id="user-1",
    event_id="event-1",
    name="Ada Example",
    email="ada@example.com",
    reference_photo_key=REFERENCE_KEY,
)


@dataclass(frozen=True)
class Desk:
    records: SqliteRecords
    registrations: SqliteRegistrations
    photos: FolderPhotos
    photo_folder: Path
    engine: ChosenEngine
    audit: SqliteAudit
    validation: ValidationService
    erasures: Erasures
    forgetting: Forgetting
    batches: Batches
    references: ReferenceCheck

    @property
    def stored_files(self) -> set[Path]:
        return {path for path in self.photo_folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="session")
def sanitiser() -> Iterator[PhotoSanitiser]:
    sanitiser = PhotoSanitiser(max_bytes=15 * 1024 * 1024)
    yield sanitiser
    sanitiser.close()


@pytest.fixture
def desk(tmp_path: Path, sanitiser: PhotoSanitiser, astronaut_jpeg: bytes) -> Iterator[Desk]:
    database = tmp_path / "facedesk.sqlite3"
    records, registrations = SqliteRecords(database, utc_now), SqliteRegistrations(database)
    photos = FolderPhotos(tmp_path / "photos", max_bytes=15 * 1024 * 1024)
    photos.put(REFERENCE_KEY, astronaut_jpeg)
    registrations.import_many(
        [REGISTERED, REGISTERED.model_copy(update={"registration_id": "reg-2", "reference_photo_key": None})]
    )
    engine, audit = ChosenEngine(), SqliteAudit(database)
    journal = SqliteErasures(database)
    forgetting = Forgetting(journal.ended, HASHED)
    erasures = Erasures(
        journal, registrations, registrations, photos, audit, HASHED, utc_now, announce=forgetting.announce
    )
    parts: Mapping[str, Any] = {
        "records": records,
        "registrations": registrations,
        "photos": photos,
        "engine": engine,
        "sanitiser": sanitiser,
        "policy": Policy(),
        "clock": utc_now,
        "record_ttl": timedelta(days=30),
        "erasures": erasures,
    }
    validation = ValidationService(**parts, engine_deadline=1.0)
    of_batches = ValidationService(**parts, engine_deadline=30, engine_must_answer=True)
    many: Mapping[str, Any] = {"workers": 4, "patience": 0}
    batches = Batches(
        records, registrations, of_batches, tmp_path / "batches", max_file_bytes=15 * 1024 * 1024, **many
    )
    references = ReferenceCheck(registrations, of_batches, engine, Policy(), **many)
    yield Desk(
        records,
        registrations,
        photos,
        tmp_path / "photos",
        engine,
        audit,
        validation,
        erasures,
        forgetting,
        batches,
        references,
    )
    validation.close()
    of_batches.close()
    records.close()
    registrations.close()
    audit.close()
    erasures.close()
