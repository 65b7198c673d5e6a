"""What all charts share: colours, words, axes, and the text of names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import plotly.graph_objects as go

from core.domain.columns import STATUSES
from core.domain.records import Status


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
        return {
            Status.SUCCESS: self.passed,
            Status.PENDING: self.waiting,
            Status.FAILED: self.failed,
            Status.UNKNOWN: self.untried,
        }[status]


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
WORDS = {
    Status.SUCCESS: "Passed",
    Status.PENDING: "Waiting",
    Status.FAILED: "Failed",
    Status.UNKNOWN: "Unknown",
}


#: How many bars with a name of their own a chart shows; the rest of unbounded names is told in its description.
MAX_BARS = 12


_MAX_NAME = 28
#: How strong the parts of a chart are that were not chosen, beside the one that was.
_PALE = 0.3
#: The hover of parts.
PART = "%{customdata[1]}: %{customdata[2]:,}<extra></extra>"


_MAX_FULL_NAME = 200


#: unit -> (its length in milliseconds, d3 format on the axis, d3 format on hover)
TIME = {
    "hour": (3_600_000, "%H:%M\n%-d %b", "%a %-d %b %Y, %H:%M"),
    "day": (86_400_000, "%-d %b\n%Y", "%a %-d %b %Y"),
    "month": (28 * 86_400_000, "%b\n%Y", "%B %Y"),
    "year": (365 * 86_400_000, "%Y", "%Y"),
}


_BUCKET_NAMES = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d", "month": "%Y-%m", "year": "%Y"}


LIGHT = Palette("#0f8f6b", "#e0912f", "#c8434f", "#aab1c2", "#10141f", "#e2e6ef", "#2f5bd0", "#5c6579")


DARK = Palette("#35b890", "#f0ab55", "#ec6f7a", "#6b7388", "#e7eaf2", "#2c3342", "#7ea2ff", "#a4acbd")


def styled(figure: go.Figure, palette: Palette, height: int, *, legend: bool = True) -> go.Figure:
    axis = {
        "gridcolor": palette.faint,
        "zeroline": False,
        "automargin": True,
        "fixedrange": True,
        "tickfont": {"color": palette.muted, "size": 12},
        "title": {"font": {"color": palette.muted, "size": 12}, "standoff": 8},
    }
    # Without these, plotly fails to choose a bar of a trace whose opacities differ.
    figure.update_traces(
        selected={"marker": {"opacity": 1}},
        unselected={"marker": {"opacity": _PALE}},
        selector=lambda trace: trace.customdata is not None,
    )
    return figure.update_layout(
        height=height,
        bargap=0.25,
        font={"color": palette.text, "size": 13},
        margin={"l": 8, "r": 8, "t": 34 if legend else 8, "b": 8},
        modebar={"bgcolor": "rgba(0,0,0,0)", "color": palette.muted, "activecolor": palette.text},
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


def counting(figure: go.Figure, frame: pd.DataFrame) -> go.Figure:
    """The axis of stacked counts: no ticks between whole numbers."""
    highest = frame[list(STATUSES)].sum(axis="columns").max()
    figure.update_yaxes(title_text="validations", rangemode="tozero", tickformat=",d", nticks=6)
    return figure.update_yaxes(dtick=1) if highest < 5 else figure


def on_time(figure: go.Figure, unit: str, frame: pd.DataFrame) -> go.Figure:
    """The time axis: half a bucket beyond the first and last, and never so short that one bar fills it."""
    length, on_axis, on_hover = TIME[unit]
    figure.update_xaxes(type="date", tickformat=on_axis, hoverformat=on_hover, showgrid=False, nticks=6, tickangle=0)
    if frame.empty:
        return figure
    spare = pd.Timedelta(milliseconds=length * max(0.6, (8 - len(frame)) / 2))
    first, last = frame["time"].min(), frame["time"].max()
    return figure.update_xaxes(range=[f"{first - spare:%Y-%m-%d %H:%M:%S}", f"{last + spare:%Y-%m-%d %H:%M:%S}"])


def marked(
    figure: go.Figure, changes: Iterable[tuple[pd.Timestamp, str]], palette: Palette, top: float = 1
) -> go.Figure:
    """A dashed line with a word at each moment at which something else began to decide: names of
    ``core.domain.changes.DECIDING``, "" for nothing.

    The word stands upright beside its line, so that words of lines that are near each other both have room. ``top``
    is where it begins, as a share of the chart's height.
    """
    for at, names in changes:
        if names:
            x = f"{at:%Y-%m-%d %H:%M:%S}"
            line = {"color": palette.muted, "width": 1.5, "dash": "dash"}
            figure.add_shape(type="line", x0=x, x1=x, yref="paper", y0=0, y1=1, line=line)
            figure.add_annotation(
                x=x,
                yref="paper",
                y=top,
                xanchor="right",
                yanchor="top",
                text=change_words(names),
                textangle=-90,
                showarrow=False,
                font={"color": palette.text, "size": 12},
                bgcolor=palette.faint,
            )
    return figure


def change_words(names: str) -> str:
    """A change in words, such as "new rules". Another engine has another model, which is not said besides."""
    said = [name for name in names.split() if name != "model" or "engine" not in names]
    return f"new {' and '.join(said)}"


def changes_marked(figure: go.Figure, unit: str, frame: pd.DataFrame, palette: Palette, top: float = 1) -> go.Figure:
    """``marked`` where something changed in ``core.domain.over_time``: half a bucket before the bucket
    begins, because bars stand around that.
    """
    half = pd.Timedelta(milliseconds=TIME[unit][0] / 2)
    return marked(figure, zip(frame["time"] - half, frame["changed"], strict=True), palette, top)


def describe_changes(unit: str, frame: pd.DataFrame) -> str:
    found = frame[frame["changed"] != ""]
    listed = zip(found["time"], found["changed"], strict=True)
    return "".join(f" {change_words(names).capitalize()} from {moment(unit, time)} on." for time, names in listed)


def times(frame: pd.DataFrame) -> list[str]:
    return [f"{time:%Y-%m-%d %H:%M}" for time in frame["time"]]


def bucket_name(unit: str, time: pd.Timestamp) -> str:
    """A bucket as a link names it: by its length, "2026-11-20T13", "2026-11-20", "2026-11" or "2026"."""
    return f"{time:{_BUCKET_NAMES[unit]}}"


def moment(unit: str, time: pd.Timestamp) -> str:
    return f"{time:%Y-%m-%d %H:%M}" if unit == "hour" else f"{time:%Y-%m-%d}"


def marker(status: Status, palette: Palette) -> dict[str, Any]:
    """The status's colour; failed is hatched too, for eyes to which red and green are alike."""
    return filled(palette.of(status), palette, hatched=status is Status.FAILED)


