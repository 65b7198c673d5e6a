"""Writes what one principal does into the audit trail."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple, TypeVar

from core.domain.audit import BEGUN, AuditEntry
from core.domain.clock import Clock
from core.domain.errors import FacedeskError, ServiceError
from core.domain.records import ValidationRecord
from core.domain.roles import Action, Principal
from core.ports import AuditTrail
from core.services.hashing import IdHash

T = TypeVar("T")

logger = logging.getLogger(__name__)


class Subject(NamedTuple):
    """The person, registration or event of an action. The entry holds hashes of all ids but the event's."""

    user_id: str | None = None
    registration_id: str | None = None
    event_id: str | None = None

    @classmethod
    def of(cls, record: ValidationRecord) -> Subject:
        """Returns the person, the registration and the event of a record."""
        return cls(record.user_id, record.registration_id, record.event)


#: The subject of an action that concerns no person, registration or event.
NOBODY = Subject()


class PrincipalTrail:
    """Writes the audit entries of one principal."""

    def __init__(self, principal: Principal, audit: AuditTrail, hashed: IdHash, clock: Clock) -> None:
        self._principal = principal
        self._audit = audit
        self._hashed = hashed
        self._clock = clock

    def hashed(self, value: str) -> str:
        """The hash by which entries name a user or a registration."""
        return self._hashed(value)

    def before(self, action: Action, subject: Subject, details: Mapping[str, str]) -> None:
        """Writes that the action begins. Raises ``ServiceError`` if the trail cannot be written."""
        try:
            self.append(action, subject, BEGUN, details)
        except ServiceError as error:
            message = "Nothing was done: the audit trail cannot be written right now. Try again in a moment."
            raise type(error)(error.service, error.code, message) from error

    def after(
        self,
        action: Action,
        subject: Subject,
        outcome: str,
        details: Mapping[str, str],
        *,
        at: datetime | None = None,
        entry_id: str = "",
    ) -> None:
        """Writes how the action ended. A failure to write is only logged, because the action is done."""
        try:
            self.append(action, subject, outcome, details, at=at, entry_id=entry_id)
        except FacedeskError as error:
            logger.error("the audit trail lacks an entry: %s %s (%s)", action, outcome, type(error).__name__)

    def recording(
        self,
        action: Action,
        subject: Subject,
        work: Callable[[], T],
        record_of: Callable[[T], ValidationRecord | None] = lambda _: None,
    ) -> T:
        """Does the work, and writes how it ended: by its error's class, or by its record's status if it has one."""
        try:
            done = work()
        except Exception as error:
            self.after(action, subject, type(error).__name__, {})
            raise
        record = record_of(done)
        if record is None:
            self.after(action, subject, "ok", {})
        else:
            self.after(action, Subject.of(record), "ok", {"status": str(record.validation_status)})
        return done

    def append(
        self,
        action: Action,
        subject: Subject,
        outcome: str,
        details: Mapping[str, str],
        *,
        at: datetime | None = None,
        entry_id: str = "",
    ) -> None:
        """Writes an entry. ``at`` and ``entry_id`` are given if it may be written twice but must remain one entry."""
        self._audit.append(
            AuditEntry(
                entry_id=entry_id or uuid.uuid4().hex,
                at=at or self._clock(),
                who=self._principal.id,
                action=action,
                user=None if subject.user_id is None else self._hashed(subject.user_id),
                registration=None if subject.registration_id is None else self._hashed(subject.registration_id),
                event_id=subject.event_id,
                ip_address=self._principal.ip_address,
                outcome=outcome,
                details=details,
            )
        )
