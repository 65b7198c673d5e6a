"""The script that every page runs through: page configuration, the gate, and navigation."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import pages, services, signin

st.set_page_config(
    page_title="Facedesk",
    page_icon=str(Path(__file__).with_name("icon.png")),
    layout="wide",
    initial_sidebar_state=230,
)
person = services.principal()
page = st.navigation(pages.navigation(person))
signin.sidebar(person)
signin.banner()
if person and services.shared().settings.sign_in:
    signin.note()
    signin.watch()
page.run()
