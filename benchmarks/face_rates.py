"""Errors of comparison in the terms of ISO/IEC 19795-1, counted over all pairs of photos at once.

A *mated* comparison is one of two photos of one person. FNMR, the false non-match rate, is the share of mated
comparisons below a threshold; FMR, the false match rate, the share of the others that reach it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.domain.proportions import wilson

#: Cosines are counted in steps of 0.0001.
_BINS = 20_000
#: Photos whose rows of the table of all pairs are made at a time.
_BLOCK = 512
_RESAMPLES = 1000


@dataclass(frozen=True)
class Rate:
    """``count`` of ``total``: a share (0-1) with its 95 % interval. It is not a number if ``total`` is 0."""

    count: int
    total: int

    @property
    def share(self) -> float:
        return self.count / self.total if self.total else float("nan")

    @property
    def interval(self) -> tuple[float, float]:
        return wilson(self.share, self.total) if self.total else (0.0, 1.0)


@dataclass(frozen=True)
class Comparisons:
    """How many comparisons have which cosine."""

    mated: NDArray[np.int64]
    others: NDArray[np.int64]

    def fnmr(self, cosine: float) -> Rate:
        return Rate(int(self.mated[: _bin(cosine)].sum()), int(self.mated.sum()))

    def fmr(self, cosine: float) -> Rate:
        return Rate(int(self.others[_bin(cosine) :].sum()), int(self.others.sum()))

    def mated_between(self, low: float, high: float) -> Rate:
        return Rate(int(self.mated[_bin(low) : _bin(high)].sum()), int(self.mated.sum()))

    def cosine_for(self, fmr: float) -> float:
        """The least cosine, in their steps, at which no larger share of the others matches."""
        reaching = np.append(np.cumsum(self.others[::-1])[::-1], 0)
        return float(np.argmax(reaching <= fmr * self.others.sum())) * 2 / _BINS - 1


@dataclass(frozen=True)
class WrongMatches:
    """Pairs of photos of two people whose cosine reaches a limit: the photos' numbers, and the cosines."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    cosine: NDArray[np.float32]


def all_pairs(
    vectors: NDArray[np.float32], people: NDArray[np.intp], limit: float
) -> tuple[Comparisons, WrongMatches]:
    """Each two photos compared once; ``people``: of whom each is, by numbers from 0 on.

    The wrong matches are those from the cosine ``limit`` on.
    """
    counts = np.zeros(2 * _BINS, np.int64)
    wrong: list[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]] = []
    for begin in range(0, len(people), _BLOCK):
        rows = slice(begin, begin + _BLOCK)
        cosines = vectors[rows] @ vectors[begin:].T
        same = people[rows, None] == people[None, begin:]
        once = np.triu(np.ones(cosines.shape, bool), 1)
        counts += np.bincount(_bins(cosines[once]) + _BINS * same[once], minlength=2 * _BINS)
        first, second = np.nonzero(once & ~same & (cosines >= limit))
        wrong.append((first + begin, second + begin, cosines[first, second]))
    first, second, cosine = (np.concatenate(column) for column in zip(*wrong, strict=True))
    return Comparisons(counts[_BINS:], counts[:_BINS]), WrongMatches(first, second, cosine)


def of_pairs(cosines: NDArray[np.float32], same: NDArray[np.bool_]) -> Comparisons:
    """Of pairs that were chosen by somebody: their cosines, and whether each is of one person."""
    mated, others = (np.bincount(_bins(cosines[which]), minlength=_BINS) for which in (same, ~same))
    return Comparisons(mated, others)


def fmr_by_people(wrong: WrongMatches, people: NDArray[np.intp], cosine: float) -> tuple[float, float]:
    """The 95 % interval (0-1) of the FMR of all pairs at ``cosine`` if other people had been photographed.

    Comparisons that share a person are not independent, so that the interval by Wilson is too narrow. Here people are
    drawn with replacement, with all their photos; seeded.
    """
    drawn = np.random.default_rng(1).multinomial(
        int(people.max()) + 1, np.full(people.max() + 1, 1 / (people.max() + 1)), _RESAMPLES
    )
    photos = np.bincount(people)
    total = ((drawn @ photos) ** 2 - (drawn**2) @ (photos**2)) / 2
    reaching = wrong.cosine >= cosine
    one, other = people[wrong.first[reaching]], people[wrong.second[reaching]]
    matched = np.array([float((weights[one] * weights[other]).sum()) for weights in drawn])
    low, high = np.quantile(matched / np.maximum(total, 1), [0.025, 0.975])
    return float(low), float(high)


def within_groups(
    wrong: WrongMatches, people: NDArray[np.intp], group_of: Sequence[str | None], cosine: float
) -> dict[str, tuple[int, Rate]]:
    """Group -> its people, and the FMR at ``cosine`` among its members; ``group_of``: of each person, or None."""
    reaching = wrong.cosine >= cosine
    one, other = people[wrong.first[reaching]], people[wrong.second[reaching]]
    photos = np.bincount(people, minlength=len(group_of))
    found = {}
    for group in sorted({group for group in group_of if group is not None}):
        member = np.array([each == group for each in group_of])
        of_members = photos[member]
        total = (int(of_members.sum()) ** 2 - int((of_members**2).sum())) // 2
        found[group] = (int((of_members > 0).sum()), Rate(int((member[one] & member[other]).sum()), total))
    return found


def _bins(cosines: NDArray[np.float32]) -> NDArray[np.intp]:
    return np.asarray(np.clip((cosines + 1) * (_BINS / 2), 0, _BINS - 1), np.intp)


def _bin(cosine: float) -> int:
    return round((cosine + 1) * _BINS / 2)
