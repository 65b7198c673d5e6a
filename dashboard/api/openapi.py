"""The shapes of the JSON API, and its OpenAPI document: one table of operations, schemas from the models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel
from pydantic.json_schema import models_json_schema

from core.domain import reasons
from core.domain.audit import Result
from core.domain.records import MAX_ATTEMPTS, ComparisonResult, Percent, Quality, Status, Timestamp, ValidationRecord
from core.domain.roles import ALLOWED, ROUTES, Action, Role
from core.domain.statistics import NOT_MEASURED, UserStatistics
from core.services.validation import Validation
from dashboard.api import parameters
from dashboard.api.exports import PARQUET
from dashboard.api.parameters import Count, Id

JSON = "application/json"
CSV = "text/csv"
Schema = Mapping[str, Any]


class _Shape(BaseModel):
    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True)


class FaceImage(_Shape):
    """The photo to validate, by its key in the photo store."""

    face_image_key: str = Field(min_length=1, max_length=1024, strict=True)


class Verdict(_Shape):
    """What came of one attempt. What was not measured, or is not kept of an earlier attempt, is absent."""

    success: bool
    message: str
    confidence: Percent | None = None
    quality: Quality | None = None
    attributes: Mapping[str, Any] | None = None
    validation_status: Status
    failure_reasons: tuple[str, ...] = ()
    comparison_result: ComparisonResult | None = None
    attempt_id: str | None = None
    verification_attempt: int
    user_id: str
    registration_id: str
    timestamp: Timestamp
    face_image_key: str | None = None

    @classmethod
    def of(cls, validation: Validation) -> Self:
        """Of the attempt that was asked for, which a later one may have followed."""
        record, attempt = validation.record, validation.attempt
        newest = record.outcomes[-1] == attempt
        codes = record.failure_reasons if newest else attempt.reasons
        comparison = record.comparison_result if newest else None
        if comparison is None and attempt.similarity is not None:
            comparison = ComparisonResult(similarity=attempt.similarity)
        return cls(
            success=attempt.status is Status.SUCCESS,
            message=_message(attempt.status, codes),
            confidence=attempt.confidence,
            quality=attempt.quality,
            attributes=record.attributes if newest else None,
            validation_status=attempt.status,
            failure_reasons=codes,
            comparison_result=comparison,
            attempt_id=attempt.attempt_id,
            verification_attempt=attempt.number,
            user_id=record.user_id,
            registration_id=record.registration_id,
            timestamp=attempt.timestamp,
            face_image_key=attempt.face_image_key,
        )


class RecordList(_Shape):
    count: int = Field(ge=0)
    data: list[ValidationRecord]


class RecentValidation(_Shape):
    user_id: str
    has_recent_validation: bool
    days_checked: int


class Alive(_Shape):
    alive: Literal[True]


class Dependency(_Shape):
    """How one service answered; ``error`` is the error's class and code, absent where all is well."""

    service: str
    ok: bool
    milliseconds: float
    error: str | None = None


class Dependencies(_Shape):
    dependencies: list[Dependency]


class Error(_Shape):
    status: Literal["error"]
    message: str
    status_code: int


@dataclass(frozen=True)
class Operation:
    """``data`` is the model of a success's ``data``; without it the answer is a ``file`` of this type.

    ``errors``: beyond 500.
    """

    summary: str
    errors: tuple[int, ...] = (400, 503)
    data: type[BaseModel] | None = None
    message: bool = True
    parameters: tuple[Schema, ...] = ()
    more: Mapping[str, Schema] | None = None
    body: Schema | None = None
    file: str = CSV


_ERRORS = {
    400: "Something in the request is not as described; the message names it",
    401: "Neither a token nor a session that is good",
    403: "Not for this role, or not one of this caller's events",
    404: "There is no such registration, record or photo",
    408: "The headers or the body did not arrive in time; the connection is closed",
    413: "The body or the photo is too large",
    415: "The body is of another type, or the file is no photo that can be taken",
    429: "This token is used too fast, or this caller has too many requests or downloads open at once; ask again "
    "after Retry-After seconds",
    500: "A service refused for good, or a fault of ours; asking again changes nothing",
    503: "Too many requests, or a service is out of reach or not configured; ask again after Retry-After seconds",
}


def _query(name: str, schema: Schema, description: str, *, required: bool = False) -> Schema:
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": description}


def _count(count: Count, description: str) -> Schema:
    limits = {"type": "integer", "minimum": count.least, "maximum": count.most, "default": count.default}
    return _query(count.name, limits, description)


def _id(identifier: Id) -> Schema:
    return {
        "name": identifier.name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", "minLength": 1, "maxLength": identifier.max_bytes, "pattern": "^[^\\x00]+$"},
        "description": f"Percent-encoded, slashes too; at most {identifier.max_bytes:,} bytes of UTF-8",
    }


