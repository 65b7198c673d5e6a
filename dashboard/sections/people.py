"""The people behind an event's numbers: a sentence that counts them, and the list that each of its numbers opens."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from urllib.parse import quote

import pandas as pd
import streamlit as st

from core.domain.event_summaries import days_to_go
from core.domain.forecast import FURTHEST, forecast
from core.domain.people import Group, Order, fitting, listed, of_group, passed_at, records_of, validated
from core.domain.profiles import EventProfile
from core.domain.records import Status
from core.domain.roles import Action
from core.domain.statistics import Readiness
from dashboard import pages
from dashboard.parts import chosen_event, event, lead_on, link, look, ui
from dashboard.parts.kept import kept
from dashboard.parts.lead_on import ONLY, PAGE, PEOPLE, SEARCH, Chosen
from dashboard.prefix import address_of
from dashboard.services import get_services

#: In the link: the list's order.
ORDER = "order"
_TITLES = {
    Group.REGISTERED: "Everybody who is registered",
    Group.WITH_PHOTO: "With a reference photo",
    Group.TRIED: "Tried",
    Group.NOT_READY: "Not ready",
    Group.NEVER_TRIED: "Never tried",
    Group.FAILED: "Failed, not yet retried",
    Group.WAITING: "Waiting for a decision",
    Group.UNKNOWN: "Status unknown",
    Group.PASSED: "Passed",
    Group.EXPIRING: "Passed, but expire within a week",
    Group.VALIDATED: "The people behind this part",
}
#: The groups that a link may name.
_NAMED = [group for group in Group if group is not Group.VALIDATED]
_ORDERS = {
    Order.NAME: "By name",
    Order.OLDEST: "Oldest attempt first",
    Order.NEWEST: "Newest attempt first",
    Order.ATTEMPTS: "Most attempts first",
}


def sentence(event_id: str, readiness: Readiness, everybody: pd.DataFrame, now: datetime) -> None:
    """How many are not ready and why, and how many passed: each number is a link to its people."""
    # Has the browser show the link that was followed: Streamlit does not, where it leads to the page that it is on.
    link.put(chosen_event.NAME, st.query_params.get(chosen_event.NAME))
    with st.container(gap="xxsmall"):
        for parts in (_not_ready(readiness), _ready(readiness, kept(_expiring, everybody, _minute(now)))):
            with st.container(horizontal=True, gap="small"):
                for group, words in parts:
                    part = look.CHOSEN if st.query_params.get(PEOPLE) == group else f"-{group}"
                    with st.container(key=look.SENTENCE + part, width="content"):
                        to_list(words, event_id, group)


def to_list(words: str, event_id: str, group: Group | None) -> None:
    """A link to this page as it is, but with the list of this group, or with none."""
    left_out = {PEOPLE, PAGE, ONLY} | ({SEARCH, ORDER} if group is None else set())
    here = {name: value for name, value in st.query_params.to_dict().items() if name not in left_out}
    if group is not None:
        here[PEOPLE] = str(group)
    pages.link(pages.EVENT_OVERVIEW, words, "", {**here, "event_id": event_id})


def _not_ready(readiness: Readiness) -> Iterator[tuple[Group, str]]:
    """The groups of those who are not ready that have somebody, with the words for each."""
    registered = readiness.registered
    not_ready = registered - readiness.passed
    if not_ready:
        yield Group.NOT_READY, f"{not_ready:,} of {registered:,} {'is' if not_ready == 1 else 'are'} not ready:"
    elif registered:
        yield Group.REGISTERED, f"All {registered:,} are ready"
    if readiness.never_tried:
        yield Group.NEVER_TRIED, f"{readiness.never_tried:,} never tried"
    if readiness.failed:
        yield Group.FAILED, f"{readiness.failed:,} failed"
    if readiness.waiting:
        yield Group.WAITING, f"{readiness.waiting:,} {'waits' if readiness.waiting == 1 else 'wait'}"
    if readiness.unknown:
        yield Group.UNKNOWN, f"{readiness.unknown:,} of unknown status"


def _ready(readiness: Readiness, expiring: int) -> Iterator[tuple[Group, str]]:
    """The same of those who passed."""
    if readiness.passed:
        yield Group.PASSED, f"{readiness.passed:,} passed"
    if expiring:
        yield Group.EXPIRING, f"{expiring:,} of them {'expires' if expiring == 1 else 'expire'} within a week"


def outlook(readiness: Readiness, everybody: pd.DataFrame, now: datetime, profile: EventProfile | None) -> None:
    """How long it is to the start, and how many will be ready by then; nothing where the start is not known."""
    if profile and profile.starts_at:
        st.caption(_outlook(readiness, everybody, now, profile, profile.starts_at))


def _outlook(
    readiness: Readiness, everybody: pd.DataFrame, now: datetime, profile: EventProfile, starts_at: datetime
) -> str:
    if starts_at <= now:
        return "The event has begun."
    days = days_to_go(profile, now)
    to_go = "Starts today" if not days else f"{days:,} {'day' if days == 1 else 'days'} to go"
    if readiness.registered == readiness.passed:
        return f"{to_go}."
    expected = forecast(passed_at(everybody), readiness.registered, readiness.passed, now, starts_at)
    if expected is None:
        early = starts_at - now > FURTHEST
        why = f"from {FURTHEST.days} days before the start on" if early else "once enough people have passed lately"
        return f"{to_go}. It will say here how many are likely to be ready by the start {why}."
    # Rounded outwards, so that the interval holds what it promises.
    low, high = math.floor(expected.low * 100), math.ceil(expected.high * 100)
    return (
        f"{to_go}; at this pace {expected.share:.0%} will be ready by the start (between {low} and {high}%). "
        "This is a rough estimate from the last days: nobody knows who will still come."
    )


def records_of_list(standing: event.Standing, now: datetime) -> pd.DataFrame:
    """The records of the group that the link names; all where it names none."""
    named = st.query_params.get(PEOPLE)
    if named not in _NAMED:
        return standing.records
    return kept(records_of, kept(of_group, standing.people, Group(named), _minute(now)), standing.records)


def people_list(event_id: str, standing: event.Standing, chosen: Chosen, now: datetime) -> None:
    """The list that the link names, by a group or by the parts of charts that are ``chosen``, with a search, an
    order, pages and files; nothing where it names none.
    """
    named = st.query_params.get(PEOPLE)
    if named is None and not chosen.picks:
        # The next list begins without what was searched in this one.
        for name in (SEARCH, ORDER, PAGE):
            st.session_state.pop(name, None)
        return
    if named is not None and named not in _NAMED:
        ui.banner("warning", "The link names an unknown list of people.", named, icon=":material/search_off:")
        return
    group = Group.VALIDATED if named is None else Group(named)
    everybody = kept(validated, standing.registrations, standing.records) if named is None else standing.people
    with st.container(border=True, key=lead_on.LIST):
        _list(event_id, group, chosen, everybody, now)
    lead_on.bring_list_into_view(chosen)


def _list(event_id: str, group: Group, chosen: Chosen, everybody: pd.DataFrame, now: datetime) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        title = st.container(width="content")
        with st.container(horizontal=True, vertical_alignment="center", gap="small", width="content"):
            text = st.text_input(
                "Search these people",
                key=SEARCH,
                bind="query-params",
                icon=":material/search:",
                placeholder="Name, e-mail or id",
                label_visibility="collapsed",
                max_chars=200,
                width=230,
                on_change=_first_page,
            )
            order = st.selectbox(
                "Order",
                [str(order) for order in Order],
                format_func=lambda order: _ORDERS[Order(order)],
                key=ORDER,
                bind="query-params",
                label_visibility="collapsed",
                width=200,
                on_change=_first_page,
            )
            files = st.empty()
            with st.container(key=f"{look.SENTENCE}-close", width="content"):
                to_list("Show all again", event_id, None)
    fitting_all = chosen.rows(everybody, fitting)
    rows = kept(listed, fitting_all, group, text or "", Order(order), _minute(now))
    title.markdown(f"**{_TITLES[group]} · {len(rows):,}**")
    for pick in chosen.picks:
        title.text(pick.words)
    if group is Group.WAITING:
        pages.link(pages.REVIEW, "Open the review queue", ":material/fact_check:", {"event_id": event_id})
    if rows.empty:
        st.caption("Nobody.")
        return
    query = {"who": str(group), "search": (text or "").strip(), "sort": order, **chosen.query()}
    with files:
        event.file_links("These people", event.files(event_id, "people", query), "people")
    last = math.ceil(len(rows) / event.MAX_ROWS)
    # Above the rows, so that it stays in its place. A link may name a page that there no longer is.
    if st.session_state.get(PAGE, 1) > last:
        _first_page()
    number = 1
    if last > 1:
        number = st.pagination(last, key=PAGE, bind="query-params")
    shown = kept(_page, rows, number)
    services = get_services()
    sees_cases = services.principal.may(Action.FIND_PEOPLE)
    if sees_cases:
        shown = kept(_with_cases, shown, services.principal.may(Action.DECIDE), address_of(""))
    columns = [
        *(("name", "email") if services.principal.sees_identities else ()),
        *(("case",) if sees_cases else ()),
        *("status", "why", "attempts", "timestamp"),
        *(("expiresAt",) if group is Group.EXPIRING else ()),
        *("message", "registrationId", "userId"),
    ]
    event.table(shown, columns, _TITLES[group])


def _expiring(everybody: pd.DataFrame, now: datetime) -> int:
    return len(of_group(everybody, Group.EXPIRING, now))


def _page(rows: pd.DataFrame, number: int) -> pd.DataFrame:
    return rows.iloc[(number - 1) * event.MAX_ROWS : number * event.MAX_ROWS]


def _with_cases(rows: pd.DataFrame, may_decide: bool, prefix: str) -> pd.DataFrame:
    """The rows of a page with the address of each case: in the queue if it waits there, else the person's."""
    addresses = [
        f"{prefix}/{'review' if may_decide and status == Status.PENDING else 'user_lookup'}"
        f"?user_id={quote(user, safe='')}&registration_id={quote(registration, safe='')}"
        for status, user, registration in zip(rows["status"], rows["userId"], rows["registrationId"], strict=True)
    ]
    return rows.assign(case=pd.Series(addresses, index=rows.index, dtype="str"))


def _minute(now: datetime) -> datetime:
    """So that what was made is made once a minute at the most."""
    return now - timedelta(seconds=now.second, microseconds=now.microsecond)


def _first_page() -> None:
    st.session_state[PAGE] = 1
