"""Review queue: what waits for a person, oldest first, one case at a time or as a list."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import streamlit as st

from core.domain.cases import Claim
from core.domain.records import Status
from core.services.review_queue import Case, Opened, Reviewer
from dashboard import pages
from dashboard.parts import chosen_event, decisions, event, notices, ui
from dashboard.sections.review import blind, card, waiting, work


def main() -> None:
    with st.container(width=work.WIDTH):
        _page()


def _page() -> None:
    events: list[str] | None = None
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center", gap="small"):
        st.title("Review queue", anchor=False, width="content")
        figures = st.container(width="content")
        choice = st.container(width=190)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        view = waiting.view_control()
        filter_place = st.container(width="content")
    with ui.banner_on_failure("read the list of events"):
        events = event.event_ids()
    if events is None:
        return
    event.say_unknown(events)
    chosen = chosen_event.one_or_all(choice, events, pages.REVIEW)
    decisions.undo_offer(work.stay_with)
    notices.show()
    records = None
    with ui.banner_on_failure("read what waits"):
        records = waiting.queue(chosen)
    if records is None:
        return
    all_waiting = records[records["status"] == Status.PENDING].sort_values("timestamp")
    me = waiting.reviewer()
    standing = me.claims()
    elsewhere = sum(not me.is_own(standing[case]) for case in waiting.cases(all_waiting) if case in standing)
    if view == waiting.AGAIN:
        _second_looks(chosen, me)
        return
    with figures:
        waiting.figures(records, len(all_waiting), elsewhere)
    with filter_place:
        filters = waiting.Filters.shown(all_waiting)
    waiting.filter_notice(filters)
    if view == waiting.LIST:
        waiting.listing(filters.of(all_waiting, standing, me), standing, me, chosen)
        return
    opened = None
    with ui.banner_on_failure("read the next case"):
        opened = _opened(filters.of(all_waiting, standing, me), standing, me)
        if opened is None:
            waiting.nothing_waits(elsewhere, chosen)
    if me.without_claims:
        waiting.without_claims(me.without_claims)
    if opened is None:
        return
    if opened.record.validation_status is not Status.PENDING:
        card.result(opened.record)
    elif opened.claim and not me.may_work_on(opened):
        card.with_colleague(opened.record, opened.claim)
    else:
        card.card(opened.record, me, standing)


def _second_looks(events: list[str], me: Reviewer) -> None:
    opened = None
    with ui.banner_on_failure("read the next second look"):
        opened = waiting.next_second_look(events, me)
        if opened is None:
            waiting.no_second_look(events)
    if opened:
        blind.show(opened.record)


def _opened(wanted: pd.DataFrame, standing: Mapping[Case, Claim], me: Reviewer) -> Opened | None:
    """The case that the link names; without one, the next that waits."""
    if chosen := work.chosen_case():
        if opened := me.open(*chosen, standing.get(chosen)):
            return opened
        work.leave_case()
        waiting.unknown_case()
    return me.next_case(waiting.cases(wanted), work.skipped(), standing=standing)


main()
