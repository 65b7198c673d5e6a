"""Notes on a case: what colleagues wrote down, and a field for one's own."""

from __future__ import annotations

import uuid
from functools import partial

import streamlit as st

from core.domain.cases import MAX_NOTE, Note
from core.domain.errors import FacedeskError, ServiceError
from core.domain.records import ValidationRecord
from core.domain.roles import Action
from dashboard.parts import notices, ui
from dashboard.services import get_services


def of(record: ValidationRecord) -> list[Note]:
    """The notes on the case, oldest first; none for those who may not read them, or if they are out of reach."""
    services = get_services()
    if not services.principal.may(Action.NOTE):
        return []
    try:
        return services.notes.of(record.user_id, record.registration_id)
    except ServiceError as error:
        ui.banner(
            "warning", "The notes on this case cannot be read right now.", str(error), icon=":material/cloud_off:"
        )
        return []


def section(record: ValidationRecord, notes: list[Note]) -> None:
    """The notes on the case and a field for another one, for those who may decide."""
    if not get_services().principal.may(Action.NOTE):
        return
    with st.expander(f"Notes ({len(notes)})", expanded=bool(notes), icon=":material/sticky_note_2:"):
        listed(notes)
        field(record)


def listed(notes: list[Note]) -> None:
    now = get_services().clock()
    for note in notes:
        with st.container(gap="xsmall", border=True):
            st.text(f"{note.author}, {ui.when(note.at, now)}")
            st.text(note.text)


def field(record: ValidationRecord) -> None:
    """A field for a note; the note stays when it is stored, and cannot be changed."""
    key = f"new-note-{record.user_id}-{record.registration_id}"
    with st.form(f"form-{key}", border=False):
        st.text_area(
            "Add a note",
            key=key,
            max_chars=MAX_NOTE,
            height=80,
            placeholder="For colleagues, not for the person",
            help="Everybody who may decide reads it. It cannot be changed or deleted.",
        )
        st.form_submit_button("Add note", on_click=_add, args=(record, key, uuid.uuid4().hex))


def _add(record: ValidationRecord, key: str, note_id: str) -> None:
    if add(record, st.session_state.get(key) or "", note_id):
        st.session_state[key] = ""


def add(record: ValidationRecord, text: str, note_id: str) -> bool:
    """Stores the note; returns whether it was, and says so on the page if it was not."""
    try:
        get_services().notes.add(record.user_id, record.registration_id, record.event, text, note_id)
    except FacedeskError as error:
        notices.put(partial(ui.banner, "error", "The note was not stored.", str(error), icon=":material/error:"))
        return False
    return True
