"""Finding people: the search box and the choice among those it found, the same on each page."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

MAX_TEXT = 200


def box(label: str, placeholder: str, on_change: Callable[[], None]) -> str:
    """What is searched for, without the space around it; the link has it as ``q``."""
    text: str | None = st.text_input(
        label,
        key="q",
        bind="query-params",
        icon=":material/search:",
        placeholder=placeholder,
        help="Press Enter to search. Ids must be complete; names and e-mails may be just the beginning.",
        on_change=on_change,
        max_chars=MAX_TEXT,
    )
    return (text or "").strip()


def nobody() -> None:
    st.info(
        "Nobody was found. Try the complete id or e-mail, or the beginning of a name.", icon=":material/search_off:"
    )


def choice(found: Mapping[str, str], on_choice: Callable[[str], None]) -> None:
    """Offers the found, id -> line of text; ``on_choice`` gets the id of the chosen one."""

    def chosen() -> None:
        if st.session_state.match is not None:
            on_choice(st.session_state.match)

    st.selectbox(
        f"{len(found)} found",
        list(found),
        index=None,
        placeholder="Choose one",
        format_func=found.__getitem__,
        key="match",
        on_change=chosen,
    )
