"""The rules that hold in an event, for pages that show its thresholds."""

from __future__ import annotations

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


def forget() -> None:
    """Reads the rules of all events again."""
    _policy.clear()


# Shared by those who see the same: what is kept has passed the checks of the ``view``.
@st.cache_resource(ttl=30, max_entries=64, show_spinner=False)
def _policy(_services: GuardedServices, view: View, event_id: str) -> Policy:
    return _services.profiles.get(event_id).rules.over(_services.settings.policy)