def _several(name: str, values: list[str] | None, description: str) -> Schema:
    items: Schema = {"type": "string", "enum": values} if values else {"type": "string"}
    return _query(name, {"type": "array", "items": items}, f"{description}; may be repeated")


_FILTERS = (
    _several("status", [status.value for status in Status], "Records of this status"),
    _several("quality", [*(quality.value for quality in Quality), NOT_MEASURED], "Records of this quality"),
    _several("source", None, "Records of this source"),
    _query("reason", {"type": "string"}, "Records with this reason to fail, by its code"),
    _query("since", {"type": "string", "format": "date-time"}, "Records of this moment or later; UTC without a zone"),
    _query("until", {"type": "string", "format": "date-time"}, "Records of before this moment"),
)
_THRESHOLD = _query(
    "threshold",
    {"type": "number", "minimum": 0, "maximum": 100},
    "Similarity from which two faces would match",
    required=True,
)
_IDEMPOTENCY_KEY: Schema = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 255, "pattern": "^[!-~]([ -~]*[!-~])?$"},
    "description": "Names the attempt: the same again changes nothing and answers what came of the first. "
    f"A record knows the keys of its last {MAX_ATTEMPTS} attempts; an older key is unknown, and counts as a new "
    "attempt",
}
_STORE = _query(
    "store",
    {"type": "string", "enum": ["optional"]},
    "The verdict is answered even where it could not be stored; dynamodbStored is false then",
)
_FORM: Schema = {
    "type": "object",
    "required": ["photo"],
    "properties": {"photo": {"type": "string", "contentMediaType": "application/octet-stream"}},
}

_SECURITY_SCHEMES: Schema = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token of the setting API_TOKENS"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "_streamlit_user",
        "description": "The session of a browser that signed in on the pages; for reading only",
    },
}
#: (method, path) -> what it does. A test holds this against the routes.
OPERATIONS: Mapping[tuple[str, str], Operation] = {
    ("post", "/api/registrations/{registrationId}/validate-face-image"): Operation(
        "Validate a photo: a stored one by its key, or an uploaded one",
        errors=(400, 404, 408, 413, 415, 503),
        data=Verdict,
        message=False,
        parameters=(_IDEMPOTENCY_KEY, _STORE),
        more={"dynamodbStored": {"type": "boolean", "description": "Whether the record is durably stored"}},
        body={
            JSON: {"schema": {"$ref": "#/components/schemas/FaceImage"}},
            "multipart/form-data": {"schema": _FORM},
        },
    ),
    ("get", "/api/registrations/{userId}/face-validation/history"): Operation(
        "A user's records, newest first",
        data=RecordList,
        parameters=(_count(parameters.HISTORY_LIMIT, "At most so many"),),
    ),
    ("get", "/api/registrations/{userId}/face-validation/stats"): Operation(
        "A user's attempts, counted", data=UserStatistics
    ),
    ("get", "/api/registrations/{userId}/face-validation/check-recent"): Operation(
        "Whether a user has a record that stands as passed and is recent",
        data=RecentValidation,
        parameters=(_count(parameters.DAYS_BACK, "How many days ago is recent"),),
    ),
    ("get", "/api/registrations/{userId}/face-validation/{registrationId}"): Operation(
        "One record; history, stats and check-recent win over registrations of these names",
        errors=(400, 404, 503),
        data=ValidationRecord,
    ),
    ("get", "/api/registrations/event/{eventId}/face-validations"): Operation(
        "An event's records, newest first, without their lists of attempts",
        data=RecordList,
        parameters=(_count(parameters.EVENT_LIMIT, "At most so many"),),
    ),
    ("get", "/api/exports/users/{userId}/history.csv"): Operation("A user's outcomes, newest first, as CSV"),
    ("get", "/api/exports/events/{eventId}/records.csv"): Operation("An event's records as CSV", parameters=_FILTERS),
    ("get", "/api/exports/events/{eventId}/records.parquet"): Operation(
        "The same records as Parquet, with the types of their columns", parameters=_FILTERS, file=PARQUET
    ),
    ("get", "/api/exports/events/{eventId}/never-tried.csv"): Operation(
        "An event's registrations without a record, as CSV"
    ),
    ("get", "/api/exports/events/{eventId}/expiring.csv"): Operation(
        "An event's records that expire within a week, as CSV"
    ),
    ("get", "/api/exports/events/{eventId}/what-if.csv"): Operation(
        "An event's records whose status another threshold would change, as CSV",
        parameters=(_THRESHOLD, *_FILTERS),
    ),
    ("get", "/api/exports/events/{eventId}/reference-problems.csv"): Operation(
        "Whom to ask for another reference photo, by the event's last check, as CSV",
        errors=(400, 404, 503),
    ),
    ("get", "/api/exports/audit.csv"): Operation(
        "The audit trail, newest first, as CSV; of the last 30 days where since is absent",
        parameters=(
            _several("action", [action.value for action in Action], "Entries of this action"),
            _query("who", {"type": "string"}, "Entries of whoever the trail names so"),
            _query("person", {"type": "string"}, "Entries about the person or registration with this hash"),
            _query("result", {"type": "string", "enum": [each.value for each in Result]}, "Entries that ended so"),
            _query("since", {"type": "string", "format": "date-time"}, "Entries of this moment or later"),
            _query("until", {"type": "string", "format": "date-time"}, "Entries of before this moment"),
        ),
    ),
    ("get", "/api/health"): Operation("Whether the process answers", errors=(), data=Alive, message=False),
    ("get", "/api/ready"): Operation(
        "Whether each service behind it answers; a 503 lists them too",
        errors=(400, 503),
        data=Dependencies,
        message=False,
    ),
}


