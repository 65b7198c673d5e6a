"""What waits in the review queue: which cases, who has them, and which of them to work on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial

import pandas as pd
import streamlit as st

from core.domain import reasons
from core.domain.cases import Claim
from core.domain.errors import ServiceError
from core.domain.frames import record_frame
from core.domain.records import Status
from core.services.review_queue import Case, Opened, Reviewer
from dashboard import pages, reviewers
from dashboard.parts import chosen_event, event, link, profiles, ui
from dashboard.sections.review import work
from dashboard.services import get_services

ONE, LIST, AGAIN = "One by one", "List", "Second looks"
ANY_REASON, COMPARE = "Any reason", "A person must compare"
#: In which order cases come.
OLDEST, BY_START = "Oldest first", "By the event's start"
#: Which cases are wanted, by who has them and how long they have waited.
ANYBODY, NOBODY, MINE, OVERDUE = "Everything", "With nobody", "With me", "Overdue"


def queue(events: list[str]) -> pd.DataFrame:
    """What waits in the events, and what was decided today: little of what they hold."""
    services = get_services()
    today = pd.Timestamp(services.clock()).tz_convert(ui.viewer_zone()).normalize().tz_convert("UTC")
    parts = [
        records[(records["status"] == Status.PENDING) | (records["decidedAt"] >= today)]
        for records in map(event.records, events)
    ]
    return pd.concat(parts or [record_frame({})], ignore_index=True)


def figures(records: pd.DataFrame, waiting: int, elsewhere: int) -> None:
    """How many wait and how many were decided today, in a line: the room is the faces'."""
    decided = records["decision"].value_counts()
    approved, rejected = int(decided["approved"]), int(decided["rejected"])
    colleagues = f" ({elsewhere:,} with colleagues)" if elsewhere else ""
    st.caption(f"{waiting:,} waiting{colleagues} · today {approved:,} approved, {rejected:,} rejected")


def reviewer() -> Reviewer:
    """The person at this page, as a reviewer."""
    services = get_services()
    # Without sign-in everybody is the same person to us: who says their name now is who had the case before.
    person = services.principal.id if services.settings.sign_in else ""
    return Reviewer(
        services.records,
        services.claims,
        services.clock,
        reviewers.holder(person, services.claims),
        services.principal.name,
        partial(reviewers.is_left, person),
    )


def _reason_word(option: str) -> str:
    return reasons.label(option) if reasons.is_known(option) else option


def due() -> datetime:
    """When a case must have begun to wait to be overdue now."""
    services = get_services()
    return services.clock() - timedelta(hours=services.settings.review_due_hours)


@dataclass(frozen=True)
class Filters:
    """Which cases are wanted, and in which order; the link has them."""

    reason: str
    which: str
    order: str

    @classmethod
    def shown(cls, waiting: pd.DataFrame) -> Filters:
        """Lets people choose, among what there is; what they chose is in the link."""
        codes = sorted({code for listed in waiting["reasons"].dropna().unique() for code in listed.split()})
        known = [code for code in codes if reasons.is_known(code)]
        # Shown in each view: Streamlit forgets what was chosen in a field that a page does not have any more.
        with st.popover("Filter", icon=":material/filter_alt:"):
            offered = [ANY_REASON, COMPARE, *known]
            reason = st.selectbox(
                "Reason",
                offered,
                format_func=_reason_word,
                width=260,
                **link.choice("reason", offered, ANY_REASON, word=_reason_word),
            )
            which = st.selectbox(
                "Which cases",
                [ANYBODY, NOBODY, MINE, OVERDUE],
                key="which",
                bind="query-params",
                width=260,
                help=f"A case is overdue after {get_services().settings.review_due_hours:g} hours.",
            )
            order = st.selectbox(
                "Order",
                [OLDEST, BY_START],
                key="sort",
                bind="query-params",
                width=260,
                help="By the event's start: cases of the event that begins next come first, those of events that are "
                "over or have no date last.",
            )
        return cls(reason, which, order)

    @property
    def are_set(self) -> bool:
        return (self.reason, self.which) != (ANY_REASON, ANYBODY)

    def of(self, waiting: pd.DataFrame, standing: Mapping[Case, Claim], me: Reviewer) -> pd.DataFrame:
        """The rows of ``waiting``, which are oldest first, that are wanted, in the order that is wanted."""
        if self.order == BY_START:
            waiting = by_start(waiting, profiles.starts(), get_services().clock())
        if self.reason == COMPARE:
            waiting = waiting[waiting["reasons"].fillna("") == ""]
        elif self.reason != ANY_REASON:
            waiting = waiting[waiting["reasons"].fillna("").str.split().map(lambda codes: self.reason in codes)]
        if self.which == OVERDUE:
            return waiting[waiting["timestamp"] < pd.Timestamp(due())]
        if self.which in (NOBODY, MINE):
            mine = {case for case, claim in standing.items() if me.is_own(claim)}
            wanted = mine if self.which == MINE else standing.keys()
            chosen = pd.Series([case in wanted for case in cases(waiting)], index=waiting.index, dtype=bool)
            return waiting[chosen if self.which == MINE else ~chosen]
        return waiting


