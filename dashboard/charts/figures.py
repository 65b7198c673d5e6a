"""Data in, plotly Figure out. No Streamlit calls: a chart can be tested, and used elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from core.domain import reasons
from core.domain.records import Status
from core.domain.statistics import STATUSES, Readiness


@dataclass(frozen=True)
class Palette:
    """One colour for each meaning, the same on every page."""

    passed: str
    waiting: str
    failed: str
    untried: str
    text: str
    faint: str
    accent: str
    #: Text that steps back: axes.
    muted: str

    def of(self, status: Status) -> str:
        return {Status.SUCCESS: self.passed, Status.PENDING: self.waiting, Status.FAILED: self.failed}[status]


@dataclass(frozen=True)
class Trace:
    """One line, or one part of the bars, over time: its column, its name, and its colour (a field of ``Palette``).

    What is ``second`` has the colour of another: it is a paler line, or a hatched bar.
    """

    column: str
    name: str
    colour: str = "accent"
    second: bool = False


#: The words for the statuses, everywhere.
WORDS = {Status.SUCCESS: "Passed", Status.PENDING: "Waiting", Status.FAILED: "Failed"}
#: How many bars with a name of their own a chart shows; the rest of unbounded names is told in its description.
MAX_BARS = 12
_MAX_NAME = 28
_MAX_FULL_NAME = 200
#: unit -> (its length in milliseconds, d3 format on the axis, d3 format on hover)
_TIME = {
    "hour": (3_600_000, "%H:%M\n%-d %b", "%a %-d %b %Y, %H:%M"),
    "day": (86_400_000, "%-d %b\n%Y", "%a %-d %b %Y"),
    "month": (28 * 86_400_000, "%b\n%Y", "%B %Y"),
    "year": (365 * 86_400_000, "%Y", "%Y"),
}

LIGHT = Palette("#0f8f6b", "#e0912f", "#c8434f", "#aab1c2", "#1c2333", "#e2e6ef", "#2f5bd0", "#5c6579")
DARK = Palette("#35b890", "#f0ab55", "#ec6f7a", "#6b7388", "#e7eaf2", "#2c3342", "#7ea2ff", "#a4acbd")


def similarity_gauge(similarity: float, threshold: float, review_from: float, palette: Palette) -> go.Figure:
    """``similarity`` (0-100) on a half circle, with the zones in which it fails, waits and passes."""
    status = (
        Status.SUCCESS if similarity >= threshold else Status.PENDING if similarity >= review_from else Status.FAILED
    )
    figure = go.Figure(
        go.Indicator(
            mode="gauge+number",
            value=similarity,
            number={"valueformat": ".1f", "font": {"size": 34, "color": palette.text}},
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
                    {"range": [0, review_from], "color": _faded(palette.failed)},
                    {"range": [review_from, threshold], "color": _faded(palette.waiting)},
                    {"range": [threshold, 100], "color": _faded(palette.passed)},
                ],
                "threshold": {"line": {"color": palette.text, "width": 2}, "thickness": 0.9, "value": threshold},
            },
        )
    )
    return figure.update_layout(height=170, margin={"l": 36, "r": 40, "t": 24, "b": 4})


def attempts_timeline(attempts: pd.DataFrame, threshold: float, palette: Palette) -> go.Figure:
    """A record's attempts over time (at most 50): columns time, status, similarity (0-100 or none), label.

    An attempt without a similarity (no face, not compared) stands on the line at 0.
    """
    symbols = {Status.SUCCESS: "circle", Status.PENDING: "diamond", Status.FAILED: "x"}
    figure = go.Figure()
    for status, word in WORDS.items():
        of_status = attempts[attempts["status"] == status]
        if of_status.empty:
            continue
        figure.add_scatter(
            x=of_status["time"],
            y=of_status["similarity"].fillna(0),
            mode="markers",
            name=word,
            marker={"color": palette.of(status), "size": 12, "symbol": symbols[status]},
            customdata=of_status[["label"]],
            hovertemplate="%{customdata[0]}<br>%{x|%d %b %Y, %H:%M:%S}<extra></extra>",
        )
    figure.add_hline(y=threshold, line={"color": palette.untried, "dash": "dot", "width": 1})
    return figure.update_layout(
        height=250,
        margin={"l": 8, "r": 8, "t": 36, "b": 8},
        legend={"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0},
        yaxis={"title": "similarity, 0–100", "range": [-6, 106], "gridcolor": palette.faint, "zeroline": False},
        xaxis={"title": None, "gridcolor": palette.faint, "nticks": 4, "tickangle": 0},
    )


def funnel(readiness: Readiness, palette: Palette, height: int = 260) -> go.Figure:
    """From registered to passed, as counts and shares of the registered. Passed, waiting and failed stand in a row
    below the tried, whom they make up."""
    steps = [
        ("Registered", 0, readiness.registered, palette.accent, 0.45),
        ("Reference photo", 0, readiness.with_photo, palette.accent, 0.7),
        ("Tried", 0, readiness.attempted, palette.accent, 1.0),
        ("Passed", 0, readiness.passed, palette.passed, 1.0),
        ("Waiting", readiness.passed, readiness.waiting, palette.waiting, 1.0),
        ("Failed", readiness.passed + readiness.waiting, readiness.failed, palette.failed, 1.0),
    ]
    names, bases, counts, colours, opacities = zip(*steps, strict=True)
    shares = [f"{_share(count, readiness.registered):.0%}" for count in counts]
    figure = go.Figure(
        go.Bar(
            y=names,
            x=counts,
            base=bases,
            orientation="h",
            marker={"color": colours, "opacity": opacities},
            text=[f"<b>{count:,}</b>  {share}" for count, share in zip(counts, shares, strict=True)],
            textposition="outside",
            textfont={"color": palette.text, "size": 13},
            cliponaxis=False,
            customdata=shares,
            hovertemplate="%{y}: %{x:,} (%{customdata} of the registered)<extra></extra>",
        )
    )
    _styled(figure, palette, height, legend=False)
    longest = max(*(base + count for base, count in zip(bases, counts, strict=True)), 1)
    figure.update_xaxes(visible=False, range=[0, 1.5 * longest])
    return figure.update_yaxes(autorange="reversed", showgrid=False, tickfont={"color": palette.text})


def describe_funnel(readiness: Readiness) -> str:
    return (
        f"Of {readiness.registered:,} registered, {readiness.with_photo:,} have a reference photo and "
        f"{readiness.attempted:,} tried: {readiness.passed:,} passed, {readiness.waiting:,} wait and "
        f"{readiness.failed:,} failed."
    )


def outcomes_over_time(unit: str, frame: pd.DataFrame, palette: Palette, height: int = 280) -> go.Figure:
    """``core.domain.statistics.over_time`` as bars stacked by status."""
    length, _, _ = _TIME[unit]
    times = _times(frame)
    figure = go.Figure()
    for status, word in WORDS.items():
        figure.add_bar(
            x=times,
            y=frame[status],
            name=word,
            width=0.88 * length,
            marker=_marker(status, palette),
            hovertemplate="%{y:,}",
        )
    _styled(figure, palette, height)
    figure.update_layout(barmode="stack", hovermode="x unified")
    return _on_time(_counting(figure, frame), unit, frame)


def describe_over_time(unit: str, frame: pd.DataFrame) -> str:
    totals = frame[list(STATUSES)].sum()
    said = f"Validations per {unit}: {_counted(totals)}"
    if not totals.sum():
        return said + "."
    best = frame.loc[frame[list(STATUSES)].sum(axis="columns").idxmax()]
    return f"{said}; the most in one {unit}, {best[list(STATUSES)].sum():,}, at {_moment(unit, best['time'])}."


def rate_over_time(unit: str, frame: pd.DataFrame, palette: Palette, height: int = 280) -> go.Figure:
    """The success rate (%) and, below it on the same time axis, the mean number of attempts."""
    known = frame.dropna(subset="success_rate")
    times = _times(known)
    mode = "lines+markers" if len(known) <= 60 else "lines"
    figure = go.Figure()
    figure.add_scatter(
        x=times,
        y=(100 * known["success_rate"]).round(2),
        name="Success rate",
        mode=mode,
        line={"color": palette.passed, "width": 2},
        marker={"size": 5},
        hovertemplate="%{y:.1f} %",
    )
    figure.add_scatter(
        x=times,
        y=known["attempts_mean"].round(3),
        yaxis="y2",
        name="Mean attempts",
        mode=mode,
        line={"color": palette.accent, "width": 2},
        marker={"size": 5},
        hovertemplate="%{y:.2f}",
    )
    _styled(figure, palette, height)
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
    return _on_time(figure, unit, frame)


def describe_rate(unit: str, frame: pd.DataFrame) -> str:
    known = frame.dropna(subset="success_rate")
    if known.empty:
        return "Nothing was validated."
    low, high = known["success_rate"].min(), known["success_rate"].max()
    return (
        f"Success rate per {unit} between {low:.0%} and {high:.0%}, last {known['success_rate'].iloc[-1]:.0%}; "
        f"mean attempts between {known['attempts_mean'].min():.1f} and {known['attempts_mean'].max():.1f}."
    )


def reasons_bar(frame: pd.DataFrame, palette: Palette, height: int = 280) -> go.Figure:
    """``core.domain.statistics.reasons_ranked`` as bars, the most frequent on top; at most ``MAX_BARS``."""
    shown = frame.head(MAX_BARS)
    figure = go.Figure(
        go.Bar(
            y=_positions(shown),
            x=shown["count"],
            orientation="h",
            marker={"color": palette.failed},
            text=[f"{count:,}" for count in shown["count"]],
            textposition="outside",
            textfont={"color": palette.text},
            cliponaxis=False,
            customdata=[_full(reasons.label(code)) for code in shown["reason"]],
            hovertemplate="%{customdata}: %{x:,}<extra></extra>",
        )
    )
    _styled(figure, palette, height, legend=False)
    figure.update_xaxes(visible=False, range=[0, 1.18 * max(shown["count"].max(), 1)])
    return _named_rows(figure, [reasons.label(code) for code in shown["reason"]], palette)


def describe_reasons(frame: pd.DataFrame) -> str:
    if frame.empty:
        return "There is no reason to show."
    shown = frame.head(MAX_BARS)
    named = ", ".join(
        f"{_short(reasons.label(code))} {count:,}"
        for code, count in zip(shown["reason"], shown["count"], strict=True)
    )
    return f"Reasons by the number of people: {named}{_and_more(len(frame), 'reason')}."


def quality_bars(frame: pd.DataFrame, palette: Palette, height: int = 240) -> go.Figure:
    """``core.domain.statistics.quality_by_status`` as bars stacked by status, with each bar's total."""
    figure = go.Figure()
    names = [str(quality).capitalize() for quality in frame.index]
    for status, word in WORDS.items():
        figure.add_bar(
            y=names,
            x=frame[status],
            name=word,
            orientation="h",
            marker=_marker(status, palette),
            hovertemplate=f"%{{y}}, {word.lower()}: %{{x:,}}<extra></extra>",
        )
    totals = frame[list(STATUSES)].sum(axis="columns")
    figure.add_scatter(
        y=names,
        x=totals,
        mode="text",
        text=[f" {total:,}" for total in totals],
        textposition="middle right",
        textfont={"color": palette.text},
        cliponaxis=False,
        hoverinfo="skip",
        showlegend=False,
    )
    _styled(figure, palette, height)
    figure.update_layout(barmode="stack")
    figure.update_xaxes(visible=False, range=[0, 1.3 * max(totals.max(), 1)])
    return figure.update_yaxes(autorange="reversed", showgrid=False, tickfont={"color": palette.text})


