"""False accepts and false rejects from second looks: by hand, and recovered from simulated reviewers."""

from __future__ import annotations

import random
from dataclasses import astuple

import pytest

from core.domain.error_rates import ErrorRate, error_rate, error_rates, false_accepts_at
from core.domain.proportions import wilson
from core.domain.records import Decision
from core.domain.second_looks import SecondLook, is_sampled, turn
from tests.support.second_looks import a_case, a_look, a_pass

A, R = Decision.APPROVED, Decision.REJECTED


def test_wilsons_interval_by_hand() -> None:
    # 5 of 50, z = 1.959964, z^2 / 50 = 0.0768292: (0.1 + 0.0384146) / 1.0768292 = 0.1285391,
    # 1.959964 / 1.0768292 x sqrt(0.1 x 0.9 / 50 + 0.0768292 / 200) = 1.8201252 x 0.0467382 = 0.0850694.
    assert wilson(0.1, 50) == pytest.approx((0.0434697, 0.2136085), abs=1e-5)


def test_none_of_a_few_is_not_taken_for_none_at_all() -> None:
    # 0 of 20: 1.959964^2 / (20 + 1.959964^2) = 0.1611.
    assert wilson(0, 20) == pytest.approx((0, 0.1611), abs=1e-4)
    assert wilson(1, 20) == pytest.approx((0.8389, 1), abs=1e-4)


def test_each_look_weighs_as_many_cases_as_it_stands_for() -> None:
    # 40 passes at a share of 0.05 stand for 800 cases, 2 of them differ: 40.
    # 50 approvals at a share of 0.5 stand for 100 cases, 10 of them differ: 20.
    # Accepted wrongly: 60 of 900.
    looks = [
        *(a_pass(share=0.05, second=R if number < 2 else A) for number in range(40)),
        *(a_look(share=0.5, second=R if number < 10 else A) for number in range(50)),
    ]
    found = error_rates(looks)
    assert found.false_accepts.rate == pytest.approx(60 / 900)
    assert (found.false_accepts.looks, found.false_accepts.errors) == (90, 12)
    # They are worth 900^2 / (40 x 20^2 + 50 x 2^2) = 810,000 / 16,200 = 50 cases.
    assert (found.false_accepts.low, found.false_accepts.high) == pytest.approx(wilson(60 / 900, 50))
    assert found.passes.rate == pytest.approx(2 / 40)
    assert found.approvals.rate == pytest.approx(10 / 50)
    assert found.false_rejects == ErrorRate(0, 0)


def test_looks_at_rejections_tell_of_false_rejects_alone() -> None:
    looks = [a_look(first=R, second=A if number < 3 else R, first_reason="BLURRED") for number in range(20)]
    found = error_rates(looks)
    assert (found.false_rejects.rate, found.false_accepts.looks) == (0.15, 0)


def test_a_share_that_was_changed_weighs_each_look_by_its_own() -> None:
    # 10 looks at 0.1 stand for 100 cases, of which 20 differ; 10 at 0.5 for 20, of which none do: 20 / 120.
    looks = [a_look(share=0.1, second=R if number < 2 else A) for number in range(10)]
    looks += [a_look(share=0.5) for _ in range(10)]
    assert error_rate(looks).rate == pytest.approx(20 / 120)


def test_without_a_look_nothing_is_estimated() -> None:
    assert error_rate([]) == ErrorRate(0, 0, None, None, None)


def test_a_higher_threshold_has_the_false_accepts_of_the_passes_that_reach_it() -> None:
    looks = [
        *(a_pass(similarity=82, second=R if number < 5 else A) for number in range(20)),
        *(a_pass(similarity=90, second=R if number < 1 else A) for number in range(40)),
        # A person approved these although they had failed for another reason: no threshold lets them pass.
        *(a_look(similarity=95, second=R) for _ in range(9)),
        a_pass(similarity=None),
    ]
    found = false_accepts_at(looks, threshold=85, current=80)
    assert (found.looks, found.errors, found.rate) == (40, 1, 1 / 40)
    assert false_accepts_at(looks, threshold=80, current=80).rate == pytest.approx(6 / 60)


def test_a_lower_threshold_lets_cases_pass_that_people_decide_now() -> None:
    looks = [
        # 10 looks at a share of 0.1 stand for 100 passes, all right.
        *(a_pass(similarity=90, share=0.1) for _ in range(10)),
        # 10 at 0.5 stand for 20 cases: the second reviewer rejects 2 of the 6 that were approved, and all 4 others.
        *(a_look(similarity=76, share=0.5, second=R if number < 2 else A) for number in range(6)),
        *(a_look(similarity=76, share=0.5, first=R, second=R) for _ in range(4)),
        a_look(similarity=72, second=R),
    ]
    # 6 looks at 0.5 stand for 12 cases of 120.
    assert false_accepts_at(looks, threshold=75, current=80).rate == pytest.approx(12 / 120)


