"""What CloudWatch counted of the table and of Rekognition."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.domain.metrics import ENGINE_OPERATIONS, TABLE_OPERATIONS, Metrics
from core.runtime.facades.administration import GuardedMetrics
from dashboard.charts import operations as operations_charts
from dashboard.charts.style import Trace
from dashboard.parts import case, event, ui
from dashboard.sections.operations.spans import SPANS, TALL, every, local
from dashboard.services import get_services

#: In all charts what reads is of one colour and what writes of the other; the audit trail has one of its own.
UNITS = (
    Trace("table_writes", "Writes", "text"),
    Trace("index_writes", "Index writes", "text", second=True),
    Trace("table_reads", "Reads"),
    Trace("index_reads", "Index reads", second=True),
    Trace("audit_writes", "Audit writes", "waiting"),
    Trace("audit_reads", "Audit reads", "waiting", second=True),
)
REQUESTS = (
    Trace("UpdateItem", "UpdateItem", "text"),
    Trace("GetItem", "GetItem"),
    Trace("Query", "Query", second=True),
    Trace("Scan", "Scan", "untried"),
)
ENGINE_CALLS = (Trace("DetectFaces", "DetectFaces"), Trace("CompareFaces", "CompareFaces", "text"))
PROBLEMS = (
    Trace("throttled", "DynamoDB throttled", "waiting"),
    Trace("index", "Index throttled", "failed"),
    Trace("calls_throttled", "Rekognition throttled", "waiting", second=True),
    Trace("system", "System errors", "failed", second=True),
    Trace("user", "User errors", "muted"),
    Trace("conditional", "Write conflicts", "untried"),
    Trace("audit", "Audit trail", "text"),
)
EXPIRED = (Trace("deleted", "Deleted", "untried"),)


# Resources, not data: handed out without a copy for each rerun, and nobody writes into them.
@st.cache_resource(ttl=60, max_entries=len(SPANS), show_spinner=False)
def metrics(_source: GuardedMetrics, span: str) -> Metrics:
    services = get_services()
    now = services.clock()
    return _source.read(now - SPANS[span], now)


def aws_summary(found: Metrics) -> None:
    services = get_services()
    trouble = found.problems
    throttled = int(trouble[["throttled", "calls_throttled"]].to_numpy().sum())
    failed = int(trouble["system"].sum())
    quota = services.settings.rekognition_calls_per_second
    busiest = float(found.calls_a_second[list(ENGINE_OPERATIONS)].max().max())
    slowest = float(found.slowest[list(TABLE_OPERATIONS)].max().max())
    with st.container(horizontal=True):
        st.metric("Throttled", f"{throttled:,}", border=True, help="Requests that DynamoDB or Rekognition throttled")
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
            help="Of all requests that DynamoDB answered",
        )


def engine_charts(found: Metrics) -> None:
    services = get_services()
    palette, per = case.palette(), every(found.period)
    rates, response = local(found.calls_a_second), local(found.response)
    quota = services.settings.rekognition_calls_per_second
    left, right = st.columns(2)
    with left:
        event.chart_card(
            "Rekognition calls a second",
            operations_charts.lines_over_time(
                rates, ENGINE_CALLS, "calls a second", palette, number=".2f", limit=(quota, f"quota {quota:g}")
            ),
            operations_charts.describe_levels(rates, ENGINE_CALLS, "a second"),
            empty="",
            key="rekognition_calls",
            note=f"Means of each {per}, of the whole account in this region. A validation makes one call of each.",
        )
    with right:
        measured = response[list(ENGINE_OPERATIONS)].notna().any(axis=None)
        event.chart_card(
            "Rekognition response time",
            operations_charts.lines_over_time(response, ENGINE_CALLS, "mean, ms", palette) if measured else None,
            operations_charts.describe_levels(response, ENGINE_CALLS, "ms"),
            empty="Rekognition was not called in this span of time.",
            key="rekognition_response_time",
        )


def table_charts(found: Metrics) -> None:
    palette, per = case.palette(), every(found.period)
    consumed, latency, slowest = local(found.consumed), local(found.latency), local(found.slowest)
    left, right = st.columns(2)
    with left:
        event.chart_card(
            f"DynamoDB capacity units per {per}",
            operations_charts.lines_over_time(consumed, UNITS, "units", palette, height=TALL),
            operations_charts.describe_levels(consumed, UNITS, "units"),
            empty="",
            key="dynamodb_capacity",
        )
    with right:
        measured = latency[list(TABLE_OPERATIONS)].notna().any(axis=None)
        event.chart_card(
            "DynamoDB latency",
            operations_charts.mean_and_slowest(latency, slowest, REQUESTS, palette, TALL) if measured else None,
            operations_charts.describe_levels(latency, REQUESTS, "ms on average"),
            empty="No request was answered in this span of time.",
            key="dynamodb_latency",
            note="Time inside DynamoDB, without the network.",
        )


def trouble_charts(found: Metrics) -> None:
    palette, per = case.palette(), every(found.period)
    trouble, expired = local(found.problems), local(found.expired)
    left, right = st.columns(2)
    with left:
        event.chart_card(
            f"Throttles and errors per {per}",
            operations_charts.bars_over_time(trouble, PROBLEMS, "requests", palette)
            if trouble.drop(columns="time").to_numpy().any()
            else None,
            operations_charts.describe_counts(trouble, PROBLEMS),
            empty=":material/check_circle: Nothing was throttled and nothing failed in this span of time.",
            key="throttles_and_errors",
            note="User errors (HTTP 400) are those of the whole account in this region: DynamoDB does not count "
            "them by table. A write conflict is a write to a record that had just changed; it is tried again.",
        )
    with right:
        event.chart_card(
            f"Expired records deleted per {per}",
            operations_charts.bars_over_time(expired, EXPIRED, "records", palette)
            if expired["deleted"].any()
            else None,
            operations_charts.describe_counts(expired, EXPIRED),
            empty="DynamoDB deleted no expired record in this span of time.",
            key="expired_records",
            note="DynamoDB may delete a record days after it expires. Facedesk does not show it in between.",
        )


def aws_part(source: GuardedMetrics, span: str) -> None:
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
