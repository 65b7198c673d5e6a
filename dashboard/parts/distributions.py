"""Distributions of similarity and confidence: how they are looked at, which the link names, and their charts."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.domain import statistics
from core.domain.policy import Policy
from dashboard.charts import distributions as charts
from dashboard.parts import case, event, lead_on
from dashboard.parts.kept import kept

#: Ways to look at a distribution.
ZOOM = "Zoom in"
ROOT = "Square root"


@dataclass(frozen=True)
class _Range:
    """Where a measure's chart begins, whole and zoomed in, and how wide its bars are; each ends at 100."""

    begins: float
    width: float
    zoomed_begins: float
    zoomed_width: float


#: Engines report no confidence much below 50: a face that they are not sure of is rarely a face.
_RANGES = {"similarity": _Range(0, 4, 60, 1), "confidence": _Range(50, 2, 90, 0.5)}


def ways(key: str) -> list[str]:
    """Lets people choose how to look at the distributions of the page; the link names it.

    ``key`` is the name in the link. It belongs to one page alone (``dashboard.parts.link``).
    """
    chosen: list[str] = st.segmented_control(
        "View",
        [ZOOM, ROOT],
        selection_mode="multi",
        key=key,
        bind="query-params",
        help=f"“{ZOOM}” shows similarity from 60 and confidence from 90 on. “{ROOT}” makes low bars visible beside a "
        "high one: the height of a bar is the square root of its count.",
    )
    return chosen


def chart(
    rows: pd.DataFrame,
    column: str,
    ways: list[str],
    policy: Policy,
    *,
    empty: str,
    group: str = "",
    within: str = "",
) -> None:
    """The distribution of a column (0-100), with the thresholds of ``policy``. What lies below the whole range counts
    in its first bar. ``group`` and ``within`` are those of ``event.chart_card``.
    """
    measured = _RANGES[column]
    zoomed = ZOOM in ways
    begins, width = (measured.zoomed_begins, measured.zoomed_width) if zoomed else (measured.begins, measured.width)
    limits = None
    if column == "similarity":
        limits = charts.Limits(min(policy.review_threshold, policy.similarity_threshold), policy.similarity_threshold)
    below = int((rows[column] < begins).sum()) if zoomed else 0
    measure = charts.Measure(column, limits, below, ROOT in ways, first=begins if zoomed else 0)
    bins = kept(_bins, rows, column, begins, width, zoomed)
    event.chart(
        event.drawn(charts.histogram, bins, measure, case.palette(), part=lead_on.part_of(column, within))
        if rows[column].notna().any()
        else None,
        kept(charts.describe_histogram, bins, measure),
        empty=empty,
        key=column,
        group=group,
        within=within,
    )


def _bins(rows: pd.DataFrame, column: str, begins: float, width: float, zoomed: bool) -> pd.DataFrame:
    shown = rows[rows[column] >= begins] if zoomed else rows
    return statistics.histogram(shown[column], shown["status"], begins, 100, width)
