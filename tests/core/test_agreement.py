"""Agreement of reviewers: Cohen's kappa by hand, from a textbook, and of simulated reviewers."""

from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from core.domain.agreement import Agreement, Pair, Withheld, agreement, agreements
from core.domain.records import Decision
from tests.support.second_looks import a_look, a_pass

A, R = str(Decision.APPROVED), str(Decision.REJECTED)


def pairs(table: Mapping[Pair, int]) -> list[Pair]:
    return [pair for pair, count in table.items() for _ in range(count)]


def interval(found: Agreement) -> tuple[float | None, float | None, float | None]:
    return found.low, found.kappa, found.high


def test_sixty_cases_by_hand() -> None:
    #                 second: A   R
    # first: A               40   6 | 46
    #        R                4  10 | 14
    #                        44  16   60
    # They agree in 50 of 60. By chance they would in (46 x 44 + 14 x 16) / 3600 = 2248 / 3600 = 0.624444.
    # kappa = (3000 - 2248) / (3600 - 2248) = 752 / 1352 = 0.556213, and 1 - kappa = 0.443787.
    # Same answers: 40/60 x (1 - 90/60 x 0.443787)^2 + 10/60 x (1 - 30/60 x 0.443787)^2
    #             = 0.666667 x 0.111770 + 0.166667 x 0.605450 = 0.175422
    # Different ones: 0.443787^2 x (6/60 x (44/60 + 14/60)^2 + 4/60 x (16/60 + 46/60)^2)
    #             = 0.196947 x (0.1 x 0.934444 + 0.066667 x 1.067778) = 0.032423
    # Less: (0.556213 - 0.624444 x 0.443787)^2 = 0.077893
    # Standard error: sqrt((0.175422 + 0.032423 - 0.077893) / 60) / (1 - 0.624444) = 0.046539 / 0.375556 = 0.123920.
    # 0.556213 -+ 1.959964 x 0.123920 = 0.556213 -+ 0.242879
    found = agreement(pairs({(A, A): 40, (A, R): 6, (R, A): 4, (R, R): 10}))
    assert (found.pairs, found.agreed, found.withheld) == (60, 50, None)
    assert interval(found) == pytest.approx((0.313334, 0.556213, 0.799092), abs=1e-5)


def test_three_answers_as_a_textbook_has_them() -> None:
    # Fleiss, Levin and Paik, "Statistical Methods for Rates and Proportions", table 18.1: two raters of 100 people;
    # kappa is 0.68 with a standard error of 0.087, and its interval 0.51 to 0.85. (It goes on with the rounded 0.68.)
    table = {
        **{("psychotic", "psychotic"): 75, ("psychotic", "neurotic"): 1, ("psychotic", "organic"): 4},
        **{("neurotic", "psychotic"): 5, ("neurotic", "neurotic"): 4, ("neurotic", "organic"): 1},
        ("organic", "organic"): 10,
    }
    found = agreement(pairs(table))
    # 0.89 agree, 0.8 x 0.8 + 0.1 x 0.05 + 0.1 x 0.15 = 0.66 by chance: 0.23 / 0.34.
    assert found.kappa == pytest.approx(0.23 / 0.34)
    assert interval(found) == pytest.approx((0.51, 0.68, 0.85), abs=0.006)


def test_under_thirty_pairs_kappa_is_withheld() -> None:
    table = {(A, A): 15, (A, R): 4, (R, R): 10}
    assert agreement(pairs(table)) == Agreement(29, 25, withheld=Withheld.TOO_FEW)
    assert agreement(pairs({**table, (R, A): 1})).kappa is not None


def test_no_pairs_have_no_kappa() -> None:
    assert agreement([]) == Agreement(0, 0, withheld=Withheld.TOO_FEW)


def test_reviewers_who_never_differ_have_an_interval_all_the_same() -> None:
    # Wilson's lower end of 40 of 40: 40 / (40 + 1.959964^2) = 0.912376. By chance 0.5 agree:
    # (0.912376 - 0.5) / (1 - 0.5) = 0.824752.
    found = agreement(pairs({(A, A): 20, (R, R): 20}))
    assert interval(found) == pytest.approx((0.824752, 1, 1), abs=1e-5)


@pytest.mark.parametrize(
    "table", [{(A, A): 50}, {(A, R): 50}, {(A, A): 40, (A, R): 10}, {(A, A): 40, (R, A): 10}], ids=str
)
def test_kappa_says_nothing_where_one_of_the_two_gives_one_answer_alone(table: Mapping[Pair, int]) -> None:
    found = agreement(pairs(table))
    assert (found.kappa, found.withheld) == (None, Withheld.ONE_ANSWER)
    assert (found.pairs, found.agreed) == (50, table.get((A, A), 0))


