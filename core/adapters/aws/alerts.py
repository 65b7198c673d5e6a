"""The crossings of limits in the table of Facedesk's own state."""

from __future__ import annotations

from typing import Any

from core.adapters.aws.items import Item
from core.adapters.aws.state_table import StateTable, any_of, has, hashed, is_absent
from core.domain.alerts import SERVICE, Crossing, crossing_of
from core.domain.clock import Clock
from core.domain.errors import Refused
from core.flow.retry import Retry

_CROSSINGS, _CROSSING, _CHANGE = "crossings", "crossing", "change"


class DynamoCrossings:
    """``Crossings`` in DynamoDB: all are one part, of which a single query reads them."""

    def __init__(self, client: Any, table: str, retry: Retry, clock: Clock) -> None:
        self._state = StateTable(client, table, retry, clock, SERVICE)

    def all(self) -> list[Crossing]:
        return sorted(map(_crossing, self._state.items(_CROSSINGS)), key=lambda each: (each.event_id, each.rule))

    def change(self, seen: Crossing | None, after: Crossing) -> bool:
        # Or an earlier try, whose answer was lost, wrote it.
        follows = any_of(has(_CHANGE, seen.change) if seen else is_absent, has(_CHANGE, after.change))
        item = {_CHANGE: {"S": after.change}, _CROSSING: {"S": after.to_json().decode()}}
        return self._state.put(_CROSSINGS, _place(after), item, follows)

    def close(self) -> None:
        self._state.close()


def _place(crossing: Crossing) -> str:
    return f"{hashed(crossing.event_id)}/{crossing.rule}"


def _crossing(item: Item) -> Crossing:
    if "S" not in item.get(_CROSSING, {}):
        raise Refused(SERVICE, "UnreadableCrossing", "A stored alert of an event cannot be read.")
    return crossing_of(item[_CROSSING]["S"])
