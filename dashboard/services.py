"""The process's one set of services, made when first needed and closed with the server."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st

from core.bootstrap import Services, build
from core.errors import SettingsError
from core.settings import load_settings
from dashboard.jobs import jobs


@st.cache_resource(show_spinner=False, on_release=lambda services: services.close())
def get_services() -> Services:
    """Shared by all sessions and routes. Raises ``SettingsError``."""
    return build(load_settings())


def require_settings() -> None:
    """End the process with one line where a setting is missing or bad: better than a server that fails later."""
    try:
        load_settings()
    except SettingsError as error:
        sys.exit(f"Facedesk did not start. {error}")


@asynccontextmanager
async def lifespan(_app: Any) -> AsyncIterator[None]:
    yield
    jobs.clear()  # stops them; they use the services
    get_services.clear()  # closes them, if there ever were any
