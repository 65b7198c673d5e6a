"""What the AWS adapters share: clients that try once, a tally of their calls, and the translation of errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)
from botocore.parsers import ResponseParserError

from core.domain.errors import NotConfigured, Refused, ServiceError, Unavailable
from core.flow.tally import current

CONNECT_TIMEOUT_SECONDS = 1.0
READ_TIMEOUT_SECONDS = 3.0
#: Seconds after which a call has failed at the latest.
CALL_TIMEOUT_SECONDS = CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS

#: Error codes for throttled calls.
THROTTLED = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "Throttling",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "SlowDown",
    }
)
#: Error codes of DynamoDB, S3 and Rekognition for passing faults. Others are recognised by their HTTP status (5xx).
_PASSING = THROTTLED | frozenset(
    {
        "LimitExceededException",
        "InternalServerError",
        "InternalError",
        "InternalFailure",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "RequestTimeout",
        "RequestTimeoutException",
        "TransactionInProgressException",
        "ReplicatedWriteConflictException",
    }
)
#: What botocore's parser raises if an answer with status 200 is not JSON, or is JSON of another shape.
_UNREADABLE = (ResponseParserError, ValueError, TypeError, AttributeError)
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


def client(name: str, region: str, pool: int = 50) -> Any:
    """A boto3 client that makes one attempt per call; credentials and endpoints are found by boto3's own rules."""
    # With a session of its own, because clients cannot safely be made from the default one in several threads.
    made = boto3.session.Session().client(
        name,  # type: ignore[call-overload]
        region_name=region,
        config=Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            max_pool_connections=pool,
        ),
    )
    for operation in _UNITS:
        made.meta.events.register(f"provide-client-params.dynamodb.{operation}", _asking_for_units)
    made.meta.events.register("before-send", _count_call)
    made.meta.events.register("after-call", _count_answer)
    return made


def _asking_for_units(params: dict[str, Any], **_: Any) -> dict[str, Any]:
    return {"ReturnConsumedCapacity": "TOTAL", **params}


def _count_call(**_: Any) -> None:
    if tally := current():
        tally.add("calls")


def _count_answer(http_response: Any, parsed: dict[str, Any], model: Any, **_: Any) -> None:
    if tally := current():
        if http_response.status_code == 429 or parsed.get("Error", {}).get("Code") in THROTTLED:
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
    except (HTTPClientError, BotoConnectionError) as error:
        raise Unavailable(service, type(error).__name__) from error
    except BotoCoreError as error:
        raise Refused(service, type(error).__name__) from error
    except _UNREADABLE as error:
        raise Unavailable(service, "UnreadableAnswer") from error


def _from_client_error(service: str, error: ClientError, not_set_up: str | None) -> ServiceError:
    code = error.response.get("Error", {}).get("Code", "Unknown")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _PASSING or status >= 500 or status == 429:
        return Unavailable(service, code)
    if code in _NOT_SET_UP:
        return NotConfigured(service, code, not_set_up)
    return Refused(service, code)
