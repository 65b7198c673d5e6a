"""Sections of the statistics: filters, distributions, rates, comparisons and the what-if."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import pandas as pd
import streamlit as st

from core.domain import over_time, reasons, statistics
from core.domain.policy import Policy
from core.domain.reasons import Reason
from core.domain.records import Quality, Status
from dashboard import pages
from dashboard.api.endpoints import MORE_EVENTS
from dashboard.charts import event as event_charts
from dashboard.charts import over_time as over_time_charts
from dashboard.parts import case, chosen_event, distributions, event, lead_on, link, profiles, ui
from dashboard.parts.kept import kept
from dashboard.parts.lead_on import Chosen
from dashboard.sections import second_looks
from dashboard.services import get_services

#: What the distributions can be split by: label -> column; None shows everybody in one chart.
SPLITS = {
    "Nothing": None,
    "Event": "eventId",
    "Source": "source",
    "Quality": "quality",
    "Age": "age",
    "Gender": "gender",
    "Smile": "smile",
}
#: Charts of a split; the rest of its groups is in the files.
MAX_GROUPS = 6
GROUP_COLUMNS = {"Age": "age", "Gender": "gender", "Smile": "smile"}


def filters(events: list[str]) -> tuple[list[str], dict[str, Any]]:
    """The chosen events and the filters, shared by every chart and file of the page, and kept in the link."""
    with st.container(border=True):
        with st.container(horizontal=True):
            chosen = chosen_event.several(events, pages.STATISTICS)
            statuses = st.multiselect(
                "Outcome",
                [str(status) for status in Status],
                format_func=ui.STATUS_WORDS.__getitem__,
                key="status",
                bind="query-params",
                placeholder="All",
            )
            quality = st.multiselect(
                "Quality",
                [str(quality) for quality in Quality],
                format_func=str.capitalize,
                key="quality",
                bind="query-params",
                placeholder="All",
            )
        with st.container(horizontal=True):
            sources = st.multiselect(
                "Source", ["dashboard", "api", "batch"], key="source", bind="query-params", placeholder="All"
            )
            codes = [str(reason) for reason in Reason]
            reason = st.selectbox(
                "Reason",
                codes,
                index=None,
                format_func=reasons.label,
                placeholder="All",
                **link.choice("reason", codes, word=reasons.label),
            )
            since = st.date_input("From", None, key="since", bind="query-params", format="YYYY-MM-DD")
            until = st.date_input("To", None, key="until", bind="query-params", format="YYYY-MM-DD")
    return chosen, {
        "statuses": tuple(statuses),
        "sources": tuple(sources),
        "quality": tuple(quality),
        "reason": reason,
        "since": start_of(since),
        "until": start_of(until + timedelta(days=1)) if until else None,
    }


def start_of(day: date | None) -> datetime | None:
    """The day's first moment in the viewer's zone."""
    return datetime.combine(day, time.min, tzinfo=ui.viewer_zone()) if day else None


def nothing_found(chosen: list[str], given: dict[str, Any]) -> None:
    """Say why there is nothing to show, and what to do about it."""
    with st.container(border=True):
        if any(given.values()):
            st.write("No validation matches these filters.")
            st.button("Clear the filters", icon=":material/filter_alt_off:", on_click=clear_filters)
            return
        st.write("No validation yet: figures appear here when people send their photos.")
        query = {"event_id": chosen[0]}
        pages.link(pages.EVENT_OVERVIEW, "See how far the event has come", ":material/event_available:", query)
        pages.link(pages.VALIDATE, "Validate a photo", ":material/verified_user:")


def clear_filters() -> None:
    for key in ("status", "quality", "source"):
        st.session_state[key] = []
    for key in ("since", "until"):
        st.session_state[key] = None
    link.put("reason", None)


def of_parts(by_event: dict[str, pd.DataFrame], picked: Chosen, but: str = "") -> dict[str, pd.DataFrame]:
    """The records of each event that fit the picked parts of charts, ``but`` that of this chart."""
    parts = picked.but(but)
    return {
        event_id: parts.rows(rows) if parts.fits(event_id) else kept(_none, rows)
        for event_id, rows in by_event.items()
    }


def _none(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.iloc[:0]


def _joined(by_event: dict[str, pd.DataFrame], picked: Chosen, but: str) -> pd.DataFrame:
    return kept(event.joined, list(of_parts(by_event, picked, but).values()))


def people_list(by_event: dict[str, pd.DataFrame], picked: Chosen, given: dict[str, Any]) -> None:
    """The people behind the picked parts of charts, with their file; nothing where none is picked."""
    if not picked.picks:
        return
    listed = of_parts(by_event, picked)
    rows = kept(event.joined, list(listed.values()))
    with st.container(border=True, key=lead_on.LIST):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            title = st.container(width="content")
            with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
                if len(rows):
                    of_events = [event_id for event_id in listed if picked.fits(event_id)]
                    exports(of_events, "records", "These people", picked.query(given), key="people")
                st.button("Show all again", icon=":material/filter_alt_off:", on_click=lead_on.show_all)
        title.markdown(f"**The people behind this part · {len(rows):,}**")
        for pick in picked.picks:
            title.text(pick.words)
        columns = ("registrationId", "userId", "eventId", "status", "similarity", "confidence", "quality", "reasons")
        event.table(rows, (*columns, "attempts", "timestamp"), "The people behind this part")
    lead_on.bring_list_into_view(picked)


def headline(records: pd.DataFrame) -> None:
    if records.empty:
        return
    passed = (records["status"] == Status.SUCCESS).mean()
    with st.container(horizontal=True):
        st.metric("Validated", f"{len(records):,}", border=True, help="People with at least one photo")
        st.metric("Success rate", f"{passed:.1%}", border=True)
        st.metric("Mean attempts", f"{records['attempts'].mean():.2f}", border=True)
        st.metric("Mean confidence", mean(records["confidence"]), border=True, help="0-100")
        st.metric("Mean similarity", mean(records["similarity"]), border=True, help="0-100, where compared")


def mean(values: pd.Series) -> str:
    average = values.mean()
    return "–" if pd.isna(average) else f"{average:.1f}"


def groups(records: pd.DataFrame, column: str | None) -> list[str]:
    """The groups of a split, the largest first, at most ``MAX_GROUPS``; without a split one without a name."""
    return [""] if column is None else kept(event.groups, records, column, MAX_GROUPS)


def split_distributions(
    by_event: dict[str, pd.DataFrame], records: pd.DataFrame, picked: Chosen, policy: Policy
) -> None:
    """``records`` are all of ``by_event``; ``policy`` has the thresholds that are drawn."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        split = st.segmented_control(
            "Split by", list(SPLITS), default="Nothing", required=True, key="split", bind="query-params"
        )
        ways = distributions.ways("scale")
    if split in GROUP_COLUMNS and is_empty(records, split):
        st.info(f"{split}: {why_empty()}", icon=":material/info:")
    by_quality_key = "failure_rate_by_quality"
    columns = ("confidence", "similarity", by_quality_key)
    parts = {key: _joined(by_event, picked, key) for key in columns}
    column = SPLITS[split or "Nothing"]
    for name in groups(records, column):
        rows = {key: kept(event.group, found, column, name) if column else found for key, found in parts.items()}
        within = lead_on.split_by(column, name)
        confidence, similarity, quality = st.columns(3)
        nothing = "Nothing was measured here."
        with confidence, event.titled_card("Confidence", key="confidence", group=name):
            distributions.chart(
                rows["confidence"], "confidence", ways, policy, empty=nothing, group=name, within=within
            )
        with similarity, event.titled_card("Similarity", key="similarity", group=name):
            distributions.chart(
                rows["similarity"], "similarity", ways, policy, empty=nothing, group=name, within=within
            )
        with quality:
            by_quality = kept(statistics.by_quality, rows[by_quality_key])
            part = lead_on.part_of(by_quality_key, within)
            event.chart_card(
                "Failure rate by quality",
                event.drawn(event_charts.group_bars, by_quality, case.palette(), part=part)
                if len(by_quality)
                else None,
                event_charts.describe_groups(by_quality, "Quality"),
                empty="",
                key=by_quality_key,
                note=event.TOO_FEW,
                group=name,
                within=within,
            )


