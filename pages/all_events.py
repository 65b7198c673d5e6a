"""All events: which one needs its manager first, and how far each one has come."""

from __future__ import annotations

import streamlit as st

from dashboard.parts import event, ui
from dashboard.sections import all_events as sections
from dashboard.sections import digest
from dashboard.services import get_services

services = get_services()


def main() -> None:
    st.title("All events", anchor=False)
    show, text = sections.filters()
    reading = st.session_state.get(sections.READING, False)
    # A fragment runs by itself, so that what is typed meanwhile stays.
    st.fragment(listing, run_every=sections.READING_SECONDS if reading else sections.LIVE_SECONDS)(show, text)


def listing(show: sections.Show, text: str) -> None:
    sections.open_chosen()
    lines = None
    with ui.banner_on_failure("read the list of events"):
        lines = services.event_summaries.all()
    if lines is None:
        return
    if not lines:
        event.none_yet()
        return
    event.notice()
    now = services.clock()
    digest.of_all(lines, now)
    reading = sections.counts(lines, now)
    sections.failures(lines)
    found = sections.found(lines, show, text, now)
    if found:
        sections.link_to_first(found)
        sections.table(found, now)
    else:
        sections.nothing_found(show)
    if reading != st.session_state.get(sections.READING, False):
        st.session_state[sections.READING] = reading
        st.rerun()  # the fragment gets its other pace


main()
ui.focus_on_arrival("Search events")
