"""Where the face engine, its model or the rules changed in the course of time. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

#: The columns of a frame that say what made a verdict.
DECIDING = ("engine", "model", "rules")


def changed(records: pd.DataFrame, bucket: npt.NDArray[np.int64], buckets: int) -> list[str]:
    """What changed in each of the ``buckets`` of time: names of ``DECIDING`` with spaces between, empty for nothing.

    ``bucket`` has the number of each record's bucket. Something changed in a bucket if a value occurs there that did
    not occur in the bucket before, or if the first bucket has several. The order within a bucket does not matter, and
    two values that alternate are one change. Records that do not say a value are passed over, and so are buckets
    without any value.
    """
    names = [list[str]() for _ in range(buckets)]
    for name in DECIDING:
        for number in _news(records[name], bucket):
            names[number].append(name)
    return [" ".join(each) for each in names]


def _news(values: pd.Series[Any], bucket: npt.NDArray[np.int64]) -> list[int]:
    """The buckets in which one of the values is new."""
    codes, known = pd.factorize(values)
    if len(known) < 2:
        return []
    said = codes >= 0
    pairs = np.unique(bucket[said] * len(known) + codes[said])
    found, before = list[int](), set[int]()
    for number, now in _sets(pairs // len(known), pairs % len(known)):
        if (now - before) if before else len(now) > 1:
            found.append(number)
        before = now
    return found


def _sets(numbers: npt.NDArray[np.int64], values: npt.NDArray[np.int64]) -> Iterator[tuple[int, set[int]]]:
    """The values of each number; ``numbers`` are sorted."""
    pairs = zip(numbers.tolist(), values.tolist(), strict=True)
    for number, those in groupby(pairs, key=itemgetter(0)):
        yield number, {value for _, value in those}
