"""The audit trail: who did what, to whom, from where, and what came of it. Entries are added, never changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, ValidationError

from core.access import Action
from core.errors import Refused
from core.records import Model, Timestamp

SERVICE = "audit trail"


class AuditEntry(Model):
    """One deed. Ids of persons who registered are hashed (``core.hashing.IdHash``), so that entries survive erasure.

    Moment and ``entry_id`` make an entry one: written again, it stays one. ``outcome`` is "ok" or the error's class.
    ``details`` hold no id, name, note or photo key: a decision, a number of rows, a role.
    """

    entry_id: str
    at: Timestamp
    who: str
    action: Action
    user: str | None = None
    registration: str | None = None
    event_id: str | None = None
    ip_address: str | None = None
    outcome: str = "ok"
    details: Mapping[str, str] = Field(default_factory=dict)


def entry_of(item: Mapping[str, Any]) -> AuditEntry:
    """Read a stored item (camelCase). Raises ``Refused``, which names no value."""
    try:
        return AuditEntry.model_validate(item, by_alias=True, by_name=False)
    except ValidationError as error:
        attribute = ".".join(map(str, error.errors(include_input=False)[0]["loc"]))
        message = f"An entry of the audit trail cannot be read: its {attribute} is not valid."
        raise Refused(SERVICE, "UnreadableEntry", message) from None
