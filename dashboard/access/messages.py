"""The windows whose messages Facedesk's pages obey. A page sends one to itself when its connection is back."""

from __future__ import annotations

import streamlit as st
from streamlit import config as streamlit_config

from core.settings import Settings


def obey_own_pages_alone(settings: Settings) -> None:
    """Has Streamlit's page obey messages from Facedesk's own origin, and from no other.

    Unless told, it obeys those of Streamlit's cloud. ``reconnect.js`` sends the messages.
    """
    if settings.origin:
        origins = [settings.origin]
    else:
        hosts = st.get_option("server.allowedHosts")
        origins = [
            f"{scheme}://{host}{port}" for scheme in ("http", "https") for host in hosts for port in ("", ":*")
        ]
    streamlit_config.set_option("client.allowedOrigins", origins)
