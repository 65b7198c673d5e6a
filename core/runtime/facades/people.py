"""Facades of the records, registrations and validations, for one principal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from core.domain.errors import RegistrationNotFound
from core.domain.records import Decision, Registration, ValidationRecord
from core.domain.roles import Action
from core.domain.search import Found
from core.domain.text import require_text
from core.photos.sanitiser import CleanPhoto
from core.ports import BeingRead, Registrations, ValidationRecords
from core.runtime.facades.permissions import Permissions
from core.runtime.facades.trail import Subject
from core.runtime.observed_services import ObservedValidation
from core.services.validation import Submitter, Validation

if TYPE_CHECKING:  # half a second to load, and only frames need it
    from pandas import DataFrame


class GuardedRecords:
    """Reads validation records. Records of events that are not the principal's count as missing."""

    def __init__(self, records: ValidationRecords, permissions: Permissions) -> None:
        self._records = records
        self._permissions = permissions

    def get(self, user_id: str, registration_id: str) -> ValidationRecord | None:
        """As ``ValidationRecords.get``. Requires ``FIND_PEOPLE``."""
        with self._permissions.reading(Action.FIND_PEOPLE, subject=Subject(user_id, registration_id)):
            return self._permissions.visible(self._records.get(user_id, registration_id))

    def history(self, user_id: str, limit: int | None = None) -> list[ValidationRecord]:
        """As ``ValidationRecords.history``. Requires ``FIND_PEOPLE``."""
        with self._permissions.reading(Action.FIND_PEOPLE, subject=Subject(user_id)):
            # The limit applies to the records that the principal may see, so all are read.
            read = limit if self._permissions.principal.events is None else None
            return self._permissions.all_visible(self._records.history(user_id, read))[:limit]

    def event_frame(self, event_id: str) -> DataFrame:
        """As ``ValidationRecords.event_frame``, with pseudonyms for those who see no identities.

        Requires ``SEE_EVENTS`` or ``DECIDE``.
        """
        with self._permissions.event_reading(Action.SEE_EVENTS, Action.DECIDE, event_id=event_id):
            return self._permissions.frame(self._records.event_frame(event_id))

    def event_batches(self, event_id: str) -> Iterator[DataFrame]:
        """As ``ValidationRecords.event_batches``, with pseudonyms as in ``event_frame``. Requires ``SEE_EVENTS``."""
        with self._permissions.event_reading(Action.SEE_EVENTS, event_id=event_id):
            return self._permissions.frames(self._records.event_batches(event_id))

    def event_records(self, event_id: str, limit: int) -> list[ValidationRecord]:
        """As ``ValidationRecords.event_records``. Requires ``LIST_PEOPLE``."""
        with self._permissions.event_reading(Action.LIST_PEOPLE, event_id=event_id):
            return self._permissions.all_visible(self._records.event_records(event_id, limit))

    def count_unreadable(self, event_id: str) -> int:
        """Returns how many of the event's records could not be read in full. Reads all of them.

        Requires ``SEE_OPERATIONS``.
        """
        with self._permissions.event_reading(Action.SEE_OPERATIONS, event_id=event_id):
            found: set[tuple[str, str]] = set()  # a record may be in two batches
            for batch in self._records.event_batches(event_id):
                rows = batch[batch["unreadable"] != ""]
                found.update(zip(rows["userId"], rows["registrationId"], strict=True))
            return len(found)

    def event_notice(self) -> str | None:
        """As ``ValidationRecords.event_notice``. Requires ``SEE_EVENTS`` or ``DECIDE``."""
        with self._permissions.reading(Action.SEE_EVENTS, Action.DECIDE):
            return self._records.event_notice()

    def events_verified(self) -> datetime | None:
        """As ``ValidationRecords.events_verified``. Requires ``SEE_OPERATIONS``."""
        with self._permissions.reading(Action.SEE_OPERATIONS):
            return self._records.events_verified()


