"""What this machine holds and what this process did."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import streamlit as st

from core.domain.metrics import period_of
from core.runtime import usage
from dashboard.charts import operations as operations_charts
from dashboard.charts.style import Trace
from dashboard.parts import case, event, ui
from dashboard.sections.operations.spans import TALL, every, local
from dashboard.services import get_services

#: A process that has just started is shown on an axis at least as long.
SHORTEST_SPAN = timedelta(minutes=30)
ENGINE_WORK = (Trace("engine.detect", "Detect"), Trace("engine.compare", "Compare", "text"))
DONE = (Trace("done", "Done"), Trace("failed", "Failed", "failed", second=True))


@st.cache_resource(ttl=60, show_spinner=False)
def disk_and_counts() -> tuple[usage.DiskUse, usage.RowCounts]:
    services = get_services()
    folder = services.settings.data_dir
    return usage.disk_use(folder), usage.counts(folder, services.clock())


def embedded_part(minutes: pd.DataFrame, since: datetime, now: datetime) -> None:
    if len(minutes):
        since = max(since, min(minutes["minute"].min(), now - SHORTEST_SPAN))
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
        engine_times(minutes, since, now)
    with right:
        operations_over_time(minutes, since, now)


def size(count: float) -> str:
    """Bytes in the unit that suits them."""
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:,.3g} {unit}"
        count /= 1000
    return f"{count:,.3g} TB"


def engine_times(minutes: pd.DataFrame, since: datetime, now: datetime) -> None:
    period = period_of(now - since)
    times = usage.milliseconds(minutes, [trace.column for trace in ENGINE_WORK], since, now, period)
    mean, slowest = map(local, times)
    measured = mean.drop(columns="time").notna().any(axis=None)
    event.chart_card(
        "Face engine times",
        operations_charts.mean_and_slowest(mean, slowest, ENGINE_WORK, case.palette(), TALL) if measured else None,
        operations_charts.describe_levels(mean, ENGINE_WORK, "ms on average"),
        empty="The face engine was not used in this span of time.",
        key="face_engine_times",
        note=f"By {every(period)}.",
    )


def operations_over_time(minutes: pd.DataFrame, since: datetime, now: datetime) -> None:
    period = period_of(now - since)
    # What this page itself asks, every half a minute, would hide the desk's work.
    work = usage.by_time(minutes[~minutes["operation"].str.endswith(".ping")], since, now, period)
    shown = local(work.assign(done=work["count"] - work["failed"]))
    event.chart_card(
        f"Operations per {every(period)}",
        operations_charts.bars_over_time(shown, DONE, "operations", case.palette(), TALL)
        if work["count"].any()
        else None,
        operations_charts.describe_counts(shown, DONE),
        empty="Nothing was done in this span of time.",
        key="operations",
        note="Calls of the stores and the engine, and the validations that they are part of; health checks aside.",
    )


def this_process(minutes: pd.DataFrame) -> None:
    services = get_services()
    with st.container(border=True):
        st.markdown(
            "**What this process did**", help="Of the span, at most the last 24 hours, and since the process started."
        )
        if minutes.empty:
            st.caption("Nothing in this span of time.")
            return
        done = usage.by_operation(minutes)
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
