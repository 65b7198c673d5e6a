"""Review queue: what waits for a person, oldest first, one case at a time."""

from __future__ import annotations

import streamlit as st

from core.domain.records import Status
from dashboard.parts import case, event, photos, ui
from dashboard.sections import review as sections
from dashboard.services import get_services

services = get_services()


def main() -> None:
    st.title("Review queue", anchor=False)
    events: list[str] | None = None
    with ui.banner_on_failure("read the list of events"):
        events = event.event_ids()
    if events is None:
        return
    chosen = st.selectbox(
        "Event", [sections.ALL, *events], key="event_id", bind="query-params", width=400, label_visibility="collapsed"
    )
    case.show_notice()
    records = None
    with ui.banner_on_failure("read what waits"):
        records = sections.queue(events if chosen == sections.ALL else [chosen])
    if records is None:
        return
    waiting = records[records["status"] == Status.PENDING].sort_values("timestamp")
    sections.figures(records, len(waiting))
    record = None
    with ui.banner_on_failure("read the next case"):
        record = sections.next_case(waiting)
        if record is None:
            sections.nothing_waits()
    if record:
        policy = services.settings.policy
        st.text(f"{record.registration_id} · {record.event or 'no event'}")
        # Side by side where there is room, so that the buttons are in sight.
        with st.container(horizontal=True, gap="medium"):
            left, right = st.container(width=case.WIDTH), st.container(width=310)
        with left:
            case.verdict(record, policy, faces=photos.look(record.user_id, record.registration_id, record.event))
            case.attempts(record, policy)
            case.details(record)
        with right:
            sections.decision(record)


main()
