"""What all readers of MongoDB share: the connection, retries, and the meaning of the driver's errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import pymongo
from bson.binary import UuidRepresentation
from bson.codec_options import CodecOptions, DatetimeConversion
from bson.errors import BSONError
from dns.exception import DNSException
from pydantic import SecretStr
from pymongo.errors import (
    ConnectionFailure,
    ExecutionTimeout,
    OperationFailure,
    PyMongoError,
)

from core.adapters.aws.registration_ids import Document
from core.domain.errors import Refused, ServiceError, SettingsError, Unavailable
from core.flow.retry import Retry

T = TypeVar("T")

#: The share of the deadline that a call may take: two tries fit, with a wait between them.
_CALL_SHARE = 0.375
#: MongoDB's codes for passing faults for which the driver has no exception of its own: host unreachable, host not
#: found, network timeout, time limit exceeded, read concern not available yet, interrupted.
_PASSING_CODES = frozenset({6, 7, 89, 262, 134, 11601})


def connect(uri: SecretStr, deadline_seconds: float) -> pymongo.MongoClient[Document]:
    """A client that tries once, with short timeouts. It connects at the first call.

    The URI sets read preference and read concern. Raises ``SettingsError``, which never contains the URI because it
    holds a password.
    """
    timeout_ms = int(1000 * _CALL_SHARE * deadline_seconds)
    try:
        # The driver would take any other text as the name of a host.
        if not uri.get_secret_value().startswith(("mongodb://", "mongodb+srv://")):
            raise ValueError("no MongoDB URI")
        return pymongo.MongoClient(
            uri.get_secret_value(),
            connect=False,
            retryReads=False,  # only core.flow.retry retries
            serverSelectionTimeoutMS=timeout_ms,
            connectTimeoutMS=timeout_ms,
            socketTimeoutMS=timeout_ms,
            waitQueueTimeoutMS=timeout_ms,
            appname="facedesk",
        )
    except (PyMongoError, ValueError, TypeError) as error:
        raise SettingsError(
            f"Bad setting MONGODB_URI: not a valid MongoDB connection string ({type(error).__name__})"
        ) from None


class Calls:
    """Makes calls, each with the timeout and the retries of one deadline (seconds). Errors name ``service``."""

    def __init__(self, service: str, deadline_seconds: float) -> None:
        self._service = service
        self._call_timeout = _CALL_SHARE * deadline_seconds
        self._retry = Retry(deadline_seconds, self._call_timeout)

    def __call__(self, call: Callable[[], T]) -> T:
        def attempt() -> T:
            # Limits the whole attempt: choosing a server, connecting, every batch. Sets maxTimeMS for the server too.
            with _translated(self._service), pymongo.timeout(self._call_timeout):
                return call()

        return self._retry(attempt)


def is_path(path: str) -> bool:
    """Whether it is a field or a dotted path to one."""
    return all(part and not part.startswith("$") for part in path.split("."))


def as_stored(options: CodecOptions[Document]) -> CodecOptions[Document]:
    """Has the driver decode all that a document can contain: a time or bytes that it could not would end the read."""
    return options.with_options(
        uuid_representation=UuidRepresentation.UNSPECIFIED,
        datetime_conversion=DatetimeConversion.DATETIME_AUTO,
        unicode_decode_error_handler="surrogateescape",
    )


@contextmanager
def _translated(service: str) -> Iterator[None]:
    """Turns the driver's errors into those of ``core.domain.errors``. Their texts are left out: they name hosts."""
    try:
        yield
    except PyMongoError as error:
        raise _from_driver(service, error) from error
    except (BSONError, UnicodeEncodeError) as error:
        raise Refused(service, type(error).__name__) from error


def _from_driver(service: str, error: PyMongoError) -> ServiceError:
    if isinstance(error.__cause__, DNSException):
        # The driver looks up the servers of a mongodb+srv URI at the first call, and calls a failure a wrong setting.
        return Unavailable(service, type(error.__cause__).__name__)
    code = type(error).__name__
    if isinstance(error, OperationFailure) and error.details:
        code = str(error.details.get("codeName") or error.code or code)
    passing = (
        isinstance(error, ConnectionFailure | ExecutionTimeout)
        or (isinstance(error, OperationFailure) and error.code in _PASSING_CODES)
        or error.timeout
        or error.has_error_label("RetryableError")
    )
    return Unavailable(service, code) if passing else Refused(service, code)
