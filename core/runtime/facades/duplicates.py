"""Facade of searches for duplicates, for one principal."""

from __future__ import annotations

import threading
from collections.abc import Callable

from core.domain.duplicates import Answer, PairAnswer, Search, Switch
from core.domain.roles import Action
from core.domain.text import require_texts
from core.flow.crew import Progress
from core.photos.sanitiser import CleanPhoto
from core.runtime.facades.permissions import Permissions
from core.runtime.facades.trail import Subject
from core.services.duplicates import DuplicateService


class GuardedDuplicates:
    """Switches, runs and answers searches of the principal's events."""

    def __init__(self, duplicates: DuplicateService, permissions: Permissions) -> None:
        self._duplicates = duplicates
        self._permissions = permissions

    def switch(self, event_id: str) -> Switch | None:
        """As ``DuplicateService.switch``. Requires ``FIND_DUPLICATES``."""
        with self._permissions.event_reading(Action.FIND_DUPLICATES, event_id=event_id):
            return self._permissions.named(self._duplicates.switch(event_id))

    def set_switch(self, event_id: str, on: bool, reason: str, who: str) -> Switch:
        """As ``DuplicateService.set_switch``, with an audit entry of the reason. Requires ``SWITCH_DUPLICATES``.

        The entry is written before the change; if that fails, nothing is stored.
        """
        require_texts(reason, who)
        subject = self._allowed(Action.SWITCH_DUPLICATES, event_id)
        trail = self._permissions.trail
        trail.before(Action.SWITCH_DUPLICATES, subject, {"on": "yes" if on else "no", "reason": reason.strip()})
        return trail.recording(
            Action.SWITCH_DUPLICATES, subject, lambda: self._duplicates.set_switch(event_id, on, reason, who)
        )

    def search(
        self, event_id: str, stop: threading.Event, report: Callable[[Progress], None] = lambda progress: None
    ) -> Search:
        """As ``DuplicateService.search``, with an audit entry. Requires ``FIND_DUPLICATES``."""
        subject = self._allowed(Action.FIND_DUPLICATES, event_id)
        trail = self._permissions.trail
        trail.before(Action.FIND_DUPLICATES, subject, {})
        return trail.recording(
            Action.FIND_DUPLICATES, subject, lambda: self._duplicates.search(event_id, stop, report)
        )

    def latest(self, event_id: str) -> Search | None:
        """As ``DuplicateService.latest``. Requires ``FIND_DUPLICATES``."""
        with self._permissions.event_reading(Action.FIND_DUPLICATES, event_id=event_id):
            return self._permissions.named(self._duplicates.latest(event_id))

    def answer(self, event_id: str, first_id: str, second_id: str, answer: Answer, note: str, who: str) -> PairAnswer:
        """As ``DuplicateService.answer``, with audit entries of both registrations. Requires ``ANSWER_DUPLICATES``.

        The entries are written before the answer; if that fails, nothing is stored.
        """
        require_texts(first_id, second_id, note, who)
        action, trail = Action.ANSWER_DUPLICATES, self._permissions.trail
        self._allowed(action, event_id)
        first, second = (Subject(registration_id=each, event_id=event_id) for each in (first_id, second_id))
        for subject, other in ((first, second_id), (second, first_id)):
            trail.before(action, subject, {"answer": str(answer), "with": trail.hashed(other)})

        def store() -> PairAnswer:
            return self._duplicates.answer(event_id, first_id, second_id, answer, note, who)

        return trail.recording(action, first, lambda: trail.recording(action, second, store))

    def look(self, event_id: str, first_id: str, second_id: str) -> None:
        """Writes into the audit trail that the faces of a pair are about to be shown. Requires ``FIND_DUPLICATES``.

        Raises ``ServiceError`` if the trail cannot be written; the faces must then not be shown.
        """
        self._permissions.look_at_pair(event_id, first_id, second_id)

    def photo(self, event_id: str, registration_id: str) -> CleanPhoto:
        """As ``DuplicateService.photo``. Requires ``FIND_DUPLICATES``."""
        with self._permissions.event_reading(Action.FIND_DUPLICATES, event_id=event_id):
            require_texts(registration_id)
            return self._permissions.named(self._duplicates.photo(event_id, registration_id))

    def _allowed(self, action: Action, event_id: str) -> Subject:
        require_texts(event_id)
        subject = Subject(event_id=event_id)
        self._permissions.require([action], subject)
        self._permissions.require_event(event_id, action, subject)
        return subject
