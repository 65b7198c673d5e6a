"""User lookup: a person's history, figures, and one record in full."""

from __future__ import annotations

from urllib.parse import quote

import streamlit as st

from core.domain.roles import Action
from dashboard import pages
from dashboard.parts import case, decisions, event, notes, notices, photos, profiles, ui
from dashboard.sections import user_lookup as sections
from dashboard.services import get_services

services = get_services()


def main() -> None:
    st.title("User lookup", anchor=False)
    search, days, export = st.columns([2, 1, 1], vertical_alignment="bottom")
    user_id, registrations, records = None, None, None
    with search, ui.banner_on_failure("look up people"):
        user_id = sections.find()
    days.number_input(
        "Counts as recent for (days)",
        1,
        365,
        30,
        key="days",
        bind="query-params",
        help="A pass that is older than this many days does not count any more.",
    )
    decisions.undo_offer()
    notices.show()
    if user_id is None:
        sections.nothing_chosen()
        return
    with ui.banner_on_failure("look up this person's registrations"):
        registrations = sections.person(user_id)
    with ui.banner_on_failure("read this person's history"):
        records = services.records.history(user_id)
    if records is None:
        return
    if not records:
        sections.nothing_sent(registrations)
        return
    if services.principal.may(Action.EXPORT):
        with export:
            event.file_links("", event.Files(f"/api/exports/users/{quote(user_id, safe='')}/history"), "history")
    sections.summary(user_id, records)
    with st.container(horizontal=True, vertical_alignment="center"):
        photos.reveal_button(user_id)
        pages.link(pages.ERASURE, "Erase this person", ":material/person_remove:", {"user_id": user_id})
    record = sections.history(records)
    policy = profiles.policy(record.event)
    # Side by side where there is room.
    with st.container(horizontal=True, gap="medium"):
        left, right = st.container(width=case.WIDTH), st.container(width=310)
    with left:
        case.verdict(record, policy, faces=photos.revealed(user_id))
        case.actions(record)
        notes.section(record, notes.of(record))
        case.attempts(record, policy)
        case.details(record)
    with right:
        sections.timeline(record)


main()
ui.focus_on_arrival("User")