def describe_quality(frame: pd.DataFrame) -> str:
    return "; ".join(f"Quality {quality}: {_counted(counts)}" for quality, counts in frame.iterrows()) + "."


def attempts_bars(frame: pd.DataFrame, palette: Palette, height: int = 240) -> go.Figure:
    """``core.domain.statistics.attempts_until_success`` as bars, with counts and shares."""
    total = frame["count"].sum()
    figure = go.Figure(
        go.Bar(
            x=frame["attempts"],
            y=frame["count"],
            marker={"color": palette.passed},
            text=[f"<b>{count:,}</b><br>{_share(count, total):.0%}" for count in frame["count"]],
            textposition="outside",
            textfont={"color": palette.text},
            cliponaxis=False,
            hovertemplate="passed with attempt %{x}: %{y:,}<extra></extra>",
        )
    )
    _styled(figure, palette, height, legend=False)
    figure.update_xaxes(type="category", title_text="attempts until passed", showgrid=False)
    return figure.update_yaxes(visible=False, range=[0, 1.25 * max(frame["count"].max(), 1)])


def describe_attempts(frame: pd.DataFrame) -> str:
    named = ", ".join(
        f"{count:,} with {attempts}" for attempts, count in zip(frame["attempts"], frame["count"], strict=True)
    )
    return f"People who passed, by attempts: {named}."


