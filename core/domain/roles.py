"""Who may do what: roles, actions, and the tables that join them with pages, API routes and core's methods.

``ALLOWED`` says which roles may do an action; the other tables say which actions a page, a route or a method is. What
stands in none of them is refused, and tests walk every page, route and method. docs/access.md shows them (tested).
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from core.domain.text import require_text


class Role(StrEnum):
    SUPPORT = "support"
    MANAGER = "manager"
    ANALYST = "analyst"
    ADMIN = "admin"


class Action(StrEnum):
    """What can be done with Facedesk, as the audit trail and the tables below name it."""

    SIGN_IN = "sign-in"
    SIGN_OUT = "sign-out"
    FIND_PEOPLE = "find-people"
    SEE_FACES = "see-faces"
    REVEAL = "reveal"
    VALIDATE = "validate"
    DECIDE = "decide"
    SEE_EVENTS = "see-events"
    LIST_PEOPLE = "list-people"
    RUN_BATCH = "run-batch"
    EXPORT = "export"
    LOAD_DATA = "load-data"
    SEE_OPERATIONS = "see-operations"
    ERASE = "erase"
    SEE_AUDIT = "see-audit"


_S, _M, _N, _A = Role.SUPPORT, Role.MANAGER, Role.ANALYST, Role.ADMIN
#: An action -> the roles that may do it.
ALLOWED: Mapping[Action, frozenset[Role]] = {
    Action.SIGN_IN: frozenset(Role),
    Action.SIGN_OUT: frozenset(Role),
    Action.FIND_PEOPLE: frozenset({_S, _A}),
    Action.SEE_FACES: frozenset({_S}),
    Action.REVEAL: frozenset({_S}),
    Action.VALIDATE: frozenset({_S}),
    Action.DECIDE: frozenset({_S}),
    Action.SEE_EVENTS: frozenset({_M, _N}),
    Action.LIST_PEOPLE: frozenset({_M}),
    Action.RUN_BATCH: frozenset({_M}),
    Action.EXPORT: frozenset({_S, _M, _N}),
    Action.LOAD_DATA: frozenset({_A}),
    Action.SEE_OPERATIONS: frozenset({_M, _A}),
    Action.ERASE: frozenset({_A}),
    Action.SEE_AUDIT: frozenset({_A}),
}

#: A page, by its address -> the action that it is for.
PAGES: Mapping[str, Action] = {
    "validate": Action.VALIDATE,
    "user_lookup": Action.FIND_PEOPLE,
    "review": Action.DECIDE,
    "event_overview": Action.SEE_EVENTS,
    "statistics": Action.SEE_EVENTS,
    "operations": Action.SEE_OPERATIONS,
    "start": Action.LOAD_DATA,
    "audit": Action.SEE_AUDIT,
    "erasure": Action.ERASE,
}

_OF_USER = "/api/registrations/{userId}/face-validation"
_OF_EVENT = "/api/exports/events/{eventId}"
#: An API route -> the actions that it takes, all of them. Nothing: it is open to everybody.
ROUTES: Mapping[tuple[str, str], frozenset[Action]] = {
    ("POST", "/api/registrations/{registrationId}/validate-face-image"): frozenset({Action.VALIDATE}),
    ("GET", f"{_OF_USER}/history"): frozenset({Action.FIND_PEOPLE}),
    ("GET", f"{_OF_USER}/stats"): frozenset({Action.FIND_PEOPLE}),
    ("GET", f"{_OF_USER}/check-recent"): frozenset({Action.FIND_PEOPLE}),
    ("GET", f"{_OF_USER}/{{registrationId}}"): frozenset({Action.FIND_PEOPLE}),
    ("GET", "/api/registrations/event/{eventId}/face-validations"): frozenset({Action.LIST_PEOPLE}),
    ("GET", "/api/exports/users/{userId}/history.csv"): frozenset({Action.FIND_PEOPLE, Action.EXPORT}),
    ("GET", f"{_OF_EVENT}/records.csv"): frozenset({Action.SEE_EVENTS, Action.EXPORT}),
    ("GET", f"{_OF_EVENT}/records.parquet"): frozenset({Action.SEE_EVENTS, Action.EXPORT}),
    ("GET", f"{_OF_EVENT}/never-tried.csv"): frozenset({Action.SEE_EVENTS, Action.EXPORT}),
    ("GET", f"{_OF_EVENT}/expiring.csv"): frozenset({Action.SEE_EVENTS, Action.EXPORT}),
    ("GET", f"{_OF_EVENT}/what-if.csv"): frozenset({Action.SEE_EVENTS, Action.EXPORT}),
    ("GET", f"{_OF_EVENT}/reference-problems.csv"): frozenset({Action.RUN_BATCH, Action.EXPORT}),
    ("GET", "/api/exports/audit.csv"): frozenset({Action.SEE_AUDIT}),
    ("GET", "/api/health"): frozenset(),
    ("GET", "/api/ready"): frozenset({Action.SEE_OPERATIONS}),
    ("GET", "/api/openapi.json"): frozenset({Action.SIGN_IN}),
}

_NOBODY: tuple[Action, ...] = ()
#: A method of the services -> the actions of which any one will do. Nothing: core alone calls it.
METHODS: Mapping[str, tuple[Action, ...]] = {
    "records.get": (Action.FIND_PEOPLE,),
    "records.history": (Action.FIND_PEOPLE,),
    "records.event_frame": (Action.SEE_EVENTS, Action.DECIDE),
    "records.event_changes": _NOBODY,
    "records.event_batches": (Action.SEE_EVENTS,),
    "records.event_records": (Action.LIST_PEOPLE,),
    "records.event_notice": (Action.SEE_EVENTS, Action.DECIDE),
    "records.record_attempt": (Action.LOAD_DATA,),
    "records.take_back": _NOBODY,
    "records.decide": (Action.LOAD_DATA,),
    "records.ping": (Action.SEE_OPERATIONS,),
    "records.close": _NOBODY,
    "registrations.get": (Action.FIND_PEOPLE,),
    "registrations.of_user": (Action.FIND_PEOPLE,),
    "registrations.search": (Action.FIND_PEOPLE,),
    "registrations.event_frame": (Action.SEE_EVENTS,),
    "registrations.events": (Action.SEE_EVENTS, Action.DECIDE),
    "registrations.is_empty": (Action.SIGN_IN,),
    "registrations.ping": (Action.SEE_OPERATIONS,),
    "registrations.close": _NOBODY,
    "importer.import_many": (Action.LOAD_DATA,),
    "importer.named_elsewhere": _NOBODY,
    "importer.erase": _NOBODY,
    "photos.get": _NOBODY,
    "photos.put": (Action.LOAD_DATA,),
    "photos.exists": (Action.LOAD_DATA,),
    "photos.under": _NOBODY,
    "photos.erase": _NOBODY,
    "photos.erase_under": _NOBODY,
    "photos.ping": (Action.SEE_OPERATIONS,),
    "photos.close": _NOBODY,
    "engine.detect": _NOBODY,
    "engine.compare": _NOBODY,
    "engine.ping": (Action.SEE_OPERATIONS,),
    "engine.close": _NOBODY,
    "validation.validate_upload": (Action.VALIDATE,),
    "validation.validate_stored": (Action.VALIDATE,),
    "validation.decide": (Action.DECIDE,),
    "validation.photo": (Action.SEE_FACES,),
    "validation.close": _NOBODY,
    "batches.count": (Action.RUN_BATCH,),
    "batches.unfinished": (Action.RUN_BATCH,),
    "batches.open": (Action.RUN_BATCH,),
    "batches.resume": (Action.RUN_BATCH,),
    "batches.drop": (Action.RUN_BATCH,),
    "references.count": (Action.RUN_BATCH,),
    "references.run": (Action.RUN_BATCH,),
    "references.latest": (Action.RUN_BATCH,),
    "references.forget": _NOBODY,
    "erasures.preview": (Action.ERASE,),
    "erasures.erase": (Action.ERASE,),
    "erasures.unfinished": (Action.ERASE,),
    "erasures.resume": (Action.ERASE,),
    "erasures.generation": _NOBODY,
    "erasures.overtook": _NOBODY,
    "erasures.scrub": _NOBODY,
    "erasures.close": _NOBODY,
    "forgetting.on_erased": _NOBODY,
    "forgetting.announce": _NOBODY,
    "forgetting.look": _NOBODY,
    "retention.sweep": _NOBODY,
    "audit.append": _NOBODY,
    "audit.entries": (Action.SEE_AUDIT,),
    "audit.ping": (Action.SEE_OPERATIONS,),
    "audit.close": _NOBODY,
    "metrics.read": (Action.SEE_OPERATIONS,),
    "metrics.month_to_date": (Action.SEE_OPERATIONS,),
    "metrics.close": _NOBODY,
    "journal.add": _NOBODY,
    "journal.by_minute": (Action.SEE_OPERATIONS,),
}


#: Roles, and the events that these are limited to.
View = tuple[tuple[Role, ...], tuple[str, ...] | None]


class Principal(BaseModel):
    """Who acts: a signed-in person, a token's bearer, or whoever sits at a machine without sign-in.

    ``id`` is what the audit trail names them by, ``name`` what colleagues do; None where nobody said it. ``events``
    limits them to these; None: all. Raises ``InvalidInput`` for a name that is no text.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    name: str | None
    roles: frozenset[Role]
    events: frozenset[str] | None = None
    ip_address: str | None = None

    @field_validator("id", "name", "events")
    @classmethod
    def _is_text(cls, value: Any) -> Any:
        require_text(value)
        return value

    def may(self, action: Action) -> bool:
        return not self.roles.isdisjoint(ALLOWED[action])

    def sees_event(self, event_id: str | None) -> bool:
        """Whether what belongs to this event is theirs to see. What belongs to none is for those who see all."""
        return self.events is None or event_id in self.events

    @property
    def view(self) -> View:
        """Equal for those who may do and see the same."""
        return tuple(sorted(self.roles)), None if self.events is None else tuple(sorted(self.events))

    @property
    def sees_identities(self) -> bool:
        """Whether ids, names and photo keys are shown as they are; else pseudonyms stand in their place."""
        return any(map(self.may, (Action.LIST_PEOPLE, Action.FIND_PEOPLE)))


def local(name: str | None, ip_address: str | None = None) -> Principal:
    """Whoever sits at a machine without sign-in: every role."""
    return Principal(id=name or "local", name=name, roles=frozenset(Role), ip_address=ip_address)


class ApiToken(BaseModel):
    """A token of the API as the settings have it: its hash, and what whoever holds the token itself may do."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1)
    hash: str = Field(pattern="^[0-9a-f]{64}$")
    roles: frozenset[Role] = Field(min_length=1)
    events: frozenset[str] | None = None