# Simulated reviewers.

#: Of 4,000 passes 1 % show somebody else. Reviewers decided 1,000 cases, of which 70 % show the right person; they
#: approve 10 % of the others, and reject 5 % of the right ones.
PASSES, WRONG_PASSES, DECISIONS, GENUINE, APPROVE_WRONGLY, REJECT_WRONGLY = 4000, 0.01, 1000, 0.7, 0.1, 0.05
PASSES_SHARE, DECISIONS_SHARE = 0.05, 0.5
#: Approved: 0.7 x 0.95 = 0.665 rightly and 0.3 x 0.1 = 0.03 wrongly. Rejected: 0.27 rightly and 0.035 wrongly.
FALSE_ACCEPTS = (PASSES * WRONG_PASSES + DECISIONS * 0.03) / (PASSES + DECISIONS * 0.695)
FALSE_REJECTS = 0.035 / 0.305


def simulated(seed: int, second_errs: float = 0) -> list[SecondLook]:
    """The second looks at an event; the second reviewer errs in this share of cases."""
    chance = random.Random(seed)

    def answer(genuine: bool, wrong: float) -> Decision:
        return A if genuine != (chance.random() < wrong) else R

    looks = []
    for number in range(PASSES + DECISIONS):
        is_pass = number < PASSES
        share, made = (PASSES_SHARE, a_pass) if is_pass else (DECISIONS_SHARE, a_look)
        if not is_sampled(a_case(seed * 10_000 + number), share):
            continue
        genuine = chance.random() < (1 - WRONG_PASSES if is_pass else GENUINE)
        first = A if is_pass else answer(genuine, REJECT_WRONGLY if genuine else APPROVE_WRONGLY)
        looks.append(made(share=share, first=first, second=answer(genuine, second_errs)))
    return looks


def covers(found: ErrorRate, known: float) -> bool:
    return found.low is not None and found.high is not None and found.low <= known <= found.high


def test_the_errors_of_simulated_reviewers_are_within_the_interval() -> None:
    found = [error_rates(simulated(seed)) for seed in range(200)]
    accepts, rejects = ([getattr(each, name) for each in found] for name in ("false_accepts", "false_rejects"))
    assert sum(each.rate for each in accepts) / 200 == pytest.approx(FALSE_ACCEPTS, abs=0.001)
    assert sum(each.rate for each in rejects) / 200 == pytest.approx(FALSE_REJECTS, abs=0.005)
    assert sum(covers(each, FALSE_ACCEPTS) for each in accepts) >= 188
    assert 184 <= sum(covers(each, FALSE_REJECTS) for each in rejects) <= 198


def test_without_weights_the_same_looks_would_say_something_else() -> None:
    # Half of the decisions and few of the passes are sampled, and decisions err three times as often.
    found = [error_rates(simulated(seed)).false_accepts for seed in range(20)]
    unweighted = sum(each.errors for each in found) / sum(each.looks for each in found)
    assert unweighted > 1.5 * FALSE_ACCEPTS


def test_a_second_reviewer_who_errs_is_counted_as_the_other_ones_error() -> None:
    # The second one errs in 2 % of all cases: 0.01 x 0.98 + 0.99 x 0.02 of the passes differ.
    known = 0.01 * 0.98 + 0.99 * 0.02
    found = [error_rates(simulated(seed, second_errs=0.02)).passes for seed in range(100)]
    assert sum(covers(each, known) for each in found) >= 90


# The sample.


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9])
def test_as_many_cases_are_sampled_as_the_share_says(share: float) -> None:
    sampled = sum(is_sampled(a_case(number), share) for number in range(20_000))
    assert sampled / 20_000 == pytest.approx(share, abs=0.01)


def test_nothing_is_sampled_at_none_and_everything_at_all() -> None:
    cases = ["0" * 16, "f" * 16, *map(a_case, range(100))]
    assert not any(is_sampled(case, 0) for case in cases)
    assert all(is_sampled(case, 1) for case in cases)


def test_a_smaller_sample_lies_within_a_larger_one() -> None:
    small, large = ({n for n in range(2000) if is_sampled(a_case(n), share)} for share in (0.1, 0.25))
    assert small < large


def test_by_their_turns_the_samples_of_two_shares_are_looked_at_equally_far() -> None:
    turns = sorted(
        (turn(a_case(number), share), share)
        for number, share in enumerate([0.1] * 5000 + [0.5] * 1000)
        if is_sampled(a_case(number), share)
    )
    first_half = [share for _, share in turns[: len(turns) // 2]]
    assert first_half.count(0.1) / len(first_half) == pytest.approx(0.5, abs=0.05)


def test_every_figure_of_an_estimate_is_there_or_none_is() -> None:
    assert None not in astuple(error_rate([a_look()]))
