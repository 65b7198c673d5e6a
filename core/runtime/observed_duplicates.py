"""The ports of searches for duplicates with every call recorded as an operation. No reason or note is logged."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from core.domain.duplicates import Expected, Found, JudgedPair, Reference, Switch
from core.flow.crew import Progress
from core.ports import DuplicateStore, FaceSearch, ReadPhoto
from core.runtime.observer import Observed, Observer


class ObservedDuplicates(Observed):
    """``DuplicateStore`` with every call recorded."""

    def __init__(self, port: DuplicateStore, observer: Observer) -> None:
        super().__init__(observer, "duplicates")
        self._port = port

    def switch(self, event_id: str) -> Switch | None:
        with self._call("switch", event_id=event_id):
            return self._port.switch(event_id)

    def set_switch(self, event_id: str, switch: Switch) -> None:
        with self._call("set_switch", event_id=event_id):
            self._port.set_switch(event_id, switch)

    def switches(self) -> dict[str, Switch]:
        with self._call("switches"):
            return self._port.switches()

    def judged(self, event_id: str) -> list[JudgedPair]:
        with self._call("judged", event_id=event_id):
            return self._port.judged(event_id)

    def change(self, seen: JudgedPair | None, after: JudgedPair, expires_at: int) -> bool:
        with self._call("change", event_id=after.event_id):
            return self._port.change(seen, after, expires_at)

    def take_back(self, pair: JudgedPair) -> None:
        with self._call("take_back", event_id=pair.event_id):
            self._port.take_back(pair)

    def count(self, user_id: str) -> int:
        with self._call("count", user_id):
            return self._port.count(user_id)

    def erase(self, user_id: str) -> int:
        with self._call("erase", user_id):
            return self._port.erase(user_id)

    def close(self) -> None:
        self._port.close()


class ObservedFaceSearch(Observed):
    """``FaceSearch`` with every call recorded; a search is one call."""

    def __init__(self, port: FaceSearch, observer: Observer) -> None:
        super().__init__(observer, "faces")
        self._port = port
        self.default_threshold = port.default_threshold

    def false_match_rate(self, threshold: float) -> Expected | None:
        return self._port.false_match_rate(threshold)

    def search(
        self,
        event_id: str,
        references: Sequence[Reference],
        read: ReadPhoto,
        threshold: float,
        stop: threading.Event,
        report: Callable[[Progress], None],
    ) -> Found:
        with self._call("search", event_id=event_id):
            return self._port.search(event_id, references, read, threshold, stop, report)

    def forget(self, user_id: str) -> int:
        with self._call("forget", user_id):
            return self._port.forget(user_id)

    def drop(self, event_id: str) -> None:
        with self._call("drop", event_id=event_id):
            self._port.drop(event_id)

    def close(self) -> None:
        self._port.close()
