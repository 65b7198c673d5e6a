"""The notices of jobs in the table of Facedesk's own state.

All notices are one part, so that an erasure finds those that are about a person. That a job is to stop is an item of
its own, which the process that does the job reads and never writes.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from core.adapters.aws.items import Item
from core.adapters.aws.state_table import StateTable, any_of, has, hashed, hashed_together, is_absent, is_over
from core.adapters.aws.table import TTL_ATTRIBUTE
from core.domain.clock import Clock
from core.domain.errors import Refused, Service
from core.domain.expiry import expires_at
from core.domain.records import isoformat
from core.flow.retry import Retry
from core.ports import Notice

SERVICE = Service.BATCHES
#: How long a job counts as running after its notice was posted.
RUNNING_FOR = timedelta(seconds=20)
#: Nobody wants to see a summary any more after this time.
KEPT = timedelta(days=7)

_NOTICES, _STOPS = "jobs", "jobs-to-stop"
_JOB = "job"


class DynamoJobBoard:
    """``JobBoard`` in DynamoDB."""

    def __init__(self, client: Any, table: str, retry: Retry, clock: Clock) -> None:
        self._state = StateTable(client, table, retry, clock, SERVICE)
        self._clock = clock

    def post(self, kind: str, event_id: str, job_id: str, text: str) -> bool:
        is_free = any_of(is_absent, is_over("until", self._clock()), has(_JOB, job_id))
        return self._state.put(_NOTICES, _place(kind, event_id), self._item(job_id, text, RUNNING_FOR), is_free)

    def end(self, kind: str, event_id: str, job_id: str, text: str, people: Collection[str]) -> None:
        item = self._item(job_id, text, timedelta(0))
        if people:
            item["people"] = {"SS": sorted(map(hashed, people))}
        self._state.put(_NOTICES, _place(kind, event_id), item, has(_JOB, job_id))
        self._state.delete(_STOPS, job_id)

    def of(self, kind: str, event_id: str) -> Notice | None:
        item = self._state.get(_NOTICES, _place(kind, event_id))
        if item is None:
            return None
        job_id, running = _text(item, _JOB), _text(item, "until") > isoformat(self._clock())
        return Notice(job_id, _text(item, "text"), running, running and self.is_asked_to_stop(job_id))

    def ask_to_stop(self, job_id: str) -> None:
        self._state.put(_STOPS, job_id, {TTL_ATTRIBUTE: {"N": str(expires_at(self._clock(), KEPT))}})

    def is_asked_to_stop(self, job_id: str) -> bool:
        return self._state.get(_STOPS, job_id) is not None

    def remove(self, kind: str, event_id: str, job_id: str) -> None:
        self._state.delete(_NOTICES, _place(kind, event_id), has(_JOB, job_id))

    def forget(self, user_id: str) -> None:
        person = {"S": hashed(user_id)}
        self._state.delete_all(_NOTICES, lambda used: f"contains({used.name('people')}, {used.value(person)})")

    def close(self) -> None:
        self._state.close()

    def _item(self, job_id: str, text: str, running_for: timedelta) -> dict[str, Any]:
        now = self._clock()
        return {
            _JOB: {"S": job_id},
            "text": {"S": text},
            "until": {"S": isoformat(now + running_for)},
            TTL_ATTRIBUTE: {"N": str(expires_at(now, KEPT))},
        }


def _place(kind: str, event_id: str) -> str:
    return hashed_together(kind, event_id)


def _text(item: Item, name: str) -> str:
    if "S" not in item.get(name, {}):
        raise Refused(SERVICE, "UnreadableJob", "What is stored of this work cannot be read.")
    return str(item[name]["S"])
