"""The endpoints under /api, each once: its path, the actions that it takes, its parameters and its answers.

The router, the access check and the OpenAPI document are made of this table.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from core.domain.audit import Result
from core.domain.filters import SMILES, SPAN_PATTERN
from core.domain.people import Group, Order
from core.domain.records import MAX_ATTEMPTS, Quality, Status, ValidationRecord
from core.domain.roles import Action
from core.domain.statistics import NOT_MEASURED, NOT_REPORTED, TRIES, UserStatistics
from dashboard.api import parameters
from dashboard.api.parameters import WITH, Count
from dashboard.api.shapes import Alive, Dependencies, EventRecordList, RecentValidation, RecordList, Verdict

JSON = "application/json"
CSV = "text/csv"
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
PARQUET = "application/vnd.apache.parquet"
#: A file's type -> what its name ends with.
ENDINGS = {CSV: "csv", XLSX: "xlsx", PARQUET: "parquet"}
Schema = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Endpoint:
    """One method of one path; the names in braces are those of ``dashboard.api.parameters``.

    ``actions`` are those that the caller must be allowed, all of them; without any it is open to everybody. ``data``
    is the model of a success's ``data``; without it the answer is a ``file`` of this type. ``errors`` are the
    statuses of failures besides 500 and those of access.
    """

    method: str
    path: str
    actions: frozenset[Action]
    summary: str
    errors: tuple[int, ...] = (400, 503)
    data: type[BaseModel] | None = None
    message: bool = True
    parameters: tuple[Schema, ...] = ()
    more: Mapping[str, Schema] | None = None
    body: Schema | None = None
    file: str = CSV


def _query(name: str, schema: Schema, description: str, *, required: bool = False) -> Schema:
    return {"name": name, "in": "query", "required": required, "schema": schema, "description": description}


def _count(count: Count, description: str) -> Schema:
    limits = {"type": "integer", "minimum": count.least, "maximum": count.most, "default": count.default}
    return _query(count.name, limits, description)


def _span(name: str, description: str) -> Schema:
    says = "such as 60-65: from 60 on and below 65; 100 is within a span that ends there"
    return _query(name, {"type": "string", "pattern": SPAN_PATTERN}, f"{description}, {says}")


def _one_of(*values: str) -> Schema:
    return {"type": "string", "enum": [*values]}


def _several(name: str, items: Schema, description: str) -> Schema:
    return _query(name, {"type": "array", "items": items}, f"{description}; may be repeated")


def _files(
    path: str,
    actions: frozenset[Action],
    summary: str,
    *,
    parameters: tuple[Schema, ...] = (),
    errors: tuple[int, ...] = (400, 503),
    types: tuple[str, ...] = (CSV, XLSX),
) -> tuple[Endpoint, ...]:
    """The same rows and columns as a file of each of the ``types``; ``path`` is without their endings."""
    return tuple(
        Endpoint(
            "GET",
            f"{path}.{ENDINGS[each]}",
            actions,
            f"{summary} ({_TYPE_WORDS[each]})",
            errors=errors,
            parameters=parameters,
            file=each,
        )
        for each in types
    )


_TYPE_WORDS = {CSV: "CSV", XLSX: "Excel", PARQUET: "Parquet, with the types of the columns"}
_FILTERS = (
    _several("status", _one_of(*Status), "Records of this status"),
    _several("quality", _one_of(*Quality, NOT_MEASURED), "Records of this quality"),
    _several("source", {"type": "string"}, "Records of this source"),
    _query("reason", {"type": "string"}, "Records with this reason to fail, by its code"),
    _query("since", {"type": "string", "format": "date-time"}, "Records of this moment or later; UTC without a zone"),
    _query("until", {"type": "string", "format": "date-time"}, "Records of before this moment"),
    _span("similarity", "Records whose similarity was measured and is in this span"),
    _span("confidence", "Records whose confidence was measured and is in this span"),
    _query("attempts", _one_of(*TRIES), "Records of people who took as many attempts"),
)
_INFERRED = (
    _query("age", {"type": "string"}, f"Records of this age group, such as 18-29, or {NOT_REPORTED}"),
    _query("gender", {"type": "string"}, f"Records of this gender, or {NOT_REPORTED}"),
    _query("smile", _one_of(*SMILES), "Records of faces that smile, or not"),
)
#: Of files that can have several events.
MORE_EVENTS = _several(WITH.name, WITH.schema, "Also this event, behind the others in the same file")
#: Of files of records, for those who may see whose they are.
CONTACTS = _query(
    "contacts",
    {"type": "boolean", "default": False},
    "Also name and e-mail, in the last columns; for those who see whose records they are",
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
    _one_of("optional"),
    "The verdict is answered even where it could not be stored; dynamodbStored is false then",
)
_FORM: Schema = {
    "type": "object",
    "required": ["photo"],
    "properties": {"photo": {"type": "string", "contentMediaType": "application/octet-stream"}},
}

VALIDATE = Endpoint(
    "POST",
    "/api/registrations/{registrationId}/validate-face-image",
    frozenset({Action.VALIDATE}),
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
)
HISTORY = Endpoint(
    "GET",
    "/api/registrations/{userId}/face-validation/history",
    frozenset({Action.FIND_PEOPLE}),
    "A user's records, newest first",
    data=RecordList,
    parameters=(_count(parameters.HISTORY_LIMIT, "At most so many"),),
)
STATS = Endpoint(
    "GET",
    "/api/registrations/{userId}/face-validation/stats",
    frozenset({Action.FIND_PEOPLE}),
    "A user's attempts, counted",
    data=UserStatistics,
)
CHECK_RECENT = Endpoint(
    "GET",
    "/api/registrations/{userId}/face-validation/check-recent",
    frozenset({Action.FIND_PEOPLE}),
    "Whether a user has a record that stands as passed and is recent",
    data=RecentValidation,
    parameters=(_count(parameters.DAYS_BACK, "How many days ago is recent"),),
)
RECORD = Endpoint(
    "GET",
    "/api/registrations/{userId}/face-validation/{registrationId}",
    frozenset({Action.FIND_PEOPLE}),
    "One record; history, stats and check-recent win over registrations of these names",
    errors=(400, 404, 503),
    data=ValidationRecord,
)
EVENT_VALIDATIONS = Endpoint(
    "GET",
    "/api/registrations/event/{eventId}/face-validations",
    frozenset({Action.LIST_PEOPLE}),
    "An event's records, newest first, without their lists of attempts",
    data=EventRecordList,
    parameters=(_count(parameters.EVENT_LIMIT, "At most so many"),),
)
_OF_EVENTS = frozenset({Action.SEE_EVENTS, Action.EXPORT})
_EVENT = "/api/exports/events/{eventId}"
USER_HISTORY = _files(
    "/api/exports/users/{userId}/history",
    frozenset({Action.FIND_PEOPLE, Action.EXPORT}),
    "A user's outcomes, newest first",
)
RECORDS = _files(
    f"{_EVENT}/records",
    _OF_EVENTS,
    "An event's records",
    parameters=(MORE_EVENTS, CONTACTS, *_FILTERS, *_INFERRED),
    types=(CSV, XLSX, PARQUET),
)
PEOPLE = _files(
    f"{_EVENT}/people",
    _OF_EVENTS,
    "An event's registered people, each with what came of it and what to send to them",
    parameters=(
        _query("who", _one_of(*Group), "People of this group"),
        _query("search", {"type": "string"}, "People whose name, e-mail or ids have all these words in them"),
        _query("sort", _one_of(*Order), "The order; name without it"),
        *_FILTERS,
    ),
)
NEVER_TRIED = _files(f"{_EVENT}/never-tried", _OF_EVENTS, "An event's registrations without a record")
UNREADABLE_RECORDS = _files(
    f"{_EVENT}/unreadable-records", _OF_EVENTS, "What could not be read of an event's records"
)
UNREADABLE_REGISTRATIONS = _files(
    f"{_EVENT}/unreadable-registrations", _OF_EVENTS, "What could not be read of an event's registrations"
)
EXPIRING = _files(
    f"{_EVENT}/expiring",
    _OF_EVENTS,
    "An event's records that expire within a week",
    parameters=(CONTACTS,),
)
WHAT_IF = _files(
    f"{_EVENT}/what-if",
    _OF_EVENTS,
    "An event's records whose status another threshold would change",
    parameters=(_THRESHOLD, MORE_EVENTS, CONTACTS, *_FILTERS, *_INFERRED),
)
REFERENCE_PROBLEMS = _files(
    f"{_EVENT}/reference-problems",
    frozenset({Action.RUN_BATCH, Action.EXPORT}),
    "Whom to ask for another reference photo, by the event's last check",
    errors=(400, 404, 503),
)
AUDIT = _files(
    "/api/exports/audit",
    frozenset({Action.SEE_AUDIT}),
    "The audit trail, newest first; of the last 30 days where since is absent",
    parameters=(
        _several("action", _one_of(*Action), "Entries of this action"),
        _query("who", {"type": "string"}, "Entries of whoever the trail names so"),
        _query("person", {"type": "string"}, "Entries about the person or registration with this hash"),
        _query("result", _one_of(*Result), "Entries that ended so"),
        _query("since", {"type": "string", "format": "date-time"}, "Entries of this moment or later"),
        _query("until", {"type": "string", "format": "date-time"}, "Entries of before this moment"),
    ),
)
HEALTH = Endpoint(
    "GET", "/api/health", frozenset(), "Whether the process answers", errors=(), data=Alive, message=False
)
READY = Endpoint(
    "GET",
    "/api/ready",
    frozenset({Action.SEE_OPERATIONS}),
    "Whether each service behind it answers; a 503, if one does not that validations need, lists them too",
    errors=(400, 503),
    data=Dependencies,
    message=False,
)
OPENAPI = Endpoint("GET", "/api/openapi.json", frozenset({Action.SIGN_IN}), "This document", errors=(400,), file=JSON)

#: In the order in which they win.
ENDPOINTS = (
    VALIDATE,
    EVENT_VALIDATIONS,
    HISTORY,
    STATS,
    CHECK_RECENT,
    RECORD,
    *USER_HISTORY,
    *RECORDS,
    *PEOPLE,
    *NEVER_TRIED,
    *UNREADABLE_RECORDS,
    *UNREADABLE_REGISTRATIONS,
    *EXPIRING,
    *WHAT_IF,
    *REFERENCE_PROBLEMS,
    *AUDIT,
    HEALTH,
    READY,
    OPENAPI,
)
