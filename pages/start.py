"""Load data: the sample event, or registrations of one's own. What an empty installation opens with."""

from __future__ import annotations

import streamlit as st

from dashboard.parts import ui
from dashboard.sections import start as sections
from dashboard.services import get_services

services = get_services()


def read_only() -> None:
    ui.banner(
        "info",
        "Registrations are read from MongoDB and cannot be changed here.",
        f"Collection: {services.settings.mongodb_collection}",
        icon=":material/database:",
    )


def main() -> None:
    st.title("Load data", anchor=False)
    if services.loading is None:
        read_only()
        return
    with ui.banner_on_failure("look up registrations"):
        if services.registrations.is_empty():
            st.write("Facedesk is empty. Load a sample to look around, or import your own registrations.")
    left, right = st.columns(2, gap="medium")
    with left:
        sections.sample_card(services.loading)
    with right:
        table, archive = sections.files_card()
    if table is None:
        sections.forget_list()
        sections.after_sample()
        return
    sections.list_section(services.loading, table, archive)


main()
