"""Charts of operations over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from dashboard.charts.style import Palette, Trace, filled, styled, times


def lines_over_time(
    frame: pd.DataFrame,
    traces: Sequence[Trace],
    ylabel: str,
    palette: Palette,
    *,
    number: str = ",.0f",
    limit: tuple[float, str] | None = None,
    height: int = 260,
) -> go.Figure:
    """Columns of ``frame`` over its ``time`` (evenly spaced, at most some hundred rows) as lines, gaps where NaN.

    ``number`` is the d3 format of a value; ``limit`` a level to keep below, and its name.
    """
    figure = go.Figure()
    _add_lines(figure, frame, traces, palette, number)
    styled(figure, palette, height)
    if limit is not None:
        level, name = limit
        figure.add_hline(
            y=level,
            line={"color": palette.text, "dash": "dot", "width": 1.5},
            annotation={
                "text": name,
                "font": {"color": palette.text, "size": 12},
                "xanchor": "right",
                "yanchor": "bottom",
            },
        )
    figure.update_layout(hovermode="x unified")
    highest = max(_highest(frame, traces), limit[0] if limit else 0)
    figure.update_yaxes(title_text=ylabel, range=[0, 1.15 * highest or 1], nticks=6, tickformat=",~g")
    return _on_clock(figure, frame)


def mean_and_slowest(
    mean: pd.DataFrame, slowest: pd.DataFrame, traces: Sequence[Trace], palette: Palette, height: int = 260
) -> go.Figure:
    """Milliseconds: the means and, below them on the same time axis, the slowest of each period."""
    figure = go.Figure()
    _add_lines(figure, mean, traces, palette, ",.1f")
    _add_lines(figure, slowest, traces, palette, ",.1f", yaxis="y2", showlegend=False)
    styled(figure, palette, height)
    figure.update_layout(hovermode="x unified", hoversubplots="axis")
    figure.update_layout(
        yaxis={
            "title": {"text": "mean, ms"},
            "range": [0, 1.15 * _highest(mean, traces) or 1],
            "domain": [0.54, 1],
            "nticks": 4,
        },
        yaxis2={
            **figure.layout.yaxis.to_plotly_json(),
            "title": {**figure.layout.yaxis.title.to_plotly_json(), "text": "slowest, ms"},
            "range": [0, 1.15 * _highest(slowest, traces) or 1],
            "domain": [0, 0.42],
            "anchor": "x",
            "nticks": 4,
        },
    )
    figure.update_xaxes(anchor="y2")
    return _on_clock(figure, mean)


def bars_over_time(
    frame: pd.DataFrame, traces: Sequence[Trace], ylabel: str, palette: Palette, height: int = 260
) -> go.Figure:
    """Columns of ``frame`` (counts) over its ``time`` as stacked bars; those with nothing to count are left out."""
    shown = [trace for trace in traces if frame[trace.column].any()]
    figure = go.Figure()
    for trace in shown:
        figure.add_bar(
            x=times(frame),
            y=frame[trace.column],
            name=trace.name,
            marker=filled(getattr(palette, trace.colour), palette, hatched=trace.second),
            hovertemplate="%{y:,}",
        )
    styled(figure, palette, height)
    figure.update_layout(barmode="stack", hovermode="x unified", bargap=0.1)
    figure.update_yaxes(title_text=ylabel, rangemode="tozero", tickformat=",d", nticks=6)
    if frame[[trace.column for trace in shown]].sum(axis="columns").max() < 5:
        figure.update_yaxes(dtick=1)
    return _on_clock(figure, frame)


def describe_levels(frame: pd.DataFrame, traces: Sequence[Trace], unit: str) -> str:
    """Lines in words: where each is last and was highest."""
    return "; ".join(_level(frame, trace, unit) for trace in traces) + "."


def describe_counts(frame: pd.DataFrame, traces: Sequence[Trace]) -> str:
    """Bars in words: the sums over the whole span."""
    return ", ".join(f"{trace.name} {frame[trace.column].sum():,.0f}" for trace in traces) + "."


def _level(frame: pd.DataFrame, trace: Trace, unit: str) -> str:
    known = frame.dropna(subset=trace.column)
    if known.empty:
        return f"{trace.name}: nothing measured"
    top = known.iloc[int(known[trace.column].argmax())]
    last = known[trace.column].iloc[-1]
    return f"{trace.name}: last {last:,.1f} {unit}, most {top[trace.column]:,.1f} at {top['time']:%Y-%m-%d %H:%M}"


def _add_lines(
    figure: go.Figure, frame: pd.DataFrame, traces: Sequence[Trace], palette: Palette, number: str, **options: Any
) -> None:
    for trace in traces:
        values = frame[trace.column]
        figure.add_scatter(
            x=times(frame),
            y=values.round(3),
            name=trace.name,
            # Where values have gaps, a value alone has no line: it needs its marker.
            mode="lines+markers" if values.isna().any() else "lines",
            line={"color": getattr(palette, trace.colour), "width": 1.75},
            marker={"size": 3.5},
            opacity=0.6 if trace.second else 1,
            hovertemplate=f"%{{y:{number}}}",
            **options,
        )


def _highest(frame: pd.DataFrame, traces: Sequence[Trace]) -> float:
    highest = frame[[trace.column for trace in traces]].max().max()
    return 0.0 if pd.isna(highest) else float(highest)


def _on_clock(figure: go.Figure, frame: pd.DataFrame) -> go.Figure:
    """The time axis of evenly spaced rows, as long as they are: days where it spans several, else hours."""
    first, last = frame["time"].iloc[0], frame["time"].iloc[-1]
    spare = (last - first) / max(len(frame) - 1, 1) / 2
    return figure.update_xaxes(
        type="date",
        range=[f"{first - spare:%Y-%m-%d %H:%M:%S}", f"{last + spare:%Y-%m-%d %H:%M:%S}"],
        tickformat="%-d %b" if last - first > pd.Timedelta(days=2) else "%H:%M\n%-d %b",
        hoverformat="%a %-d %b, %H:%M",
        showgrid=False,
        nticks=5,
        tickangle=0,
    )
