"""Values that are read again in the background."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from core.domain.errors import Service, Unavailable
from core.flow.refreshed import Refreshed
from tests.support.clock import FakeClock

NEVER, AT_ONCE = timedelta(days=1), timedelta(milliseconds=1)


def refreshed(read: object, every: timedelta = NEVER, clock: FakeClock | None = None) -> Refreshed[int]:
    stopwatch = (clock or FakeClock()).elapsed
    return Refreshed(
        read,  # type: ignore[arg-type]
        service=Service.SIGN_OUTS,
        every=every,
        good_for=timedelta(minutes=1),
        stopwatch=stopwatch,
    )


def numbers() -> Iterator[int]:
    yield from range(1_000_000)


def test_all_who_ask_first_wait_for_one_reading() -> None:
    read, may = numbers(), threading.Event()

    def slowly() -> int:
        assert may.wait(60)
        return next(read)

    value = refreshed(slowly)
    with ThreadPoolExecutor(4) as threads:
        asked = [threads.submit(value) for _ in range(4)]
        may.set()
        assert [each.result(60) for each in asked] == [0] * 4
    value.close()


def test_it_is_read_again_in_the_background_until_it_is_closed() -> None:
    read, again = numbers(), threading.Semaphore(0)

    def counted() -> int:
        again.release()
        return next(read)

    value = refreshed(counted, AT_ONCE)
    value()
    for _ in range(5):
        assert again.acquire(timeout=60)
    value.close()
    assert value._thread
    value._thread.join(60)
    assert not value._thread.is_alive()


def test_an_unforeseen_error_does_not_end_the_readings() -> None:
    answers = iter([1, ZeroDivisionError(), 2])

    def read() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    value = refreshed(read)
    assert value() == 1
    value.refresh()
    assert value() == 1
    value.refresh()
    assert value() == 2
    value.close()


def test_what_is_too_old_is_an_error(clock: FakeClock) -> None:
    value = refreshed(lambda: 1, clock=clock)
    value()
    clock.advance(timedelta(minutes=1))
    assert value() == 1
    clock.advance(timedelta(seconds=1))
    with pytest.raises(Unavailable):
        value()
    value.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
