"""The pages: where each one's script lies, how they stand in the navigation, and who gets in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import streamlit as st

from core.domain.roles import PAGES, Principal
from dashboard import services
from dashboard.access import signin

_FOLDER = Path(__file__).resolve().parent.parent / "pages"

HOME = _FOLDER / "home.py"
VALIDATE = _FOLDER / "validate.py"
USER_LOOKUP = _FOLDER / "user_lookup.py"
REVIEW = _FOLDER / "review.py"
ALL_EVENTS = _FOLDER / "all_events.py"
EVENT_OVERVIEW = _FOLDER / "event_overview.py"
STATISTICS = _FOLDER / "statistics.py"
EVENT_PROFILE = _FOLDER / "event_profile.py"
DUPLICATES = _FOLDER / "duplicates.py"
OPERATIONS = _FOLDER / "operations.py"
START = _FOLDER / "start.py"
AUDIT = _FOLDER / "audit.py"
ERASURE = _FOLDER / "erasure.py"
TOKENS = _FOLDER / "tokens.py"


@dataclass(frozen=True)
class _Entry:
    script: Path
    title: str
    icon: str

    @property
    def address(self) -> str:
        return self.script.stem


_SECTIONS = {
    "Desk": (
        _Entry(VALIDATE, "Validate", ":material/verified_user:"),
        _Entry(USER_LOOKUP, "User lookup", ":material/person_search:"),
        _Entry(REVIEW, "Review queue", ":material/fact_check:"),
    ),
    "Event": (
        _Entry(ALL_EVENTS, "All events", ":material/event_list:"),
        _Entry(EVENT_OVERVIEW, "Event overview", ":material/event_available:"),
        _Entry(STATISTICS, "Statistics", ":material/bar_chart:"),
        _Entry(DUPLICATES, "Duplicates", ":material/group:"),
        _Entry(EVENT_PROFILE, "Event settings", ":material/edit_calendar:"),
    ),
    "Operations": (_Entry(OPERATIONS, "Operations", ":material/monitoring:"),),
    "Privacy": (
        _Entry(AUDIT, "Audit trail", ":material/policy:"),
        _Entry(ERASURE, "Erase a person", ":material/person_remove:"),
    ),
    "Set-up": (
        _Entry(START, "Load data", ":material/upload_file:"),
        _Entry(TOKENS, "API tokens", ":material/key:"),
    ),
}


def may_open(person: Principal, script: Path) -> bool:
    """A page that is not in the table is nobody's."""
    action = PAGES.get(script.stem)
    return action is not None and person.may(action)


def is_of_events(page: st.Page) -> bool:
    """Whether the page shows the chosen event."""
    scripts = (REVIEW, EVENT_OVERVIEW, STATISTICS, DUPLICATES, EVENT_PROFILE)
    return page.url_path in {script.stem for script in scripts}


def name_of(script: Path) -> str:
    """What the navigation and the browser call the page."""
    return next(entry.title for entries in _SECTIONS.values() for entry in entries if entry.script == script)


def first(person: Principal) -> Path | None:
    """The first page of the navigation that is theirs."""
    entries = [entry.script for section in _SECTIONS.values() for entry in section]
    return next((script for script in entries if may_open(person, script)), None)


def navigation(person: Principal | None) -> dict[str, list[st.Page]]:
    """Sections and their pages. Made again for each run: a page object carries the state of its run.

    Every address is always there: without access, or once the session is over, a word about that stands at it.
    Neither is listed.
    """
    home: Path | Callable[[], None] = signin.over if person is None else HOME
    if person is not None and first(person) is None:
        home = signin.no_access
    # The default page answers at / alone, so it is one of its own that leads on.
    made = {"": [st.Page(home, title="Facedesk", default=True, visibility="hidden")]}
    for name, entries in _SECTIONS.items():
        made[name] = [_page(entry, person) for entry in entries]
    return made


def _page(entry: _Entry, person: Principal | None) -> st.Page:
    if person is not None and may_open(person, entry.script):
        return st.Page(entry.script, title=entry.title, icon=entry.icon, url_path=entry.address)
    instead = signin.over if person is None else signin.no_access
    return st.Page(instead, title=entry.title, url_path=entry.address, visibility="hidden")


def link(script: Path, label: str, icon: str, query: dict[str, str] | None = None) -> None:
    """A link to a page, for those whom it opens to."""
    person = services.principal()
    if person and may_open(person, script):
        st.page_link(script, label=label, icon=icon, query_params=query)
