"""What the profiles of events say, for pages that show names, dates and thresholds; some seconds old."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import streamlit as st

from core.domain.errors import FacedeskError, ServiceError
from core.domain.policy import Policy
from core.domain.profiles import EventProfile, told_apart
from core.domain.roles import View
from core.runtime.facades.guard import GuardedServices
from dashboard.jobs import jobs
from dashboard.services import get_services

#: The jobs that date the records of an event.
DATES_JOB = "dates"
#: The most characters of an event's name where there is little room. The sidebar has all of them.
MAX_TITLE = 48
#: What a field says that offers all events besides single ones.
ALL_EVENTS = "All events"


def known() -> Mapping[str, EventProfile]:
    """The profiles by event id; none if they are out of reach: pages then show what they know without them."""
    try:
        services = get_services()
        return _known(services, services.principal.view)
    except FacedeskError:  # also where nobody is signed in any more
        return {}


def titles(events: Iterable[str], most: int | None = MAX_TITLE) -> dict[str, str]:
    """What people call the events, in at most about so many characters: their names, or else their ids.

    No two events have the same title; where they have the same name, their ids stand behind it.
    """
    profiles = known()
    whole = {each: profiles[each].title if each in profiles else each for each in (*profiles, *events)}
    return told_apart({each: _cut(name, most) for each, name in whole.items()}, taken=[ALL_EVENTS])


def _cut(name: str, most: int | None) -> str:
    return name if most is None or len(name) <= most else f"{name[: most - 1].rstrip()}…"


def policy(event_id: str | None) -> Policy:
    """The rules of the event; those of the settings for none, or if its profile is out of reach.

    Verdicts themselves say by which threshold they were made.
    """
    profile = known().get(event_id) if event_id is not None else None
    everywhere = get_services().settings.policy
    return profile.rules.over(everywhere) if profile else everywhere


def starts() -> Mapping[str, datetime]:
    """When the events start, by id; only those of which that is known."""
    return {event_id: profile.starts_at for event_id, profile in known().items() if profile.starts_at}


def forget() -> None:
    """Reads the profiles again."""
    _known.clear()


def date_records(event_id: str) -> None:
    """Has the event's records dated by its profile, which was changed, in the background."""
    services = get_services()
    redate = services.profiles.redate
    jobs().restart(DATES_JOB, event_id, lambda stop, report: redate(event_id, stop, report), services.principal.name)


# Shared by those who see the same: what is kept has passed the checks of the ``view``.
@st.cache_resource(ttl=30, max_entries=64, show_spinner=False)
def _known(_services: GuardedServices, view: View) -> Mapping[str, EventProfile]:
    try:
        return {each.event_id: each for each in _services.profiles.all()}
    except ServiceError:  # kept, too: no page waits each time for a store that does not answer
        return {}
