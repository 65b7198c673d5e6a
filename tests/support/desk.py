"""A whole desk on one folder: the embedded stores, with an engine that the test chooses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from core.adapters.embedded.alerts import SqliteCrossings
from core.adapters.embedded.audit import SqliteAudit
from core.adapters.embedded.cases import SqliteClaims, SqliteNotes
from core.adapters.embedded.duplicates import SqliteDuplicates
from core.adapters.embedded.erasures import SqliteErasures
from core.adapters.embedded.findings import SqliteFindings
from core.adapters.embedded.jobs import ProcessJobBoard
from core.adapters.embedded.photos import FolderPhotos
from core.adapters.embedded.profiles import SqliteDatedEvents, SqliteProfiles
from core.adapters.embedded.rates import ProcessRates
from core.adapters.embedded.records import SqliteRecords
from core.adapters.embedded.registrations import SqliteRegistrations
from core.adapters.embedded.second_looks import SqliteSecondLooks
from core.adapters.embedded.sign_outs import FolderSignOuts
from core.adapters.embedded.summaries import SqliteSummaries
from core.adapters.embedded.worklists import SqliteWorklists
from core.domain.clock import utc_now
from core.domain.records import Registration
from core.photos.sanitiser import PhotoSanitiser
from core.ports import ValidationRecords
from core.runtime.backends import Adapters
from core.runtime.bootstrap import assemble
from core.runtime.observed_services import ObservedErasures, ObservedValidation
from core.runtime.services import Services
from core.services.batch import Batches
from core.services.hashing import IdHash
from core.services.reference_check import ReferenceCheck
from core.settings import Settings
from tests.support.duplicates import ChosenSearch
from tests.support.engine import ChosenEngine
from tests.support.tokens import KeptTokens

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
    """``services`` as in production, and adapters beneath them that have nothing to remember."""

    services: Services
    registrations: SqliteRegistrations
    photos: FolderPhotos
    photo_folder: Path
    engine: ChosenEngine
    audit: SqliteAudit
    erasure_store: SqliteErasures
    second_looks: SqliteSecondLooks
    faces: ChosenSearch

    @property
    def records(self) -> ValidationRecords:
        return self.services.records

    @property
    def validation(self) -> ObservedValidation:
        return self.services.validation

    @property
    def erasures(self) -> ObservedErasures:
        return self.services.erasures

    @property
    def batches(self) -> Batches:
        return self.services.batches

    @property
    def references(self) -> ReferenceCheck:
        return self.services.references

    @property
    def stored_files(self) -> set[Path]:
        return {path for path in self.photo_folder.rglob("*") if path.is_file()}


class _SharedSanitiser(PhotoSanitiser):
    """Starting its workers takes a second: it outlives the services of each test."""

    def close(self) -> None: ...


@pytest.fixture(scope="session")
def sanitiser() -> Iterator[PhotoSanitiser]:
    sanitiser = _SharedSanitiser(max_bytes=15 * 1024 * 1024)
    yield sanitiser
    PhotoSanitiser.close(sanitiser)


@pytest.fixture
def more_settings() -> Mapping[str, Any]:
    """Settings of the desk, by field; a test that is about others has this fixture say them."""
    return {}


@pytest.fixture
def desk(
    tmp_path: Path, sanitiser: PhotoSanitiser, astronaut_jpeg: bytes, more_settings: Mapping[str, Any]
) -> Iterator[Desk]:
    database = tmp_path / "facedesk.sqlite3"
    registrations = SqliteRegistrations(database)
    photos = FolderPhotos(tmp_path / "photos", max_bytes=15 * 1024 * 1024)
    photos.put(REFERENCE_KEY, astronaut_jpeg)
    registrations.import_many(
        [REGISTERED, REGISTERED.model_copy(update={"registration_id": "reg-2", "reference_photo_key": None})]
    )
    engine, audit, erasure_store = ChosenEngine(), SqliteAudit(database), SqliteErasures(database)
    looks, faces = SqliteSecondLooks(database), ChosenSearch()
    profiles = SqliteProfiles(database)
    settings = Settings(data_dir=tmp_path, hash_key="a key of these tests", _env_file=None, **more_settings)
    # Less than may be set: a test that waits for the engine's deadline is to be short.
    settings = settings.model_copy(update={"engine_deadline_seconds": 1.0})
    adapters = Adapters(
        records=SqliteRecords(database, utc_now),
        registrations=registrations,
        importer=registrations,
        photos=photos,
        engine=engine,
        batch_engine=engine,
        batch_workers=4,
        batch_patience=0,
        sanitiser=sanitiser,
        batch_sanitiser=sanitiser,
        audit=audit,
        erasures=erasure_store,
        claims=SqliteClaims(database, utc_now),
        notes=SqliteNotes(database, utc_now),
        looks=looks,
        profiles=profiles,
        dated=SqliteDatedEvents(database),
        profile_edits=profiles,
        crossings=SqliteCrossings(database),
        duplicates=SqliteDuplicates(database, utc_now),
        findings=SqliteFindings(database, utc_now),
        summaries=SqliteSummaries(database, utc_now),
        sign_outs=FolderSignOuts(tmp_path, utc_now),
        token_rates=ProcessRates(settings.api_requests_per_minute),
        tokens=KeptTokens(),
        worklists=SqliteWorklists(tmp_path),
        jobs=ProcessJobBoard(),
        face_search=faces,
    )
    services = assemble(settings, adapters)
    yield Desk(services, registrations, photos, tmp_path / "photos", engine, audit, erasure_store, looks, faces)
    services.close()
