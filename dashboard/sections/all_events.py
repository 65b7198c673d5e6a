"""Sections of All events: what is shown of them, the search, and the table that leads to each one's overview."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any

import pandas as pd
import streamlit as st

from core.domain.event_summaries import TREND_DAYS, EventLine, Phase, days_to_go, phase_of
from core.domain.profiles import EventProfile, told_apart
from core.domain.search import fold
from dashboard import pages
from dashboard.parts import case, chosen_event, ui
from dashboard.parts.search import MAX_TEXT

#: Seconds after which the page looks for events that were being read.
READING_SECONDS = 2
#: Seconds after which the table is brought up to date.
LIVE_SECONDS = 60
#: Session state: whether events were being read, the ids in the table's rows, and the one that was chosen of them.
READING, ROWS, CHOSEN = "events-being-read", "events-in-rows", "chosen-event"
_PRESSED = "event-opened"
_COUNTS = ("Registered", "Waiting", "Failed", "Never tried", "Unknown", "Too early")


class Show(StrEnum):
    """Which events are shown. Those without a date may lie ahead."""

    UPCOMING = "Upcoming"
    PAST = "Past"
    ALL = "All"

    def has(self, phase: Phase) -> bool:
        return self is Show.ALL or (self is Show.PAST) == (phase is Phase.PAST)


def filters() -> tuple[Show, str]:
    """Which events to show, and the text to search for; the link has both."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen: str | None = st.segmented_control(
            "Which events",
            [each.value for each in Show],
            default=Show.UPCOMING.value,
            required=True,
            key="show",
            bind="query-params",
            label_visibility="collapsed",
        )
        text: str | None = st.text_input(
            "Search events",
            key="search",
            bind="query-params",
            icon=":material/search:",
            placeholder="Name or id",
            label_visibility="collapsed",
            max_chars=MAX_TEXT,
            width=320,
        )
    return Show(chosen or Show.UPCOMING), (text or "").strip()


def found(lines: Sequence[EventLine], show: Show, text: str, now: datetime) -> list[EventLine]:
    """Those of the lines that are to be shown and whose name or id has all words of the text, in any order."""
    words = fold(text).split()
    return [
        line
        for line in lines
        if show.has(phase_of(line.profile, now))
        and all(word in f"{fold(line.profile.title)} {fold(line.profile.event_id)}" for word in words)
    ]


def counts(lines: Sequence[EventLine], now: datetime) -> bool:
    """Says how many events there are, and which are still being read; returns whether there are such."""
    phases = [phase_of(line.profile, now) for line in lines]
    said = [f"{phases.count(Phase.AHEAD):,} ahead"]
    if undated := phases.count(Phase.UNDATED):
        said.append(f"{undated:,} without a date")
    said.append(f"{phases.count(Phase.PAST):,} past")
    unread = [line for line in lines if line.failure is None and (line.summary is None or line.as_of)]
    if unread:
        # In this line, because the table must not move under somebody's pointer when the last one has been read.
        said.append(f"{len(unread):,} still being read, whose figures appear by themselves")
    if old := [line.as_of for line in unread if line.as_of]:
        said[-1] += f"; until then you see figures that are up to {ui.how_long(now - min(old))} old"
    st.caption(
        " · ".join(said),
        help="The event that needs you first stands on top: the one with the largest share of people who must still "
        "become ready, for each day until it starts. Then come events without a date, at last those that are over.",
    )
    return bool(unread)


def failures(lines: Sequence[EventLine]) -> None:
    """Says which events could not be read."""
    if failed := [line.failure for line in lines if line.failure]:
        ui.banner(
            "warning",
            f"{len(failed):,} of {len(lines):,} events could not be read just now. "
            "Their figures are from before, or missing.",
            *sorted(set(failed)),
            icon=":material/cloud_off:",
        )


def nothing_found(show: Show) -> None:
    other = "Choose All to look among all events." if show is not Show.ALL else "Try a part of its name or its id."
    st.info(f"No such event. {other}", icon=":material/search_off:")


def table(lines: Sequence[EventLine], now: datetime) -> None:
    """The events as a table, the most urgent one first; a row leads to its event's overview."""
    st.session_state[ROWS] = [line.profile.event_id for line in lines]
    rows = _rows(lines, now)
    st.dataframe(
        rows,
        hide_index=True,
        height="content",
        row_height=44,
        column_config=_columns(),
        placeholder="–",
        alt="Events, the most urgent one first",
    )


