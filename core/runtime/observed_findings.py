"""The store of findings with every call recorded as an operation."""

from __future__ import annotations

from core.domain.findings import Findings
from core.ports import FindingsStore
from core.runtime.observer import Observed, Observer


class ObservedFindings(Observed):
    """``FindingsStore`` with every call recorded."""

    def __init__(self, port: FindingsStore, observer: Observer) -> None:
        super().__init__(observer, "findings")
        self._port = port

    def keep(self, kind: str, event_id: str, findings: Findings, expires_at: int) -> None:
        with self._call("keep", event_id=event_id):
            self._port.keep(kind, event_id, findings, expires_at)

    def version(self, kind: str, event_id: str) -> str | None:
        with self._call("version", event_id=event_id):
            return self._port.version(kind, event_id)

    def of(self, kind: str, event_id: str) -> Findings | None:
        with self._call("of", event_id=event_id):
            return self._port.of(kind, event_id)

    def drop(self, kind: str, event_id: str) -> None:
        with self._call("drop", event_id=event_id):
            self._port.drop(kind, event_id)

    def forget(self, user_id: str) -> None:
        with self._call("forget", user_id):
            self._port.forget(user_id)

    def close(self) -> None:
        self._port.close()
