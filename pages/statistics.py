"""Statistics: distributions, rates and comparisons of events, and what another threshold would change."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core.domain import statistics
from core.domain.filters import filtered
from dashboard.parts import event, profiles, ui
from dashboard.parts.kept import kept
from dashboard.sections import second_looks
from dashboard.sections import statistics as sections
from dashboard.services import get_services

services = get_services()


def main() -> None:
    st.title("Statistics", anchor=False)
    events: list[str] | None = None
    with ui.banner_on_failure("read the list of events"):
        events = event.event_ids()
    if not events:
        if events is not None:
            event.none_yet()
        return
    event.say_unknown(events)
    chosen, given = sections.filters(events)
    if not chosen:
        st.info("Choose an event.", icon=":material/event:")
        return
    by_event: dict[str, pd.DataFrame] = {}
    for event_id in chosen:
        with ui.banner_on_failure("read an event", event_id):
            chosen_rows = kept(filtered, event.records(event_id), **given)
            by_event[event_id] = kept(statistics.with_age_groups, chosen_rows)
    if not by_event:
        return
    event.notice()
    records = kept(event.joined, list(by_event.values()))
    sections.exports(chosen, "records", "These records", sections.as_query(given), parquet=True)
    if records.empty:
        sections.nothing_found(chosen, given)
    else:
        charts(chosen, by_event, records, sections.as_query(given))
    if second_looks.estimates(chosen):
        second_looks.agreement(chosen)


def charts(
    chosen: list[str], by_event: dict[str, pd.DataFrame], records: pd.DataFrame, query: dict[str, Any]
) -> None:
    sections.headline(records)
    policy = profiles.policy(chosen[0] if len(chosen) == 1 else None)
    sections.split_distributions(records, policy)
    sections.rates(records)
    if len(by_event) > 1:
        sections.comparison(by_event)
    sections.what_if(by_event, policy, query)
    sections.attribute_groups(records)


main()
