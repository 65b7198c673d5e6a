"""The audit trail: who did what, to whom, from where, and what came of it. Entries are added, never changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby
from typing import Any

from pydantic import Field, ValidationError

from core.domain.errors import Forbidden, Refused, Service
from core.domain.records import Model, Timestamp
from core.domain.roles import Action

SERVICE = Service.AUDIT
#: The outcome of an entry that is written before its action; a second entry has what came of it.
BEGUN = "begun"
#: The outcome of an action that was refused before it began.
_REFUSED = Forbidden.__name__


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


def one_an_action(entries: Iterable[AuditEntry]) -> Iterator[AuditEntry]:
    """Leaves out the beginnings of actions whose end is there too; ``entries`` come newest first.

    What is left with the outcome "begun" is under way, or was cut off before its end could be written.
    """
    ends: Counter[Hashable] = Counter()
    # Of entries with the same moment either may come first.
    for _, same_moment in groupby(entries, key=lambda entry: entry.at):
        together = list(same_moment)
        ends.update(_action_of(entry) for entry in together if entry.outcome not in (BEGUN, _REFUSED))
        for entry in together:
            if entry.outcome == BEGUN and ends[_action_of(entry)]:
                ends[_action_of(entry)] -= 1
            else:
                yield entry


def erased(entries: Iterable[AuditEntry]) -> set[str]:
    """The hashes of the users whose erasure has ended or at least begun, by these entries."""
    done = (BEGUN, "ok")
    return {each.user for each in entries if each.user and each.action is Action.ERASE and each.outcome in done}


def _action_of(entry: AuditEntry) -> Hashable:
    """What the beginning and the end of an action have in common."""
    return entry.who, entry.action, entry.user, entry.registration, entry.event_id, entry.details.get("what")
