"""Reads Streamlit's sign-in cookie outside of its pages: for routes and downloads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from streamlit.auth_util import get_cookie_with_chunks
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from core.settings import Settings


def claims(cookies: Mapping[str, str], settings: Settings) -> dict[str, Any]:
    """Returns the cookie's claims; none if it is not Facedesk's, was changed, or is older than a session."""
    if settings.cookie_secret is None:
        return {}
    secret = settings.cookie_secret.get_secret_value()

    def part(name: str) -> bytes | None:
        value = cookies.get(name)
        # Starlette decodes the cookie header as Latin-1.
        signed = value.encode("latin-1", "replace") if value else b""
        return decode_signed_value(secret, name, signed, settings.session_hours / 24)

    try:
        claimed = json.loads(get_cookie_with_chunks(part, USER_COOKIE_NAME) or b"{}")
    except ValueError:
        return {}
    return claimed if isinstance(claimed, dict) and claimed.get("origin") == settings.origin else {}
