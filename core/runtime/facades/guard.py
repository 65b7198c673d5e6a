"""Gives each principal the services as they may use them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

from core.domain.clock import Clock
from core.domain.roles import Action, Principal
from core.runtime.facades.administration import (
    GuardedAuditTrail,
    GuardedErasures,
    GuardedExpiryCheck,
    GuardedMetrics,
    GuardedOperationMetrics,
)
from core.runtime.facades.cases import GuardedClaims, GuardedNotes
from core.runtime.facades.duplicates import GuardedDuplicates
from core.runtime.facades.event_summaries import GuardedEventSummaries
from core.runtime.facades.event_work import GuardedBatches, GuardedLoading, GuardedReferenceCheck
from core.runtime.facades.people import GuardedRecords, GuardedRegistrations, GuardedValidation
from core.runtime.facades.permissions import Permissions
from core.runtime.facades.profiles import GuardedProfiles
from core.runtime.facades.second_looks import GuardedSecondLooks
from core.runtime.facades.tokens import GuardedTokens
from core.runtime.facades.trail import PrincipalTrail
from core.runtime.facades.unmapped import GuardedUnmapped
from core.runtime.health import Health, check
from core.runtime.services import Services
from core.services.hashing import id_hash
from core.services.pseudonyms import Pseudonyms
from core.settings import Settings

#: Principals whose facades are kept. Making them again costs some microseconds.
_KEPT = 1024


@dataclass(frozen=True)
class GuardedServices:
    """The services as one principal may use them. A caller can only do what a facade has a method for.

    A call that the principal may not make raises ``Forbidden`` and has an entry in the audit trail. So does a call
    that names an event that is not theirs; searches find nothing of such events. Principals who may not see
    identities get frames with pseudonyms.
    """

    principal: Principal
    acting: Permissions
    settings: Settings
    clock: Clock
    records: GuardedRecords
    registrations: GuardedRegistrations
    validation: GuardedValidation
    batches: GuardedBatches
    references: GuardedReferenceCheck
    second_looks: GuardedSecondLooks
    duplicates: GuardedDuplicates
    erasures: GuardedErasures
    audit: GuardedAuditTrail
    claims: GuardedClaims
    notes: GuardedNotes
    profiles: GuardedProfiles
    event_summaries: GuardedEventSummaries
    operation_metrics: GuardedOperationMetrics
    #: None if the settings list the tokens of the API.
    tokens: GuardedTokens | None
    #: None if registrations are read-only.
    loading: GuardedLoading | None
    #: None if the backend has no metrics.
    metrics: GuardedMetrics | None
    #: None if Facedesk itself deletes expired records.
    expiry: GuardedExpiryCheck | None
    #: None if no other service writes records.
    unmapped: GuardedUnmapped | None
    _check: Callable[[], list[Health]]

    def health(self) -> list[Health]:
        """As ``core.runtime.health.check``. Requires ``SEE_OPERATIONS``."""
        self.acting.require([Action.SEE_OPERATIONS])
        return self._check()


class Guard:
    """Makes the facades of ``services``, once for each principal."""

    def __init__(self, services: Services) -> None:
        self.services = services
        self._hashed = id_hash(services.settings)
        self._pseudonyms = Pseudonyms(self._hashed)
        self._kept = lru_cache(_KEPT)(self._made)

    def acting_as(self, principal: Principal) -> GuardedServices:
        """Returns the services for ``principal``."""
        return self._kept(principal)

    def _made(self, principal: Principal) -> GuardedServices:
        of = self.services
        trail = PrincipalTrail(principal, of.audit, self._hashed, of.clock)
        permissions = Permissions(principal, trail, self._pseudonyms)
        profiles = GuardedProfiles(of.profile_service, of.event_dates, permissions)
        loading = None
        if of.importer:
            loading = GuardedLoading(
                of.settings, of.records, of.importer, of.photos, of.sanitiser, profiles, permissions
            )
        tokens = None
        if of.token_service:
            tokens = GuardedTokens(of.token_service, of.settings.api_tokens, permissions)
        return GuardedServices(
            principal=principal,
            acting=permissions,
            settings=of.settings,
            clock=of.clock,
            records=GuardedRecords(of.records, permissions),
            registrations=GuardedRegistrations(of.registrations, permissions),
            validation=GuardedValidation(of.validation, of.registrations, permissions),
            batches=GuardedBatches(of.batches, permissions),
            references=GuardedReferenceCheck(of.references, permissions),
            second_looks=GuardedSecondLooks(of.second_looks, permissions),
            duplicates=GuardedDuplicates(of.duplicates, permissions),
            erasures=GuardedErasures(of.erasures, permissions),
            audit=GuardedAuditTrail(of.audit, permissions),
            claims=GuardedClaims(of.claims, permissions),
            notes=GuardedNotes(of.notes, of.settings, of.clock, permissions),
            profiles=profiles,
            event_summaries=GuardedEventSummaries(of.event_summaries, permissions),
            operation_metrics=GuardedOperationMetrics(of.operation_metrics, permissions),
            tokens=tokens,
            loading=loading,
            metrics=GuardedMetrics(of.metrics, permissions) if of.metrics else None,
            expiry=GuardedExpiryCheck(of.expiry, permissions) if of.expiry else None,
            unmapped=GuardedUnmapped(of.unmapped, permissions) if of.unmapped else None,
            _check=partial(check, of),
        )