def by_start(waiting: pd.DataFrame, starts: Mapping[str, datetime], now: datetime) -> pd.DataFrame:
    """The rows by the start of their event, which ``starts`` has by its id; those of one event stay in their order.

    Cases of events that have begun come last, as do those without a date: nobody waits at their doors.
    """
    begins = pd.to_datetime(waiting["eventId"].map(dict(starts)), utc=True)
    return (
        waiting.assign(begins=begins.where(begins > now)).sort_values("begins", kind="stable").drop(columns="begins")
    )


def cases(waiting: pd.DataFrame) -> list[Case]:
    return list(zip(waiting["userId"], waiting["registrationId"], strict=True))


def filter_notice(filters: Filters) -> None:
    """Says which cases are shown, if these are not all, with the way to all of them."""
    if not filters.are_set:
        return
    words = [
        reasons.label(filters.reason) if reasons.is_known(filters.reason) else None,
        COMPARE if filters.reason == COMPARE else None,
        filters.which if filters.which in (NOBODY, MINE, OVERDUE) else None,
    ]
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.caption(f"Only: {' · '.join(filter(None, words)).lower()}", width="content")
        st.button("All cases", icon=":material/filter_alt_off:", type="tertiary", on_click=_no_filters)


def _no_filters() -> None:
    link.put("reason", None)
    st.session_state.which = ANYBODY


def listing(waiting: pd.DataFrame, standing: Mapping[Case, Claim], me: Reviewer, events: Sequence[str]) -> None:
    """The cases of the events as a table, oldest first; a row leads to its case."""
    if waiting.empty:
        with st.container(border=True):
            st.subheader(":green[:material/task_alt:] No such case waits", anchor=False)
            st.write("Nothing waits, or not what the filter asks for.")
            _lead_on(events)
        return
    shown = waiting.head(event.MAX_ROWS)
    chosen = st.dataframe(
        _table(shown, standing, me),
        hide_index=True,
        key="queue",
        on_select="rerun",
        selection_mode="single-row",
        column_config={
            "Waiting since": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
            "Similarity": st.column_config.NumberColumn(format="%.1f"),
        },
        placeholder="–",
        alt="Cases that wait, oldest first",
    )
    if len(waiting) > len(shown):
        st.caption(f"The oldest {len(shown):,} of {len(waiting):,}.")
    if rows := chosen.selection.rows:
        user_id, registration_id = cases(shown)[rows[0]]
        st.button(
            "Open this case",
            type="primary",
            icon=":material/open_in_new:",
            on_click=_open,
            args=(user_id, registration_id),
        )


def _open(user_id: str, registration_id: str) -> None:
    work.open_case(user_id, registration_id)
    st.session_state[work.VIEW] = ONE


