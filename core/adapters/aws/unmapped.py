"""The list of records that nothing can bring into the event index, in the table of Facedesk's own state."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Any

from core.adapters.aws.items import Item
from core.adapters.aws.state_table import StateTable, expiring, hashed
from core.adapters.aws.table import STATE_KEY
from core.domain.clock import Clock
from core.domain.errors import Service
from core.domain.records import isoformat
from core.domain.unmapped import Unmapped, Why
from core.flow.retry import Retry

SERVICE = Service.RECORDS
#: One part, so that a single query finds some of all people.
_UNMAPPED = "unmapped-records"


class DynamoUnmapped:
    """``UnmappedRecords`` in DynamoDB, and what its writer needs: ``put`` and ``remove``."""

    def __init__(self, client: Any, table: str, retry: Retry, clock: Clock) -> None:
        self._state = StateTable(client, table, retry, clock, SERVICE)

    def put(self, entry: Unmapped, until: datetime) -> None:
        """Keep the entry, instead of any other of its record, until then at most. Durable then."""
        item: Item = {
            "userId": {"S": entry.user_id},
            "registrationId": {"S": entry.registration_id},
            "why": {"S": str(entry.why)},
            "found": {"S": isoformat(entry.found)},
            **expiring(until),
        }
        self._state.put(_UNMAPPED, _of_person(entry.user_id) + hashed(entry.registration_id), item)

    def remove(self, user_id: str, registration_id: str) -> None:
        """Delete the record's entry, if there is one. Durable then."""
        self._state.delete(_UNMAPPED, _of_person(user_id) + hashed(registration_id))

    def some(self, limit: int) -> list[Unmapped]:
        return list(islice(self._all(), limit))

    def erase(self, user_id: str) -> int:
        entries = list(self._state.stored(_UNMAPPED, _of_person(user_id)))
        for entry in entries:
            self._state.delete(_UNMAPPED, entry[STATE_KEY[1]]["S"])
        return len(entries)

    def close(self) -> None:
        self._state.close()

    def _all(self) -> Iterator[Unmapped]:
        return map(_entry, self._state.items(_UNMAPPED))


def _of_person(user_id: str) -> str:
    """How the places of the person's entries begin."""
    return f"{hashed(user_id)}/"


def _entry(item: Item) -> Unmapped:
    why = item["why"]["S"]
    return Unmapped(
        user_id=item["userId"]["S"],
        registration_id=item["registrationId"]["S"],
        # A newer version may know other reasons.
        why=Why(why) if why in set(Why) else Why.FAILED,
        found=datetime.fromisoformat(item["found"]["S"]),
    )
