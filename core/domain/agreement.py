"""How far two reviewers of the same cases agree: Cohen's kappa with its interval.

Kappa compares how often they agree with how often they would by chance, if each kept to their own shares of approvals
and rejections: 1 is full agreement, 0 what chance alone gives.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

from core.domain.proportions import Z95, wilson
from core.domain.records import Decision
from core.domain.second_looks import Kind, SecondLook

#: Fewer pairs of answers have no kappa: its interval would be wider than what it is to tell.
FEWEST_PAIRS = 30
#: The answers of two reviewers to one case: a word for each.
Pair = tuple[str, str]


class Withheld(StrEnum):
    """Why there is no kappa."""

    TOO_FEW = "too few"
    #: One of the two gave the same answer to every case, so chance explains whatever agreement there is.
    ONE_ANSWER = "one answer"


@dataclass(frozen=True)
class Agreement:
    """How far two agree in ``pairs`` cases, in ``agreed`` of which they gave the same answer.

    ``kappa`` (-1 to 1) and the ends of its 95 % interval are None if it is ``withheld``.
    """

    pairs: int
    agreed: int
    kappa: float | None = None
    low: float | None = None
    high: float | None = None
    withheld: Withheld | None = None


@dataclass(frozen=True)
class Agreements:
    """The agreement of first and second decisions: of all, of each reviewer with the others, and on each reason.

    ``reasons`` has the reasons for a rejection by their codes: whether both gave this reason, in the cases where at
    least one of the two did; kappa is that of giving it or not in all cases.
    """

    overall: Agreement
    reviewers: Mapping[str, Agreement]
    reasons: Mapping[str, Agreement]


def agreements(looks: Iterable[SecondLook]) -> Agreements:
    """The agreement in second looks at decisions. Passes are left out: no reviewer gave the first answer."""
    decisions = [look for look in looks if look.kind is Kind.DECISION]
    by_reviewer: dict[str, list[Pair]] = {}
    for look in decisions:
        first, second = str(look.first), str(look.second)
        by_reviewer.setdefault(look.second_reviewer, []).append((second, first))
        if look.first_reviewer is not None:
            by_reviewer.setdefault(look.first_reviewer, []).append((first, second))
    codes = {code for look in decisions for code in _reasons(look) if code}
    return Agreements(
        overall=agreement([(str(look.first), str(look.second)) for look in decisions]),
        reviewers={name: agreement(pairs) for name, pairs in sorted(by_reviewer.items())},
        reasons={code: _on_reason(decisions, code) for code in sorted(codes)},
    )


def agreement(pairs: Sequence[Pair]) -> Agreement:
    """Cohen's kappa of the pairs, for any number of answers.

    The interval is that of the large-sample standard error of Fleiss, Cohen and Everitt (1969). This error is 0 if
    all agree, which no sample justifies: the lower end is then kappa at the lower end of Wilson's interval of the
    share that agrees.
    """
    count, agreed = len(pairs), sum(first == second for first, second in pairs)
    if count < FEWEST_PAIRS:
        return Agreement(count, agreed, withheld=Withheld.TOO_FEW)
    firsts, seconds = Counter(first for first, _ in pairs), Counter(second for _, second in pairs)
    if len(firsts) == 1 or len(seconds) == 1:
        return Agreement(count, agreed, withheld=Withheld.ONE_ANSWER)
    observed = agreed / count
    by_chance = sum(firsts[answer] * seconds[answer] for answer in firsts) / count**2
    kappa = (observed - by_chance) / (1 - by_chance)
    if agreed == count:
        low = (wilson(observed, count)[0] - by_chance) / (1 - by_chance)
        return Agreement(count, agreed, kappa, low, 1.0)
    half = Z95 * _standard_error(pairs, kappa, by_chance)
    return Agreement(count, agreed, kappa, max(-1.0, kappa - half), min(1.0, kappa + half))


def _standard_error(pairs: Sequence[Pair], kappa: float, by_chance: float) -> float:
    """That of kappa, by Fleiss, Cohen and Everitt, "Large sample standard errors of kappa and weighted kappa"."""
    count = len(pairs)
    cells = {cell: number / count for cell, number in Counter(pairs).items()}
    rows, columns = defaultdict[str, float](float), defaultdict[str, float](float)
    for (first, second), share in cells.items():
        rows[first] += share
        columns[second] += share
    apart = 1 - kappa
    same = sum(
        share * (1 - (rows[first] + columns[first]) * apart) ** 2
        for (first, second), share in cells.items()
        if first == second
    )
    different = apart**2 * sum(
        share * (columns[first] + rows[second]) ** 2 for (first, second), share in cells.items() if first != second
    )
    variance = same + different - (kappa - by_chance * apart) ** 2
    return sqrt(max(variance, 0.0) / count) / (1 - by_chance)


def _on_reason(decisions: Sequence[SecondLook], code: str) -> Agreement:
    answers = [(str(first == code), str(second == code)) for first, second in map(_reasons, decisions)]
    named = [pair for pair in answers if str(True) in pair]
    agreed = sum(first == second for first, second in named)
    if len(named) < FEWEST_PAIRS:
        return Agreement(len(named), agreed, withheld=Withheld.TOO_FEW)
    whole = agreement(answers)
    return Agreement(len(named), agreed, whole.kappa, whole.low, whole.high, whole.withheld)


def _reasons(look: SecondLook) -> tuple[str | None, str | None]:
    """The first and the second reason; None for an approval."""
    first = look.first_reason if look.first is Decision.REJECTED else None
    second = look.second_reason if look.second is Decision.REJECTED else None
    return first, second