def test_who_is_first_makes_no_difference() -> None:
    table = {(A, A): 40, (A, R): 6, (R, A): 4, (R, R): 10}
    turned = {(second, first): count for (first, second), count in table.items()}
    assert interval(agreement(pairs(turned))) == pytest.approx(interval(agreement(pairs(table))))


# Simulated reviewers. Of the photos 70 % show the right person. Each reviewer approves some of the others, and
# rejects some of the right ones, independently of the other reviewer.

GENUINE, APPROVE_WRONGLY, REJECT_WRONGLY = 0.7, 0.15, 0.1


def simulated(seed: int, count: int) -> list[Pair]:
    chance = random.Random(seed)

    def answer(genuine: bool) -> str:
        wrong = chance.random() < (REJECT_WRONGLY if genuine else APPROVE_WRONGLY)
        return A if genuine != wrong else R

    people = [chance.random() < GENUINE for _ in range(count)]
    return [(answer(genuine), answer(genuine)) for genuine in people]


def test_the_kappa_of_reviewers_with_known_errors_is_within_its_interval() -> None:
    # Both right or both wrong: 0.7 x (0.9^2 + 0.1^2) + 0.3 x (0.85^2 + 0.15^2) = 0.574 + 0.2235 = 0.7975.
    # Each approves 0.7 x 0.9 + 0.3 x 0.15 = 0.675, so by chance 0.675^2 + 0.325^2 = 0.56125 agree.
    # kappa = (0.7975 - 0.56125) / (1 - 0.56125) = 0.538462.
    known = 0.538462
    found = [agreement(simulated(seed, 200)) for seed in range(1000)]
    assert sum(each.kappa or 0 for each in found) / 1000 == pytest.approx(known, abs=0.01)
    covered = sum((each.low or 0) <= known <= (each.high or 0) for each in found)
    assert 930 <= covered <= 970


# By reviewer and by reason.


def test_each_reviewer_is_compared_with_the_others_whoever_was_first() -> None:
    looks = [
        *(a_look(first=A, first_reviewer="Bob", second=A, second_reviewer="Ada") for _ in range(20)),
        *(a_look(first=R, first_reviewer="Ada", second=A, second_reviewer="Bob") for _ in range(12)),
        *(a_look(first=R, first_reviewer="Ada", second=R, second_reviewer="Cleo") for _ in range(8)),
    ]
    found = agreements(looks)
    assert (found.overall.pairs, found.overall.agreed) == (40, 28)
    counts = {name: (each.pairs, each.agreed) for name, each in found.reviewers.items()}
    assert counts == {"Ada": (40, 28), "Bob": (32, 20), "Cleo": (8, 8)}
    assert found.reviewers["Cleo"].withheld is Withheld.TOO_FEW
    # Ada: 20 both approve, 12 she rejects and Bob approves, 8 both reject. By chance (20 x 32 + 20 x 8) / 1600 = 0.5.
    assert found.reviewers["Ada"].kappa == pytest.approx((0.7 - 0.5) / 0.5)
    # Bob approves every time.
    assert found.reviewers["Bob"].withheld is Withheld.ONE_ANSWER


def test_a_reason_is_compared_in_the_cases_where_somebody_gave_it() -> None:
    blurred, other = {"first_reason": "BLURRED"}, {"first_reason": "FACE_MISMATCH"}
    looks = [
        *(a_look(first=R, second=R, **blurred, second_reason="BLURRED") for _ in range(24)),
        *(a_look(first=R, second=R, **blurred, second_reason="FACE_MISMATCH") for _ in range(6)),
        *(a_look(first=R, second=A, **other) for _ in range(4)),
        *(a_look() for _ in range(26)),
    ]
    found = agreements(looks).reasons
    # Named by one or both: 24 + 6. Over all 60 cases both name it in 24, the first one alone in 6, nobody in 30:
    # 54 / 60 agree; by chance (30 x 24 + 30 x 36) / 3600 = 0.5.
    assert (found["BLURRED"].pairs, found["BLURRED"].agreed) == (30, 24)
    assert found["BLURRED"].kappa == pytest.approx((0.9 - 0.5) / 0.5)
    assert found["FACE_MISMATCH"] == Agreement(10, 0, withheld=Withheld.TOO_FEW)


def test_passes_are_no_agreement_of_reviewers() -> None:
    assert agreements([a_pass(number) for number in range(50)]).overall.pairs == 0


def test_a_decision_of_nobody_known_counts_for_the_second_reviewer_alone() -> None:
    assert set(agreements([a_look(first_reviewer=None)]).reviewers) == {"Ada"}
