"""The morning digest: what is wrong with events, each in a sentence that leads to the people whom it is about."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby

import pandas as pd
import streamlit as st

from core.domain.alerts import Limits
from core.domain.digest import Finding, findings
from core.domain.event_summaries import EventLine, summary_of, today_of
from core.domain.people import Group
from core.domain.profiles import EventProfile
from dashboard import pages
from dashboard.parts import look, profiles
from dashboard.parts.kept import kept
from dashboard.sections import people
from dashboard.services import get_services

#: Events that stand there at once on All events, and those that can be unfolded below them.
AT_ONCE, UNFOLDED = 3, 30
_TITLE = "**This morning**"


def of_all(lines: Sequence[EventLine], now: datetime) -> None:
    """What is wrong with the events, the most urgent one first; one calm line if nothing is."""
    limits = get_services().settings
    if not (looked_for := _looked_for(limits)):
        return
    wrong = [list(each) for _, each in groupby(findings(lines, limits, now), key=lambda each: each.profile.event_id)]
    with st.container(border=True, key="digest", gap="small"):
        if not wrong:
            unread = any(line.summary is None for line in lines)
            said = (
                "Nothing so far: some events are still to be read." if unread else "Nothing needs you this morning."
            )
            st.markdown(f":material/check_circle: {said}", help=looked_for)
            return
        st.markdown(_TITLE, help=looked_for)
        for found in wrong[:AT_ONCE]:
            _event(found)
        if more := wrong[AT_ONCE:]:
            with st.expander(f"{len(more):,} more event{'s' if len(more) > 1 else ''}"):
                for found in more[:UNFOLDED]:
                    _event(found)
                if len(more) > UNFOLDED:
                    st.caption(f"The other {len(more) - UNFOLDED:,} are told of on their own overviews.")


def of_event(event_id: str, registered: pd.DataFrame, records: pd.DataFrame, now: datetime) -> None:
    """The same of one event, from its frames, on its overview; nothing if nothing is wrong."""
    profile = profiles.known().get(event_id) or EventProfile(event_id=event_id)
    summary = kept(summary_of, profile, registered, records, today_of(profile, now))
    limits = get_services().settings
    if found := findings([EventLine(profile, summary)], limits, now):
        with st.container(border=True, key="digest", gap="small"):
            st.markdown(_TITLE, help=_looked_for(limits))
            with st.container(gap="xsmall"):
                _sentences(found, on_overview=True)


def _event(found: Sequence[Finding]) -> None:
    """The event's name beside its findings, or above them where there is no room."""
    with st.container(horizontal=True, gap="small"):
        st.text(found[0].profile.title, width=200)
        with st.container(width=480, gap="xsmall"):
            _sentences(found, on_overview=False)


def _sentences(found: Iterable[Finding], *, on_overview: bool) -> None:
    for finding in found:
        event_id = finding.profile.event_id
        with st.container(key=f"{look.SENTENCE}-{finding.rule}-{event_id}", width="content"):
            if finding.people is Group.WAITING and pages.may_open(get_services().principal, pages.REVIEW):
                pages.link(pages.REVIEW, finding.sentence, "", {"event_id": event_id})
            elif on_overview:
                people.to_list(finding.sentence, event_id, finding.people)
            else:
                query = {"event_id": event_id, people.PEOPLE: str(finding.people)}
                pages.link(pages.EVENT_OVERVIEW, finding.sentence, "", query)


def _looked_for(limits: Limits) -> str:
    """The rules that are on, in a sentence; empty if none is."""
    rules = {
        f"fewer than {limits.digest_ready_percent:g}% ready in the last {limits.digest_ready_days:g} days before the "
        "start": limits.digest_ready_percent,
        f"a case that has waited for more than {limits.digest_case_hours:g} hours": limits.digest_case_hours,
        f"at least {limits.digest_failures:,} failures in 24 hours, at twice those of the 24 hours before, by each "
        "person's newest photo": limits.digest_failures,
    }
    on = [words for words, limit in rules.items() if limit]
    return f"Looked for: {'; '.join(on)}." if on else ""
