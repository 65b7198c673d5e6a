"""Validate a photo: find a registration, give a photo, see the verdict, decide a waiting case."""

from __future__ import annotations

import streamlit as st

from core.domain.records import Registration
from dashboard.parts import case, decisions, notes, notices, profiles, ui
from dashboard.sections import validate as sections
from dashboard.services import get_services

services = get_services()


def main() -> Registration | None:
    """Shows the page; returns whose case it is."""
    st.title("Validate a photo", anchor=False)
    # Side by side where there is room, else one below the other.
    with st.container(horizontal=True, gap="medium"):
        left, right = st.container(width=310), st.container(width=case.WIDTH, key=sections.CARD)
    registration = record = photo = submission = None
    known = pressed = False
    with left, ui.banner_on_failure("look up registrations"):
        registration = sections.find()
    if registration:
        with left:
            with ui.banner_on_failure("read this person's earlier attempts"):
                record = services.records.get(registration.user_id, registration.registration_id)
                known = True
            sections.registration_card(registration, record.verification_attempt if record else 0)
            photo = sections.photo_input(registration.registration_id)
            submission = sections.submission_of(registration.registration_id, photo)
            pressed = sections.validate_button(submission, record)
    with right:
        decisions.undo_offer()
        notices.show()
        if registration is None:
            sections.nothing_chosen()
            return None
        policy = profiles.policy(registration.event_id)
        judged = photo is None or (submission is not None and submission.is_of(record))
        if photo and submission and (pressed or not judged):
            sections.chosen_photo(submission, photo, registration, record, pressed=pressed)
        elif record:
            case.verdict(record, policy, faces=sections.look(registration))
        elif known:
            sections.nothing_validated()
        with st.container(horizontal=True):
            sections.next_person_button()
            if record and judged:
                case.actions(record, link_to_user=True)
        if record:
            notes.section(record, notes.of(record))
            case.attempts(record, policy)
            if judged:
                case.details(record)
    return registration


whose = main()
# In this order: what comes and goes must not move what gives the cursor, which would give it again.
sections.cursor()
sections.tell(whose)
