"""Sections of the review queue: its figures, the next case, its card and the decision."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pandas as pd
import streamlit as st

from core.domain import reasons
from core.domain.frames import record_frame
from core.domain.records import Decision, Status, ValidationRecord
from dashboard.parts import case, event, faces, photos, ui
from dashboard.services import get_services

ALL = "All events"
#: Pixels of a case at the most: the faces are as large as is of use.
WIDTH = 900
#: Pixels that a whole photo is wide.
_WHOLE = 320
#: What the session keeps: the case on the page and its word, and the version that an approval was asked for.
_CASE, _ASKED = "case-on-page", "approval-asked"


def queue(events: list[str]) -> pd.DataFrame:
    """What waits in the events, and what was decided today: little of what they hold."""
    services = get_services()
    today = pd.Timestamp(services.clock()).tz_convert(ui.viewer_zone()).normalize().tz_convert("UTC")
    parts = [
        records[(records["status"] == Status.PENDING) | (records["decidedAt"] >= today)]
        for records in map(event.records, events)
    ]
    return pd.concat(parts or [record_frame({})], ignore_index=True)


def figures(records: pd.DataFrame, waiting: int) -> None:
    """How many wait and how many were decided today, in a line: the room is the faces'."""
    decided = records["decision"].value_counts()
    approved, rejected = int(decided["approved"]), int(decided["rejected"])
    st.caption(f"{waiting:,} waiting · today {approved:,} approved, {rejected:,} rejected")


def skipped() -> set[str]:
    put_off: set[str] = st.session_state.setdefault("skipped", set())
    return put_off


def next_case(waiting: pd.DataFrame) -> ValidationRecord | None:
    """The oldest case that still waits: the list may be some seconds old, the record is read now."""
    services = get_services()
    for user_id, registration_id in zip(waiting["userId"], waiting["registrationId"], strict=True):
        if registration_id in skipped():
            continue
        record = services.records.get(user_id, registration_id)
        if record and record.validation_status is Status.PENDING:
            return record
    return None


def card(record: ValidationRecord) -> None:
    """Who it is, both faces, and the buttons below them."""
    shown_as = _word_for(record)
    with st.container(border=True, gap="small"):
        _person(record)
        _question(record)
        seen = photos.look(record.user_id, record.registration_id, record.event)
        colours = case.palette()
        place, buttons = st.container(), st.container()
        # What is wrong with a photo is said below the buttons, so that these stay where they are.
        reference = photos.face(record.stored_face_key, "Reference photo", record.stored_face_box, blurred=not seen)
        submitted = photos.face(record.face_image_key, "Submitted photo", record.face_box, blurred=not seen)
        with place:
            left = faces.Face("Reference photo", reference, colours.accent)
            faces.pair([left, faces.Face("Submitted photo", submitted, colours.waiting)], shown_as)
        with buttons:
            _bar(record, shown_as, seen, _doubt(record, bool(reference and submitted)))
        _more(record, seen)


def _word_for(record: ValidationRecord) -> str:
    """A word for the case as it is on the page now: another one after each press, and when the record changes."""
    of = (record.user_id, record.registration_id, record.version)
    known: tuple[object, str] = st.session_state.get(_CASE, (None, ""))
    if known[0] != of:
        known = st.session_state[_CASE] = of, uuid.uuid4().hex
    return known[1]


def _person(record: ValidationRecord) -> None:
    registration = None
    with ui.banner_on_failure("read the registration"):
        registration = get_services().registrations.get(record.registration_id)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        if registration and registration.name:
            with st.container(width="content", key="case-name"):
                st.text(registration.name, width="content")
        st.text(f"{record.registration_id} · {record.event or 'no event'}", width="content")
        if record.timestamp:
            waits = waiting_for(get_services().clock() - record.timestamp)
            st.badge(f"Waits {waits}", icon=":material/hourglass_top:", color="orange")
        if registration and registration.email:
            with st.popover("E-mail", type="tertiary", icon=":material/mail:"):
                st.code(registration.email, language=None)


