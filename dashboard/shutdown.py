"""How the server ends."""

from __future__ import annotations

from dashboard.server import running_server

#: Enough for what is being answered; a download that takes longer is cut off.
GRACE_SECONDS = 5


def end_in_time() -> None:
    """Let the server that is starting give open answers ``GRACE_SECONDS`` when it is told to end.

    By itself it waits for them, and so for the slowest download. Uvicorn has a setting for it
    (``timeout_graceful_shutdown``), but ``streamlit run`` passes none on; while the server runs, its signal handler
    leads to it.
    """
    server = running_server()
    if server and server.config.timeout_graceful_shutdown is None:
        server.config.timeout_graceful_shutdown = GRACE_SECONDS
