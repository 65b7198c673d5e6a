"""Erase a person: what there is, a typed confirmation, a receipt. For admins."""

from __future__ import annotations

import streamlit as st

from core.domain.erasures import Receipt
from dashboard.parts import ui
from dashboard.sections import erasure as sections
from dashboard.services import get_services

services = get_services()


def main() -> None:
    st.title("Erase a person", anchor=False)
    with ui.banner_on_failure("look for unfinished erasures"):
        sections.under_way()
    user_id = sections.who()
    outcome = st.session_state.get(sections.RECEIPT)
    if isinstance(outcome, Receipt):
        sections.receipt_card(outcome)
    elif outcome:
        ui.banner("error", "The erasure is not finished.", outcome, icon=":material/cloud_off:")
    if user_id is None:
        if not outcome:
            sections.nothing_chosen()
        return
    with ui.banner_on_failure("look up what is stored about this person"):
        preview = sections.preview_of(user_id)
        if preview.counts.nothing:
            st.info("Nothing is stored about a person with this id.", icon=":material/person_off:")
            return
        sections.figures(preview.counts)
        sections.notes(preview.notes)
        sections.confirmation(preview)


main()
ui.focus_on_arrival("User id")
