"""Sections of the page that loads data: what a list says of its events, and what their profiles get of it."""

from __future__ import annotations

from collections.abc import Sequence
from zoneinfo import available_timezones

import pandas as pd
import streamlit as st

from core.services.lists.events import DATES, FIELDS, Filled, ProfilePlan, said_of
from core.services.lists.headers import Columns
from core.services.lists.meanings import Meaning
from dashboard.parts import profiles, ui
from dashboard.sections import list_lines

LABELS = {
    Meaning.EVENT_NAME: "Event's name",
    Meaning.TIME_ZONE: "Event's time zone",
    Meaning.STARTS_AT: "Event starts",
    Meaning.ENDS_AT: "Event ends",
    Meaning.PHOTO_DEADLINE: "Deadline for photos",
}
#: Events on the page; the others are completed, too.
MAX_EVENTS = 500
#: Events whose records are dated at once after an import; housekeeping dates those of the others within minutes.
_DATED_AT_ONCE = 8


def time_zone(columns: Columns, file_id: str) -> str:
    """Asks for the time zone of dates that name none, where no column has it; empty if there are no dates."""
    if DATES.keys().isdisjoint(columns.places) or Meaning.TIME_ZONE in columns.places:
        return ""
    zones, own = sorted(available_timezones()), str(ui.viewer_zone())
    return st.selectbox(
        "Time zone of the event's dates",
        zones,
        index=zones.index(own if own in zones else "UTC"),
        key=f"time-zone-{file_id}",
        help="For events that have no settings yet. The dates of the others are read in their own time zone.",
        width=280,
    )


def planned(plan: ProfilePlan) -> None:
    """What the events' profiles would get, before anything is stored."""
    _section(plan, "The import also completes the settings of these events. What they have already stays as it is:")


def done(plan: ProfilePlan) -> None:
    """What the profiles got."""
    _section(plan, "The settings of these events were completed:")


def after_import(filled: Sequence[Filled]) -> None:
    """Has the pages read the profiles again, and dates the records of events that got a date."""
    profiles.forget()
    for each in [each for each in filled if each.is_dated][:_DATED_AT_ONCE]:
        profiles.date_records(each.profile.event_id)


def _section(plan: ProfilePlan, sentence: str) -> None:
    if plan.refusal:
        ui.banner(
            "info",
            "What the list says of events, such as names and dates, is not stored.",
            plan.refusal,
            icon=":material/lock:",
        )
    if plan.filled:
        with st.container(border=True):
            st.markdown(sentence)
            st.dataframe(_table(plan.filled[:MAX_EVENTS]), hide_index=True, placeholder="–", alt="Settings of events")
            if len(plan.filled) > MAX_EVENTS:
                st.caption(f"The first {MAX_EVENTS:,} of {len(plan.filled):,}.")
    if plan.notices:
        with st.container(border=True):
            st.markdown("This is left out of what the list says of its events:")
            list_lines.table(plan.notices, "Why", "What is left out of what the list says of its events")


def _table(filled: Sequence[Filled]) -> pd.DataFrame:
    rows = [
        [each.profile.event_id, *(said_of(each.profile, meaning) or None for meaning in FIELDS), _added(each)]
        for each in filled
    ]
    return pd.DataFrame(rows, columns=["Event", *(LABELS[meaning] for meaning in FIELDS), "New"], dtype=object)


def _added(filled: Filled) -> str:
    return ", ".join(LABELS[meaning].removeprefix("Event's ").lower() for meaning in filled.added)