def histogram(
    frame: pd.DataFrame, xlabel: str, palette: Palette, threshold: float | None = None, height: int = 260
) -> go.Figure:
    """``core.domain.statistics.histogram`` as bars stacked by status, with a line where the ``threshold`` is."""
    widths = frame["right"] - frame["left"]
    ranges = [f"{left:g}–{right:g}" for left, right in zip(frame["left"], frame["right"], strict=True)]
    figure = go.Figure()
    for status, word in WORDS.items():
        figure.add_bar(
            x=(frame["left"] + frame["right"]) / 2,
            y=frame[status],
            name=word,
            width=0.92 * widths,
            marker=_marker(status, palette),
            customdata=ranges,
            hovertemplate=f"%{{customdata}}, {word.lower()}: %{{y:,}}<extra></extra>",
        )
    _styled(figure, palette, height)
    if threshold is not None:
        figure.add_vline(
            x=threshold,
            line={"color": palette.text, "dash": "dot", "width": 1.5},
            annotation={
                "text": f"threshold {threshold:g}",
                "font": {"color": palette.text, "size": 12},
                "xanchor": "right",
                "yanchor": "top",
                "xshift": -3,
            },
        )
    figure.update_layout(barmode="stack")
    figure.update_xaxes(title_text=xlabel, range=[frame["left"].min(), frame["right"].max()], showgrid=False)
    return _counting(figure, frame)


