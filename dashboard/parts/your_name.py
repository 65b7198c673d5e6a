"""Asks who is at the desk where nobody signs in. The browser keeps the name over reloads."""

from __future__ import annotations

import streamlit as st

from dashboard.access import names
from dashboard.services import get_services

_PLACEHOLDER = "First and last name"
#: Whether the name was given in this session, so that the browser does not have it yet.
_GIVEN = "name-was-given"


def box() -> None:
    """Asks in the sidebar: the name goes into the record with what its bearer does."""
    st.session_state.setdefault(names.FIELD, names.kept(st.context.cookies) or "")
    with st.sidebar:
        st.text_input(
            "Your name",
            key=names.FIELD,
            placeholder=_PLACEHOLDER,
            help="Recorded with each photo that you validate and each decision that you make. This browser remembers "
            "it.",
            max_chars=names.MAX_NAME,
            persist_state="session",
            on_change=_take,
            args=(names.FIELD,),
        )
        if st.session_state.get(_GIVEN):
            to_be_kept = names.to_be_kept(st.session_state[names.FIELD])
            st.html(f"<script>document.cookie = '{to_be_kept}';</script>", unsafe_allow_javascript=True)


def known(key: str) -> bool:
    """Whether it is known who decides. If not, asks for the name in this place.

    Always true where people sign in. ``key`` is a word of ours that no other place on the page has.
    """
    services = get_services()
    if services.settings.sign_in or services.principal.name:
        return True
    field = f"name-for-{key}"
    st.text_input(
        "Your name",
        key=field,
        placeholder=_PLACEHOLDER,
        help="A decision is recorded with the name of whoever made it.",
        max_chars=names.MAX_NAME,
        on_change=_take,
        args=(field,),
    )
    return False


def _take(field: str) -> None:
    """Callback: what was typed into the field is the name from now on."""
    st.session_state[names.FIELD] = names.name_of(st.session_state[field]) or ""
    st.session_state[_GIVEN] = True
