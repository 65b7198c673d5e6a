"""The figures of events in the embedded backend's database file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from core.adapters.embedded.schema import SCHEMA
from core.domain.clock import Clock
from core.domain.errors import Service
from core.domain.event_summaries import KeptSummary
from core.files.database import Database


class SqliteSummaries:
    """``SummaryStore`` in one SQLite file, beside the records. A write deletes those that have expired."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._database = Database(path, Service.SUMMARIES, SCHEMA)
        self._clock = clock

    def all(self) -> Mapping[str, KeptSummary]:
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT event_id, summary FROM event_summaries WHERE expires_at > ?", (self._clock().timestamp(),)
            ).fetchall()
        return {str(event_id): kept for event_id, text in rows if (kept := KeptSummary.from_json(str(text)))}

    def keep(self, event_id: str, kept: KeptSummary, expires_at: int) -> None:
        row = (event_id, kept.to_json(), expires_at)
        with self._database.write() as connection:
            connection.execute("DELETE FROM event_summaries WHERE expires_at <= ?", (self._clock().timestamp(),))
            connection.execute("INSERT OR REPLACE INTO event_summaries VALUES (?, ?, ?)", row)

    def close(self) -> None:
        self._database.close()
