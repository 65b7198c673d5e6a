"""Answers to pairs, and a search for pairs of similar faces whose findings the test chooses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from core.domain.duplicates import Answer, Expected, Found, JudgedPair, Pair, PairAnswer, Reference
from core.flow.crew import Progress
from core.ports import ReadPhoto
from tests.support.clock import NOON


def a_judged_pair(change: str = "one", **more: Any) -> JudgedPair:
    given = {
        "event_id": "event-1",
        "first": "reg-1",
        "second": "reg-2",
        "first_user": "user-1",
        "second_user": "user-2",
        "answers": (PairAnswer(answer=Answer.SAME, by="Ada", at=NOON, note="same scar"),),
    }
    return JudgedPair(change=change, **{**given, **more})


@dataclass
class ChosenSearch:
    """Finds ``pairs`` (two registration ids and their similarity) of those whom it is given, the most similar first.

    The last ``without_face`` of them show none. Raises ``error``, or waits for ``stalled``, where set; ``meanwhile``
    is called while a search runs.
    """

    default_threshold: float = 86.0
    pairs: list[tuple[str, str, float]] = field(default_factory=list)
    rate: Expected | None = None
    without_face: int = 0
    finished: bool = True
    error: Exception | None = None
    stalled: Event | None = None
    meanwhile: Callable[[], object] = lambda: None
    #: The methods that were called, and with which users and events.
    calls: list[str] = field(default_factory=list)
    forgotten: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def false_match_rate(self, threshold: float) -> Expected | None:
        return self.rate

    def search(
        self,
        event_id: str,
        references: Sequence[Reference],
        read: ReadPhoto,
        threshold: float,
        stop: Event,
        report: Callable[[Progress], None],
    ) -> Found:
        self.calls.append("search")
        report(Progress(len(references)))
        if self.stalled:
            self.stalled.wait(30)
        if self.error:
            raise self.error
        self.meanwhile()
        there = {reference.registration_id for reference in references}
        found = [Pair(*pair) for pair in self.pairs if there.issuperset(pair[:2])]
        return Found(
            pairs=sorted(found, key=lambda pair: -pair.similarity),
            compared=len(there) - self.without_face,
            without_face=self.without_face,
            without_photo=0,
            failed=0,
            capped=False,
            finished=self.finished and not stop.is_set(),
        )

    def forget(self, user_id: str) -> int:
        self.calls.append("forget")
        self.forgotten.append(user_id)
        return 0

    def drop(self, event_id: str) -> None:
        self.calls.append("drop")
        self.dropped.append(event_id)

    def close(self) -> None:
        pass
