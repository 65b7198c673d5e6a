"""A message that passes, with typed text in it."""

from __future__ import annotations

import streamlit as st

from core.domain.records import Status
from dashboard.parts import look, ui

_STYLE = """<style>
.st-key-toast {
    position: fixed; top: 0.4rem; right: 1rem; z-index: 999991; width: auto; max-width: calc(100vw - 5rem);
    padding: 0.5rem 1rem; flex-wrap: nowrap; background: %s; pointer-events: none; animation: passing 6s forwards;
}
.st-key-toast [data-testid=stText] { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
@keyframes passing { 90%% { opacity: 1; } 100%% { opacity: 0; visibility: hidden; } }
</style>"""


def verdict(status: Status, name: str) -> None:
    """What came of it and of whom, for some seconds. ``st.toast`` would render the name as markdown."""
    shown = ui.STATUS[status]
    with st.container(key="toast", border=True, horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":{shown.badge}[{shown.icon}]", width="content")
        st.text(f"{shown.word} · {name}", width="content")
    st.html(_STYLE % look.colour("secondaryBackgroundColor"))
