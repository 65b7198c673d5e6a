"""What the three AWS adapters share: clients that try once, and the translation of errors at the edge."""

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

from core.errors import NotConfigured, Refused, ServiceError, Unavailable

CONNECT_TIMEOUT_SECONDS = 1.0
READ_TIMEOUT_SECONDS = 3.0
#: The longest that one call takes before it counts as failed.
CALL_TIMEOUT_SECONDS = CONNECT_TIMEOUT_SECONDS + READ_TIMEOUT_SECONDS

#: Error codes that say "later", of DynamoDB, S3 and Rekognition. Others are passing by their HTTP status (5xx).
_PASSING = frozenset(
    {
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "Throttling",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "LimitExceededException",
        "InternalServerError",
        "InternalError",
        "InternalFailure",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "RequestTimeout",
        "RequestTimeoutException",
        "TransactionInProgressException",
        "ReplicatedWriteConflictException",
    }
)
#: What botocore's parser lets escape where a 200 carries no JSON, or JSON of another shape.
_UNREADABLE = (ResponseParserError, ValueError, TypeError, AttributeError)
_NOT_SET_UP = frozenset({"ResourceNotFoundException", "NoSuchBucket"})


def client(name: str, region: str, pool: int = 50) -> Any:
    """A boto3 client of one attempt a call; credentials and endpoints by boto3's own chain and variables."""
    # A session of its own: the default one is not safe to make clients from in several threads.
    return boto3.session.Session().client(
        name,  # type: ignore[call-overload]
        region_name=region,
        config=Config(
            retries={"total_max_attempts": 1, "mode": "standard"},
            connect_timeout=CONNECT_TIMEOUT_SECONDS,
            read_timeout=READ_TIMEOUT_SECONDS,
            max_pool_connections=pool,
        ),
    )


@contextmanager
def translated(service: str) -> Iterator[None]:
    """Turn botocore's errors into ours, keeping their code; ``service`` is the port's plain name."""
    try:
        yield
    except ClientError as error:
        raise _from_client_error(service, error) from error
    except (HTTPClientError, BotoConnectionError) as error:
        raise Unavailable(service, type(error).__name__) from error
    except BotoCoreError as error:
        raise Refused(service, type(error).__name__) from error
    except _UNREADABLE as error:
        raise Unavailable(service, "UnreadableAnswer") from error


def _from_client_error(service: str, error: ClientError) -> ServiceError:
    code = error.response.get("Error", {}).get("Code", "Unknown")
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if code in _PASSING or status >= 500 or status == 429:
        return Unavailable(service, code)
    if code in _NOT_SET_UP:
        return NotConfigured(service, code)
    return Refused(service, code)
