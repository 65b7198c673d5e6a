"""Which case of the review queue the page is on, and how it is left."""

from __future__ import annotations

import streamlit as st

from core.domain.records import ValidationRecord
from core.services.review_queue import Case

#: Pixels of a case at the most: the faces are as large as is of use.
WIDTH = 900
#: What the page shows, by its name in the link and in the session; without it, one case after the other.
VIEW = "view"


def skipped() -> set[Case]:
    """The cases that this session put off."""
    put_off: set[Case] = st.session_state.setdefault("skipped", set())
    return put_off


def chosen_case() -> Case | None:
    """The case that the link names; None if it names none."""
    user_id, registration_id = st.query_params.get("user_id"), st.query_params.get("registration_id")
    return (user_id, registration_id) if user_id and registration_id else None


def open_case(user_id: str, registration_id: str) -> None:
    """Has the page show this case until it is decided or left."""
    st.query_params.update(user_id=user_id, registration_id=registration_id)


def stay_with(record: ValidationRecord) -> None:
    open_case(record.user_id, record.registration_id)


def leave_case() -> None:
    for name in ("user_id", "registration_id"):
        st.query_params.pop(name, None)
