"""The chosen event, which all pages share: chosen once on any of them, or by a link; the browser remembers it.

The session keeps a list, since Statistics can show several; pages that show one show its first. Where it is empty, no
event is chosen: the review queue then has the cases of all events.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.domain.search import fold
from dashboard import pages
from dashboard.access import names
from dashboard.parts import link, profiles
from dashboard.parts.profiles import ALL_EVENTS as ALL

PRODUCT = "Facedesk"
#: The name in the link, and the key of the field. On pages of events the link always has it, "" where none is chosen:
#: Back then shows what was seen, whatever was chosen since.
NAME = "event_id"
COOKIE = "facedesk_event"
#: What the session keeps: the chosen events, the event that was shown last, what it wrote into the link by itself,
#: and whether the browser has yet to be told.
_CHOSEN, _LAST, _WRITTEN, _UNTOLD = "chosen-events", "last-event", "events-in-link", "event-is-untold"


def one(place: DeltaGenerator, events: Sequence[str], page: Path) -> str:
    """Lets people choose an event in this place of the page; returns the one to show.

    There is at least one in ``events``.
    """
    (shown,) = _shown(page, events, (_settled(events) or [_usual(events)])[:1])
    link.fill(NAME, shown)
    place.selectbox("Event", label_visibility="collapsed", **_field(events))
    return shown


def one_or_all(place: DeltaGenerator, events: Sequence[str], page: Path) -> list[str]:
    """Lets people choose an event or all in this place of the page; returns those to show."""
    shown = _shown(page, events, _settled(events)[:1])
    link.fill(NAME, shown[0] if shown else ALL)
    place.selectbox("Event", label_visibility="collapsed", **_field(events, ALL))
    return shown or list(events)


def several(events: Sequence[str], page: Path) -> list[str]:
    """Lets people choose events here, on the page; returns those to show.

    There is at least one in ``events``.
    """
    settled = _settled(events)
    shown = _shown(page, events, settled if _in_link() == [""] else settled or [_usual(events)])
    link.fill(NAME, shown)
    st.multiselect("Events", **_field(events))
    return shown


def expected() -> list[str]:
    """The events that a page of events will show, as far as that is known before it has looked at its link."""
    return _chosen() if _in_link() in ([], st.session_state.get(_WRITTEN)) else []


def name_window(page: str, events: Sequence[str]) -> None:
    """Has the browser call the page by its name and by these events, which it shows."""
    what = [f"{len(events)} events"] if len(events) > 1 else _titles(events)
    st.set_page_config(page_title=" · ".join([*what, *([page] if page != PRODUCT else []), PRODUCT]))


def in_sidebar(place: DeltaGenerator, *, shown: bool) -> None:
    """Says in this place which event is chosen, or ``shown`` by the page; has the browser remember the choice."""
    chosen = _chosen()
    named = [each for each in st.session_state.get(_WRITTEN, []) if each] if shown else chosen
    with place.container(gap="xxsmall"):
        if named:
            st.caption("Event" if len(named) == 1 else "Events")
            st.text(", ".join(_titles(named, most=None)))
        if st.session_state.get(_UNTOLD):
            to_be_kept = names.remembered(COOKIE, chosen[0] if chosen else None)
            st.html(f"<script>document.cookie = '{to_be_kept}';</script>", unsafe_allow_javascript=True)


def _field(events: Sequence[str], *before: str) -> dict[str, Any]:
    """What a field for events is made with: they stand in the order of their titles, behind those ``before``."""
    titles = profiles.titles(events)
    options = [*before, *sorted(events, key=lambda each: (fold(titles[each]), each))]
    return {"options": options, "format_func": lambda each: titles.get(each, each), "key": NAME, "on_change": _take}


def _titles(events: Sequence[str], most: int | None = profiles.MAX_TITLE) -> list[str]:
    titles = profiles.titles(events, most) if events else {}
    return [titles[each] for each in events]


def _in_link() -> list[str]:
    return st.query_params.get_all(NAME)


def _chosen() -> list[str]:
    chosen: list[str] = st.session_state.get(_CHOSEN, [])
    return chosen


def _choose(events: list[str]) -> None:
    st.session_state[_CHOSEN] = events
    st.session_state[_UNTOLD] = True


def _settled(events: Sequence[str]) -> list[str]:
    """What is chosen, of the events that there are: by a link that this session did not write, else before."""
    if _CHOSEN not in st.session_state:
        kept = unquote(st.context.cookies.get(COOKIE) or "")
        st.session_state[_CHOSEN] = [kept] if kept in events else []
    named = _in_link()
    if named and named != st.session_state.get(_WRITTEN):
        known = [each for each in dict.fromkeys(named) if each in events]
        if known or named == [""]:
            _choose(known)
    return [each for each in _chosen() if each in events]


def _usual(events: Sequence[str]) -> str:
    """The event of a page that must show one where none is chosen."""
    last = st.session_state.get(_LAST)
    return next((each for each in events if each == last), events[0])


def _shown(page: Path, events: Sequence[str], shown: list[str]) -> list[str]:
    """Notes what the page shows, also in its link and title; returns it."""
    name_window(pages.name_of(page), shown)
    st.session_state[_LAST] = shown[0] if shown else st.session_state.get(_LAST)
    if all(not each or each in events for each in _in_link()):  # else the link says what it could not be
        _write(shown)
    return shown


def _write(events: list[str]) -> None:
    written = st.session_state[_WRITTEN] = events or [""]
    if _in_link() != written:
        st.query_params[NAME] = written


def _take() -> None:
    """Callback: what the field has is chosen from now on."""
    value: str | list[str] = st.session_state[NAME]
    picked = [] if value == ALL else [value] if isinstance(value, str) else value
    _choose(picked)
    _write(picked)
