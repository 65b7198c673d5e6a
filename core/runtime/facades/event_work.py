"""Facades of the work on whole events, for one principal: batches, reference checks and loading data."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeVar

from core.domain.profiles import EventProfile
from core.domain.records import Registration
from core.domain.roles import Action
from core.domain.text import require_text
from core.flow.crew import Progress
from core.photos.sanitiser import PhotoSanitiser
from core.ports import Photos, RegistrationImport, ValidationRecords
from core.runtime.facades.permissions import Permissions
from core.runtime.facades.profiles import GuardedProfiles
from core.runtime.facades.trail import Subject
from core.services import sample
from core.services.batch import Batch, Batches, BatchProgress, Choice
from core.services.importing import ImportReport, Report, import_registrations
from core.services.lists.events import ProfilePlan, planned_profiles
from core.services.lists.people import People
from core.services.lists.plan import Plan, planned
from core.services.photo_sources import PhotoSource
from core.services.profile_import import fill_profiles
from core.services.reference_check import CheckedReferences, ReferenceCheck
from core.services.validation import Submitter
from core.settings import Settings

T = TypeVar("T")


class _EventWork:
    """The common base of batches and reference checks, which require ``RUN_BATCH`` in the event."""

    def __init__(self, permissions: Permissions) -> None:
        self._permissions = permissions

    def _read(self, event_id: str, read: Callable[[], T]) -> T:
        with self._permissions.event_reading(Action.RUN_BATCH, event_id=event_id):
            return self._permissions.named(read())

    def _do(self, event_id: str, work: Callable[[], T]) -> T:
        """Does the work, and writes into the audit trail how it ended."""
        require_text(event_id)
        subject = Subject(event_id=event_id)
        self._permissions.require([Action.RUN_BATCH], subject)
        self._permissions.require_event(event_id, Action.RUN_BATCH, subject)
        return self._permissions.trail.recording(Action.RUN_BATCH, subject, work)


class GuardedBatches(_EventWork):
    """``Batches`` for the principal's events."""

    def __init__(self, batches: Batches, permissions: Permissions) -> None:
        super().__init__(permissions)
        self._batches = batches

    def count(self, event_id: str, choice: Choice) -> int:
        """As ``Batches.count``."""
        return self._read(event_id, lambda: self._batches.count(event_id, choice))

    def unfinished(self, event_id: str) -> tuple[Choice, BatchProgress] | None:
        """As ``Batches.unfinished``."""
        return self._read(event_id, lambda: self._batches.unfinished(event_id))

    def open(
        self, event_id: str, choice: Choice, by: Submitter, folder: Path | None = None, *, start_over: bool = False
    ) -> Batch:
        """As ``Batches.open``, with an audit entry."""
        return self._do(event_id, lambda: self._batches.open(event_id, choice, by, folder, start_over=start_over))

    def resume(self, event_id: str, by: Submitter) -> Batch:
        """As ``Batches.resume``, with an audit entry."""
        return self._do(event_id, lambda: self._batches.resume(event_id, by))

    def drop(self, event_id: str) -> None:
        """As ``Batches.drop``, with an audit entry."""
        self._do(event_id, lambda: self._batches.drop(event_id))


class GuardedReferenceCheck(_EventWork):
    """``ReferenceCheck`` for the principal's events."""

    def __init__(self, references: ReferenceCheck, permissions: Permissions) -> None:
        super().__init__(permissions)
        self._references = references

    def count(self, event_id: str) -> int:
        """As ``ReferenceCheck.count``."""
        return self._read(event_id, lambda: self._references.count(event_id))

    def run(
        self, event_id: str, stop: threading.Event, report: Callable[[Progress], None] = lambda progress: None
    ) -> CheckedReferences:
        """As ``ReferenceCheck.run``, with an audit entry."""
        return self._do(event_id, lambda: self._references.run(event_id, stop, report))

    def latest(self, event_id: str) -> CheckedReferences | None:
        """As ``ReferenceCheck.latest``."""
        return self._read(event_id, lambda: self._references.latest(event_id))


class GuardedLoading:
    """Loads the sample event and registrations. Requires ``LOAD_DATA`` in the events that are loaded."""

    def __init__(
        self,
        settings: Settings,
        records: ValidationRecords,
        importer: RegistrationImport,
        photos: Photos,
        sanitiser: PhotoSanitiser,
        profiles: GuardedProfiles,
        permissions: Permissions,
    ) -> None:
        self._settings = settings
        self._records = records
        self._importer = importer
        self._photos = photos
        self._sanitiser = sanitiser
        self._profiles = profiles
        self._permissions = permissions

    def sample(self, now: datetime, progress: Report = lambda done, total: None) -> None:
        """Loads the sample event. ``progress`` is called with the done and total counts."""
        self._permissions.require([Action.LOAD_DATA])
        self._permissions.require_event(sample.EVENT_ID, Action.LOAD_DATA, Subject(event_id=sample.EVENT_ID))
        sample.load(
            self._records,
            self._importer,
            self._photos,
            self._sanitiser,
            now,
            policy=self._settings.policy,
            ttl=self._settings.record_ttl,
            progress=progress,
        )

    def plan(self, people: People, *, with_photos: bool) -> Plan:
        """What ``registrations`` would do with the list, as ``core.services.lists.plan.planned`` says it, and with
        the profiles of its events.
        """
        self._permissions.require([Action.LOAD_DATA])
        for event_id in {line.registration.event_id for line in people.lines}:
            self._permissions.require_event(event_id, Action.LOAD_DATA, Subject(event_id=event_id))
        plan = planned(people, self._importer.existing, with_photos=with_photos)
        return replace(plan, profiles=self._profile_plan(people, lambda: planned_profiles(people, self._stored())))

    def registrations(
        self,
        people: People,
        source: PhotoSource | None,
        progress: Report = lambda done, total: None,
    ) -> ImportReport:
        """Imports a list, as ``core.services.importing.import_registrations`` does, and completes the profiles of the
        events whose registrations went in, if the principal may change them (``EDIT_EVENT``).

        Whoever imports has the records of these events dated again (``GuardedProfiles.redate``).
        """
        self._permissions.require([Action.LOAD_DATA])
        report = import_registrations(
            people,
            source,
            registrations=_OwnEvents(self._importer, self._permissions),
            photos=self._photos,
            sanitiser=self._sanitiser,
            progress=progress,
        )
        done = self._profile_plan(
            people, lambda: fill_profiles(people, report.events, self._stored, self._profiles.save)
        )
        return replace(report, profiles=done)

    def _profile_plan(self, people: People, make: Callable[[], ProfilePlan]) -> ProfilePlan:
        """What ``make`` says is done to profiles, unless the list says nothing of events or nothing may be done."""
        if not people.events:
            return ProfilePlan()
        if not self._permissions.principal.may(Action.EDIT_EVENT):
            return ProfilePlan(refusal="Your role may not change the settings of events.")
        if self._profiles.is_read_only:
            return ProfilePlan(refusal="Another system keeps the profiles of events. Change them there.")
        return make()

    def _stored(self) -> list[EventProfile]:
        return self._profiles.all()


class _OwnEvents:
    """Imports registrations of the principal's events; refuses a list that names other events."""

    def __init__(self, importer: RegistrationImport, permissions: Permissions) -> None:
        self._importer = importer
        self._permissions = permissions

    def import_many(self, registrations: Iterable[Registration]) -> int:
        given = list(registrations)
        for each in given:
            self._permissions.require_event(each.event_id, Action.LOAD_DATA, Subject(event_id=each.event_id))
        return self._importer.import_many(given)
