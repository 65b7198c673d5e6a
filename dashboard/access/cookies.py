"""The cookie of those who are signed in, as Streamlit writes it, read where no page is: by routes and downloads."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from streamlit.auth_util import get_cookie_with_chunks
from streamlit.web.server.starlette.starlette_app_utils import decode_signed_value
from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME

from core.settings import Settings


def claims(cookies: Mapping[str, str], settings: Settings) -> dict[str, Any]:
    """What the cookie says of its owner; nothing where it is not ours, was changed, or is older than a session."""
    if settings.cookie_secret is None:
        return {}
    secret = settings.cookie_secret.get_secret_value()

    def part(name: str) -> bytes | None:
        value = cookies.get(name)
        # A cookie's header is bytes of Latin-1.
        signed = value.encode("latin-1", "replace") if value else b""
        return decode_signed_value(secret, name, signed, settings.session_hours / 24)

    try:
        said = json.loads(get_cookie_with_chunks(part, USER_COOKIE_NAME) or b"{}")
    except ValueError:
        return {}
    return said if isinstance(said, dict) and said.get("origin") == settings.origin else {}
