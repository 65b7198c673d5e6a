"""API tokens: which programs may use the API, as what and until when. For admins."""

from __future__ import annotations

import streamlit as st

from dashboard.parts import notices, ui
from dashboard.sections import tokens as sections
from dashboard.services import get_services

services = get_services()


def main() -> None:
    row = st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute")
    row.title("API tokens", anchor=False, width="content")
    sections.what_they_are()
    if services.tokens is None:
        sections.in_the_settings()
        return
    notices.show()
    sections.offer(row)
    sections.shown_once()
    with ui.banner_on_failure("read the tokens"):
        found = services.tokens.all()
        if found:
            sections.table(found)
            sections.revoking(found)
        else:
            sections.none_yet()


main()