def describe_histogram(frame: pd.DataFrame, xlabel: str) -> str:
    totals = frame[list(STATUSES)].sum(axis="columns")
    if not totals.sum():
        return f"No {xlabel} was measured."
    top = frame.loc[totals.idxmax()]
    return (
        f"Distribution of {xlabel}: {_counted(frame[list(STATUSES)].sum())}; "
        f"the most, {totals.max():,}, from {top['left']:g} to {top['right']:g}."
    )


def group_bars(frame: pd.DataFrame, palette: Palette, height: int = 260) -> go.Figure:
    """``core.domain.statistics.by_group`` as failure rates (%). Groups too small to judge by are faded and say so.

    At most ``MAX_BARS``, those with the most records, in the order of the frame.
    """
    shown = _largest(frame, "total")
    rates = 100 * shown["failure_rate"].fillna(0)
    figure = go.Figure(
        go.Bar(
            y=_positions(shown),
            x=rates.round(2),
            orientation="h",
            marker={"color": palette.failed, "opacity": [0.4 if small else 1.0 for small in shown["small"]]},
            text=[f"<b>{rate:.1f} %</b>" for rate in rates],
            textposition="outside",
            textfont={"color": palette.text},
            cliponaxis=False,
            customdata=[
                f"{_full(group)}: {failed:,} of {total:,} failed"
                for group, failed, total in zip(shown["group"], shown["failed"], shown["total"], strict=True)
            ],
            hovertemplate="%{customdata} (%{x:.2f} %)<extra></extra>",
        )
    )
    _styled(figure, palette, height, legend=False)
    figure.update_xaxes(title_text="failed, %", range=[0, 1.3 * max(rates.max(), 1)], nticks=5)
    sizes = [
        f"{total:,}{', few' if small else ''}" for total, small in zip(shown["total"], shown["small"], strict=True)
    ]
    return _named_rows(figure, shown["group"], palette, sizes)


