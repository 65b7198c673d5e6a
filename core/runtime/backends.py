"""The adapters of each backend. A backend's libraries are imported only if it is chosen."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from core.domain.clock import Clock
from core.domain.errors import SettingsError
from core.files.disk import DATABASE, PHOTOS
from core.flow.crew import PATIENCE_SECONDS
from core.flow.retry import Retry
from core.photos.sanitiser import PhotoSanitiser
from core.ports import (
    AgeingPhotos,
    ApiTokens,
    AuditTrail,
    Claims,
    Crossings,
    DatedEvents,
    DuplicateStore,
    ErasureStore,
    EventProfileEdits,
    EventProfiles,
    ExpiringCases,
    ExpiringPhotos,
    ExpiringRecords,
    ExpiryCheck,
    FaceEngine,
    FaceSearch,
    FindingsStore,
    JobBoard,
    Notes,
    Photos,
    RegistrationImport,
    RegistrationPages,
    Registrations,
    SecondLooks,
    ServiceMetrics,
    SignOuts,
    SummaryStore,
    TemplateEngine,
    Templates,
    TokenRates,
    UnmappedRecords,
    ValidationRecords,
    Worklists,
)
from core.runtime.instance import instance_id
from core.settings import Settings

#: How many photos a batch works on at once. With ``aws``, enough to use the whole quota if a photo takes
#: ``BATCH_SECONDS`` with all its calls. With ``embedded``, one in the engine and one being prepared, since the photos
#: that people submit wait behind them.
BATCH_SECONDS, MAX_BATCH_WORKERS, EMBEDDED_BATCH_WORKERS = 1.5, 48, 2
#: Seconds that an engine call for a photo of a batch may take with its retries. Nobody waits for the answer.
BATCH_CALL_DEADLINE = 30.0
#: Figures of an event are stored every minute where somebody looks at All events.
SUMMARIES_LAST = timedelta(seconds=150)
#: Of the check of the event index: one reads the table, the other looks at the finding.
INDEX_CHECK_CONNECTIONS = 2
#: Photos of pages that the face engine is asked about at once, besides those of the API.
PAGE_PHOTOS = 16
#: The least and the most processes that make the photos of people safe: one for every two cores.
MIN_SANITISERS, MAX_SANITISERS = 2, 4
#: The most processes that sanitise a batch's photos. Photos that people submit have processes of their own.
MAX_BATCH_SANITISERS = 4


@dataclass(frozen=True)
class Adapters:
    """The adapters of one backend, from which ``core.runtime.bootstrap.assemble`` makes the services."""

    records: ValidationRecords
    registrations: Registrations
    photos: Photos
    engine: FaceEngine
    #: The engine for batches, which waits for its turns. It is closed with ``engine``.
    batch_engine: FaceEngine
    batch_workers: int
    sanitiser: PhotoSanitiser
    #: The sanitiser of batches, so that photos that people submit do not wait behind theirs.
    batch_sanitiser: PhotoSanitiser
    audit: AuditTrail
    erasures: ErasureStore
    claims: Claims
    notes: Notes
    looks: SecondLooks
    profiles: EventProfiles
    dated: DatedEvents
    #: The same profiles; None if another system keeps them.
    profile_edits: EventProfileEdits | None
    crossings: Crossings
    duplicates: DuplicateStore
    findings: FindingsStore
    summaries: SummaryStore
    sign_outs: SignOuts
    token_rates: TokenRates
    worklists: Worklists
    jobs: JobBoard
    #: None if the settings list the tokens of the API.
    tokens: ApiTokens | None = None
    #: How old the figures of an event may be that another process has read, so that this one need not read it.
    summaries_last: timedelta = timedelta(0)
    #: Seconds for which a batch continues while everything fails.
    batch_patience: float = PATIENCE_SECONDS
    #: The stores from which expired data must be deleted: of records, photos, claims, notes, answers to pairs and
    #: findings. None if the services delete it themselves.
    expiring: (
        tuple[ExpiringRecords, ExpiringPhotos, ExpiringCases, ExpiringCases, ExpiringCases, ExpiringCases] | None
    ) = None
    #: The same photos, if a service deletes them by their age; None if they are deleted with their records.
    ageing: AgeingPhotos | None = None
    importer: RegistrationImport | None = None
    #: The same registrations, if events are read page by page and kept; None if the store answers for a whole event.
    pages: RegistrationPages | None = None
    metrics: ServiceMetrics | None = None
    #: Both engines, which are one then, as an engine that makes templates, and where these are kept.
    templating: tuple[TemplateEngine, Templates] | None = None
    #: None if faces are searched with templates.
    face_search: FaceSearch | None = None
    #: None if Facedesk itself deletes expired records.
    expiry: ExpiryCheck | None = None
    #: None if no other service writes records.
    unmapped: UnmappedRecords | None = None
    #: See ``Services.verify``.
    verify: Callable[[], None] | None = None
    #: Functions that close what belongs to the backend.
    closing: tuple[Callable[[], None], ...] = ()


def embedded(settings: Settings, clock: Clock) -> Adapters:
    """Returns the adapters on this machine. Raises ``FacedeskError`` if the data folder cannot be used."""
    from core.adapters.embedded.alerts import SqliteCrossings
    from core.adapters.embedded.audit import SqliteAudit
    from core.adapters.embedded.cases import SqliteClaims, SqliteNotes
    from core.adapters.embedded.duplicates import SqliteDuplicates
    from core.adapters.embedded.engine import LocalEngine
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
    engine = LocalEngine(infer=settings.infer_age_gender_smile, cores=settings.engine_cores)
    claims, notes = SqliteClaims(database, clock), SqliteNotes(database, clock)
    profiles, duplicates = SqliteProfiles(database), SqliteDuplicates(database, clock)
    findings = SqliteFindings(database, clock)
    return Adapters(
        records=records,
        registrations=registrations,
        photos=photos,
        engine=engine,
        batch_engine=engine,
        batch_workers=EMBEDDED_BATCH_WORKERS,
        sanitiser=_sanitiser(settings, _sanitisers()),
        batch_sanitiser=_sanitiser(settings, min(os.cpu_count() or 1, MAX_BATCH_SANITISERS)),
        audit=SqliteAudit(database),
        erasures=erasures,
        claims=claims,
        notes=notes,
        looks=SqliteSecondLooks(database),
        profiles=profiles,
        dated=SqliteDatedEvents(database),
        profile_edits=profiles,
        crossings=SqliteCrossings(database),
        duplicates=duplicates,
        findings=findings,
        summaries=SqliteSummaries(database, clock),
        sign_outs=FolderSignOuts(settings.data_dir, clock),
        token_rates=ProcessRates(settings.api_requests_per_minute),
        worklists=SqliteWorklists(settings.data_dir),
        jobs=ProcessJobBoard(),
        expiring=(erasures, photos, claims, notes, duplicates, findings),
        templating=(engine, photos.templates),
        importer=registrations,
        verify=records.verify,
        closing=(in_use.close,),
    )


def aws(settings: Settings, clock: Clock) -> Adapters:
    """Returns the adapters for AWS and MongoDB. Raises ``SettingsError`` if a setting is missing."""
    from core.adapters.aws import clients
    from core.adapters.aws.alerts import DynamoCrossings
    from core.adapters.aws.audit import DynamoAudit
    from core.adapters.aws.cases import DynamoClaims, DynamoNotes
    from core.adapters.aws.duplicates import DynamoDuplicates
    from core.adapters.aws.engine import Quota, RekognitionEngine
    from core.adapters.aws.erasures import DynamoErasures
    from core.adapters.aws.event_shards import EventShards
    from core.adapters.aws.expiry import DynamoExpiryCheck
    from core.adapters.aws.face_collections import FaceCollections
    from core.adapters.aws.face_search import RekognitionFaceSearch
    from core.adapters.aws.findings import DynamoFindings
    from core.adapters.aws.index_check import IndexCheck
    from core.adapters.aws.jobs import DynamoJobBoard
    from core.adapters.aws.metrics import CloudWatchMetrics
    from core.adapters.aws.mongo_profiles import MongoProfiles
    from core.adapters.aws.mongodb import connect
    from core.adapters.aws.pages import SCAN_SEGMENTS
    from core.adapters.aws.photo_owners import TRUSTED, PhotoOwners
    from core.adapters.aws.photos import S3Photos
    from core.adapters.aws.profiles import DynamoDatedEvents, DynamoProfiles
    from core.adapters.aws.quota_shares import QuotaShares
    from core.adapters.aws.rates import DynamoRates
    from core.adapters.aws.records import DynamoRecords
    from core.adapters.aws.registrations import MongoRegistrations
    from core.adapters.aws.second_looks import DynamoSecondLooks
    from core.adapters.aws.sharding_as_needed import ShardingAsNeeded
    from core.adapters.aws.sign_outs import DynamoSignOuts
    from core.adapters.aws.summaries import DynamoSummaries
    from core.adapters.aws.tokens import DynamoTokens
    from core.adapters.aws.unmapped import DynamoUnmapped
    from core.adapters.aws.worklists import DynamoWorklists

    region, table, bucket = settings.aws_region, settings.dynamodb_table, settings.images_bucket
    uri, name = settings.mongodb_uri, settings.mongodb_database
    if not (region and table and bucket and uri and name):
        raise SettingsError("FACEDESK_BACKEND=aws lacks a setting.")
    store_retry = Retry(settings.store_deadline_seconds, clients.CALL_TIMEOUT_SECONDS)
    # ValidationService enforces the deadline itself, so a retry may start while an ordinary call still fits into it.
    engine_retry = Retry(settings.engine_deadline_seconds, call_timeout=1.0)
    workers = _workers(settings.rekognition_calls_per_second)
    photos_in_work = photos_at_once(settings) + workers
    search_pace = settings.rekognition_collection_calls_per_second
    rekognition = clients.client("rekognition", region, pool=2 * photos_in_work)
    infer = settings.infer_age_gender_smile
    shares = QuotaShares(clients.client("dynamodb", region), settings.state_table, store_retry, clock, instance_id())
    quota = Quota.shared(shares, settings.rekognition_calls_per_second)
    batch_retry = Retry(BATCH_CALL_DEADLINE, call_timeout=clients.CALL_TIMEOUT_SECONDS)
    # A photo is stored while its reference is read.
    s3 = clients.client("s3", region, pool=2 * photos_in_work)
    photos = S3Photos(s3, bucket, store_retry, max_bytes=settings.max_upload_bytes)
    owners = PhotoOwners(
        clients.client("dynamodb", region),
        settings.state_table,
        store_retry,
        clock,
        settings.event_index_check and TRUSTED,  # with 0 only Facedesk writes records
        followed=settings.event_index_stream,
    )
    database = connect(uri, settings.store_deadline_seconds)[name]
    registrations = MongoRegistrations(
        database[settings.mongodb_collection],
        settings.mongodb_fields,
        settings.store_deadline_seconds,
        bucket=bucket,
        clock=clock,
    )
    profiles: EventProfiles
    profiles = edits = DynamoProfiles(clients.client("dynamodb", region), settings.state_table, store_retry, clock)
    if settings.mongodb_events_collection:
        events = database[settings.mongodb_events_collection]
        profiles = MongoProfiles(events, settings.mongodb_event_fields, settings.store_deadline_seconds)
    spread = None
    if count := settings.event_index_shards:
        own = clients.client("dynamodb", region)
        spread = ShardingAsNeeded(own, settings.state_table, store_retry, clock, count)
    shards = EventShards(clients.client("dynamodb", region), settings.state_table, clock, spread=spread)
    index_check = None
    if every := settings.event_index_check:
        # With connections of its own, so that it keeps none from a validation.
        own = clients.client("dynamodb", region, pool=INDEX_CHECK_CONNECTIONS)
        followed = settings.event_index_stream
        index_check = IndexCheck(own, table, settings.state_table, instance_id(), every, clock, followed=followed)
    return Adapters(
        records=DynamoRecords(
            # For photos of people and of a batch, and for the API's reads, of which each may read parts of an event.
            clients.client(
                "dynamodb",
                region,
                pool=photos_in_work + SCAN_SEGMENTS * settings.api_threads + settings.api_exports,
            ),
            table,
            store_retry,
            clock,
            index_check=index_check,
            owners=owners,
            shards=shards,
        ),
        registrations=registrations,
        pages=registrations.pages,
        photos=photos,
        ageing=photos,
        engine=RekognitionEngine(rekognition, engine_retry, quota, infer=infer),
        batch_engine=RekognitionEngine(rekognition, batch_retry, quota, patient=True, infer=infer),
        batch_workers=workers,
        sanitiser=_sanitiser(settings, _sanitisers()),
        batch_sanitiser=_sanitiser(settings, min(os.cpu_count() or 1, MAX_BATCH_SANITISERS)),
        audit=DynamoAudit(clients.client("dynamodb", region), settings.audit_table, store_retry),
        erasures=DynamoErasures(clients.client("dynamodb", region), table, store_retry, owners),
        claims=DynamoClaims(clients.client("dynamodb", region), settings.state_table, store_retry, clock),
        notes=DynamoNotes(clients.client("dynamodb", region), settings.state_table, store_retry, clock),
        looks=DynamoSecondLooks(clients.client("dynamodb", region), settings.state_table, store_retry, clock),
        profiles=profiles,
        dated=DynamoDatedEvents(clients.client("dynamodb", region), settings.state_table, store_retry, clock),
        profile_edits=None if settings.mongodb_events_collection else edits,
        crossings=DynamoCrossings(clients.client("dynamodb", region), settings.state_table, store_retry, clock),
        duplicates=DynamoDuplicates(clients.client("dynamodb", region), settings.state_table, store_retry, clock),
        findings=DynamoFindings(clients.client("dynamodb", region), settings.state_table, store_retry, clock),
        summaries=DynamoSummaries(clients.client("dynamodb", region), settings.state_table, store_retry, clock),
        summaries_last=SUMMARIES_LAST,
        sign_outs=DynamoSignOuts(clients.client("dynamodb", region), settings.state_table, store_retry, clock),
        token_rates=DynamoRates(
            clients.client("dynamodb", region),
            settings.state_table,
            # A request waits for it, and can be counted without it.
            replace(store_retry, tries=1),
            clock,
            settings.api_requests_per_minute,
        ),
        tokens=DynamoTokens(clients.client("dynamodb", region), settings.state_table, store_retry, clock),
        worklists=DynamoWorklists(
            clients.client("dynamodb", region), settings.state_table, store_retry, clock, instance_id()
        ),
        jobs=DynamoJobBoard(clients.client("dynamodb", region), settings.state_table, store_retry, clock),
        face_search=RekognitionFaceSearch(
            FaceCollections(clients.client("rekognition", region), table, batch_retry, search_pace, shares),
            photos.mark,
            workers=_workers(search_pace),
        ),
        metrics=CloudWatchMetrics(clients.client("cloudwatch", region), table, settings.audit_table, store_retry),
        expiry=DynamoExpiryCheck(clients.client("dynamodb", region), table, store_retry, clock),
        unmapped=DynamoUnmapped(clients.client("dynamodb", region), settings.state_table, store_retry, clock),
        closing=(owners.close, shards.close, shares.close, *([spread.close] if spread else [])),
    )


def photos_at_once(settings: Settings) -> int:
    """About how many photos that people submit the face engine is asked at the same time."""
    return settings.api_threads + PAGE_PHOTOS


def _sanitisers() -> int:
    return min(max((os.cpu_count() or 1) // 2, MIN_SANITISERS), MAX_SANITISERS)


def _workers(calls_per_second: float) -> int:
    """How many photos are worked on at once so that Rekognition's quota is used."""
    return min(math.ceil(BATCH_SECONDS * calls_per_second), MAX_BATCH_WORKERS)


def _sanitiser(settings: Settings, workers: int) -> PhotoSanitiser:
    return PhotoSanitiser(max_bytes=settings.max_upload_bytes, workers=workers)
