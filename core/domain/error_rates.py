"""How many photos are accepted and rejected wrongly, estimated from blind second looks.

The second reviewer's answer counts as the right one. Each look stands for as many cases as its share says: at a share
of 0.05 for 20, so that kinds of which few are sampled do not weigh less than they occur.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from core.domain.proportions import wilson
from core.domain.records import Decision
from core.domain.second_looks import Kind, SecondLook


@dataclass(frozen=True)
class ErrorRate:
    """The share of cases (0-1) with an error, and the ends of its 95 % interval; None without any look.

    ``looks`` is how many second looks it is estimated from, and ``errors`` how many of them show one.
    """

    looks: int
    errors: int
    rate: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class ErrorRates:
    """False accepts among all that was accepted, and in its two parts; false rejects among what people rejected.

    Photos that failed by themselves are sampled by nobody, and are in none of these.
    """

    false_accepts: ErrorRate
    passes: ErrorRate
    approvals: ErrorRate
    false_rejects: ErrorRate


def error_rates(looks: Iterable[SecondLook]) -> ErrorRates:
    """The error rates that the looks show."""
    accepted, rejected = list[SecondLook](), list[SecondLook]()
    for look in looks:
        (accepted if look.first is Decision.APPROVED else rejected).append(look)
    return ErrorRates(
        false_accepts=error_rate(accepted),
        passes=error_rate([look for look in accepted if look.kind is Kind.PASS]),
        approvals=error_rate([look for look in accepted if look.kind is Kind.DECISION]),
        false_rejects=error_rate(rejected),
    )


def false_accepts_at(looks: Iterable[SecondLook], threshold: float, current: float) -> ErrorRate:
    """The share of false accepts among those who would pass by themselves at the similarity ``threshold`` (0-100).

    These are the passes that reach it and, if it is below the ``current`` threshold, the cases between the two that
    people decide now.
    """
    return error_rate(
        [
            look
            for look in looks
            if look.similarity is not None
            and look.similarity >= threshold
            and (look.kind is Kind.PASS or look.similarity < current)
        ],
        lambda look: look.second is Decision.REJECTED,
    )


def _differs(look: SecondLook) -> bool:
    return look.first is not look.second


def error_rate(looks: Sequence[SecondLook], is_error: Callable[[SecondLook], bool] = _differs) -> ErrorRate:
    """The weighted share of the looks that show an error.

    It is Hajek's estimate: each look weighs 1 / share, and the sum of the weights of those that show an error is
    divided by the sum of all. The interval is Wilson's for as many cases as the looks are worth: Kish's effective
    sample size, the square of the sum of the weights over the sum of their squares.
    """
    if not looks:
        return ErrorRate(0, 0)
    weights = [1 / look.share for look in looks]
    errors = [weight for look, weight in zip(looks, weights, strict=True) if is_error(look)]
    rate = sum(errors) / sum(weights)
    low, high = wilson(rate, sum(weights) ** 2 / sum(weight**2 for weight in weights))
    return ErrorRate(len(looks), len(errors), rate, low, high)
