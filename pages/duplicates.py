"""Duplicates: which registrations of an event show the same face. For managers and admins, once it is switched on."""

from __future__ import annotations

import streamlit as st

from core.domain.duplicates import Search, Switch
from dashboard import pages
from dashboard.parts import chosen_event, event, notices, ui
from dashboard.sections.duplicates import pairs, searching, switch
from dashboard.services import get_services

services = get_services()


def main() -> None:
    row = st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute")
    row.title("Duplicates", anchor=False, width="content")
    switch.what_it_is()
    events: list[str] | None = None
    with ui.banner_on_failure("read the list of events"):
        events = event.event_ids()
    if not events:
        if events is not None:
            event.none_yet()
        return
    event.say_unknown(events)
    event_id = chosen_event.one(row.container(width=250), events, pages.DUPLICATES)
    notices.show()
    with ui.banner_on_failure("read whether this search is switched on"):
        found = services.duplicates.switch(event_id)
        if found and found.on:
            searched(event_id, found)
        else:
            switch.off(event_id, found)


def searched(event_id: str, switched: Switch) -> None:
    """What a search of the event found, and the way to another."""
    runs = searching.under_way(services, event_id)
    latest: Search | None = None
    with ui.banner_on_failure("read what the last search found"):
        latest = services.duplicates.latest(event_id)
    with st.container(horizontal=True, vertical_alignment="center"):
        if not runs:
            searching.offer(services, event_id, again=latest is not None)
        switch.on(event_id, switched)
    if latest:
        searching.summary(latest, services)
        pairs.listing(services, event_id, latest)
    elif not runs:
        searching.never()


main()
