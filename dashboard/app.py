"""The script that every page runs through: page configuration, the gate, and navigation."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from core import __version__
from core.domain.errors import FacedeskError
from dashboard import pages, services
from dashboard.access import signin
from dashboard.parts import chosen_event, link, look, ui

person, failure = None, ""
try:
    person = services.principal()
except FacedeskError as error:  # the services cannot be made: a damaged database, say
    failure = str(error)
st.set_page_config(
    page_title="Facedesk",
    # It is served under /media, which is closed to strangers.
    page_icon=str(Path(__file__).with_name("icon.png")) if person else None,
    layout="wide",
    initial_sidebar_state=230,
)
if failure:
    ui.banner("error", "Facedesk cannot work right now.", failure, icon=":material/error:")
    st.stop()
look.style()
look.logo()
page = st.navigation(pages.navigation(person), expanded=True)  # else Streamlit hides those beyond the tenth
of_events = pages.is_of_events(page)
chosen_event.name_window(page.title, chosen_event.expected() if of_events else [])
event_place = st.sidebar.empty()
chosen_event.in_sidebar(event_place, shown=of_events)
signin.sidebar(person)
if person:
    st.sidebar.caption(f"Facedesk {__version__}")
signin.banner()
if person and services.shared().services.settings.sign_in:
    signin.note()
link.arrive(page.url_path)
page.run()
# Once more: the page may have found another one in its link.
chosen_event.in_sidebar(event_place, shown=of_events)
