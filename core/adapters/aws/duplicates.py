"""The switches of searches for duplicates, and the answers to pairs, in the table of Facedesk's own state.

The pairs of an event are one part, so that a single query finds them. Each user of a pair has a part of their own
with an item that leads to the pair, so that an erasure finds it. These items are written before the pair and deleted
after it: one that leads nowhere does no harm, and expires as the pair would have.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from core.adapters.aws.items import Item
from core.adapters.aws.state_table import Condition, StateTable, any_of, has, has_expired, hashed_together, is_absent
from core.adapters.aws.table import TTL_ATTRIBUTE
from core.domain.clock import Clock
from core.domain.duplicates import SERVICE, JudgedPair, Switch, judged_pair_of, switch_of
from core.domain.errors import Refused
from core.flow.retry import Retry

_SWITCHES = "duplicate-switches"
_EVENT, _SWITCH, _PAIR, _CHANGE = "eventId", "switch", "pair", "change"
#: In an item that leads to a pair: the pair's part and place, and the part of the other user's item.
_TO_PART, _TO_PLACE, _OTHER = "toPart", "toPlace", "other"


class DynamoDuplicates:
    """``DuplicateStore`` in DynamoDB."""

    def __init__(self, client: Any, table: str, retry: Retry, clock: Clock) -> None:
        self._state = StateTable(client, table, retry, clock, SERVICE)
        self._clock = clock

    def switch(self, event_id: str) -> Switch | None:
        item = self._state.get(_SWITCHES, hashed_together(event_id))
        return switch_of(_text(item, _SWITCH)) if item else None

    def set_switch(self, event_id: str, switch: Switch) -> None:
        item = {_EVENT: {"S": event_id}, _SWITCH: {"S": switch.to_json().decode()}}
        self._state.put(_SWITCHES, hashed_together(event_id), item)

    def switches(self) -> dict[str, Switch]:
        return {_text(item, _EVENT): switch_of(_text(item, _SWITCH)) for item in self._state.items(_SWITCHES)}

    def judged(self, event_id: str) -> list[JudgedPair]:
        items = self._state.items(_part(event_id))
        return sorted((judged_pair_of(_text(item, _PAIR)) for item in items), key=lambda pair: pair.key)

    def change(self, seen: JudgedPair | None, after: JudgedPair, expires_at: int) -> bool:
        expires = {TTL_ATTRIBUTE: {"N": str(expires_at)}}
        for part, leads in _leads(after):
            self._state.put(part, leads[_TO_PLACE]["S"], {**leads, **expires})
        item = {_CHANGE: {"S": after.change}, _PAIR: {"S": after.to_json().decode()}, **expires}
        return self._state.put(_part(after.event_id), _place(after), item, _follows(seen, after, self._clock()))

    def take_back(self, pair: JudgedPair) -> None:
        self._state.delete(_part(pair.event_id), _place(pair))
        for part, leads in _leads(pair):
            self._state.delete(part, leads[_TO_PLACE]["S"])

    def count(self, user_id: str) -> int:
        leads = self._state.items(_part_of_user(user_id))
        return sum(self._state.get(_text(lead, _TO_PART), _text(lead, _TO_PLACE)) is not None for lead in leads)

    def erase(self, user_id: str) -> int:
        erased, own = 0, _part_of_user(user_id)
        for lead in list(self._state.stored(own)):
            part, place = _text(lead, _TO_PART), _text(lead, _TO_PLACE)
            erased += self._state.delete(part, place, lambda used: f"attribute_exists({used.name(_PAIR)})")
            self._state.delete(_text(lead, _OTHER), place)
            self._state.delete(own, place)
        return erased

    def close(self) -> None:
        self._state.close()


def _follows(seen: JudgedPair | None, after: JudgedPair, now: datetime) -> Condition:
    before = [has(_CHANGE, seen.change)] if seen else [is_absent, has_expired(now)]
    # Or an earlier try, whose answer was lost, wrote it.
    return any_of(*before, has(_CHANGE, after.change))


def _leads(pair: JudgedPair) -> Iterator[tuple[str, Item]]:
    """The items that lead to the pair, and the part of each."""
    parts = [_part_of_user(user) for user in (pair.first_user, pair.second_user)]
    for own, other in zip(parts, reversed(parts), strict=True):
        yield (
            own,
            {_TO_PART: {"S": _part(pair.event_id)}, _TO_PLACE: {"S": _place(pair)}, _OTHER: {"S": other}},
        )


def _part(event_id: str) -> str:
    return f"duplicates#{hashed_together(event_id)}"


def _part_of_user(user_id: str) -> str:
    return f"duplicates-of#{hashed_together(user_id)}"


def _place(pair: JudgedPair) -> str:
    return hashed_together(pair.event_id, *pair.key)


def _text(item: Item, name: str) -> str:
    if "S" not in item.get(name, {}):
        raise Refused(SERVICE, "UnreadableItem", "Something stored for searches for duplicates cannot be read.")
    return str(item[name]["S"])
