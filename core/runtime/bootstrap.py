"""Builds the services from the settings: connects adapters, observer and services."""

from __future__ import annotations

import logging
from functools import partial
from threading import Event

from core.domain.clock import Clock, utc_now
from core.domain.errors import SettingsError
from core.ports import Registrations
from core.runtime import backends
from core.runtime.backends import Adapters, photos_at_once
from core.runtime.observed import (
    ObservedAuditTrail,
    ObservedEngine,
    ObservedErasureStore,
    ObservedExpiringRecords,
    ObservedExpiryCheck,
    ObservedImport,
    ObservedMetrics,
    ObservedRecords,
    ObservedRegistrationPages,
    ObservedRegistrations,
    ObservedSecondLooks,
)
from core.runtime.observed_alerts import AlertLog, ObservedCrossings
from core.runtime.observed_cases import ObservedClaims, ObservedExpiringCases, ObservedNotes
from core.runtime.observed_duplicates import ObservedDuplicates, ObservedFaceSearch
from core.runtime.observed_findings import ObservedFindings
from core.runtime.observed_photos import ObservedAgeingPhotos, ObservedExpiringPhotos, ObservedPhotos
from core.runtime.observed_profiles import ObservedDatedEvents, ObservedProfileEdits, ObservedProfiles
from core.runtime.observed_services import ObservedErasures, ObservedRetention, ObservedValidation
from core.runtime.observed_summaries import ObservedSummaries
from core.runtime.observed_templates import ObservedTemplateEngine, ObservedTemplates
from core.runtime.observed_tokens import ObservedTokens
from core.runtime.observed_unmapped import ObservedUnmapped
from core.runtime.observer import Observer
from core.runtime.operation_metrics import OperationMetrics
from core.runtime.services import Services
from core.services.batch import Batches
from core.services.cases import ClaimsUnlessErased, NotesUnlessErased
from core.services.duplicates import DuplicateService, erase_person
from core.services.erased_meanwhile import Erased
from core.services.erasure import Erasures
from core.services.event_dates import EventDates
from core.services.event_profiles import OptionalProfiles, ProfileService
from core.services.forgetting import Forgetting
from core.services.hashing import id_hash
from core.services.jobs import Jobs
from core.services.reference_check import ReferenceCheck
from core.services.reference_photos import ReferencePhotos, ReferenceTemplates
from core.services.retention import Retention
from core.services.second_looks import SecondLookService, Shares
from core.services.sessions import Sessions
from core.services.steady_clock import SteadyClock
from core.services.template_search import TemplateSearch
from core.services.tokens import Tokens, TokenService, read_in_background
from core.services.unmapped import UnmappedService
from core.services.validation import ValidationService
from core.settings import Backend, Settings

#: Seconds that the engine may take for a photo of a batch, its wait for a turn included. Nobody waits for the answer.
BATCH_DEADLINE = 45.0

#: Loggers that write session tokens, signatures, photos and item values at level DEBUG.
_VERBOSE_LOGGERS = ("boto3", "botocore", "urllib3", "pymongo", "s3transfer")


def build(settings: Settings, clock: Clock = utc_now) -> Services:
    """Returns the services for the backend that ``settings`` choose. Connects to no service before its first use.

    Raises ``SettingsError``, and ``FacedeskError`` if the data folder cannot be used.
    """
    for name in _VERBOSE_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)
    match settings.backend:
        case Backend.EMBEDDED:
            adapters = backends.embedded(settings, clock)
        case Backend.AWS:
            adapters = backends.aws(settings, clock)
    return assemble(settings, adapters, clock)


