"""Sections of the event overview: headline, readiness, reasons, latest validations and lists."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd
import streamlit as st

from core.domain import over_time, statistics
from core.domain.columns import STATUSES
from core.domain.filters import filtered
from core.domain.policy import Policy
from core.domain.records import Status
from core.domain.statistics import Readiness
from dashboard import pages
from dashboard.charts import event as event_charts
from dashboard.charts import over_time as over_time_charts
from dashboard.parts import case, chosen_event, distributions, event, lead_on, look, ui, unreadable
from dashboard.parts.kept import kept
from dashboard.parts.lead_on import Chosen
from dashboard.services import get_services

SPANS = {"24 h": timedelta(hours=24), "7 days": timedelta(days=7), "30 days": timedelta(days=30)}
LATEST_ROWS = 12
#: Registrations of an event that takes so long to read that its latest figures are shown meanwhile.
LARGE = 10_000
#: What the comparison of two periods counts.
COMPARED = (
    "“More” and “fewer” compare with the period of the same length just before. Each person's newest attempt counts: "
    "somebody who tried again since then is no longer in the period before."
)


@dataclass(frozen=True)
class Period:
    """The span of time to show, and the one of the same length before it.

    ``span`` is its length in words. ``rows`` are the records whose newest attempt was in it, ``previous`` those whose
    newest attempt was in the one before.
    """

    span: str
    since: datetime
    rows: pd.DataFrame
    previous: pd.DataFrame


def period(records: pd.DataFrame, span: str, now: datetime) -> Period:
    since = (now - SPANS[span]).replace(second=0, microsecond=0)
    previous = kept(filtered, records, since=since - SPANS[span], until=since)
    return Period(span, since, kept(filtered, records, since=since), previous)


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
        event.file_links("", event.files(event_id, "records"), "records", parquet=True, contacts=True)
    return event_id, span


def meanwhile(event_id: str) -> st.delta_generator.DeltaGenerator:
    """The latest figures of a large event that has yet to be read, until somebody empties their place."""
    place = st.empty()
    latest = get_services().event_summaries.meanwhile(event_id)
    if latest and latest.summary.readiness.registered >= LARGE:
        ready = latest.summary.readiness
        with place.container():
            with st.container(horizontal=True):
                for label, value in (
                    ("Ready to enter", _share_ready(ready)),
                    ("Passed", f"{ready.passed:,}"),
                    ("Waiting for review", f"{ready.waiting:,}"),
                    ("Failed, not yet retried", f"{ready.failed:,}"),
                    ("Never tried", f"{ready.never_tried:,}"),
                ):
                    st.metric(label, value, border=True)
            age = ui.how_long(get_services().clock() - latest.as_of)
            st.caption(f"These figures are {age} old. The page goes on by itself when the event has been read.")
    return place


def headline(readiness: Readiness, records: pd.DataFrame, period: Period, now: datetime) -> None:
    lately, before = (rows["status"].value_counts() for rows in (period.rows, period.previous))
    due_hours = get_services().settings.review_due_hours
    with st.container(horizontal=True):
        st.metric(
            "Ready to enter · now",
            _share_ready(readiness),
            help="Registered people whose photo passed",
            border=True,
            height="stretch",
        )
        st.metric(
            "Passed · now",
            f"{readiness.passed:,}",
            delta=f"{lately['success']:,} in {period.span}",
            delta_arrow="off",
            delta_color="green" if lately["success"] else "off",
            delta_description=compared(lately["success"], before["success"]),
            help=COMPARED,
            border=True,
            height="stretch",
        )
        oldest, overdue = statistics.backlog(records, now - timedelta(hours=due_hours))
        st.metric(
            "Waiting for review · now",
            f"{readiness.waiting:,}",
            delta=None if oldest is None else f"oldest {ui.how_long(now - oldest)}, {overdue:,} overdue",
            delta_arrow="off",
            delta_color="red" if overdue else "off",
            help=f"A case in the review queue is overdue after {due_hours:g} hours.",
            border=True,
            height="stretch",
        )
        st.metric(
            "Failed, not yet retried · now",
            f"{readiness.failed:,}",
            delta=f"{lately['failed']:,} in {period.span}",
            delta_arrow="off",
            delta_color="red" if lately["failed"] else "off",
            delta_description=compared(lately["failed"], before["failed"]),
            help=COMPARED,
            border=True,
            height="stretch",
        )
        st.metric("Never tried · now", f"{readiness.never_tried:,}", border=True, height="stretch")
        if readiness.unknown:
            st.metric(
                "Status unknown · now",
                f"{readiness.unknown:,}",
                help="Another service wrote no status, or one that Facedesk does not know. These people are not "
                "counted as ready.",
                border=True,
                height="stretch",
            )


def _share_ready(readiness: Readiness) -> str:
    return "–" if readiness.share_ready is None else f"{readiness.share_ready:.1%}"


def compared(count: int, before: int) -> str:
    """How many more or fewer these are than in the period before."""
    if count == before:
        return "no change"
    return f"{abs(count - before):,} {'more' if count > before else 'fewer'}"


def readiness_and_pace(readiness: Readiness, records: pd.DataFrame, period: Period, chosen: Chosen) -> None:
    """``records`` and ``period`` have those whom the page shows; the parts that are ``chosen`` apply besides."""
    palette = case.palette()
    records = chosen.but("validations").rows(records)
    zone, before = str(ui.viewer_zone()), f"{period.span} before"
    unit, pace = kept(over_time.beside_previous, records, period.since, SPANS[period.span], zone)
    funnel, validations = st.columns([2, 3])
    with funnel:
        event.chart_card(
            "Readiness · now",
            event.drawn(event_charts.funnel, readiness, palette, part=lead_on.part_of(lead_on.READINESS))
            if readiness.registered
            else None,
            event_charts.describe_funnel(readiness),
            empty="Nobody is registered for this event.",
            key=lead_on.READINESS,
        )
    with validations:
        event.chart_card(
            f"Validations per {unit} · last {period.span}",
            event.drawn(
                *(over_time_charts.outcomes_over_time, unit, pace, before, palette),
                part=lead_on.part_of("validations"),
            )
            if pace[[*STATUSES, "previous"]].to_numpy().any()
            else None,
            kept(over_time_charts.describe_over_time, unit, pace, before),
            empty="No photo was validated in this span of time.",
            key="validations",
            note="Each person's newest attempt, in your time zone. The line shows the period of the same length "
            "before, moved to the same place. Somebody who tried again since then counts only where the newest "
            "attempt was.",
        )


def reasons_similarity_quality(period: Period, policy: Policy, chosen: Chosen) -> None:
    last, by_quality_key = f"last {period.span}", "failure_rate_by_quality"
    palette = case.palette()
    failed = kept(filtered, chosen.but("reasons").rows(period.rows), statuses=(Status.FAILED,))
    ranked = kept(statistics.reasons_ranked, failed)
    quality = kept(statistics.by_quality, chosen.but(by_quality_key).rows(period.rows))
    why, similarity, by_quality = st.columns(3)
    with why:
        event.chart_card(
            f"Why people fail · {last}",
            event.drawn(event_charts.reasons_bar, ranked, palette, part=lead_on.part_of("reasons"))
            if len(ranked)
            else None,
            event_charts.describe_reasons(ranked),
            empty="Nobody failed in this span of time.",
            key="reasons",
        )
    with similarity, event.titled_card(f"Similarity · {last}", key="similarity"):
        ways = distributions.ways("look")
        nothing = "No photo was compared in this span of time."
        distributions.chart(chosen.but("similarity").rows(period.rows), "similarity", ways, policy, empty=nothing)
    with by_quality:
        event.chart_card(
            f"Failure rate by quality · {last}",
            event.drawn(event_charts.group_bars, quality, palette, part=lead_on.part_of(by_quality_key))
            if len(quality)
            else None,
            event_charts.describe_groups(quality, "Quality"),
            empty="No photo was validated in this span of time.",
            key=by_quality_key,
            note=event.TOO_FEW,
        )


def attempts_and_latest(event_id: str, records: pd.DataFrame, chosen: Chosen) -> None:
    key = "attempts_until_passed"
    tries = kept(statistics.attempts_until_success, chosen.but(key).rows(records))
    left, right = st.columns([1, 2])
    with left:
        passed = int(tries["count"].sum())
        event.chart_card(
            "Attempts until passed · all time",
            event.drawn(event_charts.attempts_bars, tries, case.palette(), part=lead_on.part_of(key))
            if passed
            else None,
            event_charts.describe_attempts(tries),
            empty="Nobody has passed yet.",
            key=key,
        )
    with right, st.container(border=True, key=look.SCREEN_ONLY):
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


def expiring_records(event_id: str, records: pd.DataFrame, now: datetime) -> None:
    ending = kept(statistics.expiring, records, now.replace(second=0, microsecond=0))
    with st.expander(f"Records that expire within a week ({len(ending):,})", icon=":material/auto_delete:"):
        if ending.empty:
            st.caption("None.")
        else:
            st.caption("Expired records are no longer shown, counted or exported. Export them while they are here.")
            event.file_links("", event.files(event_id, "expiring"), "expiring", contacts=True)
            expiring = ("registrationId", "userId", "status", "timestamp", "expiresAt")
            event.table(ending, expiring, "Records that expire within a week")


def unreadable_records(event_id: str, records: pd.DataFrame) -> None:
    unreadable.show("record", records, files=event.files(event_id, "unreadable-records"))


def unreadable_registrations(event_id: str, registered: pd.DataFrame) -> None:
    with ui.banner_on_failure("read what else is registered for this event"):
        left_out = event.unreadable_registrations(event_id)
        files = event.files(event_id, "unreadable-registrations")
        unreadable.show("registration", registered, left_out, files=files)
