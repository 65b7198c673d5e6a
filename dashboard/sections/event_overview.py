"""Sections of the event overview: headline, readiness, reasons, latest validations and lists."""

from __future__ import annotations

from datetime import datetime, timedelta

import pandas as pd
import streamlit as st

from core.domain import statistics
from core.domain.records import Status
from core.domain.statistics import Readiness
from dashboard import pages
from dashboard.charts import event as event_charts
from dashboard.parts import case, chosen_event, event, ui, unreadable
from dashboard.parts.kept import kept
from dashboard.services import get_services

SPANS = {"24 h": timedelta(hours=24), "7 days": timedelta(days=7), "30 days": timedelta(days=30)}
LATEST_ROWS = 12


def title() -> st.delta_generator.DeltaGenerator:
    """The title, which stands there whatever fails; returns its row."""
    row = st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute")
    row.title("Event overview", anchor=False, width="content")
    return row


def heading(row: st.delta_generator.DeltaGenerator, events: list[str]) -> tuple[str, str]:
    """The event and the span of time to show."""
    event.say_unknown(events)
    with row:
        event_id = chosen_event.one(st.container(width=250), events, pages.EVENT_OVERVIEW)
        span = ui.span_control(SPANS, "7 days")
        event.file_links("", event.files(event_id, "records"), "records", parquet=True)
    return event_id, span


def headline(readiness: Readiness, records: pd.DataFrame, now: datetime) -> None:
    lately = records.loc[records["timestamp"] >= pd.Timestamp(now) - timedelta(hours=24), "status"].value_counts()
    due_hours = get_services().settings.review_due_hours
    share = "–" if readiness.share_ready is None else f"{readiness.share_ready:.1%}"
    with st.container(horizontal=True):
        st.metric("Ready to enter", share, help="Registered people whose photo passed", border=True, height="stretch")
        st.metric(
            "Passed",
            f"{readiness.passed:,}",
            delta=f"{lately['success']:,} in 24 h",
            delta_arrow="off",
            delta_color="green" if lately["success"] else "off",
            border=True,
            height="stretch",
        )
        oldest, overdue = statistics.backlog(records, now - timedelta(hours=due_hours))
        st.metric(
            "Waiting for review",
            f"{readiness.waiting:,}",
            delta=None if oldest is None else f"oldest {ui.how_long(now - oldest)}, {overdue:,} overdue",
            delta_arrow="off",
            delta_color="red" if overdue else "off",
            help=f"A case in the review queue is overdue after {due_hours:g} hours.",
            border=True,
            height="stretch",
        )
        st.metric(
            "Failed, not yet retried",
            f"{readiness.failed:,}",
            delta=f"{lately['failed']:,} in 24 h",
            delta_arrow="off",
            delta_color="red" if lately["failed"] else "off",
            border=True,
            height="stretch",
        )
        st.metric("Never tried", f"{readiness.never_tried:,}", border=True, height="stretch")
        if readiness.unknown:
            st.metric(
                "Status unknown",
                f"{readiness.unknown:,}",
                help="Another service wrote no status, or one that Facedesk does not know. These people are not "
                "counted as ready.",
                border=True,
                height="stretch",
            )


def readiness_and_pace(readiness: Readiness, recent: pd.DataFrame) -> None:
    palette = case.palette()
    unit, pace = kept(statistics.over_time, recent, str(ui.viewer_zone()))
    funnel, over_time = st.columns([2, 3])
    with funnel:
        event.chart_card(
            "Readiness",
            event.drawn(event_charts.funnel, readiness, palette) if readiness.registered else None,
            event_charts.describe_funnel(readiness),
            empty="Nobody is registered for this event.",
            key="funnel",
        )
    with over_time:
        event.chart_card(
            f"Validations per {unit}",
            event.drawn(event_charts.outcomes_over_time, unit, pace, palette) if len(recent) else None,
            kept(event_charts.describe_over_time, unit, pace),
            empty="No photo was validated in this span of time.",
            key="pace",
            note="Each person's newest attempt, in your time zone.",
        )


