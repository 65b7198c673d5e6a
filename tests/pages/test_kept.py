"""Results that are kept by the frames that they were made of."""

from __future__ import annotations

import pandas as pd
import pytest

from dashboard.parts.kept import Kept


class Calls:
    """A function of frames that counts how often it is called."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, *frames: pd.DataFrame, width: int = 1) -> pd.DataFrame:
        self.count += 1
        return pd.concat(frames).head(width)


@pytest.fixture
def calls() -> Calls:
    return Calls()


def a_frame(rows: int = 3) -> pd.DataFrame:
    return pd.DataFrame({"number": range(rows)})


def test_the_same_frames_give_the_same_object_made_once(calls: Calls) -> None:
    kept, frame = Kept(), a_frame()
    assert kept(calls, frame, width=2) is kept(calls, frame, width=2)
    assert calls.count == 1


def test_another_frame_is_another_result_even_if_it_is_equal(calls: Calls) -> None:
    kept = Kept()
    assert kept(calls, a_frame()) is not kept(calls, a_frame())
    assert calls.count == 2


def test_frames_that_are_gone_lend_their_identity_to_no_other(calls: Calls) -> None:
    kept = Kept(max_results=1000)
    for rows in range(1, 200):  # each would take the place of the one before in memory
        assert len(kept(calls, a_frame(rows), width=1000)) == rows


def test_other_arguments_are_another_result(calls: Calls) -> None:
    kept, frame = Kept(), a_frame()
    assert [len(kept(calls, frame, width=width)) for width in (1, 2)] == [1, 2]


def test_the_results_used_last_are_kept(calls: Calls) -> None:
    kept, frame = Kept(max_results=2), a_frame()
    for width in (1, 2, 1, 3, 1):
        kept(calls, frame, width=width)
    assert calls.count == 3
    kept(calls, frame, width=2)
    assert calls.count == 4


def test_a_frame_counts_once_and_no_more_bytes_are_kept_than_allowed(calls: Calls) -> None:
    frame = a_frame(1000)
    size = int(frame.memory_usage(deep=True).sum())
    kept = Kept(max_bytes=size + size // 2)
    for width in (1, 2):
        kept(calls, frame, width=width)
    kept(calls, frame, width=1)
    assert calls.count == 2
    kept(calls, a_frame(1000))
    kept(calls, frame, width=1)
    assert calls.count == 4


def test_nothing_is_left_when_somebody_was_erased(calls: Calls) -> None:
    kept, frame = Kept(), a_frame()
    kept(calls, frame)
    kept.clear()
    kept(calls, frame)
    assert calls.count == 2
