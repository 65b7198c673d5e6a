"""The answers of the JSON API: successes, and every failure as JSON with a status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from core.domain.errors import (
    Conflict,
    FacedeskError,
    Forbidden,
    InvalidInput,
    NotFound,
    PhotoOfAnother,
    PhotoRefused,
    PhotoTooLarge,
    Refused,
    ServiceError,
    SettingsError,
)
from core.domain.records import Model, ValidationRecord
from dashboard.access.authentication import TooFast
from dashboard.api.endpoints import JSON
from dashboard.api.workers import Busy, TooMany

RETRY_AFTER_SECONDS = 5
_STATUS_OF: Mapping[type[Exception], int] = {
    InvalidInput: 400,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    PhotoTooLarge: 413,
    PhotoOfAnother: 403,
    PhotoRefused: 415,
    Refused: 500,
    ServiceError: 503,
    SettingsError: 503,
    FacedeskError: 500,
}


def success(data: Any, message: str | None = None, **more: Any) -> Response:
    return JSONResponse({"status": "success"} | ({"message": message} if message else {}) | {"data": data} | more)


def model(data: Model, message: str) -> Response:
    """A success whose data is ``data``, written to JSON in one step."""
    return _written(message, data.to_json())


def error(status: int, message: str, retry_after: int | None = None, **more: Any) -> Response:
    """``retry_after`` in seconds."""
    return JSONResponse(
        {"status": "error", "message": message, "statusCode": status, **more},
        status_code=status,
        headers=None if retry_after is None else {"Retry-After": str(retry_after)},
    )


def listed(what: str, records: list[ValidationRecord], **more: Any) -> Response:
    """A success with a list of records, and ``more`` beside it.

    ``what`` names one of them, with ``{s}`` for the plural.
    """
    count = len(records)
    message = f"Retrieved {count} {what.format(s='' if count == 1 else 's')}"
    data = b",".join([record.to_json() for record in records])
    beside = b"".join(b"," + orjson.dumps({name: value})[1:-1] for name, value in more.items())
    return _written(message, b'{"count":%d,"data":[%s]%s}' % (count, data, beside))


def _written(message: str, data: bytes) -> Response:
    head = orjson.dumps({"status": "success", "message": message})
    return Response(head[:-1] + b',"data":' + data + b"}", media_type=JSON)


async def failed(_request: Request, failure: Exception) -> Response:
    """A failure of the services, by its class."""
    status = next(_STATUS_OF[kind] for kind in type(failure).__mro__ if kind in _STATUS_OF)
    return error(status, str(failure), RETRY_AFTER_SECONDS if status == 503 else None)


async def busy(_request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, Busy)
    return error(429 if isinstance(refusal, TooMany) else 503, str(refusal), refusal.retry_after)


async def too_fast(_request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, TooFast)
    return error(429, str(refusal), refusal.retry_after)


async def refused(request: Request, refusal: Exception) -> Response:
    assert isinstance(refusal, HTTPException)
    match refusal.status_code:
        case 404:
            message = "There is nothing at this path."
        case 405:
            message = f"The method {request.method} is not for this path."
        case _:
            message = refusal.detail
    answer = error(refusal.status_code, message)
    answer.headers.update(refusal.headers or {})
    return answer


async def nobody_there(_request: Request, _gone: Exception) -> Any:
    """Nothing is answered to a client that went away."""


async def unforeseen(_request: Request, _failure: Exception) -> Response:
    """The failure itself goes on to the server, which logs it."""
    return error(500, "Something went wrong. Try again; if it happens again, report it to whoever runs Facedesk.")
