"""Pairs of similar faces among many, and how often two people's faces are as similar."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.domain import face_pairs
from core.domain.face_pairs import ONE_FALSE_PAIR, FalseMatches, comparisons_of, pairs_above
from core.domain.proportions import wilson

Floats = npt.NDArray[np.float32]
MEASURED = [(0.40, 1e-3), (0.50, 1e-5), (0.55, 1e-7)]


@pytest.fixture(autouse=True, scope="module")
def small_blocks() -> Iterator[None]:
    """Few vectors are several blocks."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(face_pairs, "_BLOCK", 4)
        yield


def unit_vectors(seed: int, count: int, size: int = 128) -> Floats:
    vectors = np.random.default_rng(seed).standard_normal((count, size), dtype=np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def one_by_one(vectors: Floats, cosine: float) -> list[tuple[int, int]]:
    """The pairs, found the plain way."""
    count = range(len(vectors))
    cosines = {(i, j): np.float32(vectors[i] @ vectors[j]) for i in count for j in count if i < j}
    return sorted((pair for pair in cosines if cosines[pair] >= cosine), key=lambda pair: (-cosines[pair], pair))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(0, 15), cosine=st.floats(-1, 1))
def test_every_pair_that_is_similar_enough_is_found_once(seed: int, count: int, cosine: float) -> None:
    vectors = unit_vectors(seed, count, 4)
    found = pairs_above(vectors, cosine, limit=1000)
    wanted = one_by_one(vectors, cosine)
    # A product in blocks rounds otherwise: what is nearly as similar as the threshold may be on either side of it.
    sure = {pair for pair in wanted if vectors[pair[0]] @ vectors[pair[1]] > cosine + 1e-5}
    listed = list(zip(found.first.tolist(), found.second.tolist(), strict=True))
    assert sure <= set(listed) <= set(one_by_one(vectors, cosine - 1e-5))
    assert len(set(listed)) == len(listed)
    assert not found.capped


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), limit=st.integers(1, 30))
def test_of_too_many_pairs_the_most_similar_are_kept(seed: int, limit: int) -> None:
    vectors = unit_vectors(seed, 14, 4)
    everything = pairs_above(vectors, -1, limit=1000)
    found = pairs_above(vectors, -1, limit)
    assert found.capped
    assert found.cosines.tolist() == everything.cosines[:limit].tolist()


def test_as_many_pairs_as_the_limit_are_all_of_them() -> None:
    vectors = np.ones((5, 1), np.float32)
    found = pairs_above(vectors, 0.9, limit=10)
    assert (len(found.first), found.capped) == (10, False)


def test_the_most_similar_pair_comes_first() -> None:
    found = pairs_above(unit_vectors(1, 12, 4), -1, limit=1000)
    assert found.cosines.tolist() == sorted(found.cosines.tolist(), reverse=True)


def test_equally_similar_pairs_are_in_the_order_of_their_rows() -> None:
    found = pairs_above(np.ones((3, 1), np.float32), 0.9, limit=2)
    assert list(zip(found.first.tolist(), found.second.tolist(), strict=True)) == [(0, 1), (0, 2)]


def test_nobody_and_somebody_alone_are_no_pairs() -> None:
    for count in (0, 1):
        assert len(pairs_above(unit_vectors(1, count), -1, limit=10).first) == 0


def test_people_who_are_twice_among_10_000_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_pairs, "_BLOCK", 2048)
    vectors = unit_vectors(7, 10_000)
    noise = unit_vectors(8, 40)
    planted = [(number, 9_999 - 37 * number) for number in range(40)]
    for (first, second), other in zip(planted, noise, strict=True):
        twin = vectors[first] + 0.6 * other
        vectors[second] = twin / np.linalg.norm(twin)
    found = pairs_above(vectors, 0.57, limit=2000)
    assert sorted(zip(found.first.tolist(), found.second.tolist(), strict=True)) == planted


def test_a_rate_is_that_which_was_measured_where_it_was() -> None:
    matches = FalseMatches(MEASURED, 10_000_000)
    for cosine, share in MEASURED:
        assert matches.rate(cosine) == pytest.approx((share, *wilson(share, 10_000_000)))


def test_between_two_points_the_logarithm_is_a_line() -> None:
    assert FalseMatches(MEASURED, 10_000_000).rate(0.45).estimate == pytest.approx(1e-4)


def test_beyond_what_was_measured_only_the_last_bound_is_sure() -> None:
    expected = FalseMatches(MEASURED, 10_000_000).rate(0.60)
    assert expected.estimate == pytest.approx(1e-9)  # two decades in 0.05, as before
    assert (expected.low, expected.high) == (0, wilson(1e-7, 10_000_000)[1])


@given(cosine=st.floats(-1, 1))
def test_a_rate_is_a_share_within_its_interval(cosine: float) -> None:
    expected = FalseMatches(MEASURED, 10_000_000).rate(cosine)
    assert 0 <= expected.low <= expected.estimate * (1 + 1e-9)
    assert expected.estimate <= expected.high * (1 + 1e-9) <= 1 + 1e-8


@given(rate=st.floats(1e-10, 1e-2))
def test_the_cosine_of_a_rate_has_that_rate(rate: float) -> None:
    matches = FalseMatches(MEASURED, 10_000_000)
    assert math.isclose(matches.rate(matches.cosine_at(rate)).estimate, rate, rel_tol=1e-6)


def test_one_false_pair_among_10_000_people_is_one_in_50_million_comparisons() -> None:
    assert comparisons_of(10_000) == 49_995_000
    assert pytest.approx(2.0e-8, rel=1e-3) == ONE_FALSE_PAIR
