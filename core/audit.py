"""The audit trail: who did what, to whom, from where, and what came of it. Entries are added, never changed."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from core.access import Action
from core.records import Model, Timestamp


class AuditEntry(Model):
    """One deed. Ids of persons who registered are hashed (``core.hashing.IdHash``), so that entries survive erasure.

    ``entry_id`` makes an entry one: written again, it stays one. ``outcome`` is "ok" or the error's class.
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