def waiting_for(time: timedelta) -> str:
    """How long it has been, in its largest unit, e.g. "28 days"."""
    minutes = max(0, int(time.total_seconds() // 60))
    for minutes_each, unit in ((24 * 60, "day"), (60, "hour"), (1, "minute")):
        if count := minutes // minutes_each:
            return f"{count} {unit}{'s' if count > 1 else ''}"
    return "less than a minute"


def _question(record: ValidationRecord) -> None:
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        if record.similarity is None:
            st.markdown(f"**{ui.headline(record)}**", width="content")
            st.caption(case.why_no_similarity(record), width="content")
            return
        threshold, review_from = case.thresholds(record, get_services().settings.policy)
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


def _bar(record: ValidationRecord, shown_as: str, seen: bool, doubt: str) -> None:
    """The buttons, each with its key on the keyboard; the decision is on the record as it is shown."""
    fields = f"review-{record.version}"
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key=faces.BAR):
        st.button(
            "Approve",
            type="primary",
            icon=":material/how_to_reg:",
            shortcut=faces.SHORTCUTS["approve"],
            key=faces.press_key("approve", shown_as),
            disabled=not seen,
            on_click=_ask if doubt else _decide,
            args=(record, Decision.APPROVED, fields),
        )
        st.button(
            "Reject",
            icon=":material/person_off:",
            shortcut=faces.SHORTCUTS["reject"],
            key=faces.press_key("reject", shown_as),
            disabled=not seen,
            on_click=_decide,
            args=(record, Decision.REJECTED, fields),
        )
        st.button(
            "Skip",
            icon=":material/skip_next:",
            shortcut=faces.SHORTCUTS["skip"],
            key=faces.press_key("skip", shown_as),
            on_click=lambda: skipped().add(record.registration_id),
            help="Leave it for later; it keeps waiting.",
        )
        with st.popover("Reason and note", icon=":material/edit_note:"):
            case.rejection_reason(fields)
            case.note(fields)
    if doubt and st.session_state.pop(_ASKED, None) == record.version:
        _confirm(record, fields, doubt)


def _decide(record: ValidationRecord, decision: Decision, fields: str) -> None:
    st.session_state.pop(_CASE, None)
    case.decide(record, decision, fields)


def _ask(record: ValidationRecord, _decision: Decision, _fields: str) -> None:
    st.session_state.pop(_CASE, None)
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


def _more(record: ValidationRecord, seen: bool) -> None:
    colours = case.palette()
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        case.run_again_button(record, faces.press_key("again", _word_for(record)))
        with (
            st.popover("Whole photos", icon=":material/zoom_out_map:"),
            st.container(horizontal=True, width="content"),
        ):
            box, colour = record.stored_face_box, colours.accent
            photos.show(record.stored_face_key, "Whole reference photo", box, colour, _WHOLE, blurred=not seen)
            box, colour = record.face_box, colours.waiting
            photos.show(record.face_image_key, "Whole submitted photo", box, colour, _WHOLE, blurred=not seen)
        case.user_link(record)


def below(record: ValidationRecord) -> None:
    """The figures and the history, below what is needed for most decisions."""
    policy = get_services().settings.policy
    with st.container(border=True), st.container(horizontal=True):
        with st.container(width=300):
            case.similarity(record, policy)
        with st.container():
            case.figures(record)
    case.advice(record)
    case.attempts(record, policy)
    case.details(record)


def nothing_waits() -> None:
    with st.container(border=True):
        st.subheader(":green[:material/task_alt:] Nothing waits", anchor=False)
        if not skipped():
            st.write("Every photo has its verdict.")
            return
        st.write(f"You skipped {len(skipped())}.")
        st.button("Back to the skipped ones", icon=":material/undo:", on_click=lambda: skipped().clear())
