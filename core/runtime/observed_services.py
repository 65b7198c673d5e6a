"""Services whose calls are recorded as operations; each has a class here."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from core.domain.erasures import Erasure, Receipt
from core.domain.records import Decision, ValidationRecord
from core.domain.roles import Principal
from core.photos.sanitiser import CleanPhoto
from core.runtime.observer import Observed, Observer
from core.services.erasure import Erasures, Preview
from core.services.retention import Retention, Swept
from core.services.validation import Submitter, Validation, ValidationService


class ObservedValidation(Observed):
    """``ValidationService`` with every call recorded."""

    def __init__(self, service: ValidationService, observer: Observer) -> None:
        super().__init__(observer, "validation")
        self._of = service

    def validate_upload(
        self,
        registration_id: str,
        upload: bytes,
        attempt_id: str,
        submitter: Submitter,
        *,
        must_store: bool = True,
    ) -> Validation:
        with self._call("validate_upload", registration_id=registration_id):
            return self._of.validate_upload(registration_id, upload, attempt_id, submitter, must_store=must_store)

    def validate_stored(
        self, registration_id: str, key: str, attempt_id: str, submitter: Submitter, *, must_store: bool = True
    ) -> Validation:
        with self._call("validate_stored", registration_id=registration_id):
            return self._of.validate_stored(registration_id, key, attempt_id, submitter, must_store=must_store)

    def decide(
        self,
        seen: ValidationRecord,
        decision: Decision,
        reviewer: str,
        reason: str | None = None,
        note: str = "",
    ) -> ValidationRecord:
        with self._call("decide", seen.user_id, seen.registration_id, seen.event):
            return self._of.decide(seen, decision, reviewer, reason, note)

    def undo(self, decided: ValidationRecord, reviewer: str) -> ValidationRecord:
        with self._call("undo", decided.user_id, decided.registration_id, decided.event):
            return self._of.undo(decided, reviewer)

    def preview(self, upload: bytes) -> CleanPhoto:
        with self._call("preview"):
            return self._of.preview(upload)

    def photo(self, key: str) -> CleanPhoto:
        with self._call("photo"):
            return self._of.photo(key)

    def close(self) -> None:
        self._of.close()


class ObservedErasures(Observed):
    """The public methods of ``Erasures`` with every call recorded."""

    def __init__(self, service: Erasures, observer: Observer) -> None:
        super().__init__(observer, "erasures")
        self._of = service

    def preview(self, user_id: str) -> Preview:
        with self._call("preview", user_id):
            return self._of.preview(user_id)

    def erase(self, user_id: str, confirmation: str, by: Principal) -> Receipt:
        with self._call("erase", user_id):
            return self._of.erase(user_id, confirmation, by)

    def returned(self, hashes: Collection[str], since: datetime) -> list[str]:
        with self._call("returned"):
            return self._of.returned(hashes, since)

    def unfinished(self) -> list[Erasure | Receipt]:
        with self._call("unfinished"):
            return self._of.unfinished()

    def resume(self) -> list[Receipt]:
        with self._call("resume"):
            return self._of.resume()

    def close(self) -> None:
        self._of.close()


class ObservedRetention(Observed):
    """``Retention`` with every call recorded."""

    def __init__(self, service: Retention, observer: Observer) -> None:
        super().__init__(observer, "retention")
        self._of = service

    def sweep(self, *, trust_clock: bool = False) -> Swept:
        with self._call("sweep"):
            return self._of.sweep(trust_clock=trust_clock)
