"""Event overview: is the event ready, who passed, who failed and why, how it moves."""

from __future__ import annotations

import streamlit as st

from dashboard import pages
from dashboard.parts import batch, event, lead_on, profiles, ui, unmapped
from dashboard.sections import being_read, digest, people
from dashboard.sections import event_overview as sections
from dashboard.services import get_services

services = get_services()


def main() -> None:
    row = sections.title()
    events: list[str] | None = None
    with ui.banner_on_failure("read the list of events"):
        events = event.event_ids()
    if not events:
        if events is not None:
            event.none_yet()
        return
    event_id, span = sections.heading(row, events)
    meanwhile = sections.meanwhile(event_id)
    registered = records = reading = None
    with ui.banner_on_failure("read this event's registrations"):
        reading = services.registrations.being_read(event_id)
        registered = None if reading else event.registrations(event_id)
    with ui.banner_on_failure("read this event's validations"):
        records = event.records(event_id)
    if reading:
        meanwhile.empty()
        being_read.show(event_id, records)
    if records is None or registered is None:
        return
    meanwhile.empty()
    event.notice()
    now = services.clock()
    standing = event.standing(registered, records)
    readiness = standing.readiness
    st.caption(f"{readiness.registered:,} registered · {readiness.attempted:,} tried")
    digest.of_event(event_id, registered, records, now)
    people.sentence(event_id, readiness, standing.people, now)
    people.outlook(readiness, standing.people, now, profiles.known().get(event_id))
    period, chosen = sections.period(records, span, now), lead_on.chosen()
    in_span = chosen.within(period.since)
    people.people_list(event_id, standing, in_span, now)
    sections.headline(readiness, records, period, now)
    startable = batch.under_way(services, event_id, readiness)
    listed = people.records_of_list(standing, now)
    period = sections.period(listed, span, now)
    sections.readiness_and_pace(readiness, listed, period, chosen)
    sections.reasons_similarity_quality(period, profiles.policy(event_id), chosen)
    lately = event.files(event_id, "records", {"since": period.since.isoformat()})
    event.file_links(f"The last {span}", lately, "span", contacts=True)
    sections.attempts_and_latest(event_id, listed, in_span)
    sections.expiring_records(event_id, records, now)
    sections.unreadable_records(event_id, records)
    unmapped.of_event(event_id)
    sections.unreadable_registrations(event_id, registered)
    batch.offers(services, event_id, startable)
    pages.link(pages.DUPLICATES, "Look for people who registered twice", ":material/group:", {"event_id": event_id})


main()
