"""What the AWS adapters share: clients that try once, a tally of their calls, and the translation of errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    MetadataRetrievalError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)
from botocore.loaders import Loader, create_loader
from botocore.parsers import ResponseParserError
from botocore.retries.standard import RetryContext, ThrottledRetryableChecker, TransientRetryableChecker

from core.adapters.aws.credentials import OUT_OF_DATE, Credentials
from core.domain.errors import (
    CredentialsReplaced,
    NotConfigured,
    Refused,
    ServiceError,
    SettingsError,
    Throttled,
    Unavailable,
)
from core.domain.hints import of_code
from core.flow.tally import current

CONNECT_TIMEOUT_SECONDS = 1.0
READ_TIMEOUT_SECONDS = 3.0
#: Seconds after which a call has failed at the latest.
CALL_TIMEOUT_SECONDS = CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS

#: What botocore itself would try again in its standard mode, by an error's code.
_THROTTLED, _TRANSIENT = ThrottledRetryableChecker(), TransientRetryableChecker()
#: Codes of further passing faults. Those with an HTTP status of 5xx need no entry.
_PASSING = frozenset(
    {
        "BadDigest",  # S3: the photo was damaged on its way
        "IDPCommunicationError",  # STS: the identity provider of the machine's role does not answer
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "OperationAborted",  # S3: another operation on the bucket or the object is in progress
        "ReplicatedWriteConflictException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "TransactionConflictException",
    }
)
#: What botocore raises if a call got no answer, or the machine no credentials from the service that issues them.
_OUT_OF_REACH = (HTTPClientError, BotoConnectionError, CredentialRetrievalError, MetadataRetrievalError)
#: What botocore's parser raises if an answer with status 200 is not JSON, or is JSON of another shape; and what its
#: search for a bucket's region ends in if a proxy redirects the requests.
_UNREADABLE = (ResponseParserError, ValueError, TypeError, AttributeError, RecursionError)
_NOT_SET_UP = frozenset({"ResourceNotFoundException", "NoSuchBucket"})
#: The DynamoDB operations that report the capacity consumed, with its kind of units.
_UNITS = {
    "GetItem": "read_units",
    "Query": "read_units",
    "Scan": "read_units",
    "PutItem": "write_units",
    "UpdateItem": "write_units",
    "DeleteItem": "write_units",
}


class _Replaced(ClientError):
    """An answer that refuses credentials in whose place there are others now."""


def client(name: str, region: str, pool: int = 50) -> Any:
    """A client of botocore that makes one attempt per call; credentials and endpoints are found by its own rules.

    If a service refuses credentials as out of date, they are looked up again. Raises ``SettingsError`` if AWS's own
    settings (the region, ``AWS_PROFILE``, the configuration file) cannot be used.
    """
    credentials = Credentials()
    try:
        made = _made(name, region, pool, credentials)
    except BotoCoreError as error:
        code = type(error).__name__
        raise SettingsError(f"The settings of AWS cannot be used ({code}). {of_code(code) or error}") from error
    for operation in _UNITS:
        made.meta.events.register(f"provide-client-params.dynamodb.{operation}", _asking_for_units)
    made.meta.events.register("before-send", _count_call)
    made.meta.events.register("after-call", _count_answer)

    def renew(parsed: Any, model: Any, **_: Any) -> None:
        if parsed.get("Error", {}).get("Code") in OUT_OF_DATE and credentials.renew():
            raise _Replaced(parsed, model.name)

    made.meta.events.register("after-call", renew)
    return made


def _made(name: str, region: str, pool: int, credentials: Credentials) -> Any:
    # With a session of its own, because clients cannot safely be made from the default one in several threads.
    session = botocore.session.get_session()
    session.register_component("credential_provider", credentials)
    session.register_component("data_loader", _descriptions(session.get_config_variable("data_path")))
    return session.create_client(
        name,
        region_name=region,
        config=Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            max_pool_connections=pool,
        ),
    )


@cache
def _descriptions(folders: str | None) -> Loader:
    """Of services, as clients share them: to read DynamoDB's takes a tenth of a second, and there are two dozen
    clients.
    """
    return create_loader(folders)


def _asking_for_units(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    return {"ReturnConsumedCapacity": "TOTAL", **params}


def _count_call(**_: Any) -> None:
    if tally := current():
        tally.add("calls")


def _count_answer(http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
    if tally := current():
        if _is_throttled(parsed, http_response.status_code):
            tally.add("throttled")
        if model.name in _UNITS and (consumed := parsed.get("ConsumedCapacity")):
            tally.add(_UNITS[model.name], consumed["CapacityUnits"])


@contextmanager
def translated(service: str, not_set_up: str | None = None) -> Iterator[None]:
    """Turns botocore's errors into those of ``core.domain.errors``, with their code; ``service`` is the port's name.

    ``not_set_up`` replaces the default message of ``NotConfigured``.
    """
    try:
        yield
    except ClientError as error:
        raise _from_client_error(service, error, not_set_up) from error
    except _OUT_OF_REACH as error:
        raise Unavailable(service, type(error).__name__) from error
    except BotoCoreError as error:
        raise Refused(service, type(error).__name__) from error
    except _UNREADABLE as error:
        raise Unavailable(service, "UnreadableAnswer") from error


def _from_client_error(service: str, error: ClientError, not_set_up: str | None) -> ServiceError:
    code = error.response.get("Error", {}).get("Code", "Unknown")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if isinstance(error, _Replaced):
        return CredentialsReplaced(service, code)
    if _is_throttled(error.response, status):
        return Throttled(service, code, reasons=_reasons(error.response))
    if code in _PASSING or status >= 500 or _TRANSIENT.is_retryable(_context(error.response)):
        return Unavailable(service, code)
    if code in _NOT_SET_UP:
        return NotConfigured(service, code, not_set_up)
    return Refused(service, code)


def _is_throttled(answer: Any, status: int) -> bool:
    return status == 429 or _THROTTLED.is_retryable(_context(answer))


def _reasons(answer: Any) -> frozenset[tuple[str, str]]:
    """Why DynamoDB throttled a call, and the ARN of the table or index. Two of its errors spell this list's name
    differently.
    """
    given = answer.get("ThrottlingReasons") or answer.get("throttlingReasons") or []
    return frozenset((each.get("reason", ""), each.get("resource", "")) for each in given)


def _context(answer: Any) -> RetryContext:
    return RetryContext(attempt_number=1, parsed_response=answer)
