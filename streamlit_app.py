"""The launcher: one ASGI app with the pages and the routes under /api.

It stands at the root so that ``core``, ``dashboard`` and ``pages`` can be imported; the script itself lies in
``dashboard/``: a root script beside ``pages/`` would let Streamlit serve ``pages/x.py`` past the navigation.
"""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware

from dashboard import api, services

services.require_settings()

app = st.App(
    Path(__file__).resolve().parent / "dashboard" / "app.py",
    routes=api.routes(),
    # Streamlit itself checks the host of its websocket alone.
    middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=st.get_option("server.allowedHosts"))],
    lifespan=services.lifespan,
)
