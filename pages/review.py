"""Review queue: what waits for a person, oldest first, one case at a time."""

from __future__ import annotations

import streamlit as st

from core.domain.records import Status
from dashboard.parts import case, event, ui
from dashboard.sections import review as sections


def main() -> None:
    with st.container(width=sections.WIDTH):
        _queue()


def _queue() -> None:
    events: list[str] | None = None
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"):
        st.title("Review queue", anchor=False, width="content")
        figures = st.container(width="content")
        choice = st.container(width=190)
    with ui.banner_on_failure("read the list of events"):
        events = event.event_ids()
    if events is None:
        return
    event.say_unknown(events)
    chosen = choice.selectbox(
        "Event", [sections.ALL, *events], key="event_id", bind="query-params", label_visibility="collapsed"
    )
    case.show_notice()
    records = None
    with ui.banner_on_failure("read what waits"):
        records = sections.queue(events if chosen == sections.ALL else [chosen])
    if records is None:
        return
    waiting = records[records["status"] == Status.PENDING].sort_values("timestamp")
    with figures:
        sections.figures(records, len(waiting))
    record = None
    with ui.banner_on_failure("read the next case"):
        record = sections.next_case(waiting)
        if record is None:
            sections.nothing_waits()
    if record:
        sections.card(record)
        sections.below(record)


main()
