"""How far reviewers agree, for administrators: read when somebody asks, because that reads every event's looks."""

from __future__ import annotations

import streamlit as st

from core.domain.roles import Action
from dashboard.parts import event, ui
from dashboard.sections import second_looks
from dashboard.services import get_services


def of_all_events() -> None:
    """The agreement in all events of the person at this page."""
    if not get_services().principal.may(Action.SEE_AGREEMENT):
        return
    if not st.button(
        "Compare the reviewers",
        icon=":material/diversity_3:",
        help="Says how often the first and the second of two reviewers give the same answer, by blind second looks",
    ):
        return
    with ui.banner_on_failure("read the list of events", again=False):
        second_looks.agreement(event.event_ids())