def reasons_similarity_quality(recent: pd.DataFrame) -> None:
    services = get_services()
    palette = case.palette()
    ranked = kept(statistics.reasons_ranked, kept(statistics.filtered, recent, statuses=(Status.FAILED,)))
    bins = kept(event.bins, recent, "similarity", 0, 100, 4)
    quality = kept(statistics.quality_by_status, recent)
    why, similarity, by_quality = st.columns(3)
    threshold = services.settings.policy.similarity_threshold
    with why:
        event.chart_card(
            "Why people fail",
            event.drawn(event_charts.reasons_bar, ranked, palette) if len(ranked) else None,
            event_charts.describe_reasons(ranked),
            empty="Nobody failed in this span of time.",
            key="reasons",
        )
    with similarity:
        event.chart_card(
            f"Similarity · threshold {threshold:g}",
            event.drawn(event_charts.histogram, bins, "similarity, 0–100", palette, threshold=threshold)
            if recent["similarity"].notna().any()
            else None,
            kept(event_charts.describe_histogram, bins, "similarity"),
            empty="No photo was compared in this span of time.",
            key="similarity",
        )
    with by_quality:
        event.chart_card(
            "Quality by outcome",
            event.drawn(event_charts.quality_bars, quality, palette) if len(recent) else None,
            event_charts.describe_quality(quality),
            empty="No photo was validated in this span of time.",
            key="quality",
        )


def attempts_and_latest(event_id: str, records: pd.DataFrame) -> None:
    tries = kept(statistics.attempts_until_success, records)
    left, right = st.columns([1, 2])
    with left:
        passed = int(tries["count"].sum())
        event.chart_card(
            "Attempts until passed",
            event.drawn(event_charts.attempts_bars, tries, case.palette()) if passed else None,
            event_charts.describe_attempts(tries),
            empty="Nobody has passed yet.",
            key="tries",
        )
    with right, st.container(border=True):
        with st.container(horizontal=True, horizontal_alignment="distribute"):
            st.markdown("**Latest**")
            live = st.toggle(
                "Live",
                value=True,
                key="live",
                bind="query-params",
                help=f"Updates every {event.LIVE_SECONDS} seconds.",
            )
        # A fragment runs by itself: the rest of the page stands still.
        st.fragment(latest, run_every=event.LIVE_SECONDS if live else None)(event_id)


def latest(event_id: str) -> None:
    with ui.banner_on_failure("read the latest validations"):
        newest = kept(event.newest, event.records(event_id), LATEST_ROWS)
        if newest.empty:
            st.caption("Nothing yet.")
        else:
            columns = ("timestamp", "registrationId", "userId", "status", "similarity", "reasons")
            event.table(newest, columns, "The latest validations, newest first")


def lists(event_id: str, untried: pd.DataFrame, records: pd.DataFrame, now: datetime) -> None:
    with st.expander(f"Registered, never tried ({len(untried):,})", icon=":material/person_alert:"):
        if untried.empty:
            st.caption("Everybody who is registered has sent a photo.")
        else:
            event.file_links("All", event.files(event_id, "never-tried"), "never-tried")
            columns = ("registrationId", "userId", "name", "email")
            event.table(untried, columns, "People who are registered and never tried")
    ending = kept(statistics.expiring, records, now.replace(second=0, microsecond=0))
    with st.expander(f"Records that expire within a week ({len(ending):,})", icon=":material/auto_delete:"):
        if ending.empty:
            st.caption("None.")
        else:
            st.caption("Expired records are no longer shown, counted or exported. Export them while they are here.")
            event.file_links("All", event.files(event_id, "expiring"), "expiring")
            expiring = ("registrationId", "userId", "status", "timestamp", "expiresAt")
            event.table(ending, expiring, "Records that expire within a week")


def unreadable_records(event_id: str, records: pd.DataFrame) -> None:
    unreadable.show("record", records, files=event.files(event_id, "unreadable-records"))


def unreadable_registrations(event_id: str, registered: pd.DataFrame) -> None:
    with ui.banner_on_failure("read what else is registered for this event"):
        left_out = event.unreadable_registrations(event_id)
        files = event.files(event_id, "unreadable-registrations")
        unreadable.show("registration", registered, left_out, files=files)


def nothing_yet() -> None:
    with st.container(border=True):
        st.subheader("No events yet", anchor=False)
        st.write("An event appears here with its first registration.")
        pages.link(pages.START, "Load data", ":material/upload_file:")
