"""Asks the face engine about photos: what a photo shows, and whether it shows the person of a reference photo.

The engine's deadline counts from when it is asked. The reference photo is made ready before, while the submitted one
is still made safe and stored, and nothing that waits for a thread has begun.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from core.domain.errors import PhotoNotFound, PhotoRefused, Service, Unavailable
from core.ports import Answer, FaceEngine
from core.services.reference_photos import Compare, ReferencePhotos


@dataclass(frozen=True)
class Reference:
    """What compares a photo with the reference photo; None if there is none, or an unusable one."""

    compare: Compare | None
    is_unusable: bool = False


@dataclass(frozen=True)
class Examined:
    """The engine's answers, in the shapes of ``FaceEngine.detect`` and ``compare``."""

    detected: Answer
    compared: Answer | None
    reference_unusable: bool


@dataclass(frozen=True)
class _Asked:
    answer: Future[Answer]
    #: When the engine was asked, by ``time.monotonic``; without a result until then.
    began: Future[float]


class Examiner:
    """Works on ``at_once`` photos at the same time; others wait for a thread, at most as long as for an answer."""

    def __init__(self, engine: FaceEngine, references: ReferencePhotos, deadline: float, at_once: int) -> None:
        """``references`` compares by ``engine``, too; ``deadline`` in seconds."""
        self._engine = engine
        self._references = references
        self._deadline = deadline
        self._asking = ThreadPoolExecutor(2 * at_once, thread_name_prefix="face-engine")
        self._preparing = ThreadPoolExecutor(at_once, thread_name_prefix="reference-photo")

    def prepare(self, reference_key: str | None) -> Future[Reference]:
        """Begins to make the reference photo ready. A photo that is not examined after all needs no more."""
        return self._preparing.submit(self._prepared, reference_key)

    def examine(self, photo: bytes, preparing: Future[Reference]) -> Examined:
        """Raises whatever the engine or a store raises, and ``Unavailable`` after the deadline."""
        asked = [self._ask(self._engine.detect, photo)]
        try:
            reference = preparing.result(self._deadline)
            if reference.compare:
                asked.append(self._ask(reference.compare, photo))
            *compared, detected = [self._answer(each) for each in reversed(asked)]
        except (TimeoutError, CancelledError) as error:
            raise Unavailable(Service.ENGINE, type(error).__name__) from error
        finally:
            # What has begun goes on, and nobody waits for it.
            preparing.cancel()
            for each in asked:
                each.answer.cancel()
        return Examined(detected, compared[0] if compared else None, reference.is_unusable)

    def close(self) -> None:
        for threads in (self._asking, self._preparing):
            threads.shutdown(wait=False, cancel_futures=True)

    def _prepared(self, reference_key: str | None) -> Reference:
        if reference_key is None:
            return Reference(None)
        try:
            return Reference(self._references.prepare(reference_key))
        except (PhotoNotFound, PhotoRefused):
            return Reference(None, is_unusable=True)

    def _ask(self, call: Callable[[bytes], Answer], photo: bytes) -> _Asked:
        began: Future[float] = Future()

        def work() -> Answer:
            began.set_result(time.monotonic())
            return call(photo)

        return _Asked(self._asking.submit(work), began)

    def _answer(self, asked: _Asked) -> Any:
        until = asked.began.result(self._deadline) + self._deadline
        return asked.answer.result(max(0.0, until - time.monotonic()))
