"""How the services answer."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from core.runtime.health import Health
from dashboard.parts import ui
from dashboard.services import get_services

HEALTH_SECONDS = 30


@st.cache_data(ttl=HEALTH_SECONDS - 5, show_spinner=False)
def health() -> tuple[list[Health], datetime]:
    """Every service's health, and when it was asked for; once for all who look."""
    services = get_services()
    return services.health(), services.clock()


def health_cards() -> None:
    with st.spinner("Asking the services…"):
        found, asked = health()
    down = [service.service for service in found if not service.ok]
    with st.container(horizontal=True, vertical_alignment="center"):
        if down:
            st.badge(f"Failing: {', '.join(down)}", icon=":material/error:", color="red")
        else:
            st.badge("Every service answers", icon=":material/check_circle:", color="green")
        st.caption(
            f"Checked at {asked.astimezone(ui.viewer_zone()):%H:%M:%S}. Updates every {HEALTH_SECONDS} seconds."
        )
    with st.container(horizontal=True):
        for service in found:
            st.metric(
                service.service.capitalize(),
                "Healthy" if service.ok else "Failing",
                delta=time_taken(service.milliseconds),
                delta_arrow="off",
                delta_color="off" if service.ok else "red",
                icon=":material/check_circle:" if service.ok else ":material/cancel:",
                border=True,
            )
    failing: dict[str, list[str]] = {}
    for service in found:
        if service.hint:
            failing.setdefault(service.hint, []).append(f"{service.service.capitalize()}: {service.error}")
    for hint, services in failing.items():
        ui.banner("warning", hint, *services, icon=":material/support:")


def time_taken(milliseconds: float) -> str:
    return "under 1 ms" if milliseconds < 1 else f"{milliseconds:,.0f} ms"
