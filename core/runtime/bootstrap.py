"""Settings -> Services. The only module that names adapters.

Each backend's adapters are imported where they are chosen: neither loads the other's libraries.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from core.adapters.aws import clients
from core.domain.clock import Clock, utc_now
from core.domain.errors import SettingsError
from core.files.disk import DATABASE, PHOTOS
from core.flow.retry import Retry
from core.photos.sanitiser import PhotoSanitiser
from core.ports import (
    AuditTrail,
    ErasureStore,
    ExpiringPhotos,
    ExpiringRecords,
    FaceEngine,
    Photos,
    RegistrationImport,
    Registrations,
    ServiceMetrics,
    ValidationRecords,
)
from core.runtime.operation_log import Journal, Observer
from core.services import worklist
from core.services.batch import Batches
from core.services.erasure import Erasures
from core.services.forgetting import Forgetting
from core.services.hashing import id_hash
from core.services.reference_check import ReferenceAudit
from core.services.retention import Retention
from core.services.steady_clock import Steadiness
from core.services.validation import ENGINE_THREADS, ValidationService
from core.settings import Backend, Settings

#: Photos of a batch that are in hand at once: enough to use the quota where one takes a second and a half with all
#: its calls. With the engine here, one is with it and one on its way: people's photos wait behind them.
BATCH_SECONDS, MAX_BATCH_WORKERS, EMBEDDED_BATCH_WORKERS = 1.5, 48, 2
#: What a photo of a batch may take in the engine, its wait for a turn included, and a call of it with its retries,
#: seconds. Nobody waits for the answer.
BATCH_DEADLINE, BATCH_CALL_DEADLINE = 45.0, 30.0
#: Processes that take a batch's photos apart, at the most; people's photos have others.
MAX_BATCH_SANITISERS = 4

#: Loggers that at DEBUG would write session tokens, signatures, photos and item values.
_TALKATIVE = ("boto3", "botocore", "urllib3", "pymongo", "s3transfer")


@dataclass(frozen=True)
class Services:
    """Everything a page, a route or a command needs, wired for one backend."""

    settings: Settings
    clock: Clock
    records: ValidationRecords
    registrations: Registrations
    photos: Photos
    engine: FaceEngine
    audit: AuditTrail
    sanitiser: PhotoSanitiser
    validation: ValidationService
    erasures: Erasures
    forgetting: Forgetting
    batches: Batches
    references: ReferenceAudit
    #: None where registrations are only read.
    importer: RegistrationImport | None
    #: None where services clear away what has expired.
    retention: Retention | None = None
    #: None where the backend has none.
    metrics: ServiceMetrics | None = None
    #: What this process did of late; empty where nobody observes it.
    journal: Journal = field(default_factory=Journal)
    observer: Observer | None = None
    #: Reads the whole database and raises ``Refused`` if it is damaged; None if the backend has no file of its own.
    verify: Callable[[], None] | None = None
    #: What else ends with them, and before them.
    closing: tuple[Callable[[], None], ...] = ()

    def close(self) -> None:
        for close in self.closing:
            close()
        stores = (self.records, self.registrations, self.photos, self.engine, self.audit, self.erasures)
        for part in (self.validation, self.sanitiser, *stores):
            part.close()
        if self.metrics:
            self.metrics.close()
        if self.observer:  # last: what ends with the others is still an operation
            self.observer.close()


@dataclass(frozen=True)
class _Adapters:
    records: ValidationRecords
    registrations: Registrations
    photos: Photos
    engine: FaceEngine
    #: The same engine for batches, which waits for its turns; closed with the other.
    batch_engine: FaceEngine
    batch_workers: int
    audit: AuditTrail
    erasures: ErasureStore
    #: What has expired in them; None where services clear it away.
    expiring: tuple[ExpiringRecords, ExpiringPhotos] | None = None
    importer: RegistrationImport | None = None
    metrics: ServiceMetrics | None = None
    #: As ``Services.verify``.
    verify: Callable[[], None] | None = None
    #: What ends with them.
    closing: tuple[Callable[[], None], ...] = ()


def build(settings: Settings, clock: Clock = utc_now) -> Services:
    """Wire the backend that ``settings`` name. Reaches no service yet; each is reached when first used."""
    from core.services.live_events import LiveRecords  # loads pandas, as the adapters do

    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.INFO)
    match settings.backend:
        case Backend.EMBEDDED:
            adapters = _embedded(settings, clock)
        case Backend.AWS:
            adapters = _aws(settings, clock)
    journal = Journal()
    observer = Observer(settings, clock, journal)
    # Above the observer: an answer from memory is no operation of the store.
    records = LiveRecords(observer.observed(adapters.records, "records"), clock)
    registrations = observer.observed(adapters.registrations, "registrations")
    photos = observer.observed(adapters.photos, "photos")
    engine = observer.observed(adapters.engine, "engine")
    audit = observer.observed(adapters.audit, "audit")
    importer = adapters.importer and observer.observed(adapters.importer, "registrations")
    hashed = id_hash(settings)
    # Not observed: it looks every few seconds.
    forgetting = Forgetting(adapters.erasures.ended, hashed)
    forgetting.on_erased(lambda _: records.forget_all())
    erasures = Erasures(
        store=observer.observed(adapters.erasures, "records"),
        registrations=registrations,
        importer=importer,
        photos=photos,
        audit=audit,
        hashed=hashed,
        clock=clock,
        keepers=(records.forget, partial(worklist.forget, settings.data_dir)),
        announce=forgetting.announce,
    )
    retention = None
    if adapters.expiring and importer:
        expiring = observer.observed(adapters.expiring[0], "records")
        old_photos = observer.observed(adapters.expiring[1], "photos")
        steady = Steadiness(settings.data_dir, clock)
        retention = Retention(expiring, importer, old_photos, audit, clock, settings.record_ttl, steady)
    sanitiser = PhotoSanitiser(max_bytes=settings.max_upload_bytes, workers=2)
    validating = partial(
        ValidationService,
        records=records,
        registrations=registrations,
        photos=photos,
        policy=settings.policy,
        clock=clock,
        record_ttl=settings.record_ttl,
        erasures=erasures,
    )
    validation = validating(engine=engine, sanitiser=sanitiser, engine_deadline=settings.engine_deadline_seconds)
    batch_sanitiser = PhotoSanitiser(
        max_bytes=settings.max_upload_bytes, workers=min(os.cpu_count() or 1, MAX_BATCH_SANITISERS)
    )
    batch_engine = observer.observed(adapters.batch_engine, "batch")
    batch_validation = validating(
        engine=batch_engine,
        sanitiser=batch_sanitiser,
        engine_deadline=BATCH_DEADLINE,
        engine_threads=2 * adapters.batch_workers,
        engine_must_answer=True,
    )
    batches = Batches(
        records,
        registrations,
        observer.observed(batch_validation, "validation"),
        settings.data_dir,
        workers=adapters.batch_workers,
        max_file_bytes=settings.max_upload_bytes,
    )
    references = ReferenceAudit(
        registrations, batch_validation, batch_engine, settings.policy, workers=adapters.batch_workers
    )
    forgetting.on_erased(references.forget)
    return Services(
        settings=settings,
        clock=clock,
        records=records,
        registrations=registrations,
        photos=photos,
        engine=engine,
        audit=audit,
        sanitiser=sanitiser,
        validation=observer.observed(validation, "validation"),
        erasures=observer.observed(erasures, "erasures"),
        forgetting=forgetting,
        importer=importer,
        retention=retention and observer.observed(retention, "retention"),
        batches=batches,
        references=references,
        metrics=adapters.metrics and observer.observed(adapters.metrics, "metrics"),
        journal=journal,
        observer=observer,
        verify=adapters.verify,
        closing=(batch_validation.close, batch_sanitiser.close, *adapters.closing),
    )


def _embedded(settings: Settings, clock: Clock) -> _Adapters:
    from core.adapters.embedded.audit import SqliteAudit
    from core.adapters.embedded.engine import LocalEngine
    from core.adapters.embedded.erasures import SqliteErasures
    from core.adapters.embedded.photos import FolderPhotos
    from core.adapters.embedded.records import SqliteRecords
    from core.adapters.embedded.registrations import SqliteRegistrations
    from core.runtime.installation import InUse, prepare

    in_use = InUse(settings.data_dir)
    try:
        prepare(settings.data_dir)
    except BaseException:
        in_use.close()
        raise
    database = settings.data_dir / DATABASE
    records = SqliteRecords(database, clock)
    registrations = SqliteRegistrations(database)
    erasures = SqliteErasures(database)
    photos = FolderPhotos(settings.data_dir / PHOTOS, max_bytes=settings.max_upload_bytes)
    engine = LocalEngine()
    return _Adapters(
        records=records,
        registrations=registrations,
        photos=photos,
        engine=engine,
        batch_engine=engine,
        batch_workers=EMBEDDED_BATCH_WORKERS,
        audit=SqliteAudit(database),
        erasures=erasures,
        expiring=(erasures, photos),
        importer=registrations,
        verify=records.verify,
        closing=(in_use.close,),
    )


def _aws(settings: Settings, clock: Clock) -> _Adapters:
    from core.adapters.aws.audit import DynamoAudit
    from core.adapters.aws.engine import Quota, RekognitionEngine
    from core.adapters.aws.erasures import DynamoErasures
    from core.adapters.aws.metrics import CloudWatchMetrics
    from core.adapters.aws.photos import S3Photos
    from core.adapters.aws.records import DynamoRecords
    from core.adapters.aws.registrations import MongoRegistrations, connect

    region, table, bucket = settings.aws_region, settings.dynamodb_table, settings.images_bucket
    uri, name = settings.mongodb_uri, settings.mongodb_database
    if not (region and table and bucket and uri and name):
        raise SettingsError("FACEDESK_BACKEND=aws lacks a setting.")
    store_retry = Retry(settings.store_deadline_seconds, clients.CALL_TIMEOUT_SECONDS)
    # ValidationService cuts off what is late by itself: a try may start while an ordinary call still fits.
    engine_retry = Retry(settings.engine_deadline_seconds, call_timeout=1.0)
    workers = min(math.ceil(BATCH_SECONDS * settings.rekognition_calls_per_second), MAX_BATCH_WORKERS)
    rekognition = clients.client("rekognition", region, pool=ENGINE_THREADS + 2 * workers)
    quota = Quota.of(settings.rekognition_calls_per_second)
    batch_retry = Retry(BATCH_CALL_DEADLINE, call_timeout=clients.CALL_TIMEOUT_SECONDS)
    collection = connect(uri, settings.store_deadline_seconds)[name][settings.mongodb_collection]
    return _Adapters(
        records=DynamoRecords(
            clients.client("dynamodb", region), table, store_retry, clock, index_check=settings.event_index_check
        ),
        registrations=MongoRegistrations(collection, settings.mongodb_fields, settings.store_deadline_seconds),
        photos=S3Photos(clients.client("s3", region), bucket, store_retry, max_bytes=settings.max_upload_bytes),
        engine=RekognitionEngine(rekognition, engine_retry, quota),
        batch_engine=RekognitionEngine(rekognition, batch_retry, quota, patient=True),
        batch_workers=workers,
        audit=DynamoAudit(clients.client("dynamodb", region), settings.audit_table, store_retry),
        erasures=DynamoErasures(clients.client("dynamodb", region), table, store_retry),
        metrics=CloudWatchMetrics(clients.client("cloudwatch", region), table, store_retry),
    )