def assemble(settings: Settings, adapters: Adapters, clock: Clock = utc_now) -> Services:
    """Returns the services over ``adapters``. Closing the services closes the adapters."""
    # These load pandas, as the adapters do.
    from core.domain.event_summaries import SUMMARY_COLUMNS
    from core.services import event_summaries
    from core.services.digest import Alerts
    from core.services.live_events import LiveRecords
    from core.services.live_registrations import LiveRegistrations

    metrics = OperationMetrics()
    observer = Observer(settings, clock, metrics)
    # LiveRecords is above the observer, as an answer from memory is no operation of the store.
    summarised = LiveRecords(
        ObservedRecords(adapters.records, observer),
        clock,
        columns=SUMMARY_COLUMNS,
        max_events=event_summaries.MAX_EVENTS,
        share=event_summaries.SHARE,
    )
    # The whole frames are above the narrow ones, so that both hear of what this process writes.
    records = LiveRecords(summarised, clock)
    registrations: Registrations = ObservedRegistrations(adapters.registrations, observer)
    live_registrations = None
    if adapters.pages:
        pages = ObservedRegistrationPages(adapters.pages, observer)
        registrations = live_registrations = LiveRegistrations(registrations, pages)
    photos = ObservedPhotos(adapters.photos, observer)
    engine = ObservedEngine(adapters.engine, observer)
    batch_engine = ObservedEngine(adapters.batch_engine, observer, "batch")
    face_search = adapters.face_search
    references = ReferencePhotos(photos, adapters.sanitiser, engine)
    batch_references = ReferencePhotos(photos, adapters.batch_sanitiser, batch_engine)
    if adapters.templating:
        maker, templates = adapters.templating[0], ObservedTemplates(adapters.templating[1], observer)
        one, many = ObservedTemplateEngine(maker, observer), ObservedTemplateEngine(maker, observer, "batch")
        references = ReferenceTemplates(photos, adapters.sanitiser, one, templates)
        batch_references = ReferenceTemplates(photos, adapters.batch_sanitiser, many, templates)
        face_search = TemplateSearch(
            batch_references, many, workers=adapters.batch_workers, patience=adapters.batch_patience
        )
    if face_search is None:
        raise SettingsError("This backend can neither search faces nor make templates.")
    faces = ObservedFaceSearch(face_search, observer)
    duplicate_store = ObservedDuplicates(adapters.duplicates, observer)
    findings = ObservedFindings(adapters.findings, observer)
    audit = ObservedAuditTrail(adapters.audit, observer)
    importer = ObservedImport(adapters.importer, observer) if adapters.importer else None
    claims = ObservedClaims(adapters.claims, observer)
    notes = ObservedNotes(adapters.notes, observer)
    unmapped = ObservedUnmapped(adapters.unmapped, observer) if adapters.unmapped else None
    hashed = id_hash(settings)
    # Not observed, because it reads the journal every few seconds.
    forgetting = Forgetting(adapters.erasures.ended, hashed)
    forgetting.on_erased(lambda _: records.forget_all())
    if live_registrations:
        forgetting.on_erased(live_registrations.forget)
    erasures = Erasures(
        store=ObservedErasureStore(adapters.erasures, observer),
        registrations=registrations,
        importer=importer,
        photos=photos,
        audit=audit,
        hashed=hashed,
        clock=clock,
        keepers=(
            records.forget,
            summarised.forget,
            adapters.worklists.forget,
            adapters.jobs.forget,
            findings.forget,
            claims.erase,
            notes.erase,
            *([unmapped.erase] if unmapped else []),
            partial(erase_person, duplicate_store, faces),
        ),
        announce=forgetting.announce,
        count_notes=lambda user_id: len(notes.of(user_id)),
        count_pairs=duplicate_store.count,
    )
    profiles = OptionalProfiles(ObservedProfiles(adapters.profiles, observer))
    summaries = event_summaries.EventSummaries(
        summarised,
        registrations,
        profiles,
        ObservedSummaries(adapters.summaries, observer),
        clock,
        others_last=adapters.summaries_last,
        is_at_hand=records.is_kept,
    )
    forgetting.on_erased(lambda _: summaries.forget_all())

    alerts = Alerts(
        summaries,
        ObservedCrossings(adapters.crossings, observer),
        settings,
        clock,
        AlertLog(observer).tell,
    )

    def forget_event(event_id: str) -> None:
        for live in (records, summarised):
            live.forget_event(event_id)

    edits = ObservedProfileEdits(adapters.profile_edits, observer) if adapters.profile_edits else None
    event_dates = EventDates(
        records,
        profiles,
        ObservedDatedEvents(adapters.dated, observer),
        clock,
        settings.record_ttl,
        forget_event,
        ObservedAgeingPhotos(adapters.ageing, observer) if adapters.ageing else None,
    )
    retention = None
    if adapters.expiring and importer:
        old_records, old_photos, old_claims, old_notes, old_pairs, old_findings = adapters.expiring
        retention = Retention(
            ObservedExpiringRecords(old_records, observer),
            importer,
            ObservedExpiringPhotos(old_photos, observer),
            audit,
            clock,
            settings.record_ttl,
            SteadyClock(settings.data_dir, clock),
            lambda: event_dates.catch_up(Event(), everything=True),
            claims=ObservedExpiringCases(old_claims, observer, "claims"),
            notes=ObservedExpiringCases(old_notes, observer, "notes"),
            pairs=ObservedExpiringCases(old_pairs, observer, "duplicates"),
            findings=ObservedExpiringCases(old_findings, observer, "findings"),
        )
    validating = partial(
        ValidationService,
        records=records,
        registrations=registrations,
        photos=photos,
        policy=settings.policy,
        clock=clock,
        record_ttl=settings.record_ttl,
        event_dates=event_dates,
        erasures=erasures,
    )
    validation = validating(
        engine=engine,
        references=references,
        sanitiser=adapters.sanitiser,
        engine_deadline=settings.engine_deadline_seconds,
        at_once=photos_at_once(settings),
    )
    batch_validation = validating(
        engine=batch_engine,
        references=batch_references,
        sanitiser=adapters.batch_sanitiser,
        engine_deadline=BATCH_DEADLINE,
        at_once=adapters.batch_workers,
        engine_must_answer=True,
    )
    batches = Batches(
        records,
        registrations,
        ObservedValidation(batch_validation, observer),
        adapters.worklists,
        workers=adapters.batch_workers,
        max_file_bytes=settings.max_upload_bytes,
        patience=adapters.batch_patience,
    )
    jobs = Jobs(adapters.jobs)
    forgetting.on_erased(jobs.forget_erased)
    erased = Erased(adapters.erasures.ended, erasures, hashed)
    reference_check = ReferenceCheck(
        registrations,
        batch_references,
        settings.policy,
        findings,
        erased,
        clock,
        workers=adapters.batch_workers,
        patience=adapters.batch_patience,
    )
    forgetting.on_erased(lambda _: reference_check.forget_all())
    second_looks = SecondLookService(
        records,
        ObservedSecondLooks(adapters.looks, observer),
        hashed,
        Shares(settings.second_look_decisions, settings.second_look_passes),
        settings.similarity_threshold,
        clock,
    )
    forgetting.on_erased(lambda _: second_looks.forget())
    duplicates = DuplicateService(
        registrations,
        duplicate_store,
        findings,
        faces,
        lambda key: batch_validation.photo(key).jpeg,
        validation.photo,
        erased,
        audit,
        event_dates.kept_until,
        settings.record_ttl,
        settings.duplicate_threshold,
        clock,
    )
    forgetting.on_erased(lambda _: duplicates.forget_all())
    # Neither is observed: every request asks for them, and they are read every few seconds.
    sessions = Sessions(settings, clock, adapters.sign_outs)
    stored_tokens = read_in_background(adapters.tokens) if adapters.tokens else None
    token_service = None
    if adapters.tokens and stored_tokens:
        token_service = TokenService(ObservedTokens(adapters.tokens, observer), stored_tokens, clock)
    return Services(
        settings=settings,
        clock=clock,
        records=records,
        registrations=registrations,
        photos=photos,
        engine=engine,
        audit=audit,
        claims=ClaimsUnlessErased(claims, records, erasures),
        notes=NotesUnlessErased(notes, records, erasures),
        profiles=profiles,
        sanitiser=adapters.sanitiser,
        validation=ObservedValidation(validation, observer),
        erasures=ObservedErasures(erasures, observer),
        forgetting=forgetting,
        batches=batches,
        jobs=jobs,
        references=reference_check,
        second_looks=second_looks,
        duplicates=duplicates,
        profile_service=ProfileService(profiles, edits, clock),
        event_dates=event_dates,
        event_summaries=summaries,
        alerts=alerts,
        sessions=sessions,
        tokens=Tokens(settings, clock, adapters.token_rates, stored_tokens),
        token_service=token_service,
        importer=importer,
        operation_metrics=metrics,
        observer=observer,
        retention=ObservedRetention(retention, observer) if retention else None,
        metrics=ObservedMetrics(adapters.metrics, observer) if adapters.metrics else None,
        expiry=ObservedExpiryCheck(adapters.expiry, observer) if adapters.expiry else None,
        unmapped=UnmappedService(unmapped, registrations) if unmapped else None,
        verify=adapters.verify,
        tidy=live_registrations.tidy if live_registrations else None,
        closing=(
            batches.end,
            jobs.end,
            summaries.close,
            batch_validation.close,
            findings.close,
            adapters.batch_sanitiser.close,
            *adapters.closing,
        ),
    )
