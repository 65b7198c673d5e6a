"""Operations: is everything healthy, how do AWS and this process fare, what does it cost."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import streamlit as st

from core.domain import costs
from core.domain.costs import Cost, Load, Prices, Usage
from core.domain.metrics import ENGINE_OPERATIONS, TABLE_OPERATIONS, Metrics, period_of
from core.ports import ServiceMetrics
from core.runtime import usage
from core.runtime.health import Health, check
from dashboard.charts import figures as charts
from dashboard.charts.figures import Trace
from dashboard.parts import case, event, ui
from dashboard.services import get_services

SPANS = {
    "3 h": timedelta(hours=3),
    "24 h": timedelta(hours=24),
    "7 days": timedelta(days=7),
    "30 days": timedelta(days=30),
}
#: The process remembers no longer.
JOURNAL_SPAN = timedelta(hours=24)
HEALTH_SECONDS = 30
#: A process that has just started is shown on an axis at least as long.
SHORTEST_SPAN = timedelta(minutes=30)
#: Pixels, of a chart with two parts and of its neighbour.
TALL = 300

#: In all charts what reads is of one colour and what writes of the other.
UNITS = (
    Trace("table_writes", "Writes", "text"),
    Trace("index_writes", "Index writes", "text", second=True),
    Trace("table_reads", "Reads"),
    Trace("index_reads", "Index reads", second=True),
)
REQUESTS = (
    Trace("UpdateItem", "UpdateItem", "text"),
    Trace("GetItem", "GetItem"),
    Trace("Query", "Query", second=True),
    Trace("Scan", "Scan", "untried"),
)
ENGINE_CALLS = (Trace("DetectFaces", "DetectFaces"), Trace("CompareFaces", "CompareFaces", "text"))
ENGINE_WORK = (Trace("engine.detect", "Detect"), Trace("engine.compare", "Compare", "text"))
PROBLEMS = (
    Trace("throttled", "DynamoDB throttled", "waiting"),
    Trace("calls_throttled", "Rekognition throttled", "waiting", second=True),
    Trace("system", "System errors", "failed", second=True),
    Trace("user", "User errors", "muted"),
    Trace("conditional", "Lost races", "untried"),
)
EXPIRED = (Trace("deleted", "Deleted", "untried"),)
DONE = (Trace("done", "Done"), Trace("failed", "Failed", "failed", second=True))

services = get_services()


@st.cache_data(ttl=HEALTH_SECONDS - 5, show_spinner=False)
def health() -> tuple[list[Health], datetime]:
    """Every service's health, and when it was asked for; once for all who look."""
    return check(services), services.clock()


# Resources, not data: handed out without a copy for each rerun, and nobody writes into them.
@st.cache_resource(ttl=60, max_entries=len(SPANS), show_spinner=False)
def metrics(_source: ServiceMetrics, span: str) -> Metrics:
    now = services.clock()
    return _source.read(now - SPANS[span], now)


@st.cache_resource(ttl=300, show_spinner=False)
def used_this_month(_source: ServiceMetrics) -> tuple[Usage, datetime]:
    now = services.clock()
    return _source.month_to_date(now), now


@st.cache_resource(ttl=60, show_spinner=False)
def disk_and_counts() -> tuple[usage.DiskUse, usage.RowCounts]:
    folder = services.settings.data_dir
    return usage.disk_use(folder), usage.counts(folder, services.clock())


def heading(spans: list[str]) -> str:
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.title("Operations", anchor=False, width="content")
        span = st.segmented_control(
            "Span",
            spans,
            default="24 h",
            required=True,
            key="span",
            bind="query-params",
            label_visibility="collapsed",
        )
    return span or "24 h"


def health_cards() -> None:
    with st.spinner("Asking the services…"):
        found, asked = health()
    down = [service.service for service in found if not service.ok]
    with st.container(horizontal=True, vertical_alignment="center"):
        if down:
            st.badge(f"Failing: {', '.join(down)}", icon=":material/error:", color="red")
        else:
            st.badge("Every service answers", icon=":material/check_circle:", color="green")
        st.caption(f"asked at {asked.astimezone(ui.viewer_zone()):%H:%M:%S}, again every {HEALTH_SECONDS} s")
    with st.container(horizontal=True):
        for service in found:
            st.metric(
                service.service.capitalize(),
                "Healthy" if service.ok else "Failing",
                delta=time_taken(service.milliseconds),
                delta_arrow="off",
                delta_color="off" if service.ok else "red",
                icon=":material/check_circle:" if service.ok else ":material/cancel:",
                border=True,
            )
    for service in found:
        if service.error:
            st.text(f"{service.service.capitalize()}: {service.error}")


