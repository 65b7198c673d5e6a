"""Facades of the claims of cases and of the notes on them, for one principal."""

from __future__ import annotations

from core.domain.cases import Claim, Note, note_text
from core.domain.clock import Clock
from core.domain.roles import Action
from core.domain.text import require_text
from core.ports import Claims, Notes
from core.runtime.facades.permissions import Permissions
from core.runtime.facades.trail import Subject
from core.settings import Settings


class GuardedClaims:
    """Claims cases of the principal's events. The audit trail has no entry of it, as nothing of a case changes."""

    def __init__(self, claims: Claims, permissions: Permissions) -> None:
        self._claims = claims
        self._permissions = permissions

    def take(self, claim: Claim, instead_of: str) -> Claim:
        """As ``Claims.take``. Requires ``DECIDE``.

        Raises ``RecordNotFound`` if the case is gone, ``RegistrationNotFound`` if the person is being erased, and
        ``ServiceError``.
        """
        subject = Subject(claim.user_id, claim.registration_id, claim.event_id)
        require_text((*subject, claim.holder, claim.name, instead_of))
        self._permissions.require([Action.DECIDE], subject)
        self._permissions.require_event(claim.event_id, Action.DECIDE, subject)
        return self._claims.take(claim, instead_of)

    def release(self, user_id: str, registration_id: str, holder: str) -> None:
        """As ``Claims.release``. Requires ``DECIDE``."""
        with self._permissions.reading(Action.DECIDE, subject=Subject(user_id, registration_id), text=holder):
            self._claims.release(user_id, registration_id, holder)

    def release_all(self, holder: str) -> None:
        """As ``Claims.release_all``. Requires ``DECIDE``."""
        with self._permissions.reading(Action.DECIDE, text=holder):
            self._claims.release_all(holder)

    def standing(self) -> list[Claim]:
        """As ``Claims.standing``, those of the principal's events, with pseudonyms for those who see no identities.

        Requires ``DECIDE`` or ``SEE_EVENTS``.
        """
        with self._permissions.reading(Action.DECIDE, Action.SEE_EVENTS):
            sees_event = self._permissions.principal.sees_event
            return self._permissions.claims([each for each in self._claims.standing() if sees_event(each.event_id)])


class GuardedNotes:
    """Reads and adds notes on cases of the principal's events."""

    def __init__(self, notes: Notes, settings: Settings, clock: Clock, permissions: Permissions) -> None:
        self._notes = notes
        self._settings = settings
        self._clock = clock
        self._permissions = permissions

    def add(self, user_id: str, registration_id: str, event_id: str | None, text: str, note_id: str) -> None:
        """Adds a note in the principal's name, with an audit entry without the text. Requires ``NOTE``.

        ``note_id`` (1 to 100 characters) is made by the caller, once for each note: adding the same note again
        changes nothing. Raises ``InvalidInput`` for a text that is empty or longer than ``MAX_NOTE``,
        ``RecordNotFound`` if the case is gone, ``RegistrationNotFound`` if the person is being erased, and
        ``ServiceError``.
        """
        subject = Subject(user_id, registration_id, event_id)
        require_text((*subject, note_id))
        self._permissions.require([Action.NOTE], subject)
        self._permissions.require_event(event_id, Action.NOTE, subject)
        principal = self._permissions.principal
        note = Note(
            note_id=note_id,
            user_id=user_id,
            registration_id=registration_id,
            event_id=event_id,
            author=principal.known_as,
            text=note_text(text),
            at=self._clock(),
        )
        ttl = self._settings.record_ttl
        self._permissions.trail.recording(Action.NOTE, subject, lambda: self._notes.add(note, ttl))

    def of(self, user_id: str, registration_id: str | None = None) -> list[Note]:
        """As ``Notes.of``, those on cases of the principal's events. Requires ``NOTE``."""
        with self._permissions.reading(Action.NOTE, subject=Subject(user_id, registration_id)):
            sees_event = self._permissions.principal.sees_event
            return [note for note in self._notes.of(user_id, registration_id) if sees_event(note.event_id)]
