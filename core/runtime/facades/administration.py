"""Facades of the erasures, the audit trail and the metrics, for one principal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

from core.domain.audit import AuditEntry
from core.domain.erasures import Erasure, Receipt
from core.domain.roles import Action
from core.ports import AuditTrail, ExpiryCheck, ServiceMetrics
from core.runtime.facades.permissions import Permissions
from core.runtime.facades.trail import NOBODY, Subject
from core.runtime.observed_services import ObservedErasures
from core.runtime.operation_metrics import OperationMetrics
from core.services.erasure import Preview

if TYPE_CHECKING:  # half a second to load, and only frames need it
    from pandas import DataFrame

    from core.domain.costs import Usage
    from core.domain.metrics import Metrics

T = TypeVar("T")


class GuardedErasures:
    """Erases people in the principal's name. Requires ``ERASE`` in all events: a person may have records in any.

    The erasure itself writes into the audit trail.
    """

    def __init__(self, erasures: ObservedErasures, permissions: Permissions) -> None:
        self._erasures = erasures
        self._permissions = permissions

    def preview(self, user_id: str) -> Preview:
        """As ``Erasures.preview``."""
        return self._allowed(Subject(user_id), lambda: self._erasures.preview(user_id))

    def erase(self, user_id: str, confirmation: str) -> Receipt:
        """As ``Erasures.erase``, in the principal's name."""
        by = self._permissions.principal
        return self._allowed(
            Subject(user_id), lambda: self._erasures.erase(user_id, confirmation, by), text=confirmation
        )

    def unfinished(self) -> list[Erasure | Receipt]:
        """As ``Erasures.unfinished``."""
        return self._allowed(NOBODY, self._erasures.unfinished)

    def resume(self) -> list[Receipt]:
        """As ``Erasures.resume``."""
        return self._allowed(NOBODY, self._erasures.resume)

    def _allowed(self, subject: Subject, work: Callable[[], T], text: str | None = None) -> T:
        with self._permissions.reading(Action.ERASE, subject=subject, text=text):
            self._permissions.require_all_events(
                Action.ERASE, subject, "Erasing a person requires a role in all events."
            )
            return self._permissions.named(work())


class GuardedAuditTrail:
    """Reads the audit trail's entries for the principal's events. Requires ``SEE_AUDIT``."""

    def __init__(self, audit: AuditTrail, permissions: Permissions) -> None:
        self._audit = audit
        self._permissions = permissions

    def entries(self, since: datetime, until: datetime) -> Iterator[AuditEntry]:
        """As ``AuditTrail.entries``."""
        with self._permissions.reading(Action.SEE_AUDIT):
            return self._visible(self._audit.entries(since, until))

    def _visible(self, entries: Iterator[AuditEntry]) -> Iterator[AuditEntry]:
        for entry in entries:
            if self._permissions.principal.sees_event(entry.event_id):
                yield self._permissions.named(entry)


class GuardedMetrics:
    """Reads the services' metrics. Requires ``SEE_OPERATIONS``."""

    def __init__(self, metrics: ServiceMetrics, permissions: Permissions) -> None:
        self._metrics = metrics
        self._permissions = permissions

    def read(self, since: datetime, until: datetime) -> Metrics:
        """As ``ServiceMetrics.read``."""
        with self._permissions.reading(Action.SEE_OPERATIONS):
            return self._metrics.read(since, until)

    def month_to_date(self, now: datetime) -> Usage:
        """As ``ServiceMetrics.month_to_date``."""
        with self._permissions.reading(Action.SEE_OPERATIONS):
            return self._metrics.month_to_date(now)


class GuardedExpiryCheck:
    """Looks for records that never expire. Requires ``SEE_OPERATIONS``."""

    def __init__(self, expiry: ExpiryCheck, permissions: Permissions) -> None:
        self._expiry = expiry
        self._permissions = permissions

    def count_ignored(self) -> int:
        """As ``ExpiryCheck.count_ignored``."""
        with self._permissions.reading(Action.SEE_OPERATIONS):
            return self._expiry.count_ignored()


class GuardedOperationMetrics:
    """Reads the operation metrics of this process. Requires ``SEE_OPERATIONS``."""

    def __init__(self, metrics: OperationMetrics, permissions: Permissions) -> None:
        self._metrics = metrics
        self._permissions = permissions

    def by_minute(self, since: datetime) -> DataFrame:
        """As ``OperationMetrics.by_minute``."""
        with self._permissions.reading(Action.SEE_OPERATIONS):
            return self._metrics.by_minute(since)
