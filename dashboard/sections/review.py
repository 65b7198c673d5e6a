"""Sections of the review queue: its figures, the next case and the decision."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from core.domain.frames import record_frame
from core.domain.records import Decision, Status, ValidationRecord
from dashboard.parts import case, event, ui
from dashboard.services import get_services

ALL = "All events"


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
    decided = records["decision"].value_counts()
    with st.container(horizontal=True):
        st.metric("Waiting", f"{waiting:,}", border=True)
        st.metric("Decided today", f"{int(decided.sum()):,}", border=True)
        st.metric("Approved today", f"{int(decided['approved']):,}", border=True)
        st.metric("Rejected today", f"{int(decided['rejected']):,}", border=True)


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


def decision(record: ValidationRecord) -> None:
    """The fields and buttons, each with its key on the keyboard; the decision is on the record as it is shown."""
    key = f"review-{record.version}"
    with st.container(border=True):
        case.rejection_reason(key)
        case.note(key)
        with st.container(horizontal=True):
            st.button(
                "Approve",
                type="primary",
                icon=":material/how_to_reg:",
                shortcut="y",
                on_click=case.decide,
                args=(record, Decision.APPROVED, key),
            )
            st.button(
                "Reject",
                icon=":material/person_off:",
                shortcut="n",
                on_click=case.decide,
                args=(record, Decision.REJECTED, key),
            )
            case.run_again_button(record)
            st.button(
                "Skip",
                icon=":material/skip_next:",
                shortcut="s",
                on_click=lambda: skipped().add(record.registration_id),
                help="Leave it for later; it keeps waiting.",
            )
            case.user_link(record)


def nothing_waits() -> None:
    with st.container(border=True):
        st.subheader(":green[:material/task_alt:] Nothing waits", anchor=False)
        if not skipped():
            st.write("Every photo has its verdict.")
            return
        st.write(f"You skipped {len(skipped())}.")
        st.button("Back to the skipped ones", icon=":material/undo:", on_click=lambda: skipped().clear())
