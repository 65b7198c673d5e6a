"""The blind second looks in the table of Facedesk's own state."""

from __future__ import annotations

from typing import Any

from core.adapters.aws.items import Item
from core.adapters.aws.state_table import StateTable, hashed, is_absent
from core.domain.clock import Clock
from core.domain.errors import Refused, Unavailable
from core.domain.second_looks import SERVICE, SecondLook, look_of
from core.flow.retry import Retry

_LOOK = "look"


class DynamoSecondLooks:
    """``SecondLooks`` in DynamoDB: the looks at an event's cases are one part, and each has its case as its place."""

    def __init__(self, client: Any, table: str, retry: Retry, clock: Clock) -> None:
        self._state = StateTable(client, table, retry, clock, SERVICE)

    def add(self, look: SecondLook) -> SecondLook:
        part = _part(look.event_id)
        if self._state.put(part, look.case, {_LOOK: {"S": look.to_json().decode()}}, is_absent):
            return look
        # Another look, or an earlier try of this one, whose answer was lost, is there already. Nobody deletes looks.
        stored = self._state.get(part, look.case)
        if stored is None:
            raise Unavailable(SERVICE, "LookDisappeared")
        return _look(stored)

    def of_event(self, event_id: str) -> list[SecondLook]:
        return [_look(item) for item in self._state.items(_part(event_id))]

    def close(self) -> None:
        self._state.close()


def _part(event_id: str) -> str:
    return f"looks#{hashed(event_id)}"


def _look(item: Item) -> SecondLook:
    if _LOOK not in item or "S" not in item[_LOOK]:
        raise Refused(SERVICE, "UnreadableLook", "A stored second look cannot be read.")
    return look_of(item[_LOOK]["S"])
