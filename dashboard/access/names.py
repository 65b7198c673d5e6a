"""The name of whoever is at a desk where nobody signs in: what they typed, and what their browser keeps of it."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from urllib.parse import quote, unquote

from dashboard.prefix import address_of

#: The key of the field in the sidebar.
FIELD = "operator"
COOKIE = "facedesk_name"
MAX_NAME = 80
_YEAR = 365 * 24 * 60 * 60


def name_of(typed: str | None) -> str | None:
    """Returns the name in what a browser sent, which may be anything: one line of at most ``MAX_NAME`` characters.

    Control characters, and what is not Unicode, are no part of a name. None if nothing is left.
    """
    seen = (" " if unicodedata.category(char) == "Cc" else char for char in typed or "" if not _is_surrogate(char))
    return " ".join("".join(seen).split())[:MAX_NAME].strip() or None


def kept(cookies: Mapping[str, str]) -> str | None:
    """Returns the name that the browser has kept."""
    return name_of(unquote(cookies.get(COOKIE) or ""))


def to_be_kept(name: str | None) -> str:
    """Returns what a script assigns to ``document.cookie`` so that the browser keeps the name; see ``remembered``."""
    return remembered(COOKIE, name)


def remembered(cookie: str, value: str | None) -> str:
    """Returns what a script assigns to ``document.cookie`` so that the browser keeps the value for a year.

    None is forgotten. Of the value there are only letters, digits and ``%-._~`` in it, so that it is a text in any
    script.
    """
    seconds = _YEAR if value else 0
    return f"{cookie}={quote(value or '', safe='')}; path={address_of('/')}; max-age={seconds}; samesite=strict"


def _is_surrogate(char: str) -> bool:
    return unicodedata.category(char) == "Cs"
