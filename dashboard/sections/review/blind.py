"""A second look at a case of which the reviewer knows nothing: neither score, nor verdict, nor first decision."""

from __future__ import annotations

from functools import partial

import streamlit as st

from core.domain.errors import FacedeskError
from core.domain.records import Decision, ValidationRecord
from dashboard.parts import case, decisions, faces, notices, photos, ui, your_name
from dashboard.sections.review import card
from dashboard.services import get_services


def show(record: ValidationRecord) -> None:
    """A second look at a case: both faces and the buttons, and nothing of what was found or decided before."""
    shown_as = card.word_for(record)
    with st.container(border=True, gap="small"):
        st.markdown("**Second look: are these the same person?**")
        st.caption("You are not told what was found or decided before. Your answer does not change the case.")
        seen = photos.look(record.user_id, record.registration_id, record.event)
        known = your_name.known("second-look")
        place, buttons = st.container(), st.container()
        both_shown = card.show_faces(record, place, shown_as, case.palette().accent, blurred=not seen)
        with buttons:
            _bar(record, shown_as, known and seen and both_shown)


def _bar(record: ValidationRecord, shown_as: str, may_decide: bool) -> None:
    fields = f"second-look-{record.version}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=faces.BAR):
        faces.press_button(
            "approve",
            shown_as,
            "Same person",
            _look_again,
            (record, Decision.APPROVED, fields),
            disabled=not may_decide,
        )
        faces.press_button(
            "reject",
            shown_as,
            "Reject",
            _look_again,
            (record, Decision.REJECTED, fields),
            disabled=not may_decide,
        )
        faces.press_button("skip", shown_as, "Skip", card.skip, (record,), help="Leave it to others.")
        with card.folded(record, "Reason", ":material/edit_note:"):
            decisions.rejection_reason(fields)


def _look_again(record: ValidationRecord, decision: Decision, fields: str) -> None:
    """Callback: stores the second look."""
    card.pressed()
    services = get_services()
    reason = st.session_state.get(f"reason-{fields}") if decision is Decision.REJECTED else None
    try:
        services.second_looks.store(record, decision, services.principal.known_as, reason)
    except FacedeskError as error:
        said = "The second look was not stored."
        notices.put(partial(ui.banner, "warning", said, str(error), icon=":material/sync_problem:"))
    else:
        card.leave(record)
