"""The OpenAPI document: made of the table of endpoints and of the models."""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from core import __version__
from core.domain.roles import ALLOWED, Role
from dashboard.api import parameters
from dashboard.api.endpoints import CSV, ENDPOINTS, JSON, PARQUET, READY, XLSX, Endpoint, Schema
from dashboard.api.parameters import Id
from dashboard.api.shapes import Error, FaceImage
from dashboard.prefix import address_of

#: A file's type -> the schema of its content.
_FILES: dict[str, Schema] = {CSV: {"type": "string"}, XLSX: {}, PARQUET: {}, JSON: {"type": "object"}}
_ERRORS = {
    400: "Something in the request is not as described; the message names it",
    401: "Missing or invalid credentials",
    403: "Not for this role, not one of this caller's events, or a photo of another person's registration",
    404: "There is no such registration, record or photo",
    408: "The headers or the body did not arrive in time; the connection is closed",
    413: "The body or the photo is too large",
    415: "The body is of another type, or the file is no photo that can be taken",
    429: "Rate limit exceeded, or this caller has too many requests or downloads open at once; try again after "
    "Retry-After seconds",
    500: "A service refused the request, or Facedesk has a fault; trying again changes nothing",
    503: "Too many requests, or a service cannot be reached or is not configured; try again after Retry-After "
    "seconds",
}


def _id(identifier: Id) -> Schema:
    return {
        "name": identifier.name,
        "in": "path",
        "required": True,
        "schema": identifier.schema,
        "description": f"Percent-encoded, slashes too; at most {identifier.max_bytes:,} bytes of UTF-8",
    }


_SECURITY_SCHEMES: Schema = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token of the API"},
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "_streamlit_user",
        "description": "The session of a browser that signed in on the pages; for reading only",
    },
}


@cache
def document(*, sign_in: bool) -> dict[str, Any]:
    """The OpenAPI 3.1 document of what is served; ``sign_in``: whether it takes a token or a session."""
    models: list[type[BaseModel]] = [FaceImage, Error]
    models += {endpoint.data: None for endpoint in ENDPOINTS if endpoint.data}
    _, schemas = models_json_schema(
        [(model, "validation") for model in models], ref_template="#/components/schemas/{model}"
    )
    paths: dict[str, dict[str, Any]] = {}
    for endpoint in ENDPOINTS:
        paths.setdefault(endpoint.path, {})[endpoint.method.lower()] = _described(endpoint, sign_in)
    schemes = {"securitySchemes": _SECURITY_SCHEMES} if sign_in else {}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Facedesk",
            "version": __version__,
            "description": "Every answer but a file is JSON; an attribute that has no value is absent.",
        },
        "servers": [{"url": address_of("") or "/"}],
        "paths": paths,
        "components": {"schemas": schemas["$defs"], **schemes},
    }


def _security(endpoint: Endpoint, sign_in: bool) -> dict[str, Any]:
    if not sign_in:
        return {}
    if not endpoint.actions:
        return {"security": []}
    return {"security": [{"token": []}, *([{"session": []}] if endpoint.method == "GET" else [])]}


def _refusals(endpoint: Endpoint, sign_in: bool) -> dict[str, Schema]:
    if not (sign_in and endpoint.actions):
        return {}
    roles = sorted(role for role in Role if all(role in ALLOWED[action] for action in endpoint.actions))
    headers = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    return {
        "401": {**_failure(401, endpoint), "headers": headers},
        "403": {**_failure(403, endpoint), "description": f"{_ERRORS[403]}; the route is for: {', '.join(roles)}"},
        "429": _failure(429, endpoint),
    }


def _described(endpoint: Endpoint, sign_in: bool) -> dict[str, Any]:
    ids = [_id(each) for each in (parameters.USER_ID, parameters.REGISTRATION_ID, parameters.EVENT_ID)]
    in_path = [each for each in ids if f"{{{each['name']}}}" in endpoint.path]
    failures = {str(status): _failure(status, endpoint) for status in sorted((*endpoint.errors, 500))}
    described: dict[str, Any] = {
        "summary": endpoint.summary,
        "parameters": [*in_path, *endpoint.parameters],
        "responses": {
            "200": {"description": "Done", "content": _content(endpoint)},
            **failures,
            **_refusals(endpoint, sign_in),
        },
        **_security(endpoint, sign_in),
    }
    if endpoint.body:
        described["requestBody"] = {"required": True, "content": endpoint.body}
    return described


def _content(endpoint: Endpoint) -> Schema:
    if endpoint.data is None:
        return {endpoint.file: {"schema": _FILES[endpoint.file]}}
    properties: dict[str, Schema] = {
        "status": {"const": "success"},
        **({"message": {"type": "string"}} if endpoint.message else {}),
        "data": {"$ref": f"#/components/schemas/{endpoint.data.__name__}"},
        **(endpoint.more or {}),
    }
    return {JSON: {"schema": {"type": "object", "properties": properties, "required": list(properties)}}}


def _failure(status: int, endpoint: Endpoint) -> Schema:
    schema: dict[str, Any] = {"$ref": "#/components/schemas/Error"}
    if status == 503 and endpoint is READY:
        schema = {"allOf": [schema], "properties": {"data": {"$ref": "#/components/schemas/Dependencies"}}}
    headers = {"headers": {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds"}}}
    return {
        "description": _ERRORS[status],
        "content": {JSON: {"schema": schema}},
        **(headers if status in (429, 503) else {}),
    }