def describe_groups(frame: pd.DataFrame, attribute: str) -> str:
    shown = _largest(frame, "total")
    named = ", ".join(
        f"{_short(group)} {rate:.1%} of {total:,}{' (few)' if small else ''}"
        for group, rate, total, small in zip(
            shown["group"], shown["failure_rate"], shown["total"], shown["small"], strict=True
        )
    )
    return f"Failure rate by {attribute.lower()}: {named or 'nobody'}{_and_more(len(frame), 'group')}."


def compare_bars(frame: pd.DataFrame, palette: Palette, height: int = 220) -> go.Figure:
    """``core.domain.statistics.compare`` as each event's success rate (%).

    At most ``MAX_BARS`` events, those with the most records, in the order of the frame.
    """
    shown = _largest(frame, "records")
    rates = 100 * shown["success_rate"].fillna(0)
    figure = go.Figure(
        go.Bar(
            y=_positions(shown),
            x=rates.round(2),
            orientation="h",
            marker={"color": palette.passed},
            text=[
                f"<b>{rate:.1f} %</b>" if records else "no validations"
                for rate, records in zip(rates, shown["records"], strict=True)
            ],
            textposition="outside",
            textfont={"color": palette.text},
            cliponaxis=False,
            customdata=[
                f"{_full(event)}: {passed:,} of {records:,} passed"
                for event, passed, records in zip(shown["event"], shown["passed"], shown["records"], strict=True)
            ],
            hovertemplate="%{customdata} (%{x:.2f} %)<extra></extra>",
        )
    )
    _styled(figure, palette, height, legend=False)
    figure.update_xaxes(title_text="passed, %", range=[0, 125], tickvals=[0, 25, 50, 75, 100])
    return _named_rows(figure, shown["event"], palette, [f"{records:,}" for records in shown["records"]])


def describe_compare(frame: pd.DataFrame) -> str:
    shown = _largest(frame, "records")
    named = ", ".join(
        f"{_short(event)} {rate:.1%} of {records:,}" if records else f"{_short(event)} without validations"
        for event, rate, records in zip(shown["event"], shown["success_rate"], shown["records"], strict=True)
    )
    return f"Success rate by event: {named or 'none'}{_and_more(len(frame), 'event')}."


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
    _styled(figure, palette, height)
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
    _styled(figure, palette, height)
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
            x=_times(frame),
            y=frame[trace.column],
            name=trace.name,
            marker=_filled(getattr(palette, trace.colour), palette, hatched=trace.second),
            hovertemplate="%{y:,}",
        )
    _styled(figure, palette, height)
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
    top = known.loc[known[trace.column].idxmax()]
    last = known[trace.column].iloc[-1]
    return f"{trace.name}: last {last:,.1f} {unit}, most {top[trace.column]:,.1f} at {top['time']:%Y-%m-%d %H:%M}"


