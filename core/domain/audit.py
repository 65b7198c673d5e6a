"""The audit trail: who did what, to whom, from where, and what came of it. Entries are added, never changed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import Field, ValidationError

from core.domain.errors import Refused, Service
from core.domain.records import Model, Timestamp
from core.domain.roles import Action

SERVICE = Service.AUDIT
#: The outcome of an entry that is written before its action; a second entry has what came of it.
BEGUN = "begun"


class AuditEntry(Model):
    """One action. Ids of people who registered are hashed, so that entries survive an erasure.

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


class Result(StrEnum):
    """Kinds of outcomes, to choose by."""

    DONE = "done"
    BEGUN = "begun"
    FAILED = "failed"


def result_of(entry: AuditEntry) -> Result:
    return {"ok": Result.DONE, "begun": Result.BEGUN}.get(entry.outcome, Result.FAILED)


@dataclass(frozen=True)
class AuditFilter:
    """Which entries are wanted; what is empty wants all. ``person`` is the hash of a user or registration id."""

    actions: frozenset[str] = frozenset()
    who: str | None = None
    person: str | None = None
    result: str | None = None

    def of(self, entries: Iterable[AuditEntry]) -> Iterator[AuditEntry]:
        return filter(self._wants, entries)

    def _wants(self, entry: AuditEntry) -> bool:
        return (
            (not self.actions or entry.action in self.actions)
            and (not self.who or entry.who == self.who)
            and (not self.person or self.person in (entry.user, entry.registration))
            and (not self.result or result_of(entry) == self.result)
        )