def rates(by_event: dict[str, pd.DataFrame], picked: Chosen) -> None:
    key = "success_rate"
    unit, frame = kept(over_time.over_time, _joined(by_event, picked, key), str(ui.viewer_zone()))
    event.chart_card(
        f"Success rate and mean attempts per {unit}",
        event.drawn(over_time_charts.rate_over_time, unit, frame, case.palette(), part=lead_on.part_of(key))
        if len(frame)
        else None,
        over_time_charts.describe_rate(unit, frame),
        empty="",
        key=key,
    )


def comparison(by_event: dict[str, pd.DataFrame], picked: Chosen) -> None:
    key = "events_compared"
    table = statistics.compare(of_parts(by_event, picked, key))
    event.chart_card(
        "Events side by side",
        event.drawn(event_charts.compare_bars, table, case.palette(), part=lead_on.part_of(key)),
        event_charts.describe_compare(table),
        empty="",
        key=key,
    )
    st.dataframe(table, hide_index=True, alt="The events' figures side by side")


def is_empty(records: pd.DataFrame, label: str) -> bool:
    """Whether no record has a value of this one of ``GROUP_COLUMNS``."""
    return bool(records[GROUP_COLUMNS[label]].isna().all())


def why_empty() -> str:
    """Why a split by what a face engine infers shows nothing, and how that can be changed."""
    if not get_services().settings.infer_age_gender_smile:
        return (
            "nothing to show, because Facedesk infers this of nobody unless it is told to. No check needs it, and "
            "inferring it has legal duties of its own. Whoever runs Facedesk can switch it on with the setting "
            "INFER_AGE_GENDER_SMILE. It then holds for photos that are checked from then on."
        )
    return (
        "nothing to show. These photos show no face, were checked before INFER_AGE_GENDER_SMILE was switched on, or "
        "were checked by a face engine that cannot tell this: the one that comes with Facedesk only tells smiles."
    )


