"""Words in the link that several pages have under one name.

Streamlit can bind a field to a name in the link (``bind="query-params"``). Where two pages bind the same name, the
second page begins with what was chosen on the first, and Back loses the value. So only names that one page has are
bound; ``tests/pages/test_link_names.py`` sees to that. The others are kept here: the link says what a field has, and
a field that a person changes writes it into the link.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import streamlit as st

#: What the session keeps: the page, the keys of its fields that were filled since it was opened, and what it keeps.
_PAGE, _FILLED, _VISIT = "page-of-fields", "filled-fields", "kept-for-visit"


def _nothing() -> None:
    pass


def arrive(page: str) -> None:
    """Notes which page is run; to be called before it is."""
    if st.session_state.get(_PAGE) != page:
        st.session_state[_PAGE], st.session_state[_FILLED], st.session_state[_VISIT] = page, set(), {}


def visit() -> dict[str, Any]:
    """What the page keeps until it is left."""
    kept: dict[str, Any] = st.session_state.setdefault(_VISIT, {})
    return kept


def put(name: str, value: str | None) -> None:
    """Writes the value into the link; None or "" takes the name out of it."""
    if value:
        st.query_params[name] = value
    else:
        st.query_params.pop(name, None)


def fill(key: str, value: object) -> None:
    """Has the field with this key show the value; to be called before the field is made."""
    filled: set[str] = st.session_state.setdefault(_FILLED, set())
    # Under the same key there may be what a field of the page before had. Otherwise a field that shows the value is
    # left alone: filling it would undo what is being typed.
    if key not in filled or key not in st.session_state or st.session_state[key] != value:
        st.session_state[key] = value
    filled.add(key)


def text(name: str, most: int | None = None, then: Callable[[], None] = _nothing) -> dict[str, Any]:
    """What a field for text of at most so many characters is made with; ``then`` is called after a change."""
    fill(name, st.query_params.get(name, "")[:most])
    return {"key": name, "max_chars": most, "on_change": _take, "args": (name, str, None, then)}


def choice(
    name: str,
    options: Sequence[str],
    default: str | None = None,
    *,
    word: Callable[[str], str] = str,
    then: Callable[[], None] = _nothing,
) -> dict[str, Any]:
    """What a field with options is made with; the link has the ``word`` of the chosen one, and none for the default.

    ``then`` is called after a change.
    """
    given = st.query_params.get(name)
    fill(name, next((option for option in options if word(option) == given), default))
    return {"key": name, "on_change": _take, "args": (name, word, default, then)}


def _take(name: str, word: Callable[[str], str], default: str | None, then: Callable[[], None]) -> None:
    """Callback: the link has what the field has."""
    value: str | None = st.session_state[name]
    put(name, None if value is None or value == default else word(value))
    then()
