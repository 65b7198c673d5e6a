"""What to do next once an event is loaded, for each role of whoever is signed in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import streamlit as st

from core.domain.errors import ServiceError
from core.domain.roles import Role
from dashboard import pages
from dashboard.parts import chosen_event
from dashboard.services import get_services


class _Step(NamedTuple):
    page: Path
    label: str
    icon: str
    query: dict[str, str]


def section(events: Sequence[str], registration_id: str | None = None) -> None:
    """Leads on to the pages with one of the loaded events; ``registration_id`` is somebody to validate a photo of."""
    with st.container(border=True, key="next-steps"):
        st.subheader("What to do next", anchor=False)
        event_id = events[0]
        if len(events) > 1:
            event_id = st.selectbox("Event", events, key="next-steps-event", width=360)
        person = get_services().principal
        for role, words, steps in _by_role(event_id, registration_id):
            mine = [step for step in steps if pages.may_open(person, step.page)]
            # Whoever administers sees what the pages that they may open are for.
            if mine and not person.roles.isdisjoint({role, Role.ADMIN}):
                with st.container(horizontal=True, vertical_alignment="center"):
                    st.container(width=150).markdown(f"**{words}**")
                    for step in mine:
                        pages.link(*step)


def _by_role(event_id: str, registration_id: str | None) -> list[tuple[Role, str, list[_Step]]]:
    event = {chosen_event.NAME: event_id}
    people = _Step(pages.VALIDATE, "Find a person and validate a photo", ":material/verified_user:", {})
    if registration_id:
        query = {"registration_id": registration_id}
        people = _Step(pages.VALIDATE, "Validate a photo of somebody", ":material/verified_user:", query)
    overview = _Step(pages.EVENT_OVERVIEW, "See who is not ready", ":material/event_available:", event)
    dates = _Step(pages.EVENT_PROFILE, "Say when the event is", ":material/edit_calendar:", event)
    return [
        (
            Role.SUPPORT,
            "Support",
            [people, _Step(pages.REVIEW, "Decide what waits", ":material/fact_check:", event)],
        ),
        (Role.MANAGER, "Event manager", [overview, *([] if _is_dated(event_id) else [dates])]),
        (
            Role.ANALYST,
            "Analyst",
            [_Step(pages.STATISTICS, "See rates and distributions", ":material/bar_chart:", event)],
        ),
        (
            Role.ADMIN,
            "Administrator",
            [
                _Step(pages.OPERATIONS, "Check that every service answers", ":material/monitoring:", {}),
                _Step(pages.AUDIT, "See who did what", ":material/policy:", {}),
            ],
        ),
    ]


def _is_dated(event_id: str) -> bool:
    """Whether the event's profile says when it begins; also if that cannot be read."""
    profiles = get_services().profiles
    try:
        return profiles.is_read_only or profiles.get(event_id).starts_at is not None
    except ServiceError:
        return True
