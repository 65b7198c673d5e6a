"""Everything that Facedesk raises on purpose.

FacedeskError
├── SettingsError           a setting is missing or bad; names it
├── InvalidInput            what the caller gave cannot be right (an id, a limit, a CSV line)
├── NotFound
│   ├── RegistrationNotFound
│   ├── RecordNotFound
│   └── PhotoNotFound
├── PhotoRefused            an upload that is no photo we take; its text is meant for the person
│   ├── PhotoTooLarge
│   ├── PhotoUnsupported
│   └── PhotoOfAnother      a stored photo that was uploaded for somebody else
├── Forbidden               who asks may not do this; nothing was done
├── Conflict                the record changed since the caller saw it; nothing was written
└── ServiceError            a service behind a port failed: which one, and its own error code
    ├── Unavailable         passing (throttled, timed out, 5xx, no connection): worth trying again
    │   ├── Throttled       asked more often than it allows: worth trying again, at a slower pace
    │   └── DiskFull        its disk has no room: worth trying again when there is some
    ├── Refused             final (access denied, bad request): trying again changes nothing
    │   └── CredentialsReplaced  it refused credentials that have been replaced since: worth one more try
    └── NotConfigured       the service is there, what we need in it (table, bucket) is not

Each says what happened, to which thing, and what to do. None carries a secret, a photo or a trace.
"""

from __future__ import annotations

from enum import StrEnum


class FacedeskError(Exception):
    """Base of the tree above. ``str(error)`` is one sentence fit for a user's screen."""


class SettingsError(FacedeskError):
    pass


class InvalidInput(FacedeskError):
    pass


class NotFound(FacedeskError):
    pass


class RegistrationNotFound(NotFound):
    pass


class RecordNotFound(NotFound):
    def __init__(self, message: str = "Face validation record not found") -> None:
        super().__init__(message)


class PhotoNotFound(NotFound):
    pass


class PhotoRefused(FacedeskError):
    pass


class PhotoTooLarge(PhotoRefused):
    pass


class PhotoUnsupported(PhotoRefused):
    pass


class PhotoOfAnother(PhotoRefused):
    def __init__(self) -> None:
        super().__init__(
            "This photo was uploaded for another registration and is erased with that person. Upload the photo for "
            "this registration, instead of naming the key of a stored one."
        )


class Forbidden(FacedeskError):
    pass


class Conflict(FacedeskError):
    pass


class Service(StrEnum):
    """What stands behind the ports, by the names that errors, health and the operations log give it."""

    RECORDS = "validation records"
    REGISTRATIONS = "registrations"
    PHOTOS = "photos"
    ENGINE = "face engine"
    AUDIT = "audit trail"
    CASES = "claims and notes"
    PROFILES = "event profiles"
    METRICS = "metrics"
    VALIDATION = "validation"
    ERASURE = "erasure"
    RETENTION = "retention"
    SECOND_LOOKS = "second looks"
    ALERTS = "alerts"
    DUPLICATES = "duplicates"
    FINDINGS = "findings"
    SUMMARIES = "event summaries"
    SIGN_OUTS = "sign-outs"
    TOKENS = "API tokens"
    BATCHES = "batches"
    DATABASE = "database"
    DATA_FOLDER = "data folder"


class ServiceError(FacedeskError):
    """A service behind a port failed.

    ``service`` is one of ``Service``, ``code`` the service's own error code or the exception's class name.
    ``core.domain.hints`` has a sentence for the person on duty. An error is ``explained`` if its message was written
    for its very case. ``photo_stored`` says whether the photo of the attempt that failed had been stored before.
    """

    photo_stored = False

    def __init__(self, service: str, code: str, message: str | None = None) -> None:
        super().__init__(message or self._describe(service, code))
        self.service = service
        self.code = code
        self.explained = message is not None

    @staticmethod
    def _describe(service: str, code: str) -> str:
        return f"The {service} service failed ({code})."


class Unavailable(ServiceError):
    @staticmethod
    def _describe(service: str, code: str) -> str:
        return f"The {service} service is out of reach right now ({code}). Try again in a moment."


class Throttled(Unavailable):
    """The service is asked more often than its quota allows.

    ``reasons`` are pairs of the service's own name for why, and of what: the text is empty where it does not say.
    """

    def __init__(
        self,
        service: str,
        code: str,
        message: str | None = None,
        reasons: frozenset[tuple[str, str]] = frozenset(),
    ) -> None:
        super().__init__(service, code, message)
        self.reasons = reasons


class DiskFull(Unavailable):
    """The disk that a service writes to has no room."""

    @staticmethod
    def _describe(service: str, code: str) -> str:
        return f"The disk of the {service} is full ({code}). Free some space on it, then try again."


class Refused(ServiceError):
    @staticmethod
    def _describe(service: str, code: str) -> str:
        return f"The {service} service refused the request ({code}). Check its settings and permissions."


class CredentialsReplaced(Refused):
    """The service refused the credentials of the call, and there are others by now. One more try is worthwhile."""


class NotConfigured(ServiceError):
    @staticmethod
    def _describe(service: str, code: str) -> str:
        return f"The {service} service is not set up ({code})."
