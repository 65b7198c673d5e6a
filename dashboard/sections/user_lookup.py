"""Sections of the user lookup: the search, the figures and the history."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
import streamlit as st

from core.domain import reasons
from core.domain.changes import DECIDING, changed
from core.domain.records import ValidationRecord
from core.domain.statistics import latest_valid, user_statistics
from dashboard.charts import case as case_charts
from dashboard.parts import case, event, photos, profiles, search, ui
from dashboard.services import get_services

#: Rows of the history with thumbnails and text; the CSV has all.
MAX_ROWS = 50
#: What the session keeps: how often the table was made again.
_TURN = "history-turn"


def forget_choice() -> None:
    st.query_params.pop("user_id", None)
    st.query_params.pop("registration_id", None)


def choose(user_id: str) -> None:
    st.query_params["user_id"] = user_id


def find() -> str | None:
    """The user id that the link names or the search finds."""
    services = get_services()
    text = search.box("User", "User id, name or e-mail", forget_choice)
    if chosen := st.query_params.get("user_id"):
        return chosen
    if not text:
        return None
    people: dict[str, str] = {}
    found = services.registrations.search(text)
    for match in found.registrations:
        people.setdefault(match.user_id, ui.registration_line(match))
    # Records of people whose registration is gone, or was never here, can still be looked up.
    if not people and services.records.history(text, limit=1):
        people = {text: text}
    if not people:
        search.nobody()
        return None
    if len(people) > 1 or not search.all_shown(found):
        search.choice(people, found, choose)
        return None
    choose(next(iter(people)))
    return next(iter(people))


def summary(user_id: str, records: list[ValidationRecord]) -> None:
    services = get_services()
    now = services.clock()
    statistics = user_statistics(user_id, records)
    days = st.session_state.get("days", 30)
    valid = latest_valid(records, now, days)
    standing = f": {ui.when(valid.timestamp, now)}" if valid else ": there is none"
    average = statistics.average_confidence
    with st.container(horizontal=True):
        st.metric(
            "Passed recently?",
            "Yes" if valid else "No",
            help=f"Whether a photo of the last {days} days passed, and no later one of the same registration "
            f"failed{standing}",
            border=True,
        )
        st.metric("Attempts", statistics.total_attempts, border=True)
        st.metric("Passed", statistics.successful_validations, border=True)
        st.metric("Waiting", statistics.pending_validations, border=True)
        st.metric("Failed", statistics.failed_validations, border=True)
        st.metric("Confidence", "–" if average is None else f"{average:.1f}", help="Average, 0-100", border=True)


def history(records: list[ValidationRecord]) -> ValidationRecord:
    """The table of records, newest first, and the one that the link names (the newest, to begin with)."""
    zone = ui.viewer_zone()
    shown = records[:MAX_ROWS]
    table = pd.DataFrame(
        [
            {
                "Photo": photos.thumbnail(record.face_image_key, blurred=not photos.revealed(record.user_id)),
                "Outcome": ui.STATUS[record.validation_status].word,
                "Last attempt": ui.local(record.timestamp, zone),
                "Event": record.event,
                "Registration": record.registration_id,
                "Similarity": record.similarity,
                "Quality": record.quality.capitalize() if record.quality else None,
                "Reasons": reasons.labels(record.failure_reasons) or None,
                "Attempts": record.verification_attempt,
            }
            for record in shown
        ]
    )
    wanted = st.query_params.get("registration_id")
    ids = [record.registration_id for record in shown]
    if wanted and wanted not in ids:
        ui.banner(
            "warning",
            "The link names a registration that is not among the records below.",
            wanted,
            icon=":material/search_off:",
        )
    chosen = ids.index(wanted) if wanted in ids else 0
    key = _table_key(records[0].user_id, chosen)
    st.dataframe(
        table,
        key=key,
        hide_index=True,
        row_height=56,
        on_select=partial(_take_row, key, ids),
        selection_mode="single-row-required",
        selection_default={"selection": {"rows": [chosen]}},
        column_config={
            "Photo": st.column_config.ImageColumn(width="small"),
            "Last attempt": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
            "Similarity": st.column_config.ProgressColumn(min_value=0, max_value=100, format="%.1f"),
        },
        placeholder="–",
        alt="Validation history, newest first",
    )
    if not wanted:
        st.query_params["registration_id"] = ids[chosen]
    return shown[chosen]


def _table_key(user_id: str, chosen: int) -> str:
    """The key of the table; another one if the link names another row than the table has, as after Back."""
    turn = st.session_state.get(_TURN, 0)
    if _row(f"history-{turn}-{user_id}") not in (None, chosen):
        turn = st.session_state[_TURN] = turn + 1
    return f"history-{turn}-{user_id}"


def _row(key: str) -> int | None:
    rows = st.session_state[key].selection.rows if key in st.session_state else []
    return rows[0] if rows else None


def _take_row(key: str, ids: list[str]) -> None:
    """Callback: the link names the row that was chosen."""
    row = _row(key)
    if row is not None:
        st.query_params["registration_id"] = ids[row]


def timeline(record: ValidationRecord) -> None:
    zone = ui.viewer_zone()
    shown = pd.DataFrame(
        [
            {
                "time": ui.local(attempt.timestamp, zone),
                "status": attempt.status,
                "similarity": attempt.similarity,
                "label": f"Attempt {attempt.number}: {ui.STATUS[attempt.status].word}",
                **{name: getattr(attempt.provenance, name, None) for name in DECIDING},
            }
            for attempt in record.outcomes
            if attempt.timestamp is not None and attempt.similarity is not None
        ]
    )
    count = len(shown)
    frame = shown.assign(changed=changed(shown, np.arange(count), count)) if count else shown
    threshold = profiles.policy(record.event).similarity_threshold
    event.chart_card(
        "Similarity of attempts",
        None if frame.empty else case_charts.attempts_timeline(frame, threshold, case.palette()),
        f"Similarity of {count:,} of {len(record.outcomes):,} attempts over time; the table of attempts has the same",
        empty="No attempt was compared with the reference photo at a known time; the table of attempts lists them.",
        key="similarity_of_attempts",
        note="Attempts in which nothing was compared have no similarity and are left out here; the table of attempts "
        "lists them.",
    )


def person(user_id: str) -> int:
    """Who it is; returns how many registrations there are."""
    services = get_services()
    registered = services.registrations.of_user(user_id)
    names = list(dict.fromkeys(filter(None, (registration.name for registration in registered))))
    emails = list(dict.fromkeys(filter(None, (registration.email for registration in registered))))
    count = f"{len(registered)} registration{'s' if len(registered) != 1 else ''}"
    with st.container(gap="xxsmall"):
        st.subheader("Person", anchor=False)
        st.text(" · ".join([*names, user_id, *emails, count]))
    return len(registered)


def nothing_sent(registrations: int | None) -> None:
    """``registrations`` is None where they could not be read."""
    if registrations == 0:
        st.warning(
            "This user is unknown: no registration and no record has this id. Find the person by name or e-mail.",
            icon=":material/person_off:",
        )
    else:
        st.info("This person has not sent a photo yet.", icon=":material/photo_camera:")


def nothing_chosen() -> None:
    with st.container(border=True):
        st.subheader("Who?", anchor=False)
        st.write("Find a person by user id, name or e-mail to see every photo they sent and its outcome.")
