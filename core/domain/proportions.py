"""Shares with their intervals."""

from __future__ import annotations

from math import sqrt

#: Standard errors to either side within which a normal variable lies with 95 %.
Z95 = 1.959964


def wilson(share: float, count: float) -> tuple[float, float]:
    """The 95 % interval (0-1) of a share (0-1) that was observed in ``count`` cases, by Wilson's score.

    Unlike the usual share plus and minus some standard errors, it is not empty if none or all of few cases have what
    is counted. ``count`` is above 0, and need not be a whole number.
    """
    square = Z95 * Z95 / count
    middle = (share + square / 2) / (1 + square)
    half = Z95 / (1 + square) * sqrt(share * (1 - share) / count + square / (4 * count))
    return max(0.0, middle - half), min(1.0, middle + half)
