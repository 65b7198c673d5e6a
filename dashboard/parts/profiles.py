"""What the profiles of events say, for pages that show thresholds and dates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import streamlit as st

from core.domain.errors import ServiceError
from core.domain.policy import Policy
from core.domain.roles import View
from core.runtime.facades.guard import GuardedServices
from dashboard.services import get_services


def policy(event_id: str | None) -> Policy:
    """The rules of the event, some seconds old; those of the settings for none, or if its profile is out of reach."""
    services = get_services()
    if event_id is None:
        return services.settings.policy
    try:
        return _policy(services, services.principal.view, event_id)
    except ServiceError:
        # Verdicts say by which threshold they were made. What is shown of others may be that of the settings.
        return services.settings.policy


def starts() -> Mapping[str, datetime]:
    """When the events start, by id, some seconds old; only those of which that is known."""
    services = get_services()
    try:
        return _starts(services, services.principal.view)
    except ServiceError:
        return {}


def forget() -> None:
    """Reads the profiles of all events again."""
    _policy.clear()
    _starts.clear()


# Shared by those who see the same: what is kept has passed the checks of the ``view``.
@st.cache_resource(ttl=30, max_entries=64, show_spinner=False)
def _policy(_services: GuardedServices, view: View, event_id: str) -> Policy:
    return _services.profiles.get(event_id).rules.over(_services.settings.policy)


@st.cache_resource(ttl=30, max_entries=64, show_spinner=False)
def _starts(_services: GuardedServices, view: View) -> Mapping[str, datetime]:
    return {each.event_id: each.starts_at for each in _services.profiles.all() if each.starts_at}
