"""Registrations that belong to no event."""

from __future__ import annotations

import streamlit as st

from dashboard.parts import event, ui, unreadable
from dashboard.services import get_services


def without_an_event() -> None:
    """What another service stored without a readable event, for those who may see all events."""
    services = get_services()
    if services.loading or services.principal.events is not None:
        return  # Facedesk itself writes the registrations, or some of these are not for this person
    with ui.banner_on_failure("look for registrations without an event"):
        with st.spinner("Looking for registrations without an event…"):
            left_out = event.unreadable_registrations(None)
        unreadable.show("registration", left_out)
