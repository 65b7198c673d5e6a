"""Statistics: distributions, rates and comparisons of events, and what another threshold would change."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from core.domain import statistics
from core.domain.filters import filtered
from dashboard.parts import event, lead_on, profiles, ui
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
    picked = lead_on.chosen()
    by_event: dict[str, pd.DataFrame] = {}
    for event_id in chosen:
        with ui.banner_on_failure("read an event", event_id):
            chosen_rows = kept(filtered, event.records(event_id), **given)
            by_event[event_id] = kept(statistics.with_age_groups, chosen_rows)
    if not by_event:
        return
    event.notice()
    records = kept(event.joined, list(by_event.values()))
    sections.exports(chosen, "records", "These records", lead_on.Chosen().query(given), parquet=True)
    if records.empty:
        sections.nothing_found(chosen, given)
    else:
        sections.people_list(by_event, picked, given)
        charts(by_event, records, picked, given)
    if second_looks.estimates(chosen):
        second_looks.agreement(chosen)


def charts(
    by_event: dict[str, pd.DataFrame], records: pd.DataFrame, picked: lead_on.Chosen, given: dict[str, Any]
) -> None:
    listed = sections.of_parts(by_event, picked)
    sections.headline(kept(event.joined, list(listed.values())))
    policy = profiles.policy(next(iter(by_event)) if len(by_event) == 1 else None)
    sections.split_distributions(by_event, records, picked, policy)
    sections.rates(by_event, picked)
    if len(by_event) > 1:
        sections.comparison(by_event, picked)
    sections.what_if(listed, policy, picked, given)
    sections.attribute_groups(by_event, records, picked)


main()