@cache
def document(*, sign_in: bool) -> dict[str, Any]:
    """The OpenAPI 3.1 document of what is served; ``sign_in``: whether it takes a token or a session."""
    models: list[type[BaseModel]] = [FaceImage, Error]
    models += {operation.data: None for operation in OPERATIONS.values() if operation.data}
    _, schemas = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for (method, path), operation in OPERATIONS.items():
        paths.setdefault(path, {})[method] = _operation(method, path, operation, sign_in)
    paths["/api/openapi.json"] = {
        "get": {
            "summary": "This document",
            "responses": {
                "200": {"description": "OpenAPI 3.1", "content": {JSON: {"schema": {"type": "object"}}}},
                "400": _failure(400, "/api/openapi.json"),
                **_refusals("get", "/api/openapi.json", sign_in),
            },
            **_security("get", "/api/openapi.json", sign_in),
        }
    }
    schemes = {"securitySchemes": _SECURITY_SCHEMES} if sign_in else {}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Facedesk",
            "version": "1",
            "description": "Every answer but a file is JSON; an attribute that has no value is absent.",
        },
        "paths": paths,
        "components": {"schemas": schemas["$defs"], **schemes},
    }


def _security(method: str, path: str, sign_in: bool) -> dict[str, Any]:
    if not sign_in:
        return {}
    if not ROUTES[method.upper(), path]:
        return {"security": []}
    return {"security": [{"token": []}, *([{"session": []}] if method == "get" else [])]}


def _refusals(method: str, path: str, sign_in: bool) -> dict[str, Schema]:
    needed = ROUTES[method.upper(), path]
    if not (sign_in and needed):
        return {}
    roles = sorted(role for role in Role if all(role in ALLOWED[action] for action in needed))
    headers = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return {
        "401": {**_failure(401, path), "headers": headers},
        "403": {**_failure(403, path), "description": f"{_ERRORS[403]}; the route is for: {', '.join(roles)}"},
        "429": _failure(429, path),
    }


def _operation(method: str, path: str, operation: Operation, sign_in: bool) -> dict[str, Any]:
    ids = [_id(each) for each in (parameters.USER_ID, parameters.REGISTRATION_ID, parameters.EVENT_ID)]
    in_path = [each for each in ids if f"{{{each['name']}}}" in path]
    failures = {str(status): _failure(status, path) for status in sorted((*operation.errors, 500))}
    described: dict[str, Any] = {
        "summary": operation.summary,
        "parameters": [*in_path, *operation.parameters],
        "responses": {
            "200": {"description": "Done", "content": _content(operation)},
            **failures,
            **_refusals(method, path, sign_in),
        },
        **_security(method, path, sign_in),
    }
    if operation.body:
        described["requestBody"] = {"required": True, "content": operation.body}
    return described


def _content(operation: Operation) -> Schema:
    if operation.data is None:
        return {operation.file: {"schema": {"type": "string"} if operation.file is CSV else {}}}
    properties: dict[str, Schema] = {
        "status": {"const": "success"},
        **({"message": {"type": "string"}} if operation.message else {}),
        "data": {"$ref": f"#/components/schemas/{operation.data.__name__}"},
        **(operation.more or {}),
    }
    return {JSON: {"schema": {"type": "object", "properties": properties, "required": list(properties)}}}


def _failure(status: int, path: str) -> Schema:
    schema: dict[str, Any] = {"$ref": "#/components/schemas/Error"}
    if status == 503 and path == "/api/ready":
        schema = {"allOf": [schema], "properties": {"data": {"$ref": "#/components/schemas/Dependencies"}}}
    headers = {"headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}}
    return {
        "description": _ERRORS[status],
        "content": {JSON: {"schema": schema}},
        **(headers if status in (429, 503) else {}),
    }


def _message(status: Status, codes: tuple[str, ...]) -> str:
    labels = ", ".join(reasons.label(code) for code in codes)
    match status:
        case Status.SUCCESS:
            return "Face image is valid"
        case Status.FAILED:
            return f"Face image is not valid: {labels}" if labels else "Face image is not valid"
        case Status.PENDING:
            return f"Face image waits: {labels}" if labels else "Face image waits for a person to decide"
