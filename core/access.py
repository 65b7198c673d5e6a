"""Who may do what: roles, actions, and the one table that joins them."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Role(StrEnum):
    SUPPORT = "support"
    MANAGER = "manager"
    ANALYST = "analyst"
    ADMIN = "admin"


class Action(StrEnum):
    """What can be done with Facedesk, as the audit trail and the table below name it."""

    SIGN_IN = "sign-in"
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
#: The table: an action -> the roles that may do it.
ALLOWED: Mapping[Action, frozenset[Role]] = {
    Action.SIGN_IN: frozenset(Role),
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


class Principal(BaseModel):
    """Who acts: a signed-in person, a token's bearer, or whoever sits at a machine without sign-in.

    ``id`` is what the audit trail names them by. ``events`` limits them to these; None: all.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    name: str
    roles: frozenset[Role]
    events: frozenset[str] | None = None
    ip_address: str | None = None

    def may(self, action: Action) -> bool:
        return not self.roles.isdisjoint(ALLOWED[action])


def local(name: str | None, ip_address: str | None = None) -> Principal:
    """Whoever sits at a machine without sign-in: every role."""
    return Principal(
        id=name or "local", name=name or "someone at the desk", roles=frozenset(Role), ip_address=ip_address
    )
