"""Whether event pages show all records, and in full."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard.parts import event, ui
from dashboard.services import get_services


def index_verified() -> None:
    """When the index by which events are read was last found to have all records, where that is checked."""
    services = get_services()
    if verified := services.records.events_verified():
        since = " What is written since then is repaired at once." if services.settings.event_index_stream else ""
        st.caption(f"Event index, last verified: {ui.when(verified, services.clock())}.{since}")


def not_read_in_full() -> None:
    """The number for each event of the person at this page, counted when they ask, because that reads every event."""
    records = get_services().records
    if not st.button(
        "Count records that could not be read in full",
        icon=":material/rule:",
        help="Reads all records of every event once",
    ):
        return
    with ui.banner_on_failure("count the records", again=False):
        events = event.event_ids()
        bar = st.progress(0.0, "Reading the records…")
        counts: dict[str, int] = {}
        for number, event_id in enumerate(events, 1):
            counts[event_id] = records.count_unreadable(event_id)
            bar.progress(number / len(events), f"{number:,} of {len(events):,} events")
        bar.empty()
        _report({event_id: count for event_id, count in counts.items() if count})


def _report(counts: dict[str, int]) -> None:
    total = sum(counts.values())
    if not total:
        st.success("Every record was read in full.", icon=":material/check_circle:")
        return
    st.warning(
        f"{total:,} record{'' if total == 1 else 's'} could not be read in full. Event overview lists them.",
        icon=":material/warning:",
    )
    st.dataframe(
        pd.DataFrame({"Event": list(counts), "Records": list(counts.values())}),
        hide_index=True,
        alt="Records that could not be read in full, by event",
    )
