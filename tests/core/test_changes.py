"""Where the engine, its model or the rules changed: by buckets of time, whatever the order within one."""

from __future__ import annotations

from random import Random

import numpy as np
import pandas as pd
import pytest

from core.domain.changes import DECIDING, changed


def by_bucket(*buckets: str, column: str = "rules") -> list[str]:
    """What changed in each bucket, each given as the values of its records: "ab" are two, "-" is an unknown one."""
    rows = [(number, None if value == "-" else value) for number, values in enumerate(buckets) for value in values]
    frame = pd.DataFrame({"bucket": [number for number, _ in rows], **dict.fromkeys(DECIDING)})
    frame[column] = pd.Series([value for _, value in rows], dtype="category")
    return changed(frame, frame["bucket"].to_numpy(np.int64), len(buckets))


@pytest.mark.parametrize(
    ("buckets", "marked"),
    [
        ((), []),
        (("a",), []),
        (("aa", "aa"), []),
        (("a", "b"), [1]),
        (("a", "ab", "b"), [1]),
        (("ab",), [0]),
        (("ab", "b"), [0]),
        (("a", "b", "a"), [1, 2]),
        (("a", "ab", "ab", "ab"), [1]),
        (("a", "", "a"), []),
        (("a", "", "b"), [2]),
        (("-", "a", "-", "a-"), []),
        (("a", "-", "b"), [2]),
        (("--", "-"), []),
    ],
)
def test_a_bucket_is_marked_where_a_value_is_new(buckets: tuple[str, ...], marked: list[int]) -> None:
    assert [number for number, names in enumerate(by_bucket(*buckets)) if names] == marked


@pytest.mark.parametrize("column", DECIDING)
def test_what_changed_is_named(column: str) -> None:
    assert by_bucket("a", "b", column=column) == ["", column]


def test_several_that_changed_at_once_are_all_named() -> None:
    frame = pd.DataFrame({"engine": ["a", "b"], "model": ["a", "a"], "rules": ["a", "b"]})
    assert changed(frame, np.array([0, 1]), 2) == ["", "engine rules"]


def test_the_order_of_the_records_does_not_matter() -> None:
    frame = pd.DataFrame({"engine": list("aaaabbbb"), "model": list("aabbbbcc"), "rules": list("aaaaaaaa")})
    bucket = np.array([0, 0, 1, 1, 1, 1, 2, 2])
    expected = changed(frame, bucket, 3)
    for seed in range(5):
        order = Random(seed).sample(range(8), 8)
        assert changed(frame.iloc[order], bucket[order], 3) == expected == ["", "engine model", "model"]
