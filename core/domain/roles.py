"""Who may do what: roles, actions, and the pages that are for them.

``ALLOWED`` says which roles may do an action, ``PAGES`` which action a page is for. The methods of
``core.runtime.facades`` and the endpoints of the API say which actions they take.
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
    UNDO = "undo"
    NOTE = "note"
    SECOND_LOOK = "second-look"
    SEE_EVENTS = "see-events"
    LIST_PEOPLE = "list-people"
    RUN_BATCH = "run-batch"
    EDIT_EVENT = "edit-event"
    EXPORT = "export"
    LOAD_DATA = "load-data"
    SEE_OPERATIONS = "see-operations"
    ERASE = "erase"
    SEE_AUDIT = "see-audit"
    SEE_AGREEMENT = "see-agreement"
    SWITCH_DUPLICATES = "switch-duplicates"
    FIND_DUPLICATES = "find-duplicates"
    ANSWER_DUPLICATES = "answer-duplicates"
    MAKE_TOKEN = "make-token"
    REVOKE_TOKEN = "revoke-token"


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
    Action.UNDO: frozenset({_S}),
    Action.NOTE: frozenset({_S}),
    Action.SECOND_LOOK: frozenset({_S}),
    Action.SEE_EVENTS: frozenset({_M, _N}),
    Action.LIST_PEOPLE: frozenset({_M}),
    Action.RUN_BATCH: frozenset({_M}),
    Action.EDIT_EVENT: frozenset({_M, _A}),
    Action.EXPORT: frozenset({_S, _M, _N}),
    Action.LOAD_DATA: frozenset({_A}),
    Action.SEE_OPERATIONS: frozenset({_M, _A}),
    Action.ERASE: frozenset({_A}),
    Action.SEE_AUDIT: frozenset({_A}),
    Action.SEE_AGREEMENT: frozenset({_A}),
    Action.SWITCH_DUPLICATES: frozenset({_A}),
    Action.FIND_DUPLICATES: frozenset({_M, _A}),
    Action.ANSWER_DUPLICATES: frozenset({_M, _A}),
    Action.MAKE_TOKEN: frozenset({_A}),
    Action.REVOKE_TOKEN: frozenset({_A}),
}

#: A page, by its address -> the action that it is for.
PAGES: Mapping[str, Action] = {
    "validate": Action.VALIDATE,
    "user_lookup": Action.FIND_PEOPLE,
    "review": Action.DECIDE,
    "all_events": Action.SEE_EVENTS,
    "event_overview": Action.SEE_EVENTS,
    "statistics": Action.SEE_EVENTS,
    "duplicates": Action.FIND_DUPLICATES,
    "event_profile": Action.EDIT_EVENT,
    "operations": Action.SEE_OPERATIONS,
    "start": Action.LOAD_DATA,
    "audit": Action.SEE_AUDIT,
    "erasure": Action.ERASE,
    "tokens": Action.MAKE_TOKEN,
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

    @property
    def known_as(self) -> str:
        """What colleagues read as whoever did something."""
        return self.name or self.id

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
