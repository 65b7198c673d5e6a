"""Charts of an event: how far it has come, reasons, attempts, and rates of groups and of events."""

from __future__ import annotations

import pandas as pd
import plotly.graph_objects as go

from core.domain import reasons
from core.domain.people import Group
from core.domain.records import Status
from core.domain.statistics import Readiness
from dashboard.charts.style import (
    MAX_BARS,
    PART,
    WORDS,
    Palette,
    and_more,
    full_name,
    largest,
    named_rows,
    part,
    positions,
    share,
    short_name,
    styled,
    tall_enough,
)


def funnel(readiness: Readiness, palette: Palette, height: int = 260) -> go.Figure:
    """From registered to passed, as counts and shares of the registered. Passed, waiting and failed stand in a row
    below the tried, whom they make up.
    """
    steps = [
        ("Registered", Group.REGISTERED, 0, readiness.registered, palette.accent, 0.45),
        ("Reference photo", Group.WITH_PHOTO, 0, readiness.with_photo, palette.accent, 0.7),
        ("Tried", Group.TRIED, 0, readiness.attempted, palette.accent, 1.0),
        ("Passed", Group.PASSED, 0, readiness.passed, palette.passed, 1.0),
        ("Waiting", Group.WAITING, readiness.passed, readiness.waiting, palette.waiting, 1.0),
        ("Failed", Group.FAILED, readiness.passed + readiness.waiting, readiness.failed, palette.failed, 1.0),
    ]
    if readiness.unknown:
        known = readiness.attempted - readiness.unknown
        unknown = palette.of(Status.UNKNOWN)
        steps.append((WORDS[Status.UNKNOWN], Group.UNKNOWN, known, readiness.unknown, unknown, 1.0))
    names, groups, bases, counts, colours, opacities = zip(*steps, strict=True)
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
            customdata=[
                (*part(group, name, count), share)
                for group, name, count, share in zip(groups, names, counts, shares, strict=True)
            ],
            hovertemplate=PART.replace("<", " (%{customdata[3]} of the registered)<", 1),
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
            customdata=[
                part(code, full_name(reasons.label(code)), count)
                for code, count in zip(shown["reason"], shown["count"], strict=True)
            ],
            hovertemplate=PART,
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
            customdata=[
                part(attempts, f"passed with attempt {attempts}", count)
                for attempts, count in zip(frame["attempts"], frame["count"], strict=True)
            ],
            hovertemplate=PART,
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


def group_bars(frame: pd.DataFrame, palette: Palette) -> go.Figure:
    """``core.domain.statistics.by_group`` or ``by_quality`` as failure rates (%), with the number of people of each.
    Groups too small to judge by are faded and say so.

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
                part(group, f"{full_name(group)}: {failed:,} of {total:,} failed", failed)
                for group, failed, total in zip(shown["group"], shown["failed"], shown["total"], strict=True)
            ],
            hovertemplate="%{customdata[1]} (%{x:.2f} %)<extra></extra>",
        )
    )
    styled(figure, palette, tall_enough(len(shown)), legend=False)
    figure.update_xaxes(title_text="failed, %", range=[0, 1.5 * max(rates.max(), 1)], nticks=5)
    sizes = [
        f"{total:,} {'people' if total > 1 else 'person'}{', too few' if small else ''}"
        for total, small in zip(shown["total"], shown["small"], strict=True)
    ]
    return named_rows(figure, shown["group"], palette, sizes)


def describe_groups(frame: pd.DataFrame, attribute: str) -> str:
    shown = largest(frame, "total")
    named = ", ".join(
        f"{short_name(group)} {rate:.1%} of {total:,}{' (too few to judge by)' if small else ''}"
        for group, rate, total, small in zip(
            shown["group"], shown["failure_rate"], shown["total"], shown["small"], strict=True
        )
    )
    return f"Failure rate by {attribute.lower()}: {named or 'nobody'}{and_more(len(frame), 'group')}."


def compare_bars(frame: pd.DataFrame, palette: Palette) -> go.Figure:
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
                part(event, f"{full_name(event)}: {passed:,} of {records:,} passed", passed)
                for event, passed, records in zip(shown["event"], shown["passed"], shown["records"], strict=True)
            ],
            hovertemplate="%{customdata[1]} (%{x:.2f} %)<extra></extra>",
        )
    )
    styled(figure, palette, tall_enough(len(shown)), legend=False)
    figure.update_xaxes(title_text="passed, %", range=[0, 125], tickvals=[0, 25, 50, 75, 100])
    return named_rows(figure, shown["event"], palette, [f"{records:,} people" for records in shown["records"]])


def describe_compare(frame: pd.DataFrame) -> str:
    shown = largest(frame, "records")
    named = ", ".join(
        f"{short_name(event)} {rate:.1%} of {records:,}" if records else f"{short_name(event)} without validations"
        for event, rate, records in zip(shown["event"], shown["success_rate"], shown["records"], strict=True)
    )
    return f"Success rate by event: {named or 'none'}{and_more(len(frame), 'event')}."