class GuardedRegistrations:
    """Reads registrations. Registrations for events that are not the principal's count as missing."""

    def __init__(self, registrations: Registrations, permissions: Permissions) -> None:
        self._registrations = registrations
        self._permissions = permissions

    def get(self, registration_id: str) -> Registration | None:
        """As ``Registrations.get``. Requires ``FIND_PEOPLE``."""
        with self._permissions.reading(Action.FIND_PEOPLE, subject=Subject(registration_id=registration_id)):
            return self._permissions.visible(self._registrations.get(registration_id))

    def of_user(self, user_id: str) -> list[Registration]:
        """As ``Registrations.of_user``. Requires ``FIND_PEOPLE``."""
        with self._permissions.reading(Action.FIND_PEOPLE, subject=Subject(user_id)):
            return self._permissions.all_visible(self._registrations.of_user(user_id))

    def search(self, text: str, limit: int = 20) -> Found:
        """As ``Registrations.search``, among the principal's events. Requires ``FIND_PEOPLE``."""
        with self._permissions.reading(Action.FIND_PEOPLE, text=text):
            found = self._registrations.search(text, limit, self._permissions.principal.events)
            return replace(found, registrations=self._permissions.all_visible(found.registrations))

    def event_frame(self, event_id: str) -> DataFrame:
        """As ``Registrations.event_frame``, with pseudonyms for those who see no identities.

        Requires ``SEE_EVENTS``.
        """
        with self._permissions.event_reading(Action.SEE_EVENTS, event_id=event_id):
            return self._permissions.frame(self._registrations.event_frame(event_id))

    def being_read(self, event_id: str) -> BeingRead | None:
        """As ``Registrations.being_read``. Requires ``SEE_EVENTS``."""
        with self._permissions.event_reading(Action.SEE_EVENTS, event_id=event_id):
            return self._registrations.being_read(event_id)

    def unreadable(self, event_id: str | None) -> DataFrame:
        """As ``Registrations.unreadable``, with pseudonyms for those who see no identities.

        Requires ``SEE_EVENTS``; without an event ``SEE_OPERATIONS`` for all events.
        """
        action = Action.SEE_OPERATIONS if event_id is None else Action.SEE_EVENTS
        with self._permissions.event_reading(action, event_id=event_id):
            return self._permissions.frame(self._registrations.unreadable(event_id))

    def events(self) -> list[str]:
        """Returns the principal's events that have registrations.

        Requires ``SEE_EVENTS``, ``DECIDE`` or ``SEE_OPERATIONS``.
        """
        with self._permissions.reading(Action.SEE_EVENTS, Action.DECIDE, Action.SEE_OPERATIONS):
            return list(filter(self._permissions.principal.sees_event, self._registrations.events()))

    def is_empty(self) -> bool:
        """As ``Registrations.is_empty``. Requires ``SIGN_IN``, which every role has."""
        with self._permissions.reading(Action.SIGN_IN):
            return self._registrations.is_empty()


class GuardedValidation:
    """Validates photos and decides cases. Each of these has an entry in the audit trail, whatever its outcome."""

    def __init__(
        self, validation: ObservedValidation, registrations: Registrations, permissions: Permissions
    ) -> None:
        self._validation = validation
        self._registrations = registrations
        self._permissions = permissions

    def validate_upload(
        self, registration_id: str, upload: bytes, attempt_id: str, submitter: Submitter, *, must_store: bool = True
    ) -> Validation:
        """As ``ValidationService.validate_upload``, for the principal's events. Requires ``VALIDATE``."""
        require_text((registration_id, attempt_id, submitter))
        return self._validated(
            registration_id,
            lambda: self._validation.validate_upload(
                registration_id, upload, attempt_id, submitter, must_store=must_store
            ),
        )

    def validate_stored(
        self, registration_id: str, key: str, attempt_id: str, submitter: Submitter, *, must_store: bool = True
    ) -> Validation:
        """As ``ValidationService.validate_stored``, for the principal's events. Requires ``VALIDATE``."""
        require_text((registration_id, key, attempt_id, submitter))
        return self._validated(
            registration_id,
            lambda: self._validation.validate_stored(
                registration_id, key, attempt_id, submitter, must_store=must_store
            ),
        )

    def decide(
        self, seen: ValidationRecord, decision: Decision, reviewer: str, reason: str | None = None, note: str = ""
    ) -> ValidationRecord:
        """As ``ValidationService.decide``, for the principal's events. Requires ``DECIDE``.

        The audit entry is written before the decision; if that fails, nothing is decided.
        """
        require_text((reviewer, reason, note))
        return self._decided(
            Action.DECIDE, seen, lambda: self._validation.decide(seen, decision, reviewer, reason, note)
        )

    def undo(self, decided: ValidationRecord, reviewer: str) -> ValidationRecord:
        """As ``ValidationService.undo``, for the principal's events. Requires ``UNDO``.

        The audit entries are written as those of ``decide``.
        """
        require_text(reviewer)
        return self._decided(Action.UNDO, decided, lambda: self._validation.undo(decided, reviewer))

    def preview(self, upload: bytes) -> CleanPhoto:
        """As ``ValidationService.preview``. Requires ``VALIDATE``."""
        with self._permissions.reading(Action.VALIDATE):
            return self._permissions.named(self._validation.preview(upload))

    def photo(self, key: str) -> CleanPhoto:
        """As ``ValidationService.photo``. Requires ``SEE_FACES``."""
        with self._permissions.reading(Action.SEE_FACES, text=key):
            return self._permissions.named(self._validation.photo(key))

    def _decided(
        self, action: Action, seen: ValidationRecord, decide: Callable[[], ValidationRecord]
    ) -> ValidationRecord:
        subject = Subject.of(seen)
        self._permissions.require([action], subject)
        self._permissions.require_event(seen.event, action, subject)
        trail = self._permissions.trail
        trail.before(action, subject, {})
        return trail.recording(action, subject, decide, lambda record: record)

    def _validated(self, registration_id: str, validate: Callable[[], Validation]) -> Validation:
        subject = Subject(registration_id=registration_id)
        self._permissions.require([Action.VALIDATE], subject)
        self._require_registration(registration_id)
        return self._permissions.trail.recording(Action.VALIDATE, subject, validate, lambda done: done.record)

    def _require_registration(self, registration_id: str) -> None:
        """Raises ``RegistrationNotFound`` if the registration is for an event that is not the principal's."""
        if self._permissions.principal.events is None:
            return
        registration = self._registrations.get(registration_id)
        if registration is None or not self._permissions.principal.sees_event(registration.event_id):
            raise RegistrationNotFound("There is no registration with this id.")
