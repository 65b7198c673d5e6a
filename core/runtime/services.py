"""The services of one installation, wired for its backend by ``core.runtime.bootstrap``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.domain.clock import Clock
from core.photos.sanitiser import PhotoSanitiser
from core.ports import (
    AuditTrail,
    Claims,
    EventProfiles,
    ExpiryCheck,
    FaceEngine,
    Notes,
    Photos,
    RegistrationImport,
    Registrations,
    ServiceMetrics,
    ValidationRecords,
)
from core.runtime.observed_services import ObservedErasures, ObservedRetention, ObservedValidation
from core.runtime.observer import Observer
from core.runtime.operation_metrics import OperationMetrics
from core.services.batch import Batches
from core.services.duplicates import DuplicateService
from core.services.event_dates import EventDates
from core.services.event_profiles import ProfileService
from core.services.forgetting import Forgetting
from core.services.jobs import Jobs
from core.services.reference_check import ReferenceCheck
from core.services.second_looks import SecondLookService
from core.services.sessions import Sessions
from core.services.tokens import Tokens, TokenService
from core.services.unmapped import UnmappedService
from core.settings import Settings

if TYPE_CHECKING:  # half a second to load, and only frames need it
    from core.services.digest import Alerts
    from core.services.event_summaries import EventSummaries


@dataclass(frozen=True)
class Services:
    """Everything that a page, a route or a command needs, wired for one backend."""

    settings: Settings
    clock: Clock
    records: ValidationRecords
    registrations: Registrations
    photos: Photos
    engine: FaceEngine
    audit: AuditTrail
    claims: Claims
    notes: Notes
    profiles: EventProfiles
    sanitiser: PhotoSanitiser
    validation: ObservedValidation
    erasures: ObservedErasures
    forgetting: Forgetting
    batches: Batches
    jobs: Jobs
    references: ReferenceCheck
    second_looks: SecondLookService
    duplicates: DuplicateService
    profile_service: ProfileService
    event_dates: EventDates
    event_summaries: EventSummaries
    alerts: Alerts
    sessions: Sessions
    tokens: Tokens
    #: None if registrations are read-only.
    importer: RegistrationImport | None
    #: The operations of this process in the last 24 hours.
    operation_metrics: OperationMetrics
    observer: Observer
    #: None if the settings list the tokens of the API.
    token_service: TokenService | None = None
    #: None if the backend's services delete expired data themselves.
    retention: ObservedRetention | None = None
    #: None if the backend has no metrics.
    metrics: ServiceMetrics | None = None
    #: None if Facedesk itself deletes expired records.
    expiry: ExpiryCheck | None = None
    #: None if no other service writes records.
    unmapped: UnmappedService | None = None
    #: Reads the whole database and raises ``Refused`` if it is damaged; None if the backend has no file of its own.
    verify: Callable[[], None] | None = None
    #: Drops from memory what nobody has looked at for long; None if nothing is kept so.
    tidy: Callable[[], None] | None = None
    #: Functions that close other parts; they are called first.
    closing: tuple[Callable[[], None], ...] = ()

    def close(self) -> None:
        """Closes everything."""
        for close in self.closing:
            close()
        stores = (self.records, self.registrations, self.photos, self.engine, self.audit, self.erasures)
        for part in (
            self.validation,
            self.sanitiser,
            *stores,
            self.claims,
            self.notes,
            self.second_looks,
            self.batches,
            self.jobs,
            self.duplicates,
            self.event_dates,
            self.alerts,
            self.sessions,
            self.tokens,
        ):
            part.close()
        if self.token_service:
            self.token_service.close()
        if self.metrics:
            self.metrics.close()
        if self.expiry:
            self.expiry.close()
        if self.unmapped:
            self.unmapped.close()
        self.observer.close()  # last, as closing the others may still log operations
