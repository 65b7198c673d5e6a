"""What ``benchmarks.faces`` measured, as Markdown: a column, or a row, for each engine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.degradations import Degradation, Expected
from benchmarks.face_answers import Answers
from benchmarks.face_photos import Photo
from benchmarks.face_rates import Comparisons, Rate, WrongMatches, fmr_by_people, within_groups
from benchmarks.results import table
from core.domain.policy import Policy
from core.domain.reasons import Reason

COSINES = (0.25, 0.30, 0.35, 0.38, 0.40, 0.42, 0.44, 0.46, 0.48, 0.50, 0.55, 0.60)
FALSE_MATCH_RATES = (1e-2, 1e-3, 1e-4, 1e-5)


@dataclass(frozen=True)
class Measured:
    """What came of one engine: of all clear faces, and of those in photos that its rules accept.

    ``people``: of whom each photo with a clear face is. Chosen pairs have no ``wrong`` matches.
    """

    label: str
    answers: Answers
    comparisons: Comparisons
    accepted: Comparisons
    people: NDArray[np.intp]
    wrong: WrongMatches | None

    @property
    def limits(self) -> tuple[float, float]:
        """The cosines of the similarities from which faces match, and from which a person decides."""
        policy = Policy()
        return self.answers.cosine_at(policy.similarity_threshold), self.answers.cosine_at(policy.review_threshold)


def acquired(photos: Sequence[Photo], measured: Sequence[Measured]) -> str:
    """How many photos cannot be used, and how many comparisons the others make."""
    count = len(photos)
    rows = []
    for each in measured:
        seen = each.answers
        kinds = (seen.reasons == Reason.NO_FACE, ~seen.clear, ~seen.accepted)
        mated, others = each.comparisons.fnmr(0).total, each.comparisons.fmr(0).total
        shares = [percent(Rate(int(which.sum()), count)) for which in kinds]
        rows.append([each.label, *shares, f"{mated:,}", f"{others:,}"])
    head = ["", "no face found", "FTA: no clear face", "refused by the rules", "mated comparisons", "non-mated"]
    return table(head, rows)


def refused(photos: str, labels: Sequence[str], of_photos: Sequence[Answers]) -> str:
    """How many ``photos`` are refused, and why; ``of_photos``: the answers of each engine."""
    count = len(of_photos[0].reasons)
    counts = [
        Counter(reason for joined in each.reasons for reason in joined.split("+") if reason) for each in of_photos
    ]
    rows = [["any reason", *(percent(Rate(int((~each.accepted).sum()), count)) for each in of_photos)]]
    for reason in sorted(set().union(*counts)):
        rows.append([f"`{reason}`", *(percent(Rate(each[reason], count)) for each in counts)])
    return f"{count:,} {photos}:\n\n{table(['refused, without a reference', *labels], rows)}"


def at_thresholds(measured: Sequence[Measured]) -> str:
    """The errors at the rules' two similarities, and what comes to a person in between."""
    policy = Policy()
    high, low = f"{policy.similarity_threshold:.0f}", f"{policy.review_threshold:.0f}"
    rows = []
    for each in measured:
        at_high, at_low = each.limits
        by_people = ""
        if each.wrong:
            first, last = fmr_by_people(each.wrong, each.people, at_high)
            by_people = f"{first:.1e} to {last:.1e}"
        for name, compared in (("clear faces", each.comparisons), ("accepted photos", each.accepted)):
            row = [f"{each.label}, {name}", small(compared.fmr(at_high)), by_people, percent(compared.fnmr(at_high))]
            row += [small(compared.fmr(at_low)), percent(compared.fnmr(at_low))]
            rows.append([*row, percent(compared.mated_between(at_low, at_high))])
            by_people = ""
    head = ["", f"FMR at {high}", "by people", f"FNMR at {high}", f"FMR at {low}", f"FNMR at {low}"]
    return table([*head, f"mated from {low} to {high}"], rows)


