"""A message that passes, with typed text in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import streamlit as st

from core.domain.records import Status
from dashboard.parts import look, ui

#: In the empty bar over the page, where it covers nothing.
_STYLE = """<style>
.st-key-toast {
    position: fixed; top: 0.3rem; right: 1rem; z-index: 999991; width: auto; max-width: calc(100vw - 5rem);
    padding: 0.2rem 0.8rem; background: %s; animation: passing %s forwards; flex-wrap: nowrap;
}
.st-key-toast > :has([data-testid=stText]) { min-width: 0; flex-shrink: 1; }
.st-key-toast [data-testid=stText] { white-space: nowrap; overflow: hidden; text-overflow: ellipsis; }
.st-key-toast:has(button) { padding-block: 0; }
.st-key-toast:not(:has(button)) { pointer-events: none; }
@keyframes passing { 90%% { opacity: 1; } 100%% { opacity: 0; visibility: hidden; } }
</style>"""


def verdict(status: Status, name: str) -> None:
    """What came of it and of whom, for some seconds. ``st.toast`` would render the name as markdown."""
    with placed(status, f"{ui.STATUS[status].word} · {name}", seconds=6):
        pass


@contextmanager
def placed(status: Status, text: str, *, seconds: int = 10) -> Iterator[None]:
    """The text, with the sign of ``status``, for some seconds; the body of the ``with`` statement adds to it."""
    shown = ui.STATUS[status]
    with st.container(key="toast", border=True, horizontal=True, vertical_alignment="center", gap="small"):
        st.markdown(f":{shown.badge}[{shown.icon}]", width="content")
        st.text(text, width="content")
        yield
    st.html(_STYLE % (look.colour("secondaryBackgroundColor"), f"{seconds}s"))
