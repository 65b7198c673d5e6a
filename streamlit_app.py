"""The launcher: one ASGI app with the pages, and before them what is under /api, and the gate before all.

``python -m dashboard`` serves it with bounds on connections (``dashboard.server``); ``streamlit run`` has none.

It stands at the root so that ``core``, ``dashboard`` and ``pages`` can be imported; the script itself lies in
``dashboard/``: a root script beside ``pages/`` would let Streamlit serve ``pages/x.py`` past the navigation.
"""

from pathlib import Path

import streamlit as st
from starlette.middleware import Middleware

from dashboard import services
from dashboard.access import messages, signin
from dashboard.access.gate import Gate
from dashboard.access.hosts import Hosts
from dashboard.api.routes import Api
from dashboard.prefix import Under, Whole
from dashboard.static import Static

settings = services.require_settings()
signin.configure(settings)
messages.obey_own_pages_alone(settings)

app = st.App(
    Path(__file__).resolve().parent / "dashboard" / "app.py",
    middleware=[
        # Streamlit itself checks the host of its websocket alone.
        Middleware(Hosts, allowed_hosts=st.get_option("server.allowedHosts")),
        Middleware(Under),
        Middleware(Gate, settings=settings),
        Middleware(Static),
        Middleware(Api, settings=settings),
        Middleware(Whole),
    ],
    lifespan=services.lifespan,
)