def _add_lines(
    figure: go.Figure, frame: pd.DataFrame, traces: Sequence[Trace], palette: Palette, number: str, **options: Any
) -> None:
    for trace in traces:
        values = frame[trace.column]
        figure.add_scatter(
            x=_times(frame),
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
    highest = frame[[trace.column for trace in traces]].max(axis=None)
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


def _styled(figure: go.Figure, palette: Palette, height: int, *, legend: bool = True) -> go.Figure:
    axis = {
        "gridcolor": palette.faint,
        "zeroline": False,
        "automargin": True,
        "fixedrange": True,
        "tickfont": {"color": palette.muted, "size": 12},
        "title": {"font": {"color": palette.muted, "size": 12}, "standoff": 8},
    }
    return figure.update_layout(
        height=height,
        bargap=0.25,
        font={"color": palette.text, "size": 13},
        margin={"l": 8, "r": 8, "t": 34 if legend else 8, "b": 8},
        showlegend=legend,
        legend={
            "orientation": "h",
            "x": 0,
            "y": 1,
            "xanchor": "left",
            "yanchor": "bottom",
            "traceorder": "normal",
            "font": {"color": palette.text, "size": 12},
            "itemwidth": 30,
            "title": {"text": ""},
        },
        hoverlabel={"font": {"size": 13}},
        separators=".,",
        xaxis=axis,
        yaxis=axis,
    )


def _counting(figure: go.Figure, frame: pd.DataFrame) -> go.Figure:
    """The axis of stacked counts: no ticks between whole numbers."""
    highest = frame[list(STATUSES)].sum(axis="columns").max()
    figure.update_yaxes(title_text="validations", rangemode="tozero", tickformat=",d", nticks=6)
    return figure.update_yaxes(dtick=1) if highest < 5 else figure


def _on_time(figure: go.Figure, unit: str, frame: pd.DataFrame) -> go.Figure:
    """The time axis: half a bucket beyond the first and last, and never so short that one bar fills it."""
    length, on_axis, on_hover = _TIME[unit]
    figure.update_xaxes(type="date", tickformat=on_axis, hoverformat=on_hover, showgrid=False, nticks=6, tickangle=0)
    if frame.empty:
        return figure
    spare = pd.Timedelta(milliseconds=length * max(0.6, (8 - len(frame)) / 2))
    first, last = frame["time"].min(), frame["time"].max()
    return figure.update_xaxes(range=[f"{first - spare:%Y-%m-%d %H:%M:%S}", f"{last + spare:%Y-%m-%d %H:%M:%S}"])


def _times(frame: pd.DataFrame) -> list[str]:
    return [f"{time:%Y-%m-%d %H:%M}" for time in frame["time"]]


def _moment(unit: str, time: pd.Timestamp) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if unit == "hour" else f"{time:%Y-%m-%d}"


def _marker(status: Status, palette: Palette) -> dict[str, Any]:
    """The status's colour; failed is hatched too, for eyes to which red and green are alike."""
    return _filled(palette.of(status), palette, hatched=status is Status.FAILED)


def _filled(colour: str, palette: Palette, *, hatched: bool) -> dict[str, Any]:
    marker: dict[str, Any] = {"color": colour, "line": {"width": 0}}
    if hatched:
        colours = {"bgcolor": colour, "fgcolor": palette.faint}
        marker["pattern"] = {"shape": "/", "size": 6, "solidity": 0.12, **colours}
    return marker


def _positions(shown: pd.DataFrame) -> list[int]:
    """Rows by number: two long names that shorten to the same are still two bars."""
    return list(range(len(shown)))


def _named_rows(figure: go.Figure, names: Iterable[object], palette: Palette, sizes: Sequence[str] = ()) -> go.Figure:
    """Names for rows by number, the first on top; below each name its size, where there is one."""
    short = [_escaped(_short(name)) for name in names]
    if sizes:
        short = [
            f"{name}<br><span style='color:{palette.muted}'>{size}</span>"
            for name, size in zip(short, sizes, strict=True)
        ]
    return figure.update_yaxes(
        tickvals=list(range(len(short))),
        ticktext=short,
        range=[len(short) - 0.5, -0.5],
        showgrid=False,
        tickfont={"color": palette.text},
    )


def _largest(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame.sort_values(column, ascending=False, kind="stable").head(MAX_BARS).sort_index()


def _short(name: object) -> str:
    text = str(name)
    return text if len(text) <= _MAX_NAME else text[: _MAX_NAME - 1] + "…"


def _full(name: object) -> str:
    """A name for hovering: whole unless it is absurd."""
    return _escaped(str(name)[:_MAX_FULL_NAME])


def _escaped(text: str) -> str:
    """Plotly reads links and other markup in any text."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _and_more(count: int, noun: str) -> str:
    more = count - MAX_BARS
    return f", and {more:,} more {noun}{'s' if more > 1 else ''}" if more > 0 else ""


def _counted(counts: pd.Series) -> str:
    return ", ".join(f"{counts[status]:,} {word.lower()}" for status, word in WORDS.items())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _faded(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"
