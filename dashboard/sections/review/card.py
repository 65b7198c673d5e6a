"""One case of the review queue: its card, the decision, and what came of it."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from functools import partial
from typing import Literal

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.domain import reasons
from core.domain.cases import MAX_NOTE, Claim, Note
from core.domain.errors import FacedeskError
from core.domain.records import Decision, Registration, ValidationRecord
from core.services.review_queue import Case, Reviewer
from dashboard.parts import case, decisions, faces, notes, notices, photos, profiles, ui, your_name
from dashboard.sections.review import waiting, work
from dashboard.services import get_services

#: Pixels that a whole photo is wide.
_WHOLE = 320
#: What the session keeps: the case on the page and its word, and the version that an approval was asked for.
_CASE, _ASKED = "case-on-page", "approval-asked"


def card(record: ValidationRecord, me: Reviewer, standing: Mapping[Case, Claim]) -> None:
    """Who it is, both faces, and the buttons below them; then the figures, the notes and the history."""
    written = notes.of(record)
    shown_as = word_for(record)
    with st.container(border=True, gap="small"):
        known = your_name.known("review")
        registration = _person(record, written)
        _question(record)
        seen = photos.look(record.user_id, record.registration_id, record.event)
        place, buttons = st.container(), st.container()
        # What is wrong with a photo is said below the buttons, so that these stay where they are.
        both_shown = show_faces(record, place, shown_as, case.palette().waiting, blurred=not seen)
        with buttons:
            _bar(record, shown_as, known and seen, _doubt(record, both_shown))
        _more(record, seen, registration, me, standing)
    _below(record, written)


def show_faces(record: ValidationRecord, place: DeltaGenerator, shown_as: str, colour: str, *, blurred: bool) -> bool:
    """Shows both faces in ``place``, the submitted one framed in ``colour``; returns whether there are both."""
    reference = photos.face(record.stored_face_key, "Reference photo", record.stored_face_box, blurred=blurred)
    submitted = photos.face(record.face_image_key, "Submitted photo", record.face_box, blurred=blurred)
    with place:
        left = faces.Face("Reference photo", reference, case.palette().accent)
        faces.pair([left, faces.Face("Submitted photo", submitted, colour)], shown_as)
    return bool(reference and submitted)


def word_for(record: ValidationRecord) -> str:
    """A word for the case as it is on the page now: another one after each press, and when the record changes."""
    of = (record.user_id, record.registration_id, record.version)
    known: tuple[object, str] = st.session_state.get(_CASE, (None, ""))
    if known[0] != of:
        known = st.session_state[_CASE] = of, uuid.uuid4().hex
    return known[1]


def folded(
    record: ValidationRecord, label: str, icon: str, type: Literal["secondary", "tertiary"] = "secondary"
) -> DeltaGenerator:
    """A popover of this case: one that is left open would cover the faces of the next."""
    return st.popover(label, icon=icon, type=type, key=f"{label.split(' (')[0]}-{word_for(record)}")


def _person(record: ValidationRecord, written: list[Note]) -> Registration | None:
    """Who it is, and how long they have waited; returns the registration, if it can be read."""
    registration = None
    with ui.banner_on_failure("read the registration"):
        registration = get_services().registrations.get(record.registration_id)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if registration and registration.name:
            with st.container(width="content", key="case-name"):
                st.text(registration.name, width="content")
        st.text(f"{record.registration_id} · {record.event or 'no event'}", width="content")
        if record.timestamp:
            waits = ui.how_long(get_services().clock() - record.timestamp)
            late = record.timestamp < waiting.due()
            st.badge(
                f"Waits {waits}" + (" · overdue" if late else ""),
                icon=":material/hourglass_top:",
                color="red" if late else "orange",
            )
        if written:
            with folded(record, f"Notes ({len(written)})", ":material/sticky_note_2:", type="tertiary"):
                notes.listed(written)
    return registration


def _question(record: ValidationRecord) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        if record.similarity is None:
            st.markdown(f"**{ui.headline(record)}**", width="content")
            st.caption(case.why_no_similarity(record), width="content")
            return
        threshold, review_from = case.thresholds(record, profiles.policy(record.event))
        st.markdown("**Are these the same person?**", width="content")
        st.caption(
            f"Similarity {record.similarity:.1f} · {threshold:g} or more passes, below {review_from:g} fails",
            width="content",
        )


def _doubt(record: ValidationRecord, both_shown: bool) -> str:
    """Why an approval wants a confirmation; "" if it wants none."""
    if record.stored_face_key is None:
        return "There is no reference photo: nothing shows that this is the person who registered."
    if not both_shown:
        return "A photo cannot be shown: you have not seen both faces."
    if reasons.Reason.ENGINE_UNAVAILABLE in record.failure_reasons:
        return "This photo was never examined: the face engine was out of reach."
    return ""


def _bar(record: ValidationRecord, shown_as: str, may_decide: bool, doubt: str) -> None:
    """The buttons, each with its key on the keyboard; the decision is on the record as it is shown."""
    fields = f"review-{record.version}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=faces.BAR):
        faces.press_button(
            "approve",
            shown_as,
            "Approve",
            _ask if doubt else _decide,
            (record, Decision.APPROVED, fields),
            disabled=not may_decide,
        )
        faces.press_button(
            "reject",
            shown_as,
            "Reject",
            _decide,
            (record, Decision.REJECTED, fields),
            disabled=not may_decide,
        )
        faces.press_button(
            "skip",
            shown_as,
            "Skip",
            skip,
            (record,),
            help="Leave it for later; it keeps waiting.",
        )
        with folded(record, "Reason and note", ":material/edit_note:"):
            decisions.rejection_reason(fields)
            decisions.note(fields)
    if doubt and st.session_state.pop(_ASKED, None) == record.version:
        _confirm(record, fields, doubt)


def _decide(record: ValidationRecord, decision: Decision, fields: str) -> None:
    pressed()
    decisions.decide(record, decision, fields, partial(leave, record))


def skip(record: ValidationRecord) -> None:
    """Leaves the case for later, and goes on with the next one."""
    work.skipped().add((record.user_id, record.registration_id))
    leave(record)


def pressed() -> None:
    """Has the page show the next case, or the same one, as one whose faces were not yet seen."""
    st.session_state.pop(_CASE, None)


def leave(record: ValidationRecord) -> None:
    """Leaves the case to others, and goes on with the next one."""
    waiting.reviewer().leave(record.user_id, record.registration_id)
    work.leave_case()


def _ask(record: ValidationRecord, _decision: Decision, _fields: str) -> None:
    pressed()
    st.session_state[_ASKED] = record.version


@st.dialog("Approve all the same?", icon=":material/warning:")
def _confirm(record: ValidationRecord, fields: str, doubt: str) -> None:
    st.write(doubt)
    with st.container(horizontal=True):
        sure = st.button(
            "Approve all the same", type="primary", on_click=_decide, args=(record, Decision.APPROVED, fields)
        )
        if st.button("Cancel") or sure:
            st.rerun()  # a dialog runs by itself; the page has the next case


def _more(
    record: ValidationRecord,
    seen: bool,
    registration: Registration | None,
    me: Reviewer,
    standing: Mapping[Case, Claim],
) -> None:
    colours = case.palette()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        case.run_again_button(record, faces.press_key("again", word_for(record)), work.stay_with)
        with (
            folded(record, "Whole photos", ":material/zoom_out_map:"),
            st.container(horizontal=True, width="content"),
        ):
            box, colour = record.stored_face_box, colours.accent
            photos.show(record.stored_face_key, "Whole reference photo", box, colour, _WHOLE, blurred=not seen)
            box, colour = record.face_box, colours.waiting
            photos.show(record.face_image_key, "Whole submitted photo", box, colour, _WHOLE, blurred=not seen)
        with folded(record, "Hand over", ":material/forward:"):
            _hand_over_form(record, me, standing)
        if registration and registration.email:
            with folded(record, "E-mail", ":material/mail:"):
                st.code(registration.email, language=None)
        case.user_link(record)


def _hand_over_form(record: ValidationRecord, me: Reviewer, standing: Mapping[Case, Claim]) -> None:
    """Gives the case to a colleague who is at the queue, or to whoever comes next, with a word on why."""
    colleagues = {claim.holder: claim for claim in standing.values() if not me.is_own(claim)}
    key = f"hand-over-{record.version}"
    with st.form(f"form-{key}", border=False):
        st.selectbox(
            "To",
            [None, *colleagues],
            format_func=lambda holder: (colleagues[holder].name or "a colleague") if holder else "whoever comes next",
            key=f"to-{key}",
        )
        st.text_area("What they should know", key=f"word-{key}", max_chars=MAX_NOTE, height=80)
        st.form_submit_button("Hand over", on_click=_hand_over, args=(record, key, colleagues, uuid.uuid4().hex))


def _hand_over(record: ValidationRecord, key: str, colleagues: Mapping[str, Claim], note_id: str) -> None:
    to = colleagues.get(st.session_state.get(f"to-{key}") or "")
    if not notes.add(record, st.session_state.get(f"word-{key}") or "", note_id):
        return
    try:
        waiting.reviewer().hand_over(record, to)
    except FacedeskError as error:
        said = "The note was stored, but the case was not handed over."
        notices.put(partial(ui.banner, "error", said, str(error), icon=":material/error:"))
        return
    skip(record)


def _below(record: ValidationRecord, written: list[Note]) -> None:
    """The figures and the history, below what is needed for most decisions."""
    policy = profiles.policy(record.event)
    with st.container(border=True), st.container(horizontal=True):
        with st.container(width=300):
            case.similarity(record, policy)
        with st.container():
            case.figures(record)
    case.advice(record)
    notes.section(record, written)
    case.attempts(record, policy)
    case.details(record)


def with_colleague(record: ValidationRecord, claim: Claim) -> None:
    """A case that somebody else has: nobody else sees it meanwhile."""
    with st.container(border=True):
        st.subheader(":gray[:material/person:] A colleague has this case", anchor=False)
        st.text(f"{claim.name or 'A colleague'} has had it since {ui.when(claim.since, get_services().clock())}.")
        st.caption("It comes back to the queue when they leave it, or ten minutes after they opened it.")
        st.text(f"{record.registration_id} · {record.event or 'no event'}")
        _next_case_button()


def result(record: ValidationRecord) -> None:
    """A case that does not wait any more: what came of it, and what can still be done."""
    policy = profiles.policy(record.event)
    with st.container(horizontal=True, vertical_alignment="center"):
        _next_case_button()
        st.caption("This case no longer waits.", width="content")
    case.verdict(record, policy, faces=photos.look(record.user_id, record.registration_id, record.event))
    case.actions(record, link_to_user=True)
    notes.section(record, notes.of(record))
    case.attempts(record, policy)
    case.details(record)


def _next_case_button() -> None:
    st.button("Next case", type="primary", icon=":material/skip_next:", shortcut="s", on_click=work.leave_case)
