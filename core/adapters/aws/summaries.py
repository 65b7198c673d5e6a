"""The figures of events in the table of Facedesk's own state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.adapters.aws.state_table import StateTable, hashed
from core.adapters.aws.table import TTL_ATTRIBUTE
from core.domain.clock import Clock
from core.domain.errors import Service
from core.domain.event_summaries import KeptSummary
from core.flow.retry import Retry

_SUMMARIES, _EVENT, _SUMMARY = "summaries", "eventId", "summary"


class DynamoSummaries:
    """``SummaryStore`` in DynamoDB: all are one part, of which a query reads them, about a KB for each event."""

    def __init__(self, client: Any, table: str, retry: Retry, clock: Clock) -> None:
        self._state = StateTable(client, table, retry, clock, Service.SUMMARIES)

    def all(self) -> Mapping[str, KeptSummary]:
        return {
            item[_EVENT]["S"]: kept
            for item in self._state.items(_SUMMARIES)
            if (kept := KeptSummary.from_json(item[_SUMMARY]["S"]))
        }

    def keep(self, event_id: str, kept: KeptSummary, expires_at: int) -> None:
        item = {
            _EVENT: {"S": event_id},
            _SUMMARY: {"S": kept.to_json()},
            TTL_ATTRIBUTE: {"N": str(expires_at)},
        }
        self._state.put(_SUMMARIES, hashed(event_id), item)

    def close(self) -> None:
        self._state.close()
