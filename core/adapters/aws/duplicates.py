"""The switches of searches for duplicates, and the answers to pairs, in the table of Facedesk's own state.

The pairs of an event are one part, so that a single query finds them. Each user of a pair has a part of their own
with an item that leads to the pair, so that an erasure finds it. These items are written before the pair and deleted
after it: one that leads nowhere does no harm, and expires as the pair would have.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from datetime import datetime
from hashlib import sha256
from typing import Any

from core.adapters.aws.items import Expression, Item
from core.adapters.aws.state_table import Condition, StateTable, is_absent
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
        item = self._state.get(_SWITCHES, _hash(event_id))
        return switch_of(_text(item, _SWITCH)) if item else None

    def set_switch(self, event_id: str, switch: Switch) -> None:
        item = {_EVENT: {"S": event_id}, _SWITCH: {"S": switch.to_json().decode()}}
        self._state.put(_SWITCHES, _hash(event_id), item)

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
    def condition(used: Expression) -> str:
        change = used.name(_CHANGE)
        if seen:
            before = f"{change} = {used.value({'S': seen.change})}"
        else:
            gone = used.value({"N": str(math.floor(now.timestamp()))})
            before = f"{is_absent(used)} OR {used.name(TTL_ATTRIBUTE)} <= {gone}"
        # Or an earlier try, whose answer was lost, wrote it.
        return f"{before} OR {change} = {used.value({'S': after.change})}"

    return condition


def _leads(pair: JudgedPair) -> Iterator[tuple[str, Item]]:
    """The items that lead to the pair, and the part of each."""
    parts = [_part_of_user(user) for user in (pair.first_user, pair.second_user)]
    for own, other in zip(parts, reversed(parts), strict=True):
        yield (
            own,
            {_TO_PART: {"S": _part(pair.event_id)}, _TO_PLACE: {"S": _place(pair)}, _OTHER: {"S": other}},
        )


# Ids may have 2,048 bytes, of any characters, and a key only 1,024: keys are made of hashes.


def _hash(*ids: str) -> str:
    return sha256(json.dumps(ids).encode()).hexdigest()


def _part(event_id: str) -> str:
    return f"duplicates#{_hash(event_id)}"


def _part_of_user(user_id: str) -> str:
    return f"duplicates-of#{_hash(user_id)}"


def _place(pair: JudgedPair) -> str:
    return _hash(pair.event_id, *pair.key)


def _text(item: Item, name: str) -> str:
    if "S" not in item.get(name, {}):
        raise Refused(SERVICE, "UnreadableItem", "Something stored for searches for duplicates cannot be read.")
    return str(item[name]["S"])
