"""Operations: is everything healthy, how do AWS and this process fare, what does it cost."""

from __future__ import annotations

import streamlit as st

from dashboard.parts import unmapped
from dashboard.sections.operations import agreement, aws, cost, expiry, health, process, records, registrations, spans
from dashboard.services import get_services

services = get_services()


def main() -> None:
    source = services.metrics
    span = spans.heading([name for name, length in spans.SPANS.items() if source or length <= spans.KEPT_SPAN])
    now = services.clock()
    since = now - min(spans.SPANS[span], spans.KEPT_SPAN)
    # Side by side: what does not answer keeps nothing else from being seen.
    st.fragment(health.health_cards, run_every=health.HEALTH_SECONDS, parallel=True)()
    st.fragment(registrations.without_an_event, parallel=True)()
    st.fragment(unmapped.of_all, parallel=True)()
    if source:
        st.fragment(aws.aws_part, parallel=True)(source, span)
        st.fragment(cost.month_so_far, parallel=True)(source)
        cost.what_if()
    records.index_verified()
    st.fragment(records.not_read_in_full)()
    st.fragment(agreement.of_all_events)()
    if services.expiry:
        st.fragment(expiry.ignored_expiry)(services.expiry)
    minutes = services.operation_metrics.by_minute(since)
    if not source:
        process.embedded_part(minutes, since, now)
    process.this_process(minutes)


main()
