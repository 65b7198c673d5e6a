"""The script that every page runs through: page configuration and navigation."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from dashboard import pages, ui

st.set_page_config(
    page_title="Facedesk",
    page_icon=str(Path(__file__).with_name("icon.png")),
    layout="wide",
    initial_sidebar_state=230,
)
page = st.navigation(pages.navigation())
ui.operator_box()
page.run()
