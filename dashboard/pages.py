"""The pages: where each one's script lies, and how they stand in the navigation."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

_FOLDER = Path(__file__).resolve().parent.parent / "pages"

HOME = _FOLDER / "home.py"
VALIDATE = _FOLDER / "validate.py"
USER_LOOKUP = _FOLDER / "user_lookup.py"
REVIEW = _FOLDER / "review.py"
EVENT_OVERVIEW = _FOLDER / "event_overview.py"
STATISTICS = _FOLDER / "statistics.py"
OPERATIONS = _FOLDER / "operations.py"
START = _FOLDER / "start.py"


def navigation() -> dict[str, list[st.Page]]:
    """Sections and their pages. Made anew for each run: a page object carries the state of its run."""
    return {
        "Desk": [
            # The default page answers at / alone, so it is one of its own that leads on.
            st.Page(HOME, title="Facedesk", default=True, visibility="hidden"),
            st.Page(VALIDATE, title="Validate", icon=":material/verified_user:", url_path="validate"),
            st.Page(USER_LOOKUP, title="User lookup", icon=":material/person_search:", url_path="user_lookup"),
            st.Page(REVIEW, title="Review queue", icon=":material/fact_check:", url_path="review"),
        ],
        "Event": [
            st.Page(
                EVENT_OVERVIEW, title="Event overview", icon=":material/event_available:", url_path="event_overview"
            ),
            st.Page(STATISTICS, title="Statistics", icon=":material/bar_chart:", url_path="statistics"),
        ],
        "Operations": [
            st.Page(OPERATIONS, title="Operations", icon=":material/monitoring:", url_path="operations"),
        ],
        "Set-up": [st.Page(START, title="Load data", icon=":material/upload_file:", url_path="start")],
    }