def attribute_groups(by_event: dict[str, pd.DataFrame], records: pd.DataFrame, picked: Chosen) -> None:
    """``records`` are all of ``by_event``."""
    st.subheader("Failure rate by group", anchor=False)
    empty = [label for label in GROUP_COLUMNS if is_empty(records, label)]
    if empty:
        st.info(f"{', '.join(empty)}: {why_empty()}", icon=":material/info:")
    for column, (label, name) in zip(st.columns(len(GROUP_COLUMNS)), GROUP_COLUMNS.items(), strict=True):
        key = f"failure_rate_by_{name}"
        rates_of = kept(statistics.by_group, _joined(by_event, picked, key), name)
        with column:
            event.chart_card(
                label,
                event.drawn(event_charts.group_bars, rates_of, case.palette(), part=lead_on.part_of(key))
                if label not in empty and len(rates_of)
                else None,
                event_charts.describe_groups(rates_of, label),
                empty="Not known of any of these people.",
                key=key,
            )
            if label in empty:
                continue
            small = rates_of[rates_of["small"]]
            if len(small):
                names = ", ".join(map(str, small["group"]))
                ui.banner("warning", "Under 30 people, too few to judge by:", names, icon=":material/groups:")


def what_if(by_event: dict[str, pd.DataFrame], policy: Policy, picked: Chosen, given: dict[str, Any]) -> None:
    """What another threshold would change in the events, each by its own rules. ``policy`` is shown first.

    ``by_event`` has the records that fit the ``given`` filters and the picked parts of charts.
    """
    st.subheader("What if the threshold were different?", anchor=False)
    threshold = st.slider(
        "Similarity threshold", 70, 99, round(policy.similarity_threshold), key="threshold", bind="query-params"
    )
    found = []
    for event_id, rows in by_event.items():
        own = profiles.policy(event_id)
        found.append(kept(statistics.flips, rows, threshold, own.review_threshold, own.similarity_threshold))
    chosen, flipped = list(by_event), kept(event.joined, found)
    becomes = flipped["becomes"].value_counts()
    with st.container(horizontal=True):
        st.metric("Would change", f"{len(flipped):,}", border=True, help="Decisions made by people do not change")
        for status, look in ui.STATUS.items():
            if status is Status.UNKNOWN:
                continue  # a threshold makes nobody unknown
            st.metric(f"Would be {look.word.lower()}", f"{int(becomes.get(str(status), 0)):,}", border=True)
    second_looks.at_threshold(chosen, threshold)
    if flipped.empty:
        st.caption("At this threshold every verdict stays as it is.")
        return
    columns = ("registrationId", "userId", "similarity", "status", "becomes", "timestamp")
    event.table(flipped, columns, "Whose verdict would change")
    of_events = [event_id for event_id in chosen if picked.fits(event_id)]
    exports(of_events, "what-if", "Who would change", {**picked.query(given), "threshold": threshold})


def exports(
    chosen: list[str], name: str, what: str, query: dict[str, Any], *, parquet: bool = False, key: str = ""
) -> None:
    """A link to the file of this ``name`` of all chosen events; ``what`` is in it."""
    first, *others = chosen
    files = event.files(first, name, {**query, MORE_EVENTS["name"]: others})
    event.file_links(what, files, key or name, parquet=parquet, contacts=True)
