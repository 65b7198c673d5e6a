"""Charts of an event: counts, rates, reasons, distributions and comparisons."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from core.domain import reasons
from core.domain.columns import STATUSES
from core.domain.records import Status
from core.domain.statistics import Readiness
from dashboard.charts.style import (
    MAX_BARS,
    TIME,
    WORDS,
    Palette,
    and_more,
    changes_marked,
    counted,
    counting,
    describe_changes,
    full_name,
    largest,
    marker,
    moment,
    named_rows,
    on_time,
    positions,
    share,
    short_name,
    shown,
    styled,
    times,
)


def funnel(readiness: Readiness, palette: Palette, height: int = 260) -> go.Figure:
    """From registered to passed, as counts and shares of the registered. Passed, waiting and failed stand in a row
    below the tried, whom they make up.
    """
    steps = [
        ("Registered", 0, readiness.registered, palette.accent, 0.45),
        ("Reference photo", 0, readiness.with_photo, palette.accent, 0.7),
        ("Tried", 0, readiness.attempted, palette.accent, 1.0),
        ("Passed", 0, readiness.passed, palette.passed, 1.0),
        ("Waiting", readiness.passed, readiness.waiting, palette.waiting, 1.0),
        ("Failed", readiness.passed + readiness.waiting, readiness.failed, palette.failed, 1.0),
    ]
    if readiness.unknown:
        known = readiness.attempted - readiness.unknown
        steps.append((WORDS[Status.UNKNOWN], known, readiness.unknown, palette.of(Status.UNKNOWN), 1.0))
    names, bases, counts, colours, opacities = zip(*steps, strict=True)
    shares = [f"{share(count, readiness.registered):.0%}" for count in counts]
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
    styled(figure, palette, height, legend=False)
    longest = max(*(base + count for base, count in zip(bases, counts, strict=True)), 1)
    figure.update_xaxes(visible=False, range=[0, 1.5 * longest])
    return figure.update_yaxes(autorange="reversed", showgrid=False, tickfont={"color": palette.text})


def describe_funnel(readiness: Readiness) -> str:
    return (
        f"Of {readiness.registered:,} registered, {readiness.with_photo:,} have a reference photo and "
        f"{readiness.attempted:,} tried: {readiness.passed:,} passed, {readiness.waiting:,} wait and "
        f"{readiness.failed:,} failed"
        + (f"; the status of {readiness.unknown:,} is unknown." if readiness.unknown else ".")
    )


def outcomes_over_time(unit: str, frame: pd.DataFrame, palette: Palette, height: int = 280) -> go.Figure:
    """``core.domain.statistics.over_time`` as bars stacked by status."""
    length, _, _ = TIME[unit]
    moments = times(frame)
    figure = go.Figure()
    for status, word in shown(frame[list(STATUSES)].sum()).items():
        figure.add_bar(
            x=moments,
            y=frame[status],
            name=word,
            width=0.88 * length,
            marker=marker(status, palette),
            hovertemplate="%{y:,}",
        )
    styled(figure, palette, height)
    figure.update_layout(barmode="stack", hovermode="x unified")
    return on_time(changes_marked(counting(figure, frame), unit, frame, palette), unit, frame)


def describe_over_time(unit: str, frame: pd.DataFrame) -> str:
    totals = frame[list(STATUSES)].sum()
    said = f"Validations per {unit}: {counted(totals)}"
    if not totals.sum():
        return f"{said}."
    best = frame.iloc[int(frame[list(STATUSES)].sum(axis="columns").argmax())]
    most = f"the most in one {unit}, {best[list(STATUSES)].sum():,}, at {moment(unit, best['time'])}"
    return f"{said}; {most}.{describe_changes(unit, frame)}"


def rate_over_time(unit: str, frame: pd.DataFrame, palette: Palette, height: int = 280) -> go.Figure:
    """The success rate (%) and, below it on the same time axis, the mean number of attempts."""
    known = frame.dropna(subset="success_rate")
    moments = times(known)
    mode = "lines+markers" if len(known) <= 60 else "lines"
    figure = go.Figure()
    figure.add_scatter(
        x=moments,
        y=(100 * known["success_rate"]).round(2),
        name="Success rate",
        mode=mode,
        line={"color": palette.passed, "width": 2},
        marker={"size": 5},
        hovertemplate="%{y:.1f} %",
    )
    figure.add_scatter(
        x=moments,
        y=known["attempts_mean"].round(3),
        yaxis="y2",
        name="Mean attempts",
        mode=mode,
        line={"color": palette.accent, "width": 2},
        marker={"size": 5},
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


def reasons_bar(frame: pd.DataFrame, palette: Palette, height: int = 280) -> go.Figure:
    """``core.domain.statistics.reasons_ranked`` as bars, the most frequent on top; at most ``MAX_BARS``."""
    shown = frame.head(MAX_BARS)
    figure = go.Figure(
        go.Bar(
            y=positions(shown),
            x=shown["count"],
            orientation="h",
            marker={"color": palette.failed},
            text=[f"{count:,}" for count in shown["count"]],
            textposition="outside",
            textfont={"color": palette.text},
            cliponaxis=False,
            customdata=[full_name(reasons.label(code)) for code in shown["reason"]],
            hovertemplate="%{customdata}: %{x:,}<extra></extra>",
        )
    )
    styled(figure, palette, height, legend=False)
    figure.update_xaxes(visible=False, range=[0, 1.18 * max(shown["count"].max(), 1)])
    return named_rows(figure, [reasons.label(code) for code in shown["reason"]], palette)


def describe_reasons(frame: pd.DataFrame) -> str:
    if frame.empty:
        return "There is no reason to show."
    shown = frame.head(MAX_BARS)
    named = ", ".join(
        f"{short_name(reasons.label(code))} {count:,}"
        for code, count in zip(shown["reason"], shown["count"], strict=True)
    )
    return f"Reasons by the number of people: {named}{and_more(len(frame), 'reason')}."


def quality_bars(frame: pd.DataFrame, palette: Palette, height: int = 240) -> go.Figure:
    """``core.domain.statistics.quality_by_status`` as bars stacked by status, with each bar's total."""
    figure = go.Figure()
    names = [str(quality).capitalize() for quality in frame.index]
    for status, word in shown(frame[list(STATUSES)].sum()).items():
        figure.add_bar(
            y=names,
            x=frame[status],
            name=word,
            orientation="h",
            marker=marker(status, palette),
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
    styled(figure, palette, height)
    figure.update_layout(barmode="stack")
    figure.update_xaxes(visible=False, range=[0, 1.3 * max(totals.max(), 1)])
    return figure.update_yaxes(autorange="reversed", showgrid=False, tickfont={"color": palette.text})


def describe_quality(frame: pd.DataFrame) -> str:
    return "; ".join(f"Quality {quality}: {counted(counts)}" for quality, counts in frame.iterrows()) + "."


def attempts_bars(frame: pd.DataFrame, palette: Palette, height: int = 240) -> go.Figure:
    """``core.domain.statistics.attempts_until_success`` as bars, with counts and shares."""
    total = frame["count"].sum()
    figure = go.Figure(
        go.Bar(
            x=frame["attempts"],
            y=frame["count"],
            marker={"color": palette.passed},
            text=[f"<b>{count:,}</b><br>{share(count, total):.0%}" for count in frame["count"]],
            textposition="outside",
            textfont={"color": palette.text},
            cliponaxis=False,
            hovertemplate="passed with attempt %{x}: %{y:,}<extra></extra>",
        )
    )
    styled(figure, palette, height, legend=False)
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
    for status, word in shown(frame[list(STATUSES)].sum()).items():
        figure.add_bar(
            x=(frame["left"] + frame["right"]) / 2,
            y=frame[status],
            name=word,
            width=0.92 * widths,
            marker=marker(status, palette),
            customdata=ranges,
            hovertemplate=f"%{{customdata}}, {word.lower()}: %{{y:,}}<extra></extra>",
        )
    styled(figure, palette, height)
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
    return counting(figure, frame)


def describe_histogram(frame: pd.DataFrame, xlabel: str) -> str:
    totals = frame[list(STATUSES)].sum(axis="columns")
    if not totals.sum():
        return f"No {xlabel} was measured."
    top = frame.iloc[int(totals.argmax())]
    return (
        f"Distribution of {xlabel}: {counted(frame[list(STATUSES)].sum())}; "
        f"the most, {totals.max():,}, from {top['left']:g} to {top['right']:g}."
    )


def group_bars(frame: pd.DataFrame, palette: Palette, height: int = 260) -> go.Figure:
    """``core.domain.statistics.by_group`` as failure rates (%). Groups too small to judge by are faded and say so.

    At most ``MAX_BARS``, those with the most records, in the order of the frame.
    """
    shown = largest(frame, "total")
    rates = 100 * shown["failure_rate"].fillna(0)
    figure = go.Figure(
        go.Bar(
            y=positions(shown),
            x=rates.round(2),
            orientation="h",
            marker={"color": palette.failed, "opacity": [0.4 if small else 1.0 for small in shown["small"]]},
            text=[f"<b>{rate:.1f} %</b>" for rate in rates],
            textposition="outside",
            textfont={"color": palette.text},
            cliponaxis=False,
            customdata=[
                f"{full_name(group)}: {failed:,} of {total:,} failed"
                for group, failed, total in zip(shown["group"], shown["failed"], shown["total"], strict=True)
            ],
            hovertemplate="%{customdata} (%{x:.2f} %)<extra></extra>",
        )
    )
    styled(figure, palette, height, legend=False)
    figure.update_xaxes(title_text="failed, %", range=[0, 1.3 * max(rates.max(), 1)], nticks=5)
    sizes = [
        f"{total:,}{', few' if small else ''}" for total, small in zip(shown["total"], shown["small"], strict=True)
    ]
    return named_rows(figure, shown["group"], palette, sizes)


def describe_groups(frame: pd.DataFrame, attribute: str) -> str:
    shown = largest(frame, "total")
    named = ", ".join(
        f"{short_name(group)} {rate:.1%} of {total:,}{' (few)' if small else ''}"
        for group, rate, total, small in zip(
            shown["group"], shown["failure_rate"], shown["total"], shown["small"], strict=True
        )
    )
    return f"Failure rate by {attribute.lower()}: {named or 'nobody'}{and_more(len(frame), 'group')}."


def compare_bars(frame: pd.DataFrame, palette: Palette, height: int = 220) -> go.Figure:
    """``core.domain.statistics.compare`` as each event's success rate (%).

    At most ``MAX_BARS`` events, those with the most records, in the order of the frame.
    """
    shown = largest(frame, "records")
    rates = 100 * shown["success_rate"].fillna(0)
    figure = go.Figure(
        go.Bar(
            y=positions(shown),
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
                f"{full_name(event)}: {passed:,} of {records:,} passed"
                for event, passed, records in zip(shown["event"], shown["passed"], shown["records"], strict=True)
            ],
            hovertemplate="%{customdata} (%{x:.2f} %)<extra></extra>",
        )
    )
    styled(figure, palette, height, legend=False)
    figure.update_xaxes(title_text="passed, %", range=[0, 125], tickvals=[0, 25, 50, 75, 100])
    return named_rows(figure, shown["event"], palette, [f"{records:,}" for records in shown["records"]])


def describe_compare(frame: pd.DataFrame) -> str:
    shown = largest(frame, "records")
    named = ", ".join(
        f"{short_name(event)} {rate:.1%} of {records:,}" if records else f"{short_name(event)} without validations"
        for event, rate, records in zip(shown["event"], shown["success_rate"], shown["records"], strict=True)
    )
    return f"Success rate by event: {named or 'none'}{and_more(len(frame), 'event')}."
