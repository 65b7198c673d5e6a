"""The morning digest: what is wrong with events, each in a sentence with a link to the people whom it is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import pandas as pd
import streamlit as st

from core.domain.alerts import Limits
from core.domain.digest import Finding, findings
from core.domain.event_summaries import EventLine, summary_of, today_of
from core.domain.people import Group
from core.domain.profiles import EventProfile
from dashboard import pages
from dashboard.parts import profiles
from dashboard.parts.kept import kept
from dashboard.sections import people
from dashboard.services import get_services

#: Findings on All events that stand there at once, and those that can be unfolded below them.
AT_ONCE, UNFOLDED = 5, 50
_WORDS = {
    Group.NOT_READY: "Who is not ready",
    Group.WAITING: "Who waits",
    Group.FAILED: "Who failed",
}


def of_all(lines: Sequence[EventLine], now: datetime) -> None:
    """What is wrong with the events, the most urgent one first; one calm line if nothing is."""
    limits = get_services().settings
    found = findings(lines, limits, now)
    looked_for = _looked_for(limits)
    if not looked_for:
        return
    with st.container(border=True, key="digest", gap="small"):
        if not found:
            unread = any(line.summary is None for line in lines)
            said = (
                "Nothing so far: some events are still to be read." if unread else "Nothing needs you this morning."
            )
            st.markdown(f":material/check_circle: {said}", help=looked_for)
            return
        st.markdown("**This morning**", help=looked_for)
        for finding in found[:AT_ONCE]:
            _row(finding)
        if more := found[AT_ONCE:]:
            with st.expander(f"{len(more):,} more"):
                for finding in more[:UNFOLDED]:
                    _row(finding)
                if len(more) > UNFOLDED:
                    st.caption(f"The other {len(more) - UNFOLDED:,} are on the overviews of their events.")


def of_event(event_id: str, registered: pd.DataFrame, records: pd.DataFrame, now: datetime) -> None:
    """The same of one event, from its frames; nothing if nothing is wrong."""
    profile = profiles.known().get(event_id) or EventProfile(event_id=event_id)
    summary = kept(summary_of, profile, registered, records, today_of(profile, now))
    limits = get_services().settings
    if found := findings([EventLine(profile, summary)], limits, now):
        with st.container(border=True, key="digest", gap="small"):
            st.markdown("**This morning**", help=_looked_for(limits))
            for finding in found:
                with _line():
                    st.markdown(finding.sentence, width="content")
                    if not _to_queue(finding):
                        people.to_list(_WORDS[finding.people], event_id, finding.people)


def _row(finding: Finding) -> None:
    event_id = finding.profile.event_id
    with _line():
        st.text(finding.profile.title, width="content")
        st.markdown(finding.sentence, width="content")
        if not _to_queue(finding):
            query = {"event_id": event_id, people.PEOPLE: str(finding.people)}
            pages.link(pages.EVENT_OVERVIEW, _WORDS[finding.people], "", query)


def _line() -> st.delta_generator.DeltaGenerator:
    return st.container(horizontal=True, vertical_alignment="center", gap="small")


def _to_queue(finding: Finding) -> bool:
    """A link to the event's cases, for those who decide on them; returns whether there is one."""
    person = get_services().principal
    if finding.people is not Group.WAITING or not pages.may_open(person, pages.REVIEW):
        return False
    pages.link(pages.REVIEW, "Review queue", "", {"event_id": finding.profile.event_id})
    return True


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