def link_to_first(lines: Sequence[EventLine]) -> None:
    """The way to the event on top for those who use a keyboard, who reach the table's cells, but not its buttons."""
    query = {chosen_event.NAME: lines[0].profile.event_id}
    pages.link(pages.EVENT_OVERVIEW, "Open the event on top", ":material/arrow_forward:", query)


def open_chosen() -> None:
    """Goes to the overview of the event whose row was chosen, if one was."""
    if event_id := st.session_state.pop(CHOSEN, None):
        st.switch_page(pages.EVENT_OVERVIEW, query_params={chosen_event.NAME: event_id})


def _choose() -> None:
    # Of the rows as they were shown: by now another event may stand in their place.
    st.session_state[CHOSEN] = st.session_state[ROWS][st.session_state[_PRESSED].row]


def _rows(lines: Sequence[EventLine], now: datetime) -> pd.DataFrame:
    titles = told_apart({line.profile.event_id: line.profile.title for line in lines})
    frame = pd.DataFrame([{"Event": titles[line.profile.event_id], **_row(line, now)} for line in lines]).astype(
        {**dict.fromkeys(("Event", "Days to go", "Oldest case", "Id"), "str"), **dict.fromkeys(_COUNTS, "Int64")}
    )
    # Only another service writes an outcome that is unknown.
    return frame if (frame["Unknown"].fillna(0) > 0).any() else frame.drop(columns="Unknown")


def _row(line: EventLine, now: datetime) -> dict[str, object]:
    profile, summary = line.profile, line.summary
    ready = summary.readiness if summary else None
    share = ready.share_ready if ready else None
    waiting_since = summary.oldest_waiting if summary else None
    return {
        "Open": "Open",
        "Days to go": _to_go(profile, now),
        "Ready": None if share is None else 100 * share,
        # On the clocks of the event's time zone.
        "Starts": profile.starts_at and profile.starts_at.astimezone(profile.zone).replace(tzinfo=None),
        "Passed": list(summary.trend) if summary else None,
        "Registered": ready and ready.registered,
        "Waiting": ready and ready.waiting,
        "Failed": ready and ready.failed,
        "Never tried": ready and ready.never_tried,
        "Unknown": ready and ready.unknown,
        "Too early": summary.expiring if summary and profile.starts_at else None,
        "Oldest case": ui.how_long(now - waiting_since) if waiting_since else None,
        "Id": profile.event_id,
    }


def _to_go(profile: EventProfile, now: datetime) -> str:
    """How far the event is, in words."""
    days, starts = days_to_go(profile, now), profile.starts_at or profile.ends_at
    if days is None or starts is None:
        return "no date"
    if phase_of(profile, now) is Phase.PAST:
        return "over"
    if starts <= now:
        return "under way"
    return "today" if days == 0 else f"{days} day{'s' if days > 1 else ''}"


def _columns() -> dict[str, Any]:
    column, passed = st.column_config, case.palette().passed
    return {
        "Event": column.TextColumn(width=155, pinned=True),
        "Open": column.ButtonColumn("", type="tertiary", width=60, pinned=True, on_click=_choose, key=_PRESSED),
        "Starts": column.DatetimeColumn(format="D MMM YYYY, HH:mm", width=138, help="On the clocks at the event"),
        "Days to go": column.TextColumn(width=85, help="By the calendar of the event's time zone"),
        "Ready": column.ProgressColumn(
            format="%.1f %%",
            min_value=0,
            max_value=100,
            width=110,
            color=passed,
            help="Registered people whose photo passed",
        ),
        "Passed": column.BarChartColumn(
            f"Last {TREND_DAYS} days",
            y_min=0,
            width=100,
            color=passed,
            help="How many people passed on each day, by their newest photo. Today is the last bar.",
        ),
        "Registered": column.NumberColumn(format="localized", width=85),
        "Waiting": column.NumberColumn(format="localized", width=70, help="A colleague decides about their photo"),
        "Failed": column.NumberColumn(format="localized", width=65, help="Their newest photo did not pass"),
        "Never tried": column.NumberColumn(format="localized", width=90, help="They have not sent a photo yet"),
        "Unknown": column.NumberColumn(
            format="localized", width=85, help="Another service wrote no outcome, or one that Facedesk does not know"
        ),
        "Too early": column.NumberColumn(
            "Expire early",
            format="localized",
            width=95,
            help="People whose outcome is deleted before the event starts. They will count as never tried.",
        ),
        "Oldest case": column.TextColumn(width=85, help="How long it has been waiting in the review queue"),
        "Id": column.TextColumn(width=130),
    }
