"""Sections of the audit trail: its filters, its table and its pager."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pandas as pd
import streamlit as st

from core.domain.audit import AuditEntry, AuditFilter, Result, result_of
from core.domain.records import isoformat
from core.domain.roles import Action
from core.services.hashing import id_hash
from dashboard.parts import event, ui
from dashboard.services import get_services

SPANS = {
    "24 h": timedelta(hours=24),
    "7 days": timedelta(days=7),
    "30 days": timedelta(days=30),
    "1 year": timedelta(days=365),
}
PAGE_ROWS = 50
RESULT_WORDS = {Result.DONE: "Done", Result.BEGUN: "Not finished", Result.FAILED: "Not done"}
HASH = re.compile("[0-9a-f]{16}")


def word(action: str) -> str:
    return action.replace("-", " ").capitalize()


def first_page() -> None:
    st.query_params.pop("number", None)


def by_person() -> None:
    """The link has the hash: an id that was looked for is kept nowhere, and shared with nobody."""
    services = get_services()
    text = (st.session_state.get("person-id") or "").strip()
    st.session_state["person-id"] = ""
    first_page()
    if text:
        st.query_params["person"] = text if HASH.fullmatch(text) else id_hash(services.settings)(text)


def everybody() -> None:
    st.query_params.pop("person", None)
    first_page()


def heading() -> timedelta:
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.title("Audit trail", anchor=False, width="content")
        span = ui.span_control(SPANS, "7 days", first_page)
    return SPANS[span]


def filters() -> AuditFilter:
    person = st.query_params.get("person")
    what, who, whom, how = st.columns([3, 2, 2, 1.4], vertical_alignment="bottom")
    actions = what.multiselect(
        "What",
        [action.value for action in Action],
        format_func=word,
        key="action",
        bind="query-params",
        placeholder="Everything",
        on_change=first_page,
    )
    name = who.text_input(
        "Who",
        key="who",
        bind="query-params",
        placeholder="Anybody",
        help="As the trail names them: an e-mail address, a token, or the name of the person at the machine.",
        on_change=first_page,
    )
    whom.text_input(
        "On whom",
        key="person-id",
        placeholder="Anybody",
        help="A whole user id or registration id, or the hash from a receipt. The id itself is not kept: the trail "
        "and this page's link have its hash.",
        on_change=by_person,
    )
    result = how.selectbox(
        "Outcome",
        [each.value for each in Result],
        index=None,
        format_func=lambda value: RESULT_WORDS[Result(value)],
        key="result",
        bind="query-params",
        placeholder="Any",
        on_change=first_page,
    )
    if person:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.badge("On one person", icon=":material/person:", color="blue")
            st.text(person)
            st.button("Everybody", icon=":material/close:", type="tertiary", on_click=everybody)
    return AuditFilter(frozenset(actions), (name or "").strip() or None, person, result)


def files(wanted: AuditFilter, since: datetime, until: datetime) -> event.Files:
    """The entries of all pages."""
    given = {
        "action": sorted(wanted.actions),
        "who": wanted.who,
        "person": wanted.person,
        "result": wanted.result,
        "since": isoformat(since),
        "until": isoformat(until),
    }
    return event.Files("/api/exports/audit", given)


def page_number() -> int:
    given = st.query_params.get("number", "1")
    return max(1, int(given)) if given.isdecimal() and len(given) < 6 else 1


def turn_to(page: int) -> None:
    st.query_params["number"] = str(page)


def table(entries: list[AuditEntry]) -> None:
    zone = ui.viewer_zone()
    rows = pd.DataFrame(
        [
            {
                "When": pd.Timestamp(entry.at).tz_convert(zone),
                "Who": entry.who,
                "What": word(entry.action),
                "Outcome": RESULT_WORDS[result_of(entry)],
                "User": entry.user,
                "Registration": entry.registration,
                "Event": entry.event_id,
                "IP address": entry.ip_address,
                "Details": ", ".join(
                    [
                        *([entry.outcome] if result_of(entry) is Result.FAILED else []),
                        *(f"{name} {value}" for name, value in sorted(entry.details.items())),
                    ]
                )
                or None,
            }
            for entry in entries
        ]
    )
    st.dataframe(
        rows,
        hide_index=True,
        height="content",
        column_config={"When": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm:ss")},
        placeholder="–",
        alt="Entries of the audit trail, newest first",
    )
    st.caption("User and registration are hashes: entries are kept when a person is erased, and do not name them.")


def pager(page: int, rows: int, *, more: bool) -> None:
    first = (page - 1) * PAGE_ROWS
    with st.container(horizontal=True, vertical_alignment="center"):
        st.button("Newer", icon=":material/chevron_left:", disabled=page == 1, on_click=turn_to, args=(page - 1,))
        st.text(f"{first + 1:,} to {first + rows:,}")
        st.button("Older", icon=":material/chevron_right:", disabled=not more, on_click=turn_to, args=(page + 1,))


def nothing(page: int) -> None:
    with st.container(border=True):
        st.subheader("No entries", anchor=False)
        st.write("No entry of this span of time matches the filters.")
        if page > 1:
            st.button("To the newest", icon=":material/first_page:", on_click=first_page)
