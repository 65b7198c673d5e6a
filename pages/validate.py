"""Validate a photo: find a registration, give a photo, see the verdict, decide a waiting case."""

from __future__ import annotations

import streamlit as st

from dashboard.parts import case, ui
from dashboard.sections import validate as sections
from dashboard.services import get_services

services = get_services()


def main() -> None:
    st.title("Validate a photo", anchor=False)
    # Side by side where there is room, else one below the other.
    with st.container(horizontal=True, gap="medium"):
        left, right = st.container(width=310), st.container(width=case.WIDTH)
    registration = record = None
    known = False
    with left, ui.banner_on_failure("look up registrations"):
        registration = sections.find()
    if registration:
        with left:
            with ui.banner_on_failure("read this person's earlier attempts"):
                record = services.records.get(registration.user_id, registration.registration_id)
                known = True
            sections.registration_card(registration, record.verification_attempt if record else 0)
            record = sections.validate(registration, sections.photo_input(registration.registration_id)) or record
    with right:
        case.show_notice()
        if registration is None:
            sections.nothing_chosen()
        elif record:
            policy = services.settings.policy
            case.verdict(record, policy, faces=sections.look(registration))
            case.actions(record, link_to_user=True)
            case.attempts(record, policy)
            case.details(record)
        elif known:
            sections.nothing_validated()


main()
ui.focus_on_arrival("Registration")