def filled(colour: str, palette: Palette, *, hatched: bool) -> dict[str, Any]:
    marker: dict[str, Any] = {"color": colour, "line": {"width": 0}}
    if hatched:
        colours = {"bgcolor": colour, "fgcolor": palette.faint}
        marker["pattern"] = {"shape": "/", "size": 6, "solidity": 0.12, **colours}
    return marker


def part(name: object, words: str, count: int) -> tuple[str, str, int]:
    """What a bar or a point stands for, as its ``customdata``: its name among the parts of its chart
    (``dashboard.parts.lead_on``), its words for plotly ("" where its name says the same), and how many people it
    counts.
    """
    return str(name), words, int(count)


def emphasised(figure: go.Figure, name: str) -> go.Figure:
    """The part with this name as it is, and all others pale."""
    for trace in figure.data:
        if trace.customdata is None:
            continue
        opacity = trace.marker.opacity
        usual = [1.0 if opacity is None else opacity] * len(trace.customdata) if _is_one(opacity) else opacity
        trace.marker.opacity = [
            full if each[0] == name else _PALE * full for full, each in zip(usual, trace.customdata, strict=True)
        ]
    return figure


def _is_one(opacity: object) -> bool:
    return opacity is None or isinstance(opacity, int | float)


def positions(shown: pd.DataFrame) -> list[int]:
    """Rows by number: two long names that shorten to the same are still two bars."""
    return list(range(len(shown)))


def named_rows(figure: go.Figure, names: Iterable[object], palette: Palette, sizes: Sequence[str] = ()) -> go.Figure:
    """Names for rows by number, the first on top; below each name its size, where there is one."""
    short = [_escaped(short_name(name)) for name in names]
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


def tall_enough(rows: int) -> int:
    """The height of a chart with so many named rows, each with its name and its size below that."""
    return max(260, 90 + 38 * rows)


def largest(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    return frame.sort_values(column, ascending=False, kind="stable").head(MAX_BARS).sort_index()


def short_name(name: object) -> str:
    text = str(name)
    return text if len(text) <= _MAX_NAME else text[: _MAX_NAME - 1] + "…"


def full_name(name: object) -> str:
    """A name for hovering: whole unless it is absurd."""
    return _escaped(str(name)[:_MAX_FULL_NAME])


def _escaped(text: str) -> str:
    """Plotly reads links and other markup in any text."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def and_more(count: int, noun: str) -> str:
    more = count - MAX_BARS
    return f", and {more:,} more {noun}{'s' if more > 1 else ''}" if more > 0 else ""


def shown(counts: pd.Series) -> dict[Status, str]:
    """The statuses that a chart shows, with their words: ours always, the unknown one only if it occurs."""
    return {status: word for status, word in WORDS.items() if status is not Status.UNKNOWN or counts[status]}


def counted(counts: pd.Series) -> str:
    return ", ".join(f"{counts[status]:,} {word.lower()}" for status, word in shown(counts).items())


def share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0


def faded(colour: str) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},0.16)"
