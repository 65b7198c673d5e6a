"""Pairs of similar faces among many, and how often two people's faces are as similar."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from core.domain.duplicates import PEOPLE_PER_FALSE_PAIR, Expected
from core.domain.proportions import wilson

if TYPE_CHECKING:  # a tenth of a second to load, and only searches need it
    import numpy as np
    import numpy.typing as npt

#: Rows of a block: the cosines of two blocks take 16 MB.
_BLOCK = 2048


class CosinePairs(NamedTuple):
    """Pairs of rows, ``first`` below ``second``, and their cosines, the highest first.

    ``capped``: there are more pairs, none of which is more similar.
    """

    first: npt.NDArray[np.int64]
    second: npt.NDArray[np.int64]
    cosines: npt.NDArray[np.float32]
    capped: bool


def pairs_above(vectors: npt.NDArray[np.float32], cosine: float, limit: int) -> CosinePairs:
    """Returns the pairs of rows whose cosine is ``cosine`` at least, the ``limit`` most similar ones at the most.

    The rows of ``vectors`` have length 1. Memory does not grow with the number of pairs, and with the number of rows
    only as ``vectors`` does.
    """
    import numpy as np

    kept = CosinePairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32), capped=False)
    for top in range(0, len(vectors), _BLOCK):
        for left in range(top, len(vectors), _BLOCK):
            cosines = vectors[top : top + _BLOCK] @ vectors[left : left + _BLOCK].T
            above = cosines >= cosine
            if left == top:  # each pair once, and no row with itself
                above = np.triu(above, 1)
            first, second = np.nonzero(above)
            if len(first):
                kept = _most_similar(kept, first + top, second + left, cosines[above], limit)
            if kept.capped:  # nothing below the last one that is kept can come among them any more
                cosine = float(kept.cosines[-1])
    return kept


def _most_similar(
    kept: CosinePairs,
    first: npt.NDArray[np.int64],
    second: npt.NDArray[np.int64],
    cosines: npt.NDArray[np.float32],
    limit: int,
) -> CosinePairs:
    """The most similar of both; of equally similar ones those that come first."""
    import numpy as np

    first = np.concatenate((kept.first, first))
    second = np.concatenate((kept.second, second))
    cosines = np.concatenate((kept.cosines, cosines))
    order = np.lexsort((second, first, -cosines))
    best, capped = order[:limit], kept.capped or len(order) > limit
    return CosinePairs(first[best], second[best], cosines[best], capped)


def comparisons_of(people: int) -> int:
    """How many pairs that many people are."""
    return people * (people - 1) // 2


class FalseMatches:
    """How often the faces of two different people have at least some cosine: the false match rate of an engine.

    Between two points that were measured the logarithm of the rate is a line. Beyond the last point that line is
    continued: such a rate is a guess, of which only that it is no higher than the last one that was measured is sure.
    """

    def __init__(self, measured: Sequence[tuple[float, float]], comparisons: int) -> None:
        """``measured`` has two or more cosines, ascending, and the share (0-1) of ``comparisons`` of two people's
        photos that reached them, descending and above 0.
        """
        self._cosines, self._shares = zip(*measured, strict=True)
        self._comparisons = comparisons

    def rate(self, cosine: float) -> Expected:
        """The rate (0-1) at this cosine, with a 95 % interval.

        The interval takes the comparisons to be independent, which those of the same photo are not: it is too narrow
        rather than too wide.
        """
        estimate = min(1.0, self._line(cosine))
        if cosine > self._cosines[-1]:
            _, high = wilson(self._shares[-1], self._comparisons)
            return Expected(estimate, 0.0, high)
        return Expected(estimate, *wilson(estimate, self._comparisons))

    def cosine_at(self, rate: float) -> float:
        """The cosine at which the rate is expected to be ``rate``."""
        lowest, highest = -1.0, 1.0
        for _ in range(40):  # halves the span each time
            middle = (lowest + highest) / 2
            lowest, highest = (middle, highest) if self._line(middle) > rate else (lowest, middle)
        return highest

    def _line(self, cosine: float) -> float:
        place = min(max(bisect_left(self._cosines, cosine), 1), len(self._cosines) - 1)
        (low, high), (before, after) = self._cosines[place - 1 : place + 1], self._shares[place - 1 : place + 1]
        fall = math.log(after / before) / (high - low)
        return float(before * math.exp(min(fall * (cosine - low), 700.0)))


#: The rate at which one false pair is expected among ``PEOPLE_PER_FALSE_PAIR``.
ONE_FALSE_PAIR = 1 / comparisons_of(PEOPLE_PER_FALSE_PAIR)
