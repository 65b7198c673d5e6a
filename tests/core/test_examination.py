"""Asking the face engine: what begins when, and from when on its deadline counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from core.domain.errors import Unavailable
from core.photos.sanitiser import CleanPhoto
from core.services import examination
from core.services.examination import Examiner, Reference
from core.services.reference_photos import Compare
from core.services.validation import Submitter
from tests.support.desk import Desk
from tests.support.engine import ChosenEngine
from tests.support.production import validation_by

HANG_SECONDS = 30
#: Of an examiner that is given what it compares with.
NO_REFERENCES: Any = None


def _nothing() -> Future[Reference]:
    """There is no reference photo."""
    future: Future[Reference] = Future()
    future.set_result(Reference(None))
    return future


class _Turns(ChosenEngine):
    """Each call waits for an event of its own."""

    def __init__(self, *turns: threading.Event) -> None:
        super().__init__()
        self.turns = iter(turns)
        self.begun = threading.Semaphore(0)

    def _called(self, name: str) -> None:
        turn = next(self.turns)
        self.begun.release()
        assert turn.wait(HANG_SECONDS)


@pytest.fixture
def engines() -> Iterator[list[Examiner]]:
    made: list[Examiner] = []
    yield made
    for each in made:
        each.close()


def test_the_reference_photo_is_made_ready_while_the_submitted_one_is_made_safe(
    desk: Desk, astronaut_jpeg: bytes
) -> None:
    is_ready = threading.Event()
    sanitiser, engine = desk.services.sanitiser, desk.engine

    class References:
        def prepare(self, key: str) -> Compare:
            is_ready.set()
            return lambda submitted: engine.compare(submitted, b"")

    class Sanitiser:
        def clean(self, upload: bytes) -> CleanPhoto:
            assert is_ready.wait(HANG_SECONDS)
            return sanitiser.clean(upload)

    validation = validation_by(engine, desk.services, references=References(), sanitiser=Sanitiser())
    record = validation.validate_upload("reg-1", astronaut_jpeg, "a1", Submitter()).record
    validation.close()
    assert record.comparison_result is not None


def test_the_time_that_a_photo_waits_for_a_thread_is_not_the_engines(
    engines: list[Examiner], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first photo has both threads for longer than the deadline, by the clock that the deadline goes by."""
    now, looks = [0.0], threading.Semaphore(0)

    class Clock:
        def monotonic(self) -> float:
            looks.release()
            return now[0]

    monkeypatch.setattr(examination, "time", Clock())
    turns = [threading.Event() for _ in range(3)]
    engine = _Turns(*turns)
    examiner = Examiner(engine, NO_REFERENCES, HANG_SECONDS, at_once=1)
    engines.append(examiner)
    with ThreadPoolExecutor(3) as photos:
        before = [photos.submit(examiner.examine, b"", _nothing()) for _ in range(2)]
        for _ in before:
            assert engine.begun.acquire(timeout=HANG_SECONDS)
        waiting = photos.submit(examiner.examine, b"", _nothing())
        for _ in range(4):  # two calls have begun, and two photos know until when they wait
            assert looks.acquire(timeout=HANG_SECONDS)
        now[0] = 2.0 * HANG_SECONDS
        turns[0].set()
        for _ in range(2):
            assert looks.acquire(timeout=HANG_SECONDS)
        turns[1].set()
        turns[2].set()
        assert waiting.result(HANG_SECONDS).detected


def test_a_photo_that_gets_no_thread_does_not_wait_for_ever(engines: list[Examiner]) -> None:
    turn = threading.Event()
    engine = _Turns(turn, turn)
    examiner = Examiner(engine, NO_REFERENCES, 0.2, at_once=1)
    engines.append(examiner)
    try:
        with ThreadPoolExecutor(3) as photos:
            asked = [photos.submit(examiner.examine, b"", _nothing()) for _ in range(3)]
            assert [type(each.exception(HANG_SECONDS)) for each in asked] == [Unavailable] * 3
    finally:
        turn.set()
