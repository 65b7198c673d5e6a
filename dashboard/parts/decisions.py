"""Decisions on a case: what can be decided, what was decided, and how it is taken back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

import streamlit as st

from core.domain import reasons
from core.domain.cases import MAX_NOTE
from core.domain.decisions import REJECTION_REASONS, needs_note
from core.domain.errors import Conflict, FacedeskError
from core.domain.records import Decision, Review, Status, ValidationRecord
from core.domain.roles import Action
from dashboard.parts import notices, toast, ui, your_name
from dashboard.services import get_services

#: For how long a decision can be undone on a page.
UNDO_FOR = timedelta(seconds=10)
#: What the session keeps: the newest decision of this page, and whose it is, for as long as it can be undone; None
#: when it was undone a moment ago.
_UNDOABLE = "decision-to-undo"
#: What people can decide on a case that is not waiting: the decision, and the button's words.
_OVERTURNS = {
    Status.FAILED: (Decision.APPROVED, "Approve anyway…", ":material/how_to_reg:"),
    Status.SUCCESS: (Decision.REJECTED, "Reject after all…", ":material/person_off:"),
}


def buttons(record: ValidationRecord) -> None:
    """What can be decided on the record as it is shown, if the role allows any."""
    if not get_services().principal.may(Action.DECIDE):
        return
    if not your_name.known("decisions"):
        st.caption("Say who you are to decide: your name is kept with the decision.")
        return
    if record.validation_status is Status.PENDING:
        _popover(record, "Approve…", Decision.APPROVED, ":material/how_to_reg:")
        _popover(record, "Reject…", Decision.REJECTED, ":material/person_off:")
    elif overturn := _OVERTURNS.get(record.validation_status):
        decision, label, icon = overturn
        _popover(record, label, decision, icon)


def _popover(record: ValidationRecord, label: str, decision: Decision, icon: str) -> None:
    key = f"{decision}-{record.version}"
    with st.popover(label, icon=icon), st.form(f"form-{key}", border=False):
        if decision is Decision.REJECTED:
            rejection_reason(key)
        note(key, required=needs_note(record))
        st.form_submit_button(
            "Approve" if decision is Decision.APPROVED else "Reject",
            type="primary",
            # The record goes along as it was shown: who decides, decides on what they saw.
            on_click=decide,
            args=(record, decision, key),
        )


def rejection_reason(key: str) -> None:
    st.selectbox(
        "Reason for a rejection",
        REJECTION_REASONS,
        index=REJECTION_REASONS.index(reasons.Reason.FACE_MISMATCH),
        format_func=reasons.label,
        key=f"reason-{key}",
    )


def note(key: str, *, required: bool = False) -> None:
    st.text_area(
        "Why (kept with the decision)" if required else "Note (optional)",
        key=f"note-{key}",
        max_chars=MAX_NOTE,
        height=80,
    )


def decide(seen: ValidationRecord, decision: Decision, key: str, then: Callable[[], None] = lambda: None) -> None:
    """Callback: stores the decision on the record as it was shown, with the reason and note of the fields ``key``.

    If it was stored, calls ``then``, and the page offers to undo it.
    """
    services = get_services()
    try:
        decided = services.validation.decide(
            seen,
            decision,
            reviewer=services.principal.known_as,
            reason=st.session_state.get(f"reason-{key}"),
            note=st.session_state.get(f"note-{key}") or "",
        )
    except FacedeskError as error:
        _not_done("The decision was not stored.", error)
        return
    st.session_state[_UNDOABLE] = decided, name_of(decided)
    then()


def _not_done(sentence: str, error: FacedeskError) -> None:
    if isinstance(error, Conflict):
        notices.put(partial(ui.banner, "warning", sentence, str(error), icon=":material/sync_problem:"))
    else:
        notices.put(partial(ui.banner, "error", sentence, str(error), icon=":material/error:"))


def name_of(record: ValidationRecord) -> str:
    """What people call the person of the record: their name, or the user id if there is none."""
    try:
        registration = get_services().registrations.get(record.registration_id)
    except FacedeskError:
        return record.user_id
    return (registration and registration.name) or record.user_id


def undo_offer(then: Callable[[ValidationRecord], None] = lambda undone: None) -> None:
    """Says what this page decided on whom, with a button that takes it back, for ``UNDO_FOR``.

    ``then`` is called with the record after the decision was taken back.
    """
    if _UNDOABLE in st.session_state:
        _offer(then)


@st.fragment(run_every=UNDO_FOR)
def _offer(then: Callable[[ValidationRecord], None]) -> None:
    if _UNDOABLE not in st.session_state:
        return  # its time was over the last time
    if st.session_state[_UNDOABLE] is None:
        del st.session_state[_UNDOABLE]
        st.rerun()  # the button's press ran this part alone; the whole page has the case again
    decided, name = st.session_state[_UNDOABLE]
    if get_services().clock() - decided.review.decided_at >= UNDO_FOR:
        del st.session_state[_UNDOABLE]
        return
    word = ui.DECISION_WORDS[decided.review.decision].capitalize()
    with toast.placed(decided.validation_status, f"{word} · {name}"):
        st.button("Undo", icon=":material/undo:", shortcut="z", on_click=_undo, args=(decided, name, then))


def _undo(decided: ValidationRecord, name: str, then: Callable[[ValidationRecord], None]) -> None:
    st.session_state[_UNDOABLE] = None
    services = get_services()
    try:
        undone = services.validation.undo(decided, services.principal.known_as)
    except FacedeskError as error:
        _not_done("Nothing was undone.", error)
        return
    then(undone)
    notices.put(partial(toast.verdict, undone.validation_status, name))


def history(record: ValidationRecord) -> None:
    """The decisions of people on the newest attempt, newest first, also those that no longer stand."""
    reviews = record.outcomes[-1].reviews or ((record.review,) if record.review else ())
    if not reviews:
        return
    with st.container(border=True, gap="small"):
        st.markdown(
            "**Decided by a person**" if record.review else "**Decided by a person, and taken back**",
        )
        for review in reversed(reviews):
            st.text(_line(review))
            if review.note:
                st.caption("Why:")
                st.text(review.note)


def _line(review: Review) -> str:
    now = get_services().clock()
    word = ui.DECISION_WORDS[review.decision].capitalize()
    line = f"{word} by {review.reviewer or 'an unknown person'}, {ui.when(review.decided_at, now)}"
    if review.reason and review.decision is Decision.REJECTED:
        line += f": {reasons.label(review.reason)}"
    if review.withdrawn_at:
        line += f" · undone by {review.withdrawn_by or 'an unknown person'}, {ui.when(review.withdrawn_at, now)}"
    return line
