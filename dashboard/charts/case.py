"""Charts of one case."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from core.domain.policy import by_similarity
from core.domain.records import Status
from dashboard.charts.style import WORDS, Palette, faded, marked, styled

#: So that the ticks of attempts that follow each other within seconds are minutes.
_SPARE = pd.Timedelta(minutes=10)


def similarity_gauge(similarity: float, threshold: float, review_from: float, palette: Palette) -> go.Figure:
    """``similarity`` (0-100) on a half circle, with the zones in which it fails, waits and passes."""
    passes, waits = by_similarity(similarity, threshold, review_from)
    status = Status.SUCCESS if passes else Status.PENDING if waits else Status.FAILED
    figure = go.Figure(
        go.Indicator(
            mode="gauge+number",
            value=similarity,
            number={"valueformat": ".1f", "font": {"size": 26, "color": palette.text}},
            gauge={
                "axis": {
                    "range": [0, 100],
                    "tickvals": [0, review_from, threshold, 100],
                    "tickfont": {"size": 12, "color": palette.text},
                    "tickcolor": palette.untried,
                },
                "bar": {"color": palette.of(status), "thickness": 0.5},
                "borderwidth": 0,
                "steps": [
                    {"range": [0, review_from], "color": faded(palette.failed)},
                    {"range": [review_from, threshold], "color": faded(palette.waiting)},
                    {"range": [threshold, 100], "color": faded(palette.passed)},
                ],
                "threshold": {"line": {"color": palette.text, "width": 2}, "thickness": 0.9, "value": threshold},
            },
        )
    )
    return styled(figure, palette, 170, legend=False).update_layout(margin={"l": 36, "r": 40, "t": 24, "b": 4})


def attempts_timeline(attempts: pd.DataFrame, threshold: float, palette: Palette) -> go.Figure:
    """A record's attempts over time (1 to 50): columns time, status, similarity (0-100), label, changed
    (``core.domain.changes``, since the attempt before).
    """
    symbols = {Status.SUCCESS: "circle", Status.PENDING: "diamond", Status.FAILED: "x", Status.UNKNOWN: "star"}
    figure = go.Figure()
    for status, word in WORDS.items():
        of_status = attempts[attempts["status"] == status]
        if of_status.empty:
            continue
        figure.add_scatter(
            x=of_status["time"],
            y=of_status["similarity"],
            mode="markers",
            name=word,
            marker={"color": palette.of(status), "size": 12, "symbol": symbols[status]},
            customdata=of_status[["label"]],
            hovertemplate="%{customdata[0]}<br>%{x|%d %b %Y, %H:%M:%S}<extra></extra>",
        )
    between = attempts["time"] - (attempts["time"] - attempts["time"].shift()) / 2
    marked(figure, zip(between, attempts["changed"], strict=True), palette)
    figure.add_hline(y=threshold, line={"color": palette.untried, "dash": "dot", "width": 1})
    styled(figure, palette, 250)
    figure.update_yaxes(title_text="similarity, 0–100", range=[-6, 106])
    return _from_first_to_last(figure, attempts["time"])


def _from_first_to_last(figure: go.Figure, times: pd.Series) -> go.Figure:
    """The time axis, with room beside the first and the last; a single one has its own time as its only tick."""
    first, last = times.min(), times.max()
    spare = max(0.08 * (last - first), _SPARE)
    figure.update_xaxes(range=[f"{end:%Y-%m-%d %H:%M:%S}" for end in (first - spare, last + spare)], tickangle=0)
    if first == last:
        return figure.update_xaxes(tickvals=[first], ticktext=[f"{first:%H:%M}<br>{first.day} {first:%b %Y}"])
    of_days = last - first > pd.Timedelta(days=3)
    return figure.update_xaxes(nticks=4, tickformat="%-d %b\n%Y" if of_days else "%H:%M\n%-d %b %Y")
