"""Leases in the table of Facedesk's own state: of all instances, one at a time does the work that a lease names."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from core.adapters.aws.state_table import StateTable, any_of, expiring, has, is_absent, is_over
from core.domain.clock import Clock
from core.domain.records import isoformat
from core.flow.retry import Retry

_PART = "leases"


class Leases:
    """Takes, renews and gives back leases.

    A lease belongs to its holder until it ends or is given back. Whoever does long work renews the lease several
    times within its length, and stops if that fails: then somebody else may have it. Ends are compared with the
    clock of the instance that asks, so leases should be much longer than the differences between clocks, which AWS
    keeps below a second.
    """

    def __init__(self, client: Any, table: str, retry: Retry, clock: Clock, service: str) -> None:
        """``client`` makes one attempt per call (``core.adapters.aws.clients.client``). Errors name ``service``."""
        self._state = StateTable(client, table, retry, clock, service)
        self._clock = clock

    def take(self, name: str, holder: str, length: timedelta) -> bool:
        """Give ``holder`` the lease for ``length`` from now if it is free, has ended or is theirs; returns whether
        they have it. Of several who take it at once, exactly one gets it. Durable when it returns.
        """
        until = self._clock() + length
        item = {
            "holder": {"S": holder},
            "until": {"S": isoformat(until)},
            **expiring(until),
        }
        may_be_had = any_of(is_absent, is_over("until", self._clock()), has("holder", holder))
        return self._state.put(_PART, name, item, may_be_had)

    def give_back(self, name: str, holder: str) -> None:
        """End the lease if ``holder`` has it; otherwise nothing changes. Durable when it returns."""
        self._state.delete(_PART, name, has("holder", holder))

    def holder(self, name: str) -> str | None:
        """Who has the lease now; None if nobody has."""
        item = self._state.get(_PART, name)
        if item is None or datetime.fromisoformat(item["until"]["S"]) <= self._clock():
            return None
        return str(item["holder"]["S"])

    def close(self) -> None:
        self._state.close()
