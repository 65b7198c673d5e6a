"""A message that passes, with typed text in it."""

from __future__ import annotations

import streamlit as st

from core.domain.records import Status
from dashboard.parts import ui

_STYLE = """<style>
.st-key-toast {
    position: fixed; top: 4.25rem; right: 1rem; z-index: 1000; width: auto; max-width: calc(100vw - 2rem);
    padding: 0.6rem 1rem; background: %s; pointer-events: none; animation: passing 6s forwards;
}
@media (max-width: 640px) { .st-key-toast { top: auto; bottom: 1rem; } }
@keyframes passing { 90%% { opacity: 1; } 100%% { opacity: 0; visibility: hidden; } }
</style>"""


def verdict(status: Status, name: str) -> None:
    """What came of it and of whom, for some seconds. ``st.toast`` would render the name as markdown."""
    look = ui.STATUS[status]
    theme = "dark" if st.context.theme.type == "dark" else "light"
    with st.container(key="toast", border=True, horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":{look.badge}[{look.icon}]", width="content")
        st.text(f"{look.word} · {name}", width="content")
    st.html(_STYLE % st.get_option(f"theme.{theme}.secondaryBackgroundColor"))