def time_taken(milliseconds: float) -> str:
    return "under 1 ms" if milliseconds < 1 else f"{milliseconds:,.0f} ms"


def every(period: timedelta) -> str:
    """A period as in "per 5 min"."""
    minutes = int(period.total_seconds() // 60)
    words = {1: "minute", 60: "hour", 1440: "day"}
    return words.get(minutes) or (f"{minutes} min" if minutes < 60 else f"{minutes // 60} h")


def local(frame: pd.DataFrame) -> pd.DataFrame:
    """``frame`` with its times in the viewer's zone."""
    return frame.assign(time=frame["time"].dt.tz_convert(ui.viewer_zone()))


def aws_summary(found: Metrics) -> None:
    trouble = found.problems
    throttled = int(trouble[["throttled", "calls_throttled"]].to_numpy().sum())
    failed = int(trouble["system"].sum())
    quota = services.settings.rekognition_calls_per_second
    busiest = found.calls_a_second[list(ENGINE_OPERATIONS)].max(axis=None)
    slowest = found.slowest[list(TABLE_OPERATIONS)].max(axis=None)
    with st.container(horizontal=True):
        st.metric(
            "Throttled", f"{throttled:,}", border=True, help="Requests that DynamoDB or Rekognition turned away"
        )
        st.metric("System errors", f"{failed:,}", border=True, help="DynamoDB's own failures (HTTP 500)")
        st.metric(
            "Peak use of the quota",
            f"{busiest / quota:.0%}",
            border=True,
            help=f"Rekognition's calls a second, in the busiest {every(found.period)}, of the quota of {quota:g}",
        )
        st.metric(
            "Slowest request",
            "–" if pd.isna(slowest) else f"{slowest:,.0f} ms",
            border=True,
            help="Of all that DynamoDB answered",
        )


def engine_charts(found: Metrics) -> None:
    palette, per = case.palette(), every(found.period)
    rates, response = local(found.calls_a_second), local(found.response)
    quota = services.settings.rekognition_calls_per_second
    left, right = st.columns(2)
    with left:
        event.chart_card(
            "Rekognition calls a second",
            charts.lines_over_time(
                rates, ENGINE_CALLS, "calls a second", palette, number=".2f", limit=(quota, f"quota {quota:g}")
            ),
            charts.describe_levels(rates, ENGINE_CALLS, "a second"),
            empty="",
            key="calls",
            note=f"Means of each {per}, of the whole account in this region. A validation makes one call of each.",
        )
    with right:
        measured = response[list(ENGINE_OPERATIONS)].notna().any(axis=None)
        event.chart_card(
            "Rekognition response time",
            charts.lines_over_time(response, ENGINE_CALLS, "mean, ms", palette) if measured else None,
            charts.describe_levels(response, ENGINE_CALLS, "ms"),
            empty="Rekognition was not called in this span of time.",
            key="response",
        )


def table_charts(found: Metrics) -> None:
    palette, per = case.palette(), every(found.period)
    consumed, latency, slowest = local(found.consumed), local(found.latency), local(found.slowest)
    left, right = st.columns(2)
    with left:
        event.chart_card(
            f"DynamoDB capacity units per {per}",
            charts.lines_over_time(consumed, UNITS, "units", palette, height=TALL),
            charts.describe_levels(consumed, UNITS, "units"),
            empty="",
            key="units",
        )
    with right:
        measured = latency[list(TABLE_OPERATIONS)].notna().any(axis=None)
        event.chart_card(
            "DynamoDB latency",
            charts.mean_and_slowest(latency, slowest, REQUESTS, palette, TALL) if measured else None,
            charts.describe_levels(latency, REQUESTS, "ms on average"),
            empty="No request was answered in this span of time.",
            key="latency",
            note="Inside DynamoDB: the way over the network is not in it.",
        )


def trouble_charts(found: Metrics) -> None:
    palette, per = case.palette(), every(found.period)
    trouble, expired = local(found.problems), local(found.expired)
    left, right = st.columns(2)
    with left:
        event.chart_card(
            f"Throttles and errors per {per}",
            charts.bars_over_time(trouble, PROBLEMS, "requests", palette)
            if trouble.drop(columns="time").to_numpy().any()
            else None,
            charts.describe_counts(trouble, PROBLEMS),
            empty=":material/check_circle: Nothing was turned away and nothing failed in this span of time.",
            key="problems",
            note="User errors (HTTP 400) are those of the whole account in this region: DynamoDB tells them of no "
            "table. A lost race is a write that met a record that had just changed; it is tried again.",
        )
    with right:
        event.chart_card(
            f"Expired records deleted per {per}",
            charts.bars_over_time(expired, EXPIRED, "records", palette) if expired["deleted"].any() else None,
            charts.describe_counts(expired, EXPIRED),
            empty="DynamoDB deleted no expired record in this span of time.",
            key="expired",
            note="Days may pass between a record's end and its deletion. Facedesk does not show it in between.",
        )


def aws_part(source: ServiceMetrics, span: str) -> None:
    with ui.banner_on_failure("read the metrics"):
        with st.spinner("Reading the metrics…"):
            found = metrics(source, span)
        if found.is_empty:
            st.info("No metrics yet in this span of time.", icon=":material/info:")
            return
        aws_summary(found)
        engine_charts(found)
        table_charts(found)
        trouble_charts(found)


def prices() -> Prices:
    settings = services.settings
    return Prices(settings.price_dynamodb_write, settings.price_dynamodb_read, settings.price_rekognition)


def month_so_far(source: ServiceMetrics) -> None:
    with st.container(border=True), ui.banner_on_failure("read this month's use"):
        st.markdown(
            "**Cost of this month**",
            help="From what CloudWatch counted since the 1st, UTC: of the table, whoever used it, and of Rekognition "
            "in the whole account and region.",
        )
        with st.spinner("Reading this month's use…"):
            used, now = used_this_month(source)
        spent = costs.cost(used, prices())
        pace = costs.at_this_pace(spent.total, now)
        figures, items = st.columns([1, 2])
        with figures:
            st.metric("So far, USD", f"{spent.total:,.2f}")
            help_text = "The whole month, if it goes on as it has"
            st.metric("At this pace, USD", "–" if pace is None else f"{pace:,.2f}", help=help_text)
        with items:
            bill(used, spent)


def bill(used: Usage, spent: Cost) -> None:
    rows = [
        ("DynamoDB write units", round(used.write_units), spent.writes),
        ("DynamoDB read units", round(used.read_units), spent.reads),
        ("Rekognition images", round(used.images), spent.images),
    ]
    st.dataframe(
        pd.DataFrame(rows, columns=["Charged", "How many", "Cost"]),
        hide_index=True,
        alt="What is charged, how much of it, and what it costs",
        column_config={
            "How many": st.column_config.NumberColumn(format="localized"),
            "Cost": st.column_config.NumberColumn(format="dollar"),
        },
    )


@st.fragment
def what_if() -> None:
    with st.container(border=True):
        st.markdown(
            "**What would a month cost?**",
            help="30 days. DynamoDB charges each write by the record's whole KB, and its index entry's. A repeated "
            "attempt moves that entry: two writes.",
        )
        with st.container(horizontal=True):
            validations = number("Validations a day", 10_000, 1_000, "validations")
            repeats = number("Repeated attempts, %", 20, 5, "repeats", most=100)
            record = number("Record, KB", 2, 0.5, "record_kb", most=400)
            entry = number("Index entry, KB", 1, 0.5, "entry_kb", most=400)
            read = number("Entries read a day", 100_000, 10_000, "entries_read", note="By event pages and CSVs")
        month = costs.month_of(Load(validations, record * 1024, entry * 1024, repeats / 100, read))
        asked = prices()
        spent = costs.cost(month, asked)
        figures, items = st.columns([1, 2])
        with figures:
            st.metric("A month, USD", f"{spent.total:,.2f}")
        with items:
            bill(month, spent)
        st.caption(
            f"At {asked.million_writes:g} USD a million write units, {asked.million_reads:g} a million read units, "
            f"{asked.thousand_images:g} a thousand images: settings, by default for ap-south-1. Not in it: free "
            "allowances, discounts, storage, backups, audit trail (a write unit an entry), S3, MongoDB, CloudWatch."
        )


def number(label: str, start: float, step: float, key: str, *, most: float = 1e9, note: str = "") -> float:
    """A number from 0 that the link keeps."""
    value: float = st.number_input(
        label,
        0.0,
        float(most),
        float(start),
        float(step),
        format="%.0f" if step >= 1 else "%.1f",
        key=key,
        bind="query-params",
        help=note or None,
    )
    return value


def embedded_part(journal: pd.DataFrame, since: datetime, now: datetime) -> None:
    if len(journal):
        since = max(since, min(journal["minute"].min(), now - SHORTEST_SPAN))
    with ui.banner_on_failure("measure the disk"):
        with st.spinner("Measuring the disk…"):
            disk, held = disk_and_counts()
        with st.container(horizontal=True):
            st.metric(
                "Records kept", f"{held.records:,}", border=True, help="Validation records that have not expired"
            )
            st.metric("Registrations kept", f"{held.registrations:,}", border=True)
            st.metric(
                "Database",
                size(disk.database_bytes + disk.log_bytes),
                border=True,
                help=f"Of it {size(disk.log_bytes)} in the write-ahead log",
            )
            st.metric("Photos on disk", size(disk.photo_bytes), border=True, help=f"{disk.photos:,} files")
            st.metric("Free disk", size(disk.free_bytes), border=True)
    left, right = st.columns(2)
    with left:
        engine_times(journal, since, now)
    with right:
        operations_over_time(journal, since, now)


def size(count: float) -> str:
    """Bytes in the unit that suits them."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:,.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB"


def engine_times(journal: pd.DataFrame, since: datetime, now: datetime) -> None:
    period = period_of(now - since)
    times = usage.milliseconds(journal, [trace.column for trace in ENGINE_WORK], since, now, period)
    mean, slowest = map(local, times)
    measured = mean.drop(columns="time").notna().any(axis=None)
    event.chart_card(
        "Face engine times",
        charts.mean_and_slowest(mean, slowest, ENGINE_WORK, case.palette(), TALL) if measured else None,
        charts.describe_levels(mean, ENGINE_WORK, "ms on average"),
        empty="The face engine was not asked in this span of time.",
        key="engine",
        note=f"By {every(period)}.",
    )


def operations_over_time(journal: pd.DataFrame, since: datetime, now: datetime) -> None:
    period = period_of(now - since)
    # What this page itself asks, every half a minute, would hide the desk's work.
    work = usage.by_time(journal[~journal["operation"].str.endswith(".ping")], since, now, period)
    shown = local(work.assign(done=work["count"] - work["failed"]))
    event.chart_card(
        f"Operations per {every(period)}",
        charts.bars_over_time(shown, DONE, "operations", case.palette(), TALL) if work["count"].any() else None,
        charts.describe_counts(shown, DONE),
        empty="Nothing was done in this span of time.",
        key="operations",
        note="Calls of the stores and the engine, and the validations that they are part of; health checks aside.",
    )


def this_process(journal: pd.DataFrame) -> None:
    with st.container(border=True):
        st.markdown(
            "**What this process did**", help="Of the span, at most the last 24 hours, and since the process started."
        )
        if journal.empty:
            st.caption("Nothing in this span of time.")
            return
        done = usage.by_operation(journal)
        words = {
            "operation": "Operation",
            "count": "Count",
            "failed": "Failed",
            "mean_ms": "Mean, ms",
            "max_ms": "Slowest, ms",
        }
        of_aws = {"calls": "AWS calls", "read_units": "Read units", "write_units": "Write units"}
        words |= of_aws if services.metrics else {}
        shown = done[list(words)].rename(columns=words)
        milliseconds = st.column_config.NumberColumn(format="%.1f")
        st.dataframe(
            shown,
            hide_index=True,
            alt="Operations of this process: how many, how many failed, how long they took",
            column_config={"Mean, ms": milliseconds, "Slowest, ms": milliseconds},
        )


def main() -> None:
    source = services.metrics
    span = heading([name for name, length in SPANS.items() if source or length <= JOURNAL_SPAN])
    now = services.clock()
    since = now - min(SPANS[span], JOURNAL_SPAN)
    # Side by side: what does not answer keeps nothing else from being seen.
    st.fragment(health_cards, run_every=HEALTH_SECONDS, parallel=True)()
    if source:
        st.fragment(aws_part, parallel=True)(source, span)
        st.fragment(month_so_far, parallel=True)(source)
        what_if()
    journal = services.journal.by_minute(since)
    if not source:
        embedded_part(journal, since, now)
    this_process(journal)


main()
