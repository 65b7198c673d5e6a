"""What an event's page shows while the registrations of a large event are read for the first time."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.domain.records import Status
from core.ports import BeingRead
from dashboard.parts import ui
from dashboard.services import get_services

#: Seconds between two looks at how far it is.
LOOK_SECONDS = 2


def show(event_id: str, records: pd.DataFrame | None) -> None:
    """How far it is, and what the event's records alone can say; when all is read the page runs again."""
    st.fragment(_progress, run_every=LOOK_SECONDS)(event_id)
    if records is None:
        return
    found = records["status"].value_counts()
    with st.container(horizontal=True):
        for status in (Status.SUCCESS, Status.PENDING, Status.FAILED):
            st.metric(ui.STATUS_WORDS[status], f"{found.get(status, 0):,}", border=True)
    st.caption(
        "Everybody who tried, whoever is registered. Whether the event is ready, and who never tried, is shown when "
        "all registrations have been read."
    )


def _progress(event_id: str) -> None:
    so_far: BeingRead | None = None
    with ui.banner_on_failure("read this event's registrations"):
        so_far = get_services().registrations.being_read(event_id)
        if so_far is None:
            st.rerun()
    if so_far:
        share = so_far.read / so_far.total if so_far.total else 0.0
        said = f"{so_far.read:,} of about {so_far.total:,} registrations have been read. This page goes on by itself."
        st.progress(share, text=said)
