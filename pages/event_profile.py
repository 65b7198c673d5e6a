"""Event settings: an event's name, dates, how long its records are kept, and its own rules."""

from __future__ import annotations

import streamlit as st

from core.domain.profiles import EventProfile
from dashboard import pages
from dashboard.parts import event, ui
from dashboard.sections import event_profile as sections
from dashboard.services import get_services

services = get_services()


def main() -> None:
    st.title("Event settings", anchor=False)
    events: list[str] | None = None
    with ui.banner_on_failure("read the list of events"):
        events = event.event_ids()
    if events is None:
        return
    event_id = sections.choose(st.container(), events)
    if event_id is None:
        st.caption("There are no events yet. Describe a new one, or load registrations.")
        pages.link(pages.START, "Load data", ":material/upload_file:")
        return
    profile: EventProfile | None = None
    with ui.banner_on_failure("read this event's settings"):
        profile = services.profiles.get(event_id)
    if profile:
        sections.under_way(event_id)
        sections.form(profile, services.settings.policy)


main()
