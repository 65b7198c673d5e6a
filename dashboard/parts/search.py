"""Finding people: the search box and the choice among those it found, the same on each page."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import streamlit as st

from core.domain.search import Found
from dashboard.parts import link

MAX_TEXT = 200


def box(label: str, placeholder: str, on_change: Callable[[], None]) -> str:
    """What is searched for, without the space around it; the link has it as ``q``.

    ``on_change`` is called when it was changed.
    """
    text: str | None = st.text_input(
        label,
        icon=":material/search:",
        placeholder=placeholder,
        help="Press Enter to search. Ids must be complete; of names and e-mails any parts will do, in any order.",
        **link.text("q", MAX_TEXT, on_change),
    )
    return (text or "").strip()


def nobody() -> None:
    st.info("Nobody was found. Try the complete id or e-mail, or a part of a name.", icon=":material/search_off:")


def choice(lines: Mapping[str, str], found: Found, on_choice: Callable[[str], None]) -> None:
    """Offers what was found, id -> line of text; ``on_choice`` gets the id of the chosen one."""

    def chosen() -> None:
        if st.session_state.match is not None:
            on_choice(st.session_state.match)

    st.selectbox(
        _count(lines, found),
        list(lines),
        index=None,
        placeholder="Choose one",
        format_func=lines.__getitem__,
        key="match",
        on_change=chosen,
    )


def all_shown(found: Found) -> bool:
    return found.total == len(found.registrations) and not found.more


def _count(lines: Mapping[str, str], found: Found) -> str:
    if all_shown(found):
        return f"{len(lines)} found"
    total = f"{'more than ' if found.more else ''}{found.total:,}"
    return f"{len(found.registrations)} of {total} registrations; type more to narrow it down"
