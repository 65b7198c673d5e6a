"""ValidationService: a photo in, a verdict out, and the verdict kept. Nothing that was acknowledged is lost."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any

from core.domain.attempts import with_attempt
from core.domain.clock import Clock
from core.domain.errors import (
    Conflict,
    InvalidInput,
    PhotoNotFound,
    PhotoRefused,
    RegistrationNotFound,
    ServiceError,
    Unavailable,
)
from core.domain.policy import Policy, Verdict, judge
from core.domain.reasons import Reason
from core.domain.records import Attempt, Decision, Outcome, Registration, Review, Source, Status, ValidationRecord
from core.photos import keys
from core.photos.sanitiser import CleanPhoto, PhotoSanitiser
from core.ports import FaceEngine, Photos, Registrations, ValidationRecords
from core.services.erasure import Erasures

logger = logging.getLogger(__name__)

#: What a reviewer can give as the reason of a rejection: all that a photo can fail for.
REJECTION_REASONS = tuple(
    reason for reason in Reason if reason not in (Reason.ENGINE_UNAVAILABLE, Reason.REFERENCE_UNUSABLE)
)
MAX_NOTE = 500
#: In the place of an erasure's id if the journal could not be read: then any erasure counts as a later one.
UNKNOWN = ""
#: Two engine calls for each of the most submissions that are served at once.
ENGINE_THREADS = 64


@dataclass(frozen=True)
class Validation:
    """An outcome: the record after it, and the attempt that was asked for.

    ``stored`` is False only where the caller allowed it: then the record is what would have been written.
    """

    record: ValidationRecord
    attempt: Attempt
    stored: bool = True


@dataclass(frozen=True)
class Submitter:
    """Who submits, and from where; all of it goes into the record."""

    source: Source = Source.API
    operator: str | None = None
    ip_address: str | None = None


class ValidationService:
    """Validates photos and takes people's decisions, over four ports."""

    def __init__(
        self,
        records: ValidationRecords,
        registrations: Registrations,
        photos: Photos,
        engine: FaceEngine,
        sanitiser: PhotoSanitiser,
        policy: Policy,
        clock: Clock,
        record_ttl: timedelta,
        engine_deadline: float,
        erasures: Erasures | None = None,
        *,
        engine_threads: int = ENGINE_THREADS,
        engine_must_answer: bool = False,
    ) -> None:
        """``engine_deadline`` in seconds: when it has passed the attempt is recorded as waiting for the engine.

        But with ``engine_must_answer`` it is not recorded, and the error is raised: who submits can come again.
        Without ``erasures`` nobody is ever erased.
        """
        self._records = records
        self._registrations = registrations
        self._photos = photos
        self._engine = engine
        self._sanitiser = sanitiser
        self._policy = policy
        self._clock = clock
        self._record_ttl = record_ttl
        self._engine_deadline = engine_deadline
        self._erasures = erasures
        self._engine_must_answer = engine_must_answer
        self._threads = ThreadPoolExecutor(engine_threads, thread_name_prefix="face-engine")

    def validate_upload(
        self,
        registration_id: str,
        upload: bytes,
        attempt_id: str,
        submitter: Submitter,
        *,
        must_store: bool = True,
    ) -> Validation:
        """Validate an uploaded file. It is kept before the engine is asked.

        The same ``attempt_id`` again changes nothing and answers what was stored. Raises ``RegistrationNotFound``,
        ``PhotoRefused`` (nothing is stored then) and ``ServiceError`` of a store; but without ``must_store`` a
        verdict that the record store did not take is returned as not stored.
        """
        with self._unless_erased(registration_id, attempt_id, must_store) as (registration, own_photos):
            if known := self._known(registration, attempt_id, must_store):
                return known
            photo = self._sanitiser.clean(upload)
            key = keys.key_of(registration_id, attempt_id, photo.jpeg)
            own_photos.append(key)
            self._photos.put(key, photo.jpeg)
            return self._validate(registration, photo, key, attempt_id, submitter, must_store)

    def validate_stored(
        self,
        registration_id: str,
        key: str,
        attempt_id: str,
        submitter: Submitter,
        *,
        must_store: bool = True,
    ) -> Validation:
        """Validate a photo that is in the photo store already; else as ``validate_upload``.

        Raises ``PhotoNotFound`` where there is none under ``key``.
        """
        with self._unless_erased(registration_id, attempt_id, must_store) as (registration, _):
            if known := self._known(registration, attempt_id, must_store):
                return known
            photo = self.photo(key)
            return self._validate(registration, photo, key, attempt_id, submitter, must_store)

    def decide(
        self, seen: ValidationRecord, decision: Decision, reviewer: str, reason: str | None = None, note: str = ""
    ) -> ValidationRecord:
        """Write a person's decision on the record that they saw, and return it decided.

        A waiting record can be approved or rejected, a failed one approved. A rejection needs one of
        ``REJECTION_REASONS``. Raises ``Conflict`` where the record changed since; then nothing is written.
        """
        if seen.validation_status is Status.SUCCESS:
            raise Conflict("This photo has passed already: there is nothing to decide.")
        if decision is Decision.REJECTED:
            if seen.validation_status is Status.FAILED:
                raise Conflict("This photo has failed already: it can only be approved.")
            if reason not in REJECTION_REASONS:
                raise InvalidInput("A rejection needs one of the listed reasons.")
        if len(note) > MAX_NOTE:
            raise InvalidInput(f"A note can have at most {MAX_NOTE} characters.")
        review = Review(
            decision=decision,
            reason=reason if decision is Decision.REJECTED else None,
            note=note.strip() or None,
            reviewer=reviewer,
            decided_at=self._clock(),
        )
        return self._records.decide(seen.user_id, seen.registration_id, review, seen.version)

    def photo(self, key: str) -> CleanPhoto:
        """A stored photo, upright and safe to show or examine, whoever put it there.

        Raises ``PhotoNotFound``, and ``PhotoRefused`` where what lies there is no photo.
        """
        return self._sanitiser.clean(self._photos.get(key))

    def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)

    @contextmanager
    def _unless_erased(
        self, registration_id: str, attempt_id: str, must_store: bool
    ) -> Iterator[tuple[Registration, list[str]]]:
        """The registration to record the attempt for, and a list for the keys of photos that the attempt itself puts.

        If an erasure of the person overtakes the attempt, the attempt and these photos are taken back. Raises
        ``RegistrationNotFound`` then, and before anything is done if the person is being erased or not registered.
        """
        own_photos: list[str] = []
        registration, generation = self._registered(registration_id, must_store)
        take_back = partial(self._take_back_if_erased, registration, generation, attempt_id, own_photos)
        try:
            yield registration, own_photos
        except ServiceError:
            # A photo may have gone with the person while it was being put: then it is no fault of the store's.
            with suppress(ServiceError):
                take_back()
            raise
        try:
            take_back()
        except ServiceError:
            if must_store:
                raise

    def _registered(self, registration_id: str, must_store: bool) -> tuple[Registration, str | None]:
        """The registration, and the person's last erasure before the attempt (``Erasures.generation``)."""
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
            # That erasure may have ended after the registration was read: it must still be there, and theirs.
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
            raise RegistrationNotFound("This person has been erased: nothing was kept.")

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
        attempt_id: str,
        submitter: Submitter,
        must_store: bool,
    ) -> Validation:
        verdict = self._examine(photo, registration.reference_photo_key)
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
            **verdict.as_outcome(),
        )
        stored = True
        try:
            record = self._records.record_attempt(outcome, self._record_ttl)
        except ServiceError as error:
            if must_store:
                raise
            # Not the error's own words: they may name a registration.
            kind = type(error).__name__
            logger.warning("a verdict was not stored, as its caller allowed: %s (%s)", kind, error.code)
            record, stored = with_attempt(None, outcome, self._record_ttl), False
        return Validation(record, record.attempt(attempt_id) or record.outcomes[-1], stored)

    def _examine(self, photo: CleanPhoto, reference_key: str | None) -> Verdict:
        """The verdict; ``pending`` with ENGINE_UNAVAILABLE where the engine gave none within its deadline.

        Raises what kept it from giving one where the engine must answer.
        """
        detecting: Future[Mapping[str, Any]] = self._threads.submit(self._engine.detect, photo.jpeg)
        comparing = self._threads.submit(self._compare, photo, reference_key)
        both: set[Future[Any]] = {detecting, comparing}
        for late in wait(both, timeout=self._engine_deadline).not_done:
            late.cancel()
        try:
            compared, reference_unusable = comparing.result(timeout=0)
            return judge(
                self._policy,
                detecting.result(timeout=0),
                (photo.width, photo.height),
                compared,
                reference_unusable=reference_unusable,
            )
        except Exception as error:
            # Whatever the engine does, the photo must not be lost.
            if self._engine_must_answer:
                if isinstance(error, TimeoutError | CancelledError):
                    raise Unavailable("face engine", type(error).__name__) from error
                raise
            code = f" ({error.code})" if isinstance(error, ServiceError) else ""
            logger.warning("the face engine gave no verdict: %s%s", type(error).__name__, code)
            return Verdict(status=Status.PENDING, reasons=(Reason.ENGINE_UNAVAILABLE,))

    def _compare(self, photo: CleanPhoto, reference_key: str | None) -> tuple[Mapping[str, Any] | None, bool]:
        """The engine's comparison, if there is something to compare with; and whether there should have been."""
        if reference_key is None:
            return None, False
        try:
            reference = self.photo(reference_key)
        except (PhotoNotFound, PhotoRefused):
            return None, True
        return self._engine.compare(photo.jpeg, reference.jpeg), False