def _table(shown: pd.DataFrame, standing: Mapping[Case, Claim], me: Reviewer) -> pd.DataFrame:
    now, zone, late = get_services().clock(), ui.viewer_zone(), pd.Timestamp(due())
    claims = [standing.get(case) for case in cases(shown)]
    return pd.DataFrame(
        {
            "Name": _names(shown),
            "Registration": shown["registrationId"],
            "Event": shown["eventId"],
            "Waits": [ui.how_long(now - since) if pd.notna(since) else None for since in shown["timestamp"]],
            "Overdue": (shown["timestamp"] < late).map({True: "overdue", False: None}),
            "Waiting since": shown["timestamp"].dt.tz_convert(zone),
            "Reasons": shown["reasons"].fillna("").map(ui.reason_labels).replace("", COMPARE),
            "Similarity": shown["similarity"],
            "With": [claim and ("me" if me.is_own(claim) else claim.name or "a colleague") for claim in claims],
        }
    )


def _names(shown: pd.DataFrame) -> list[str | None]:
    names: dict[str, str] = {}
    with ui.banner_on_failure("read the names"):
        for event_id in shown["eventId"].dropna().unique():
            if get_services().registrations.being_read(event_id):
                continue  # the names come later
            registered = event.registrations(event_id)
            theirs = registered[registered["registrationId"].isin(shown["registrationId"])]
            names |= dict(zip(theirs["registrationId"], theirs["name"], strict=True))
    found = [names.get(registration_id) for registration_id in shown["registrationId"]]
    return [name if isinstance(name, str) else None for name in found]


def view_control() -> str:
    """Lets people choose between one case after the other and the list; the link names it."""
    settings = get_services().settings
    views = [ONE, LIST]
    if settings.second_look_decisions or settings.second_look_passes:
        views.append(AGAIN)
    chosen: str | None = st.segmented_control(
        "View",
        views,
        default=ONE,
        required=True,
        key=work.VIEW,
        bind="query-params",
        label_visibility="collapsed",
        width="content",
    )
    return chosen or ONE


def unknown_case() -> None:
    st.warning(
        "The link names an unknown case: it is not in the queue, or it has been deleted.",
        icon=":material/person_off:",
    )


def without_claims(error: ServiceError) -> None:
    """Says that cases are not reserved, and what that means."""
    ui.banner(
        "warning",
        "Cases cannot be reserved right now: a colleague may see the same case. Of two decisions the first counts.",
        str(error),
        icon=":material/group_off:",
    )


def next_second_look(events: list[str], me: Reviewer) -> Opened | None:
    """The next case of the events that wants a second look by the person at this page; None if there is none."""
    services = get_services()
    name = services.principal.known_as
    wanted = event.joined([services.second_looks.wanted(event_id, name) for event_id in events] or [record_frame({})])
    if wanted.empty:
        return None
    return me.next_case(
        cases(wanted.sort_values("turn")), work.skipped(), lambda record: services.second_looks.wants(record, name)
    )


def no_second_look(events: Sequence[str]) -> None:
    with st.container(border=True):
        st.subheader(":green[:material/task_alt:] No case wants a second look by you", anchor=False)
        st.write("A sample of the cases that colleagues decided or that passed comes here.")
        _lead_on(events)


def nothing_waits(elsewhere: int, events: Sequence[str]) -> None:
    """Says why there is no case of the events for the person at this page, and what they can do instead."""
    with st.container(border=True):
        st.subheader(":green[:material/task_alt:] Nothing waits for you", anchor=False)
        skipped = work.skipped()
        if elsewhere:
            st.write(f"Colleagues have the other {elsewhere:,}.")
        elif not skipped:
            st.write("Every photo has its verdict.")
        if skipped:
            st.write(f"You skipped {len(skipped):,}.")
            st.button("Back to the skipped ones", icon=":material/undo:", on_click=skipped.clear)
        _lead_on(events)


def _lead_on(events: Sequence[str]) -> None:
    """Where there is something else to do. An event is in the link if it is the only one that is shown."""
    query = {chosen_event.NAME: events[0]} if len(events) == 1 else None
    with st.container(horizontal=True):
        pages.link(pages.VALIDATE, "Validate a photo", ":material/verified_user:")
        pages.link(pages.EVENT_OVERVIEW, "See who is not ready", ":material/event_available:", query)
        if not events:
            pages.link(pages.START, "Load data", ":material/upload_file:")
