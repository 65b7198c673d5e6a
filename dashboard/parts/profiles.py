"""What the profiles of events say, for pages that show names, dates and thresholds; some seconds old."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import streamlit as st

from core.domain.errors import ServiceError
from core.domain.policy import Policy
from core.domain.profiles import EventProfile
from core.domain.roles import View
from core.runtime.facades.guard import GuardedServices
from dashboard.jobs import jobs
from dashboard.services import get_services

#: The jobs that date the records of an event.
DATES_JOB = "dates"


def known() -> Mapping[str, EventProfile]:
    """The profiles by event id; none if they are out of reach: pages then show what they know without them."""
    services = get_services()
    try:
        return _known(services, services.principal.view)
    except ServiceError:
        return {}


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
    return {each.event_id: each for each in _services.profiles.all()}
