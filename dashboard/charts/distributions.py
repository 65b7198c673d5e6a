"""The distribution of a measure from 0 to 100: similarity or confidence."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from core.domain.columns import STATUSES
from core.domain.filters import Span, span_text
from dashboard.charts.style import PART, Palette, counted, counting, marker, part, shown, styled

#: Room above the bars for two lines of words, as a share of the highest.
_ROOM = 0.3
#: Ticks of a square-root scale that are nearer than this share of the axis would touch.
_NEAREST_TICKS = 0.15


@dataclass(frozen=True)
class Limits:
    """From which value on a photo waits for review, and from which it passes; equal where none waits."""

    review_from: float
    passes_from: float


@dataclass(frozen=True)
class Measure:
    """What a histogram is of, and from which value on its first bar counts: less than where the bar begins, where
    all that is lower counts in it.

    ``below`` counts those that are left out because they lie below its range. With ``root`` the height of a bar is
    the square root of its count, so that small bars can be seen beside a large one.
    """

    name: str
    limits: Limits | None = None
    below: int = 0
    root: bool = False
    first: float = 0


def histogram(frame: pd.DataFrame, measure: Measure, palette: Palette, height: int = 290) -> go.Figure:
    """``core.domain.statistics.histogram`` as bars stacked by status, with the limits of what it is of."""
    low, high = frame["left"].min(), frame["right"].max()
    spans = list(zip([measure.first, *frame["left"][1:]], frame["right"], strict=True))
    figure = go.Figure()
    reached = pd.Series(0, index=frame.index)
    for status, word in shown(frame[list(STATUSES)].sum()).items():
        begins, reached = reached, reached + frame[status]
        figure.add_bar(
            x=(frame["left"] + frame["right"]) / 2,
            # Each part ends where its own and the counts below it stand on the scale.
            y=(_heights(reached, measure) - _heights(begins, measure)).round(4),
            name=word,
            width=0.92 * (frame["right"] - frame["left"]),
            marker=marker(status, palette),
            customdata=[
                part(f"{span_text(span)} {status}", f"{span_words(span)}, {word.lower()}", count)
                for span, count in zip(spans, frame[status], strict=True)
            ],
            hovertemplate=PART,
        )
    styled(figure, palette, height)
    # The last tick's number stands half beyond the axis.
    figure.update_layout(barmode="stack", margin_r=18)
    left_out = f"<br>{measure.below:,} below {low:g} are not shown" if measure.below else ""
    label = f"{measure.name}, {low:g}–{high:g}{left_out}"
    figure.update_xaxes(title_text=label, range=[low, high], showgrid=False, nticks=6)
    counting(figure, frame)
    top = int(frame[list(STATUSES)].sum(axis="columns").max())
    if measure.root:
        ticks = _root_ticks(top)
        figure.update_yaxes(
            title={"text": "validations, square root", "standoff": 14},
            tickmode="array",
            tickvals=[round(tick**0.5, 4) for tick in ticks],
            ticktext=[f"{tick:,}" for tick in ticks],
        )
    if measure.limits:
        figure.update_yaxes(range=[0, (1 + _ROOM) * ((top**0.5 if measure.root else top) or 1)])
        _limits(figure, measure.limits, low, high, palette)
    return figure


def span_words(span: Span) -> str:
    return span_text(span).replace("-", "–")


def describe_histogram(frame: pd.DataFrame, measure: Measure) -> str:
    totals = frame[list(STATUSES)].sum(axis="columns")
    if not totals.sum():
        return f"No {measure.name} was measured."
    top = frame.iloc[int(totals.argmax())]
    said = [
        f"Distribution of {measure.name} from {frame['left'].min():g} to {frame['right'].max():g}"
        f"{', on a square-root scale' if measure.root else ''}: {counted(frame[list(STATUSES)].sum())}",
        f"the most, {totals.max():,}, from {top['left']:g} to {top['right']:g}",
    ]
    if limits := measure.limits:
        said.append(f"the threshold is {limits.passes_from:g}")
        if limits.review_from < limits.passes_from:
            said.append(f"from {limits.review_from:g} on a photo waits for review")
    if measure.below:
        said.append(f"{measure.below:,} below {frame['left'].min():g} are not shown")
    return f"{'; '.join(said)}."


def _heights(counts: pd.Series, measure: Measure) -> pd.Series:
    return counts**0.5 if measure.root else counts


def _root_ticks(top: int) -> list[int]:
    """Round counts from 0 to ``top`` or little less, as many as a square-root scale has room for."""
    nearest = _NEAREST_TICKS * (1 + _ROOM) * top**0.5
    steps = (step * 10**power for power in reversed(range(len(str(top)))) for step in (5, 2, 1))
    found: list[int] = []
    for step in steps:
        above = found[-1] ** 0.5 if found else float("inf")
        if step <= top and nearest <= step**0.5 <= above - nearest:
            found.append(step)
    return [0, *reversed(found)]


def _limits(figure: go.Figure, limits: Limits, low: float, high: float, palette: Palette) -> None:
    """The threshold as a line, the range of those that wait as a band, and both in words beside the line."""
    at, words = limits.passes_from, [f"threshold {limits.passes_from:g}"]
    if limits.review_from < at:
        band = {"x0": max(limits.review_from, low), "x1": at, "yref": "paper", "y0": 0, "y1": 1}
        look = {"fillcolor": palette.waiting, "opacity": 0.16, "line": {"width": 0}, "layer": "below"}
        figure.add_shape(type="rect", **band, **look)
        words.append(f"review {limits.review_from:g}–{at:g}")
    line = {"color": palette.text, "dash": "dot", "width": 1.5}
    figure.add_shape(type="line", x0=at, x1=at, yref="paper", y0=0, y1=1, line=line)
    # On the side that has the room.
    right = bool(np.mean([low, high]) > at)
    figure.add_annotation(
        x=at,
        yref="paper",
        y=1,
        xanchor="left" if right else "right",
        yanchor="top",
        xshift=4 if right else -4,
        align="left" if right else "right",
        text="<br>".join(words),
        showarrow=False,
        font={"color": palette.text, "size": 12},
    )
