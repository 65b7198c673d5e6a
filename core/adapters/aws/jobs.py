"""The notices of jobs in the table of Facedesk's own state.

All notices are one part, so that an erasure finds those that are about a person. That a job is to stop is an item of
its own, which the process that does the job reads and never writes.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import timedelta
from hashlib import sha256
from typing import Any

from core.adapters.aws.items import Expression, Item
from core.adapters.aws.state_table import Condition, StateTable, is_absent
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


class DynamoJobBoard:
    """``JobBoard`` in DynamoDB."""

    def __init__(self, client: Any, table: str, retry: Retry, clock: Clock) -> None:
        self._state = StateTable(client, table, retry, clock, SERVICE)
        self._clock = clock

    def post(self, kind: str, event_id: str, job_id: str, text: str) -> bool:
        def is_free(used: Expression) -> str:
            ended = f"{used.name('until')} <= {used.value({'S': isoformat(self._clock())})}"
            return f"{is_absent(used)} OR {ended} OR {_is_of(job_id)(used)}"

        return self._state.put(_NOTICES, _place(kind, event_id), self._item(job_id, text, RUNNING_FOR), is_free)

    def end(self, kind: str, event_id: str, job_id: str, text: str, people: Collection[str]) -> None:
        item = self._item(job_id, text, timedelta(0))
        if people:
            item["people"] = {"SS": sorted(map(_hash, people))}
        self._state.put(_NOTICES, _place(kind, event_id), item, _is_of(job_id))
        self._state.delete(_STOPS, job_id)

    def of(self, kind: str, event_id: str) -> Notice | None:
        item = self._state.get(_NOTICES, _place(kind, event_id))
        if item is None:
            return None
        job_id, running = _text(item, "job"), _text(item, "until") > isoformat(self._clock())
        return Notice(job_id, _text(item, "text"), running, running and self.is_asked_to_stop(job_id))

    def ask_to_stop(self, job_id: str) -> None:
        self._state.put(_STOPS, job_id, {TTL_ATTRIBUTE: {"N": str(expires_at(self._clock(), KEPT))}})

    def is_asked_to_stop(self, job_id: str) -> bool:
        return self._state.get(_STOPS, job_id) is not None

    def remove(self, kind: str, event_id: str, job_id: str) -> None:
        self._state.delete(_NOTICES, _place(kind, event_id), _is_of(job_id))

    def forget(self, user_id: str) -> None:
        person = {"S": _hash(user_id)}
        self._state.delete_all(_NOTICES, lambda used: f"contains({used.name('people')}, {used.value(person)})")

    def close(self) -> None:
        self._state.close()

    def _item(self, job_id: str, text: str, running_for: timedelta) -> dict[str, Any]:
        now = self._clock()
        return {
            "job": {"S": job_id},
            "text": {"S": text},
            "until": {"S": isoformat(now + running_for)},
            TTL_ATTRIBUTE: {"N": str(expires_at(now, KEPT))},
        }


def _is_of(job_id: str) -> Condition:
    return lambda used: f"{used.name('job')} = {used.value({'S': job_id})}"


def _place(kind: str, event_id: str) -> str:
    return _hash(json.dumps([kind, event_id]))


def _hash(text: str) -> str:
    return sha256(text.encode(errors="surrogatepass")).hexdigest()


def _text(item: Item, name: str) -> str:
    if "S" not in item.get(name, {}):
        raise Refused(SERVICE, "UnreadableJob", "What is stored of this work cannot be read.")
    return str(item[name]["S"])
