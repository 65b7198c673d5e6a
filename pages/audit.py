"""Audit trail: who did what, when, on whom, from where, and what came of it. For admins."""

from __future__ import annotations

from itertools import islice

import streamlit as st

from core.domain.audit import one_an_action
from dashboard.parts import event, ui
from dashboard.sections import audit as sections
from dashboard.services import get_services

services = get_services()


def main() -> None:
    span = sections.heading()
    wanted = sections.filters()
    page = sections.page_number()
    until = services.clock()
    since = until - span
    with ui.banner_on_failure("read the audit trail"):
        first = (page - 1) * sections.PAGE_ROWS
        # One more than is shown: whether there is another page.
        entries = wanted.of(one_an_action(services.audit.entries(since, until)))
        found = list(islice(entries, first, first + sections.PAGE_ROWS + 1))
        if not found:
            sections.nothing(page)
            return
        sections.table(found[: sections.PAGE_ROWS])
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            sections.pager(page, min(len(found), sections.PAGE_ROWS), more=len(found) > sections.PAGE_ROWS)
            event.file_links("", sections.files(wanted, since, until), "audit")


main()
