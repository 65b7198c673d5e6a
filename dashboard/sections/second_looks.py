"""What blind second looks show: how many are accepted and rejected wrongly, and how far reviewers agree."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.domain import reasons
from core.domain.agreement import Agreement, Withheld
from core.domain.error_rates import ErrorRate, ErrorRates
from core.domain.errors import ServiceError
from core.domain.roles import Action
from dashboard.parts import ui
from dashboard.services import get_services

#: Fewer looks have so wide an interval that the estimate itself says little.
FEW_LOOKS = 30
_WHY_NO_KAPPA = {
    Withheld.TOO_FEW: "too few cases",
    Withheld.ONE_ANSWER: "one side gave the same answer every time",
    None: None,
}


def estimates(chosen: Sequence[str]) -> bool:
    """The error rates of these events; one line where second looks are off and there are none.

    Returns whether there are second looks.
    """
    services = get_services()
    shares = services.settings.second_look_decisions, services.settings.second_look_passes
    found = None
    with ui.banner_on_failure("read the second looks"):
        found = services.second_looks.error_rates(chosen)
    if found is None:
        return False
    looks = found.false_accepts.looks + found.false_rejects.looks
    if not looks and not any(shares):
        st.caption(
            "How often is somebody let through or rejected by mistake? Second looks would tell, and are switched "
            "off: see SECOND_LOOK_DECISIONS and SECOND_LOOK_PASSES in the settings."
        )
        return False
    st.subheader("Estimated from second looks", anchor=False)
    if not looks:
        decisions, passes = shares
        st.info(
            f"Nobody has taken a second look at these events yet. In the review queue, {decisions:.1%} of the "
            f"decisions and {passes:.1%} of the photos that passed by themselves come to another reviewer, who does "
            "not see what was said before.",
            icon=":material/visibility:",
        )
        return False
    st.caption(
        "Another reviewer looked at a part of the cases again, without seeing what was said before. Where the two "
        "differ, the second answer counts as right. The filters above do not apply here."
    )
    _error_rates(found)
    return True


def _error_rates(found: ErrorRates) -> None:
    accepts, rejects = st.columns(2)
    with accepts:
        _rate("False accepts", "who were let through", "should have been rejected", found.false_accepts)
    with rejects:
        _rate("False rejects", "whom a reviewer rejected", "should have been let through", found.false_rejects)
    parts = {
        "Passed by themselves": found.passes,
        "Approved by a reviewer": found.approvals,
        "Rejected by a reviewer": found.false_rejects,
    }
    st.dataframe(
        pd.DataFrame(
            [
                {
                    "First answer": first,
                    "Second looks": part.looks,
                    "Differ": part.errors,
                    "Estimated": part.rate,
                    "From": part.low,
                    "To": part.high,
                }
                for first, part in parts.items()
            ]
        ),
        hide_index=True,
        placeholder="–",
        column_config=dict.fromkeys(("Estimated", "From", "To"), st.column_config.NumberColumn(format="percent")),
        alt="Second looks and estimated error rates, by the first answer",
    )
    st.caption(
        "From and To: the true share lies between them with 95 % certainty. Photos that failed by themselves are not "
        "looked at again, so people whom the rules refused by mistake are not among the false rejects."
    )


def _rate(title: str, whom: str, mistaken: str, found: ErrorRate) -> None:
    with st.container(border=True, height="stretch"):
        if found.rate is None or found.low is None or found.high is None:
            st.metric(title, "–")
            st.write(f"Nobody has looked again at people {whom}.")
            return
        st.metric(title, f"{found.rate:.1%}")
        st.write(
            f"Of 100 people {whom}, about {100 * found.rate:.1f} {mistaken}; with 95 % certainty between "
            f"{100 * found.low:.1f} and {100 * found.high:.1f}. Estimated from {found.looks:,} second looks, of "
            f"which {found.errors:,} differ."
        )
        if found.looks < FEW_LOOKS:
            st.caption(f"Under {FEW_LOOKS} second looks: take it as a first impression only.")


def at_threshold(chosen: Sequence[str], threshold: float) -> None:
    """The false accepts among those who would pass by themselves at this threshold, if second looks tell of them."""
    try:
        found = get_services().second_looks.false_accepts_at(chosen, threshold)
    except ServiceError:
        return  # ``estimates`` says so
    if found.rate is None or found.low is None or found.high is None:
        return
    st.caption(
        f"By second looks, about {100 * found.rate:.1f} of 100 people who would pass by themselves at {threshold:g} "
        f"should be rejected; with 95 % certainty between {100 * found.low:.1f} and "
        f"{100 * found.high:.1f} ({found.looks:,} second looks)."
    )


def agreement(chosen: Sequence[str]) -> None:
    """How far the reviewers of these events agree, for those who may see that."""
    services = get_services()
    if not services.principal.may(Action.SEE_AGREEMENT):
        return
    found = None
    with ui.banner_on_failure("read the second looks"):
        found = services.second_looks.agreements(chosen)
    if found is None:
        return
    st.subheader("Agreement of reviewers", anchor=False)
    if not found.overall.pairs:
        st.caption("Nobody has taken a second look at a decision of somebody else.")
        return
    st.caption(
        "How often first and second decisions are the same. Kappa sets aside what chance alone would give: it is 1 "
        "if they always agree, and 0 if they agree as often as by chance. It needs 30 cases, and lies between From "
        "and To with 95 % certainty."
    )
    everybody = [("All", found.overall), *found.reviewers.items()]
    _table("Reviewer", everybody, "Agreement of each reviewer with the others")
    if found.reasons:
        st.caption("By reason: the cases that one or both rejected for this reason.")
        by_reason = [(reasons.label(code), each) for code, each in found.reasons.items()]
        _table("Reason", by_reason, "Agreement on each reason for a rejection")


def _table(what: str, rows: Sequence[tuple[str, Agreement]], alt: str) -> None:
    st.dataframe(
        pd.DataFrame(
            [
                {
                    what: name,
                    "Cases": found.pairs,
                    "Same answer": found.agreed / found.pairs,
                    "Kappa": found.kappa,
                    "From": found.low,
                    "To": found.high,
                    "Why no kappa": _WHY_NO_KAPPA[found.withheld],
                }
                for name, found in rows
            ]
        ),
        hide_index=True,
        placeholder="–",
        column_config={
            "Same answer": st.column_config.NumberColumn(format="percent"),
            **dict.fromkeys(("Kappa", "From", "To"), st.column_config.NumberColumn(format="%.2f")),
        },
        alt=alt,
    )
