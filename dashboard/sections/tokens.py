"""Sections of the page of API tokens: the list, making one, and revoking one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.domain.errors import FacedeskError
from core.domain.roles import Role
from core.domain.tokens import IssuedToken
from core.services.tokens import MAX_NAME
from dashboard.parts import event, link, notices, ui, your_name
from dashboard.services import get_services

#: How long a token may last -> days.
_LASTS = {"30 days": 30, "90 days": 90, "1 year": 365, "Until it is revoked": None}
_MADE, _FAILED = "token-made", "token-failed"
_NAME, _ROLES, _EVENTS, _LAST = "token-name", "token-roles", "token-events", "token-lasts"
_CHOSEN = "token-to-revoke"


def what_they_are() -> None:
    st.caption(
        "With a token a program, such as a kiosk, uses the API. In the audit trail it goes by the name of its token."
    )


def in_the_settings() -> None:
    with st.container(border=True):
        st.subheader("Tokens are in the settings here", anchor=False)
        st.write("This command prints a new token, once, and the line for the setting API_TOKENS:")
        st.code("python -m core token kiosk-7 --role support", language=None)
        st.write("Add or remove the line, then restart Facedesk.")


def none_yet() -> None:
    with st.container(border=True):
        st.subheader("No tokens yet", anchor=False)
        st.write("No program can use the API, except in the browser of somebody who is signed in.")


def table(tokens: Sequence[IssuedToken]) -> None:
    zone = ui.viewer_zone()
    rows = pd.DataFrame(
        [
            {
                "Name": token.name,
                "Roles": ", ".join(sorted(token.roles)),
                "Events": "All" if token.events is None else ", ".join(sorted(token.events)),
                "Ends": ui.local(token.ends, zone),
                "Made": ui.local(token.made_at, zone),
                "Made by": token.made_by,
            }
            for token in tokens
        ]
    )
    day = st.column_config.DatetimeColumn(format="D MMM YYYY")
    st.dataframe(
        rows,
        hide_index=True,
        height="content",
        column_config={"Made": day, "Ends": day},
        placeholder="–",
        alt="The tokens of the API, by name",
    )


def offer(row: DeltaGenerator) -> None:
    """The button that opens the dialog for a new token."""
    if row.button("New token…", icon=":material/add:", type="primary", on_click=_begin) or _FAILED in link.visit():
        _new()


def shown_once() -> None:
    """The token that was just made, until somebody has copied it or leaves the page."""
    found: tuple[str, IssuedToken] | None = link.visit().get(_MADE)
    if found is None:
        return
    token, made = found
    with st.container(border=True):
        st.subheader(":material/key: Copy the new token now", anchor=False)
        st.text(made.name)
        st.code(token, language=None, wrap_lines=True)
        st.write(
            "It is stored nowhere, and nobody can show it again. It can be used within half a minute: programs send "
            "`Authorization: Bearer` and the token."
        )
        st.button("I have copied it", icon=":material/check:", on_click=link.visit().pop, args=(_MADE, None))


def revoking(tokens: Sequence[IssuedToken]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        names = [token.name for token in tokens]
        chosen = st.selectbox(
            "Token to revoke", names, index=None, key=_CHOSEN, placeholder="Choose a token", width=320
        )
        if st.button("Revoke…", icon=":material/block:", disabled=chosen is None) and chosen:
            _confirm(chosen)


def _begin() -> None:
    """Callback. The fields are empty."""
    link.visit().clear()
    for key in (_NAME, _ROLES, _EVENTS, _LAST):
        st.session_state.pop(key, None)


@st.dialog("New token")
def _new() -> None:
    if not your_name.known("tokens-make"):
        return
    events: list[str] = []
    with ui.banner_on_failure("read the list of events"):
        events = event.event_ids()
    with st.form("new-token", border=False, enter_to_submit=False):
        st.text_input("Name", key=_NAME, max_chars=MAX_NAME, placeholder="For example: kiosk-7", autocomplete="off")
        st.multiselect(
            "Roles",
            [role.value for role in Role],
            key=_ROLES,
            placeholder="What the program may do",
            help="The same roles as those of people.",
        )
        st.multiselect("Events", events, key=_EVENTS, placeholder="All events", accept_new_options=True)
        st.selectbox("Lasts", list(_LASTS), index=1, key=_LAST)
        st.form_submit_button("Make token", type="primary", icon=":material/key:", on_click=_make)
    if _MADE in link.visit():
        st.rerun()
    if failed := link.visit().pop(_FAILED, None):
        ui.banner("error", "No token was made.", failed, icon=":material/error:")


def _make() -> None:
    """Callback."""
    given, tokens = st.session_state, get_services().tokens
    try:
        if tokens:
            link.visit()[_MADE] = tokens.make(given[_NAME], given[_ROLES], given[_EVENTS], _LASTS[given[_LAST]])
    except FacedeskError as error:
        link.visit()[_FAILED] = str(error)


@st.dialog("Revoke this token?")
def _confirm(name: str) -> None:
    st.text(name)
    st.write("Programs that use it are refused within half a minute. This cannot be undone.")
    if not your_name.known("tokens-revoke"):
        return
    if st.button("Revoke", type="primary", icon=":material/block:", on_click=_revoke, args=(name,)):
        st.rerun()


def _revoke(name: str) -> None:
    """Callback."""
    tokens = get_services().tokens
    try:
        if tokens:
            tokens.revoke(name)
    except FacedeskError as error:
        notices.put(partial(ui.banner, "error", "It was not revoked.", str(error), icon=":material/error:"))
    st.session_state.pop(_CHOSEN, None)
