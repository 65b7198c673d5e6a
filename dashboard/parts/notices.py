"""What came of the last action of a session, shown once when its page runs again."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

_NOTICE = "notice"


def put(show: Callable[[], None]) -> None:
    """Has ``show`` called by the next run of a page that shows notices."""
    st.session_state[_NOTICE] = show


def show() -> None:
    if shown := st.session_state.pop(_NOTICE, None):
        shown()
