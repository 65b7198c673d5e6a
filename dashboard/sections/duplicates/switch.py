"""Whether an event's faces may be compared with each other: who allowed it, when and for what reason."""

from __future__ import annotations

from functools import partial

import streamlit as st

from core.domain.duplicates import MAX_TEXT, Switch
from core.domain.errors import FacedeskError
from core.domain.roles import Action
from dashboard.parts import notices, ui, your_name
from dashboard.services import get_services

_REASON = "duplicates-reason"


def what_it_is() -> None:
    st.caption(
        "Who registered twice? Compares the reference photos of an event with each other and lists the pairs that "
        "look alike. Nothing is decided: an answer here changes no registration and no record."
    )


def off(event_id: str, switch: Switch | None) -> None:
    """Says what switching it on means, and lets an administrator do so."""
    with st.container(border=True):
        st.subheader(":gray[:material/visibility_off:] Switched off for this event", anchor=False)
        st.write(
            "A validation compares a person's photo with their own reference photo. This search compares **all faces "
            "of the event with each other**. It is a biometric search among people who did not ask for it, and in "
            "many countries it needs a legal basis of its own. So nothing is compared, and nothing is kept for it, "
            "until an administrator switches it on for this event and says why that is allowed."
        )
        if switch:
            _said("Switched off by", switch)
        if get_services().principal.may(Action.SWITCH_DUPLICATES):
            _form(event_id)
        else:
            st.info(
                "Ask an administrator of Facedesk to switch it on, and tell them the reason.",
                icon=":material/contact_support:",
            )


def _form(event_id: str) -> None:
    if not your_name.known("duplicates-switch"):
        st.caption("Say who you are to switch it on: your name is kept with the reason.")
        return
    key = f"{_REASON}-{event_id}"
    with st.form(f"form-{key}", border=False):
        st.text_area(
            "Reason (legal basis)",
            key=key,
            max_chars=MAX_TEXT,
            height=100,
            placeholder="For example: tickets are personal, and the terms that everybody accepted name this check",
            help="Required. Whoever asks later why faces were compared finds it here, with your name and the time.",
        )
        st.form_submit_button(
            "Switch on for this event",
            type="primary",
            icon=":material/toggle_on:",
            on_click=_switch_on,
            args=(event_id, key),
        )


def _switch_on(event_id: str, key: str) -> None:
    """Callback."""
    _set(event_id, st.session_state[key], "It was not switched on.", on=True)


def on(event_id: str, switch: Switch) -> None:
    """Says when it was switched on, by whom and why, and lets an administrator switch it off."""
    with st.popover(f"Switched on {ui.when(switch.at, get_services().clock())}", icon=":material/toggle_on:"):
        _said("Switched on by", switch)
    may_switch = get_services().principal.may(Action.SWITCH_DUPLICATES)
    if may_switch and st.button("Switch off…", icon=":material/toggle_off:", type="tertiary"):
        _confirm(event_id)


def _said(what: str, switch: Switch) -> None:
    st.text(f"{what} {switch.by}, {ui.when(switch.at, get_services().clock())}")
    if switch.reason:
        st.caption("Reason:")
        st.text(switch.reason)


@st.dialog("Switch off the search for duplicates?")
def _confirm(event_id: str) -> None:
    st.write(
        "What the search keeps of this event's faces is deleted, and so is the list of pairs. Answers stay: they are "
        "shown again if somebody switches it on and searches again."
    )
    if not your_name.known("duplicates-switch-off"):
        return
    if st.button("Switch off", type="primary", icon=":material/toggle_off:", on_click=_switch_off, args=(event_id,)):
        st.rerun()


def _switch_off(event_id: str) -> None:
    """Callback."""
    _set(event_id, "", "It was not switched off.", on=False)


def _set(event_id: str, reason: str, not_done: str, *, on: bool) -> None:
    services = get_services()
    try:
        services.duplicates.set_switch(event_id, on, reason.strip(), services.principal.known_as)
    except FacedeskError as error:
        notices.put(partial(ui.banner, "error", not_done, str(error), icon=":material/error:"))
