"""The process: uvicorn with the launcher's app, and the bounds that it puts on connections and on its own end."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import streamlit as st
import uvicorn
from streamlit import config as streamlit_config
from streamlit.web.bootstrap import load_config_options
from uvicorn.protocols.http.auto import AutoHTTPProtocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from dashboard.access.connections import allowed_connections, bounded, watched
from dashboard.access.websocket import MAX_MESSAGE_BYTES
from dashboard.prefix import prefix

#: Seconds that answers under way get when the server is stopped; a download that takes longer is cut off.
GRACE_SECONDS = 5
#: Seconds between two pings of a websocket, and the time that its browser has to answer one.
PING_SECONDS = 30.0
_LAUNCHER = Path(__file__).resolve().parent.parent / "streamlit_app.py"


def serve(options: Mapping[str, Any]) -> None:
    """Serve the dashboard until SIGINT or SIGTERM.

    ``options`` are those of Streamlit's command line, by its parameters' names (``server_port``). An option that is
    None or an empty tuple has the value of ``.streamlit/config.toml``. Ends the process with one line if the settings
    do not allow a start or the port is taken.
    """
    # The folder of the launcher is where Streamlit looks for its options.
    streamlit_config._main_script_path = str(_LAUNCHER)
    load_config_options(dict(options))
    from streamlit_app import app  # reads the settings, which must be complete by now

    _Server(
        uvicorn.Config(
            app,
            host=st.get_option("server.address") or "0.0.0.0",
            port=st.get_option("server.port"),
            http=watched(AutoHTTPProtocol, most=allowed_connections()),
            ws=bounded(WebSocketsSansIOProtocol),
            ws_max_size=MAX_MESSAGE_BYTES,
            ws_ping_interval=PING_SECONDS,
            ws_ping_timeout=PING_SECONDS,
            ws_per_message_deflate=st.get_option("server.enableWebsocketCompression"),
            ssl_certfile=st.get_option("server.sslCertFile"),
            ssl_keyfile=st.get_option("server.sslKeyFile"),
            timeout_graceful_shutdown=GRACE_SECONDS,
            log_level="warning",
            access_log=False,
        )
    ).run()


class _Server(uvicorn.Server):
    def run(self, sockets: list[socket.socket] | None = None) -> None:
        # uvicorn raises the signal that ended it once more when everything is closed.
        with suppress(KeyboardInterrupt):
            super().run(sockets)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        scheme = "https" if self.config.is_ssl else "http"
        address = f"{scheme}://{_shown(self.config.host)}:{self.config.port}{prefix()}"
        print(f"Facedesk: {address} (Ctrl+C stops it)", flush=True)  # noqa: T201 - the command's output


def _shown(host: str) -> str:
    """The host of the address to open in a browser on this machine."""
    try:
        found = ip_address(host)
    except ValueError:
        return host
    if found.is_loopback or found.is_unspecified:
        return "localhost"
    return f"[{host}]" if found.version == 6 else host