def curve(measured: Sequence[Measured]) -> str:
    """The errors by the cosine of two faces, with the similarity that each engine makes of it."""
    head = ["cosine"]
    rows = [[f"{cosine:.2f}"] for cosine in COSINES]
    for each in measured:
        head += [f"{each.label}: similarity", "FMR", "FNMR"]
        for row, cosine in zip(rows, COSINES, strict=True):
            row += [f"{each.answers.similarity_at(cosine):.1f}"]
            row += [small(each.comparisons.fmr(cosine)), percent(each.comparisons.fnmr(cosine))]
    return table(head, rows)


def at_false_match_rates(measured: Sequence[Measured]) -> str:
    """FNMR where the FMR is the same: this compares engines whatever similarity they make of a cosine."""
    head = ["FMR of at most"]
    rows = [[f"{fmr:.0e}"] for fmr in FALSE_MATCH_RATES]
    for each in measured:
        head += [f"{each.label}: cosine", "FNMR"]
        for row, fmr in zip(rows, FALSE_MATCH_RATES, strict=True):
            cosine = each.comparisons.cosine_for(fmr)
            row += [f"{cosine:.3f}", percent(each.comparisons.fnmr(cosine))]
    return table(head, rows)


def by_group(photos: Sequence[Photo], groups: Mapping[str, str], measured: Sequence[Measured]) -> str:
    """FMR among people of the same group, at the rules' two similarities."""
    group_of = [groups.get(name) for name in sorted({photo.person for photo in photos})]
    policy = Policy()
    head = ["two people of", "people"]
    columns = []
    for each in measured:
        assert each.wrong is not None
        for similarity, cosine in zip(
            (policy.similarity_threshold, policy.review_threshold), each.limits, strict=True
        ):
            head.append(f"{each.label}: FMR at {similarity:.0f}")
            columns.append(within_groups(each.wrong, each.people, group_of, cosine))
    rows = [
        [group, f"{people:,}", *(small(column[group][1]) for column in columns)]
        for group, (people, _) in columns[0].items()
    ]
    return table(head, rows)


def spoilt(
    labels: Sequence[str], ways: Sequence[Degradation], seen: Sequence[Sequence[NDArray[np.str_]]]
) -> tuple[str, str]:
    """What the engines say of spoilt photos: by kind, and by each way. ``seen``: reasons by engine, way and photo."""
    every = []
    kinds: dict[str, list[list[bool]]] = {}
    for number, way in enumerate(ways):
        row = [f"{way.kind}: {way.strength}", way.expected.value]
        for engine, of_engine in enumerate(seen):
            reasons = of_engine[number]
            right = [way.is_right(joined) for joined in reasons.tolist()]
            often, count = Counter(reasons.tolist()).most_common(1)[0]
            row += [f"{np.mean(reasons != ''):.0%}", f"{np.mean(right):.0%}", f"{often or 'passes'} ({count})"]
            if way.expected is not Expected.EITHER:
                for kind in (f"**all** that should be {way.expected}", f"{way.kind}, should be {way.expected}"):
                    kinds.setdefault(kind, [[] for _ in labels])[engine] += right
        every.append(row)
    by_kind = [
        [kind, *(percent(Rate(sum(each), len(each))) for each in right)] for kind, right in sorted(kinds.items())
    ]
    head = ["way", "should be"]
    for label in labels:
        head += [f"{label}: refused", "right", "most often"]
    return table(["answered rightly", *labels], by_kind), table(head, every)


def percent(rate: Rate) -> str:
    """As a share in percent with its interval."""
    low, high = rate.interval
    return f"{100 * rate.share:.2f} % ({100 * low:.2f} to {100 * high:.2f})" if rate.total else "none"


def small(rate: Rate) -> str:
    """As a share with its interval, for shares that are far below one percent."""
    low, high = rate.interval
    if not rate.count:
        return f"0 (to {high:.0e})" if rate.total else "none"
    return f"{rate.share:.1e} ({low:.1e} to {high:.1e})"
