"""Records of other services that belong to no event, because nothing can bring them into the event index."""

from __future__ import annotations

from datetime import tzinfo

import pandas as pd
import streamlit as st

from core.domain.unmapped import Why
from core.services.unmapped import MOST
from dashboard.parts import event, ui
from dashboard.parts.kept import kept
from dashboard.services import get_services

_WORDS = {
    Why.NO_EVENT: "It names no event that can be read",
    Why.REFUSED: "Its event or its time is too long",
    Why.FAILED: "Its repair failed: see the log of the Lambda",
}


def of_event(event_id: str) -> None:
    """Those of the people who are registered for the event."""
    _show(event_id, "of people who are registered here")


def of_all() -> None:
    """All of them, for those who may see all events."""
    if get_services().principal.events is None:
        _show(None, "of other services")


def _show(event_id: str | None, whose: str) -> None:
    if get_services().unmapped is None:
        return
    with ui.banner_on_failure("look for records that belong to no event"):
        rows = event.unmapped(event_id)
        if rows.empty:
            return
        sentence = f"Records {whose} that belong to no event: {len(rows):,}{' or more' if len(rows) == MOST else ''}"
        with st.expander(sentence, icon=":material/warning:"):
            st.caption(
                "Another service wrote them so. They are in no list and no figure of any event. They leave this list "
                "when they are written with an event that can be read, or deleted."
            )
            st.dataframe(
                kept(_in_words, rows, ui.viewer_zone()),
                hide_index=True,
                alt=sentence,
                column_config={"Found": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm")},
            )


def _in_words(rows: pd.DataFrame, zone: tzinfo) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "Registration": rows["registrationId"],
            "Why": rows["unreadable"].map(_WORDS),
            "User": rows["userId"],
            "Found": rows["timestamp"].dt.tz_convert(zone),
        }
    )
