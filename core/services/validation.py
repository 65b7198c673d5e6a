"""Validates photos against registrations, and records the verdicts and the decisions of reviewers."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from core.domain.attempts import with_attempt
from core.domain.cases import MAX_NOTE
from core.domain.clock import Clock
from core.domain.decisions import checked_reason, needs_note
from core.domain.errors import (
    Conflict,
    InvalidInput,
    RegistrationNotFound,
    ServiceError,
)
from core.domain.policy import Policy, Verdict, judge
from core.domain.profiles import EventProfile
from core.domain.reasons import Reason
from core.domain.records import (
    Attempt,
    Decision,
    Outcome,
    Provenance,
    Registration,
    Review,
    Source,
    Status,
    ValidationRecord,
    Withdrawal,
)
from core.photos import keys
from core.photos.sanitiser import CleanPhoto, PhotoSanitiser
from core.ports import FaceEngine, Photos, Registrations, ValidationRecords
from core.services import photo_keys
from core.services.erasure import ERASED, Erasures
from core.services.event_dates import EventDates
from core.services.examination import Examiner, Reference
from core.services.reference_photos import ReferencePhotos

logger = logging.getLogger(__name__)

#: For how long a decision can be undone. Pages offer it for a shorter time; a slow press still counts.
UNDO_WITHIN = timedelta(minutes=1)
#: Replaces an erasure's id if the journal could not be read: any erasure then counts as a later one.
UNKNOWN = ""


@dataclass(frozen=True)
class Validation:
    """The result of a validation: the attempt, and the record after it.

    ``stored`` is False only if the caller allowed that; the record is then what would have been written.
    """

    record: ValidationRecord
    attempt: Attempt
    stored: bool = True


@dataclass(frozen=True)
class Submitter:
    """Who submits a photo, and from where. All of it is stored in the record."""

    source: Source = Source.API
    operator: str | None = None
    ip_address: str | None = None


class ValidationService:
    """Validates photos and records reviewers' decisions. An attempt that was acknowledged is never lost."""

    def __init__(
        self,
        records: ValidationRecords,
        registrations: Registrations,
        photos: Photos,
        engine: FaceEngine,
        references: ReferencePhotos,
        sanitiser: PhotoSanitiser,
        policy: Policy,
        clock: Clock,
        record_ttl: timedelta,
        engine_deadline: float,
        erasures: Erasures | None = None,
        event_dates: EventDates | None = None,
        *,
        at_once: int,
        engine_must_answer: bool = False,
    ) -> None:
        """``references`` compares by ``engine``, too. ``engine_deadline`` is in seconds. When it has passed since the
        engine was asked, the attempt is recorded as pending. The engine is asked about ``at_once`` photos at a time.

        With ``engine_must_answer`` it is not recorded and the error is raised instead, as the caller can try again.
        Without ``erasures`` the service assumes that nobody is ever erased, without ``event_dates`` that no event has
        a profile.
        """
        self._records = records
        self._registrations = registrations
        self._photos = photos
        self._examiner = Examiner(engine, references, engine_deadline, at_once)
        self._sanitiser = sanitiser
        self._policy = policy
        self._provenance = engine.provenance
        self._clock = clock
        self._record_ttl = record_ttl
        self._erasures = erasures
        self._event_dates = event_dates
        self._engine_must_answer = engine_must_answer

    def validate_upload(
        self,
        registration_id: str,
        upload: bytes,
        attempt_id: str,
        submitter: Submitter,
        *,
        must_store: bool = True,
    ) -> Validation:
        """Validates an uploaded photo file. The photo is stored before the engine is called.

        A call with the same ``attempt_id`` changes nothing and returns what was stored. Raises
        ``RegistrationNotFound``, ``PhotoRefused`` (nothing is stored then), and ``ServiceError`` if a store fails;
        its ``photo_stored`` tells whether the photo was stored before.
        Without ``must_store``, a verdict that the record store did not accept is returned as not stored.
        """
        with self._unless_erased(registration_id, attempt_id, must_store) as (registration, own_photos):
            if known := self._known(registration, attempt_id, must_store):
                return known
            preparing = self._examiner.prepare(registration.reference_photo_key)
            photo = self._sanitiser.clean(upload)
            key = keys.key_of(registration_id, attempt_id, photo.jpeg)
            own_photos.append(key)
            self._photos.put(key, photo.jpeg)
            try:
                return self._validate(registration, photo, key, preparing, attempt_id, submitter, must_store)
            except ServiceError as error:
                error.photo_stored = True
                raise

    def validate_stored(
        self,
        registration_id: str,
        key: str,
        attempt_id: str,
        submitter: Submitter,
        *,
        must_store: bool = True,
    ) -> Validation:
        """Validates a photo that is already in the photo store; otherwise like ``validate_upload``.

        Also raises ``PhotoNotFound`` if there is no photo under ``key``, and ``PhotoOfAnother``.
        """
        with self._unless_erased(registration_id, attempt_id, must_store) as (registration, _):
            if known := self._known(registration, attempt_id, must_store):
                return known
            photo_keys.require_own(self._registrations, registration, key)
            # The record names the key that was used, because an erasure goes by it.
            preparing = self._examiner.prepare(registration.reference_photo_key)
            key, stored = photo_keys.read(self._photos, key)
            photo = self._sanitiser.clean(stored)
            return self._validate(registration, photo, key, preparing, attempt_id, submitter, must_store)

    def decide(
        self, seen: ValidationRecord, decision: Decision, reviewer: str, reason: str | None = None, note: str = ""
    ) -> ValidationRecord:
        """Records a reviewer's decision on the record that they saw; returns the decided record.

        A pending record can be approved or rejected, a failed one can be approved, and one that passed can be
        rejected. A rejection needs one of ``REJECTION_REASONS``. A decision against a verdict or an earlier decision
        needs a note that says why. Raises ``Conflict`` if the record has changed since, or allows no such decision,
        and ``InvalidInput`` for a reason or note that is not allowed; then nothing is written.
        """
        approves = decision is Decision.APPROVED
        if seen.validation_status is decision.status:
            raise Conflict("This photo has already passed." if approves else "This photo has already failed.")
        reason = checked_reason(decision, reason)
        if len(note) > MAX_NOTE:
            raise InvalidInput(f"A note can have at most {MAX_NOTE} characters.")
        if needs_note(seen) and not note.strip():
            raise InvalidInput("Say in the note why: this decision changes what was found or decided before.")
        review = Review(
            decision=decision,
            reason=reason,
            note=note.strip() or None,
            reviewer=reviewer,
            decided_at=self._clock(),
            before=seen.validation_status,
        )
        return self._records.decide(seen.user_id, seen.registration_id, review, seen.version)

    def undo(self, decided: ValidationRecord, reviewer: str) -> ValidationRecord:
        """Withdraws the decision that the reviewer has just made; returns the record as it was before it.

        ``decided`` is what ``decide`` returned. The decision stays in the record's history. Raises ``Conflict`` if
        the record has changed since, if the decision is another person's, or if ``UNDO_WITHIN`` has passed; then
        nothing is written, and the opposite decision is the way to change it.
        """
        review, now = decided.review, self._clock()
        if review is None or review.reviewer != reviewer:
            raise Conflict("Only whoever made a decision can undo it. Others can decide the opposite, with a reason.")
        if review.decided_at is None or now - review.decided_at > UNDO_WITHIN:
            raise Conflict("This was decided too long ago to be undone. Decide the opposite, with a reason.")
        withdrawal = Withdrawal(withdrawn_by=reviewer, withdrawn_at=now)
        return self._records.decide(decided.user_id, decided.registration_id, withdrawal, decided.version)

    def preview(self, upload: bytes) -> CleanPhoto:
        """Returns an uploaded photo as it would be examined, and stores nothing. Raises ``PhotoRefused``."""
        return self._sanitiser.clean(upload)

    def photo(self, key: str) -> CleanPhoto:
        """Returns a stored photo, upright and sanitised, so that it is safe to show and examine.

        ``key`` may be written as other systems do (``core.services.photo_keys``). Raises ``PhotoNotFound``, and
        ``PhotoRefused`` if the stored file is not an acceptable photo.
        """
        return self._sanitiser.clean(photo_keys.read(self._photos, key)[1])

    def close(self) -> None:
        self._examiner.close()

    @contextmanager
    def _unless_erased(
        self, registration_id: str, attempt_id: str, must_store: bool
    ) -> Iterator[tuple[Registration, list[str]]]:
        """Yields the registration, and a list for the keys of the photos that the attempt itself stores.

        If an erasure of the person overtakes the attempt, takes back the attempt and these photos, and raises
        ``RegistrationNotFound``. Also raises it at the start if the person is being erased or is not registered.
        """
        own_photos: list[str] = []
        registration, generation = self._registered(registration_id, must_store)
        take_back = partial(self._take_back_if_erased, registration, generation, attempt_id, own_photos)
        try:
            yield registration, own_photos
        except ServiceError:
            # An erasure may have deleted the photo while it was being stored; the store is then not at fault.
            with suppress(ServiceError):
                take_back()
            raise
        try:
            take_back()
        except ServiceError:
            if must_store:
                raise

    def _registered(self, registration_id: str, must_store: bool) -> tuple[Registration, str | None]:
        """Returns the registration, and the person's last erasure before the attempt (``Erasures.generation``)."""
        registration = self._registration(registration_id)
        while self._erasures:
            try:
                generation = self._erasures.generation(registration.user_id)
            except ServiceError:
                if must_store:
                    raise
                return registration, UNKNOWN
            if generation is None:
                break
            # That erasure may have ended after the registration was read, so the registration is read again.
            again = self._registration(registration_id)
            if again.user_id == registration.user_id:
                return again, generation
            registration = again
        return registration, None

    def _take_back_if_erased(
        self, registration: Registration, generation: str | None, attempt_id: str, own_photos: Sequence[str]
    ) -> None:
        """Raises ``RegistrationNotFound`` if an erasure overtook the attempt, which began after ``generation``."""
        if self._erasures and self._erasures.overtook(registration.user_id, generation):
            self._records.take_back(registration.user_id, registration.registration_id, attempt_id)
            for key in own_photos:
                self._photos.erase(key)
            self._erasures.scrub(registration.user_id)
            raise RegistrationNotFound(ERASED)

    def _registration(self, registration_id: str) -> Registration:
        registration = self._registrations.get(registration_id)
        if registration is None:
            raise RegistrationNotFound("There is no registration with this id.")
        return registration

    def _known(self, registration: Registration, attempt_id: str, must_store: bool) -> Validation | None:
        try:
            record = self._records.get(registration.user_id, registration.registration_id)
        except ServiceError:
            if must_store:
                raise
            return None
        attempt = record.attempt(attempt_id) if record else None
        return Validation(record, attempt) if record and attempt else None

    def _validate(
        self,
        registration: Registration,
        photo: CleanPhoto,
        key: str,
        preparing: Future[Reference],
        attempt_id: str,
        submitter: Submitter,
        must_store: bool,
    ) -> Validation:
        profile = self._profile(registration.event_id, must_store)
        policy = profile.rules.over(self._policy) if profile else self._policy
        kept_until = profile.kept_until if profile else None
        verdict, provenance = self._examine(policy, photo, preparing)
        outcome = Outcome(
            attempt_id=attempt_id,
            user_id=registration.user_id,
            registration_id=registration.registration_id,
            event_id=registration.event_id,
            timestamp=self._clock(),
            face_image_key=key,
            stored_face_key=registration.reference_photo_key,
            source=submitter.source,
            operator=submitter.operator,
            ip_address=submitter.ip_address,
            provenance=provenance,
            **verdict.as_outcome(),
        )
        stored = True
        try:
            record = self._records.record_attempt(outcome, self._record_ttl, kept_until)
        except ServiceError as error:
            if must_store:
                raise
            # The error's own message may name a registration, so it is not logged.
            kind = type(error).__name__
            logger.warning("a verdict was not stored, as its caller allowed: %s (%s)", kind, error.code)
            record, stored = with_attempt(None, outcome, self._record_ttl, kept_until), False
        if stored and self._event_dates:
            self._event_dates.date_again(record, kept_until)
        return Validation(record, record.attempt(attempt_id) or record.outcomes[-1], stored)

    def _profile(self, event_id: str, must_store: bool) -> EventProfile | None:
        """The event's profile, if any. None also if it is out of reach and the caller allowed that."""
        if self._event_dates is None:
            return None
        try:
            return self._event_dates.profile(event_id)
        except ServiceError:
            if must_store:
                raise
            return None

    def _examine(self, policy: Policy, photo: CleanPhoto, preparing: Future[Reference]) -> tuple[Verdict, Provenance]:
        """Returns the verdict and what made it: ``pending`` with ENGINE_UNAVAILABLE if the engine gave no answer
        within its deadline; then no model and no rules had a part in it.

        If the engine must answer, raises the error that kept it from doing so.
        """
        try:
            found = self._examiner.examine(photo.jpeg, preparing)
            verdict = judge(
                policy,
                found.detected,
                (photo.width, photo.height),
                found.compared,
                reference_unusable=found.reference_unusable,
            )
            return verdict, self._provenance.model_copy(update={"rules": policy.digest})
        except Exception as error:
            # The photo must not be lost, whatever the engine raises.
            if self._engine_must_answer:
                raise
            code = f" ({error.code})" if isinstance(error, ServiceError) else ""
            logger.warning("the face engine gave no verdict: %s%s", type(error).__name__, code)
            unavailable = Verdict(status=Status.PENDING, reasons=(Reason.ENGINE_UNAVAILABLE,))
            return unavailable, Provenance(engine=self._provenance.engine)
