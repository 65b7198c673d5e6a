"""What the AWS adapters share: clients that try once, a tally of their calls, errors translated at the edge."""

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
#: The longest that one call takes before it counts as failed.
CALL_TIMEOUT_SECONDS = CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS

#: Error codes that say "too much at once".
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
#: Error codes that say "later", of DynamoDB, S3 and Rekognition. Others are passing by their HTTP status (5xx).
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
#: What botocore's parser lets escape where a 200 carries no JSON, or JSON of another shape.
_UNREADABLE = (ResponseParserError, ValueError, TypeError, AttributeError)
_NOT_SET_UP = frozenset({"ResourceNotFoundException", "NoSuchBucket"})
#: The DynamoDB operations that tell what they consumed, and which kind of units it is.
_UNITS = {
    "GetItem": "read_units",
    "Query": "read_units",
    "Scan": "read_units",
    "PutItem": "write_units",
    "UpdateItem": "write_units",
    "DeleteItem": "write_units",
}


def client(name: str, region: str, pool: int = 50) -> Any:
    """A boto3 client of one attempt a call; credentials and endpoints by boto3's own chain and variables."""
    # A session of its own: the default one is not safe to make clients from in several threads.
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
    """Turn botocore's errors into ours, keeping their code; ``service`` is the port's plain name.

    ``not_set_up`` is the sentence of a ``NotConfigured``, where there is a better one than its own.
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
