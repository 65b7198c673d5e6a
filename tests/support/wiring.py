"""The services as they are wired, and whether each layer has the methods of the port that it serves."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

from core import ports
from core.adapters.aws.photos import S3Photos
from core.adapters.embedded.templates import FolderTemplates
from core.domain.roles import local
from core.photos.sanitiser import PhotoSanitiser
from core.runtime.bootstrap import build
from core.runtime.facades.administration import GuardedErasures
from core.runtime.facades.cases import GuardedNotes
from core.runtime.facades.duplicates import GuardedDuplicates
from core.runtime.facades.event_work import GuardedLoading
from core.runtime.facades.guard import Guard
from core.runtime.facades.people import GuardedRecords, GuardedRegistrations
from core.runtime.facades.profiles import GuardedProfiles
from core.runtime.facades.tokens import GuardedTokens
from core.runtime.observer import Observer
from core.runtime.operation_metrics import OperationMetrics
from core.runtime.services import Services
from core.services.erased_meanwhile import ErasedMeanwhile
from core.services.erasure import Erasures
from core.services.event_dates import EventDates
from core.services.event_profiles import ProfileService
from core.services.event_summaries import EventSummaries
from core.services.findings import KeptFindings
from core.services.forgetting import Forgetting
from core.services.jobs import Jobs
from core.services.live_events import LiveRecords
from core.services.live_registrations import LiveRegistrations
from core.services.reference_photos import ReferencePhotos, ReferenceTemplates
from core.services.sessions import Sessions
from core.services.tokens import Tokens, TokenService
from core.settings import Settings

#: Attributes by which a layer holds the one beneath it.
_BENEATH = ("_port", "_store", "_of", "_expiring")
#: A part of the services -> the port that its layers serve.
_PORTS: dict[str, type] = {
    "records": ports.ValidationRecords,
    "registrations": ports.Registrations,
    "importer": ports.RegistrationImport,
    "photos": ports.Photos,
    "engine": ports.FaceEngine,
    "audit": ports.AuditTrail,
    "claims": ports.Claims,
    "notes": ports.Notes,
    "profiles": ports.EventProfiles,
    "metrics": ports.ServiceMetrics,
    "expiry": ports.ExpiryCheck,
}
#: Parts whose outermost layer watches a service; the service is the contract.
_WATCHED = ("validation", "erasures", "retention")
#: A facade -> the part of the services that it hands on.
_FACADES = {
    **{name: name for name in ("records", "registrations", "validation", "batches", "references", "erasures")},
    "profiles": "profile_service",
    "event_summaries": "event_summaries",
    **{name: name for name in ("audit", "claims", "notes", "second_looks", "metrics", "expiry", "operation_metrics")},
    "unmapped": "unmapped",
    "duplicates": "duplicates",
    "tokens": "token_service",
}
#: Methods that other parts call and that belong to no port -> their parameters.
_OF_NO_PORT: dict[Any, list[str]] = {
    LiveRecords.forget: ["user_id"],
    LiveRecords.forget_event: ["event_id"],
    Forgetting.on_erased: ["forget"],
    Forgetting.announce: ["user_id"],
    Erasures.generation: ["user_id"],
    Erasures.overtook: ["user_id", "generation"],
    Erasures.scrub: ["user_id"],
    PhotoSanitiser.clean: ["data"],
    LiveRegistrations.forget: ["is_erased"],
    Jobs.start: ["kind", "event_id", "work", "operator"],
    Jobs.run: ["kind", "event_id", "work", "operator", "stop"],
    Jobs.restart: ["kind", "event_id", "work", "operator"],
    Jobs.of: ["kind", "event_id"],
    Jobs.stop: ["kind", "event_id"],
    Jobs.forget: ["kind", "event_id"],
    Jobs.forget_erased: ["is_erased"],
    Jobs.join: ["kind", "event_id", "seconds"],
    Sessions.of: ["claims", "ip_address"],
    Sessions.sign_out: ["claims", "ip_address"],
    Tokens.bearer: ["token", "ip_address"],
    TokenService.make: ["name", "roles", "events", "days", "who"],
    TokenService.take_over: ["listed", "who"],
    Observer.call: ["name", "service", "user_id", "registration_id", "event_id"],
    Observer.steps: ["call", "items"],
    Observer.keep: ["call"],
    OperationMetrics.add: ["operation"],
    ErasedMeanwhile.among: ["users"],
    KeptFindings.keep: ["event_id", "summary", "rows", "meanwhile"],
    KeptFindings.latest: ["event_id"],
    KeptFindings.remembered: ["event_id"],
    KeptFindings.drop: ["event_id"],
    ProfileService.save: ["profile", "who"],
    EventDates.catch_up: ["stop", "everything"],
    EventDates.date_again: ["record", "kept_until"],
    EventDates.kept_until: ["event_id"],
    EventDates.profile: ["event_id"],
    EventDates.run: ["event_id", "stop", "report"],
    EventDates.shortening: ["profile"],
    EventSummaries.all: ["events", "patience", "which"],
    EventSummaries.meanwhile: ["event_id"],
    FolderTemplates.remove: ["key"],
    S3Photos.mark: ["key"],
    S3Photos.renew: ["kept_until", "ttl", "now"],
    GuardedDuplicates.look: ["event_id", "first_id", "second_id"],
    GuardedErasures.erase: ["user_id", "confirmation"],
    GuardedNotes.add: ["user_id", "registration_id", "event_id", "text", "note_id"],
    GuardedProfiles.redate: ["event_id", "stop", "report"],
    GuardedProfiles.save: ["profile"],
    GuardedProfiles.shortening: ["profile"],
    GuardedLoading.plan: ["people", "with_photos"],
    GuardedLoading.registrations: ["people", "source", "progress"],
    GuardedLoading.sample: ["now", "progress"],
    GuardedTokens.make: ["name", "roles", "events", "days"],
    GuardedRecords.count_unreadable: ["event_id"],
    GuardedRegistrations.search: ["text", "limit"],
}
#: Methods of facades that differ from what they hand on: who erases, writes a note or changes a profile, and which
#: events are summarised or searched for people, is for the facade to say, and a count is made of what is read. The
#: dates of events have no facade but that of the profiles, and only the audit trail hears of looks at pairs.
_DIFFERENT = {
    "duplicates.look",
    "erasures.erase",
    "event_summaries.all",
    "tokens.make",
    "tokens.take_over",
    "notes.add",
    "profiles.redate",
    "profiles.save",
    "profiles.shortening",
    "records.count_unreadable",
    "registrations.search",
}

AWS: dict[str, Any] = {
    "backend": "aws",
    "auth": "off",
    "dynamodb_table": "face-verifications",
    "aws_region": "ap-south-1",
    "images_bucket": "faces",
    "mongodb_uri": "mongodb://localhost",
    "mongodb_database": "events",
    "hash_key": "a key of these tests",
}


def wired(folder: Path) -> Iterator[Services]:
    """The services of both backends, as ``build`` makes them; they reach nothing."""
    yield build(Settings(data_dir=folder, _env_file=None))  # type: ignore[call-arg]
    yield build(Settings(data_dir=folder, _env_file=None, **AWS))


def differences(services: Services) -> Iterator[str]:
    """A line for each method of a layer whose signature is not that of its port, service or part."""
    for part, port in _PORTS.items():
        for layer in _layers(getattr(services, part)):
            yield from _differences(part, layer, port)
    for part in _WATCHED:
        for outer, service in islice(pairwise(_layers(getattr(services, part))), 1):
            yield from _differences(part, outer, type(service))
    erasures = services.erasures._of
    assert isinstance(erasures, Erasures)
    for layer in _layers(erasures._store):
        yield from _differences("erasure store", layer, ports.ErasureStore)
    yield from _of_retention(services)
    of_services = {
        "second looks": (services.second_looks._looks, ports.SecondLooks),
        "changes of profiles": (services.profile_service._edits, ports.EventProfileEdits),
        "dated events": (services.event_dates._dated, ports.DatedEvents),
        "crossings": (services.alerts._crossings, ports.Crossings),
        "duplicates": (services.duplicates._store, ports.DuplicateStore),
        "summaries": (services.event_summaries._store, ports.SummaryStore),
        "findings": (services.references._kept._store, ports.FindingsStore),
        "sign-outs": (services.sessions._sign_outs, ports.SignOuts),
        "rates of tokens": (services.tokens._rates, ports.TokenRates),
        **({"tokens": (services.token_service._store, ports.ApiTokens)} if services.token_service else {}),
        **({"unmapped records": (services.unmapped._store, ports.UnmappedRecords)} if services.unmapped else {}),
        "face search": (services.duplicates._faces, ports.FaceSearch),
        "worklists": (services.batches._worklists, ports.Worklists),
        "jobs": (services.jobs._board, ports.JobBoard),
    }
    for name, (store, contract) in of_services.items():
        for layer in _layers(store):
            yield from _differences(name, layer, contract)
    for engine in _layers(services.references._references._engine):
        yield from _differences("batch engine", engine, ports.FaceEngine)
    yield from _of_templates(services.references._references)
    yield from _of_facades(services)
    for method, parameters in _OF_NO_PORT.items():
        if list(inspect.signature(method).parameters)[1:] != parameters:
            yield f"{method.__qualname__}{inspect.signature(method)} is not called so by others"


def _layers(part: Any) -> Iterator[Any]:
    """The part, and what lies beneath it."""
    while part is not None:
        yield part
        part = next((vars(part)[name] for name in _BENEATH if name in vars(part)), None)


def all_layers(services: Services) -> Iterator[Any]:
    """Every layer of every part."""
    for part in vars(services).values():
        yield from _layers(part) if hasattr(part, "__dict__") else (part,)
    erasures: Any = services.erasures._of
    yield from _layers(erasures._store)
    yield from _layers(services.references._references._engine)
    if isinstance(services.references._references, ReferenceTemplates):
        yield from _layers(services.references._references._templates)
    yield from _layers(services.second_looks._looks)
    yield from _layers(services.profile_service._edits)
    yield from _layers(services.event_dates._dated)
    yield from _layers(services.alerts._crossings)
    yield from _layers(services.duplicates._store)
    yield from _layers(services.event_summaries._store)
    yield from _layers(services.references._kept._store)
    yield from (services.sessions._sign_outs, services.tokens._rates)
    if services.token_service:
        yield from _layers(services.token_service._store)
    yield from _layers(services.duplicates._faces)
    if services.retention:
        retention = services.retention._of
        for store in (
            retention._records,
            retention._photos,
            retention._claims,
            retention._notes,
            retention._pairs,
            retention._findings,
        ):
            yield from _layers(store)


def _of_retention(services: Services) -> Iterator[str]:
    if services.retention is None:
        return
    retention = services.retention._of
    stores = {
        "expiring records": (retention._records, ports.ExpiringRecords),
        "expiring photos": (retention._photos, ports.ExpiringPhotos),
        "expiring claims": (retention._claims, ports.ExpiringCases),
        "expiring notes": (retention._notes, ports.ExpiringCases),
        "expiring answers": (retention._pairs, ports.ExpiringCases),
        "expiring findings": (retention._findings, ports.ExpiringCases),
    }
    for name, (store, port) in stores.items():
        for layer in _layers(store):
            yield from _differences(name, layer, port)


def _of_templates(references: ReferencePhotos) -> Iterator[str]:
    if isinstance(references, ReferenceTemplates):
        for engine in _layers(references._maker):
            yield from _differences("engine that makes templates", engine, ports.TemplateEngine)
        for store in _layers(references._templates):
            yield from _differences("templates", store, ports.Templates)


def _of_facades(services: Services) -> Iterator[str]:
    guarded = Guard(services).acting_as(local("Ada"))
    for facade, part in _FACADES.items():
        given, handed_on = getattr(guarded, facade), getattr(services, part)
        if given is None:
            continue
        for name in _public(type(given)):
            if f"{facade}.{name}" not in _DIFFERENT:
                yield from _difference(f"{facade} facade", given, type(handed_on), name)


def _differences(part: str, layer: Any, contract: type) -> Iterator[str]:
    for name in _public(contract):
        # What a watched service does besides is for other services alone.
        if hasattr(type(layer), name) or part not in _WATCHED:
            yield from _difference(part, layer, contract, name)


def _difference(part: str, layer: Any, contract: type, name: str) -> Iterator[str]:
    found = getattr(type(layer), name, None)
    if found is None:
        yield f"{part}: {type(layer).__name__} has no {name}"
    elif _shape(found) != _shape(getattr(contract, name)):
        yield f"{part}: {type(layer).__name__}.{name}{inspect.signature(found)} is not that of {contract.__name__}"


def _shape(method: Any) -> list[tuple[str, Any, Any]]:
    """Names, kinds and defaults of the parameters; of a default function only that there is one."""
    return [
        (
            each.name,
            each.kind,
            "a function" if callable(each.default) and each.default is not each.empty else each.default,
        )
        for each in inspect.signature(method).parameters.values()
    ]


def _public(kind: type) -> list[str]:
    return [name for name, _ in inspect.getmembers(kind, inspect.isfunction) if not name.startswith("_")]
