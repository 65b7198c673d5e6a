"""Charts of an event over time: outcomes and rates."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from core.domain.columns import STATUSES
from dashboard.charts.style import (
    TIME,
    Palette,
    bucket_name,
    changes_marked,
    counted,
    counting,
    describe_changes,
    marker,
    moment,
    on_time,
    part,
    shown,
    styled,
    times,
)


def outcomes_over_time(unit: str, frame: pd.DataFrame, before: str, palette: Palette, height: int = 280) -> go.Figure:
    """``core.domain.over_time.beside_previous`` as bars stacked by status, and a faint line for the period before,
    which ``before`` names, such as "7 days before".
    """
    length, _, _ = TIME[unit]
    moments = times(frame)
    totals = frame[list(STATUSES)].sum(axis="columns")
    figure = go.Figure()
    for status, word in shown(frame[list(STATUSES)].sum()).items():
        figure.add_bar(
            x=moments,
            y=frame[status],
            name=word,
            width=0.88 * length,
            marker=marker(status, palette),
            customdata=[
                (*part(f"{bucket_name(unit, time)} {status}", "", count), total, previous)
                for time, count, total, previous in zip(
                    frame["time"], frame[status], totals.tolist(), frame["previous"].tolist(), strict=True
                )
            ],
            hovertemplate=f"{word}, %{{x}}: %{{customdata[2]:,}}<br>%{{customdata[3]:,}} in all, "
            f"%{{customdata[4]:,}} in the {before}<extra></extra>",
        )
    figure.add_scatter(
        x=moments,
        y=frame["previous"],
        name=before.capitalize(),
        mode="lines",
        line={"color": palette.muted, "width": 1.5, "shape": "hvh"},
        opacity=0.7,
        # What the line says is said of the bars. Its own people are not those of the period, so it leads nowhere.
        hoverinfo="skip",
    )
    styled(figure, palette, height)
    figure.update_layout(barmode="stack", hovermode="closest")
    return on_time(changes_marked(counting(figure, frame), unit, frame, palette), unit, frame)


def describe_over_time(unit: str, frame: pd.DataFrame, before: str) -> str:
    totals = frame[list(STATUSES)].sum()
    said = (
        f"Validations per {unit}: {counted(totals)}, {totals.sum():,} in all; a faint line shows the {before}: "
        f"{frame['previous'].sum():,} in all"
    )
    if not totals.sum():
        return f"{said}."
    best = frame.iloc[int(frame[list(STATUSES)].sum(axis="columns").argmax())]
    most = f"the most in one {unit}, {best[list(STATUSES)].sum():,}, at {moment(unit, best['time'])}"
    return f"{said}; {most}.{describe_changes(unit, frame)}"


def rate_over_time(unit: str, frame: pd.DataFrame, palette: Palette, height: int = 280) -> go.Figure:
    """The success rate (%) and, below it on the same time axis, the mean number of attempts."""
    known = frame.dropna(subset="success_rate")
    moments = times(known)
    validated = known[list(STATUSES)].sum(axis="columns")
    # Only markers can be clicked.
    dots = {"size": 5 if len(known) <= 60 else 3}
    parts = [part(bucket_name(unit, time), "", count) for time, count in zip(known["time"], validated, strict=True)]
    figure = go.Figure()
    figure.add_scatter(
        x=moments,
        y=(100 * known["success_rate"]).round(2),
        name="Success rate",
        mode="lines+markers",
        customdata=parts,
        line={"color": palette.passed, "width": 2},
        marker=dots,
        hovertemplate="%{y:.1f} %",
    )
    figure.add_scatter(
        x=moments,
        y=known["attempts_mean"].round(3),
        yaxis="y2",
        name="Mean attempts",
        mode="lines+markers",
        customdata=parts,
        line={"color": palette.accent, "width": 2},
        marker=dots,
        hovertemplate="%{y:.2f}",
    )
    styled(figure, palette, height)
    figure.update_layout(hovermode="x unified", hoversubplots="axis")
    figure.update_layout(
        yaxis={"title": {"text": "passed, %"}, "range": [0, 104], "domain": [0.42, 1]},
        yaxis2={
            **figure.layout.yaxis.to_plotly_json(),
            "title": {**figure.layout.yaxis.title.to_plotly_json(), "text": "attempts", "standoff": 16},
            "range": [0, 1.15 * max(known["attempts_mean"].max() if len(known) else 0, 1)],
            "domain": [0, 0.3],
            "anchor": "x",
            "nticks": 4,
        },
    )
    figure.update_xaxes(anchor="y2")
    # Below most rates, which the words would cover.
    return on_time(changes_marked(figure, unit, frame, palette, top=0.8), unit, frame)


def describe_rate(unit: str, frame: pd.DataFrame) -> str:
    known = frame.dropna(subset="success_rate")
    if known.empty:
        return "Nothing was validated."
    low, high = known["success_rate"].min(), known["success_rate"].max()
    return (
        f"Success rate per {unit} between {low:.0%} and {high:.0%}, last {known['success_rate'].iloc[-1]:.0%}; "
        f"mean attempts between {known['attempts_mean'].min():.1f} and {known['attempts_mean'].max():.1f}."
        f"{describe_changes(unit, frame)}"
    )
