"""Facade of the blind second looks, for one principal."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, TypeVar

from core.domain.agreement import Agreements
from core.domain.error_rates import ErrorRate, ErrorRates
from core.domain.records import Decision, ValidationRecord
from core.domain.roles import Action
from core.domain.second_looks import SecondLook
from core.domain.text import require_text
from core.runtime.facades.permissions import Permissions
from core.runtime.facades.trail import Subject
from core.services.second_looks import SecondLookService

if TYPE_CHECKING:  # half a second to load, and only frames need it
    from pandas import DataFrame

T = TypeVar("T")


class GuardedSecondLooks:
    """Takes second looks at cases of the principal's events, and tells what they show."""

    def __init__(self, second_looks: SecondLookService, permissions: Permissions) -> None:
        self._second_looks = second_looks
        self._permissions = permissions

    def wanted(self, event_id: str, reviewer: str) -> DataFrame:
        """As ``SecondLookService.wanted``. Requires ``SECOND_LOOK``."""
        with self._permissions.event_reading(Action.SECOND_LOOK, event_id=event_id):
            require_text(reviewer)
            return self._permissions.named(self._second_looks.wanted(event_id, reviewer))

    def wants(self, record: ValidationRecord, reviewer: str) -> bool:
        """As ``SecondLookService.wants``. Requires ``SECOND_LOOK``."""
        with self._permissions.event_reading(Action.SECOND_LOOK, event_id=record.event):
            require_text(reviewer)
            return self._permissions.named(self._second_looks.wants(record, reviewer))

    def store(
        self, seen: ValidationRecord, decision: Decision, reviewer: str, reason: str | None = None
    ) -> SecondLook:
        """As ``SecondLookService.store``. Requires ``SECOND_LOOK``.

        The audit entry is written before the look; if that fails, nothing is stored.
        """
        require_text((reviewer, reason))
        subject = Subject.of(seen)
        self._permissions.require([Action.SECOND_LOOK], subject)
        self._permissions.require_event(seen.event, Action.SECOND_LOOK, subject)
        trail = self._permissions.trail
        trail.before(Action.SECOND_LOOK, subject, {})
        return trail.recording(
            Action.SECOND_LOOK, subject, lambda: self._second_looks.store(seen, decision, reviewer, reason)
        )

    def error_rates(self, event_ids: Collection[str]) -> ErrorRates:
        """As ``SecondLookService.error_rates``. Requires ``SEE_EVENTS``."""
        return self._read(Action.SEE_EVENTS, event_ids, self._second_looks.error_rates)

    def false_accepts_at(self, event_ids: Collection[str], threshold: float) -> ErrorRate:
        """As ``SecondLookService.false_accepts_at``. Requires ``SEE_EVENTS``."""
        return self._read(
            Action.SEE_EVENTS, event_ids, lambda events: self._second_looks.false_accepts_at(events, threshold)
        )

    def agreements(self, event_ids: Collection[str]) -> Agreements:
        """As ``SecondLookService.agreements``, which names reviewers. Requires ``SEE_AGREEMENT``."""
        return self._read(Action.SEE_AGREEMENT, event_ids, self._second_looks.agreements)

    def _read(self, action: Action, event_ids: Collection[str], read: Callable[[Collection[str]], T]) -> T:
        for event_id in event_ids:
            self._permissions.event_reading(action, event_id=event_id)
        with self._permissions.reading(action):
            return read(event_ids)
