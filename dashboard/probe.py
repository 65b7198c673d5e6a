"""``python -m dashboard.probe``: whether the server of this machine answers; the container's health check.

Ends with an error if it does not. Where it listens is read from Streamlit's variables, as the server does.
"""

from __future__ import annotations

import os
from urllib.request import urlopen

_SECONDS = 4

if __name__ == "__main__":
    port = os.environ.get("STREAMLIT_SERVER_PORT", "8501")
    path = os.environ.get("STREAMLIT_SERVER_BASE_URL_PATH", "").strip("/")
    urlopen(f"http://127.0.0.1:{port}/{f'{path}/' if path else ''}api/health", timeout=_SECONDS).close()
