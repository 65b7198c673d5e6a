"""Sections of the page that loads data: the sample, the list, what an import of it would do, and what it did."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeVar

import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from core.domain.file_names import file_name
from core.runtime.facades.event_work import GuardedLoading
from core.services.export import as_csv
from core.services.importing import ImportReport
from core.services.lists.headers import Choices, Columns, understood
from core.services.lists.meanings import KEYS, Meaning
from core.services.lists.people import People, people_of, read_table
from core.services.lists.plan import Plan, first_rows
from core.services.lists.tables import Notice, Problem, Table
from core.services.photo_sources import ZipSource
from core.services.sample import EVENT_ID, FIRST_ID
from core.services.tables import refused_lines
from dashboard.parts import event, ui
from dashboard.sections import imported_events, list_lines, next_steps
from dashboard.services import get_services

T = TypeVar("T")

#: What is kept of the list from one run of the page to the next: the table, the plan and the report, each with what
#: it is of.
TABLE, PLAN, REPORT = "list-table", "list-plan", "list-report"
LABELS = {
    Meaning.REGISTRATION_ID: "Registration id",
    Meaning.USER_ID: "User id",
    Meaning.EVENT_ID: "Event id",
    Meaning.NAME: "Name",
    Meaning.FIRST_NAME: "First name",
    Meaning.LAST_NAME: "Last name",
    Meaning.EMAIL: "E-mail",
    Meaning.PHOTO: "Photo",
    Meaning.SUBMITTED_PHOTO: "Submitted photo",
    Meaning.REFERENCE_PHOTO_KEY: "Reference photo already in the store",
    Meaning.SUBMITTED_PHOTO_KEY: "Submitted photo already in the store",
}
#: What to do where no column is known to have an id.
_TO_CHOOSE = {
    Meaning.REGISTRATION_ID: "Choose below which column has the registration id: it is different on each line.",
    Meaning.USER_ID: "Choose below which column has the user id, which tells whose registrations belong together. "
    "Where people have none, choose the column of the e-mail address or of the registration id.",
    Meaning.EVENT_ID: "Enter below the event id for everybody on the list, or choose which column has it.",
}
#: Columns that are only offered where the list has them.
_RARE = (Meaning.FIRST_NAME, Meaning.LAST_NAME, *KEYS)


def sample_card(loading: GuardedLoading) -> None:
    with st.container(border=True, height="stretch"):
        st.subheader("Look around with a sample", anchor=False)
        st.write(
            "An event with made-up people and validations of the last 30 days. Two of them have real portraits, "
            "in the public domain, so that you can validate a photo at once."
        )
        # One button of a page stands out: once a list is given, the one that imports it.
        look: Literal["primary", "secondary"] = "secondary" if st.session_state.get("table") else "primary"
        if st.button("Load the sample event", type=look, icon=":material/science:", key="sample"):
            bar = st.progress(0.0, "Loading the sample event…")
            with ui.banner_on_failure("load the sample event", again=False):
                loading.sample(
                    get_services().clock(),
                    lambda done, total: bar.progress(done / total, f"{done:,} of {total:,} people"),
                )
                bar.empty()
                event.forget_registrations()
                st.session_state.loaded = "sample"


def after_sample() -> None:
    """What to do next, once the sample is loaded."""
    if st.session_state.get("loaded") == "sample":
        st.success("The sample event is loaded.", icon=":material/check:")
        next_steps.section([EVENT_ID], FIRST_ID)


def files_card() -> tuple[UploadedFile | None, UploadedFile | None]:
    """Asks for the list and the archive of its photos."""
    with st.container(border=True, height="stretch"):
        st.subheader("Import your registrations", anchor=False)
        st.write(
            "A list of people as your ticket shop, form or spreadsheet exports it. You see what will be imported "
            "before anything is stored."
        )
        table = st.file_uploader(
            "List (CSV or Excel)",
            type=["csv", "tsv", "txt", "xlsx"],
            key="table",
            help="Each line needs a registration id, a user id and an event id, or one event for all. Name, e-mail "
            "and photo may be absent. A column submittedPhoto may name photos that people have sent already.",
        )
        archive = st.file_uploader(
            "Photos (zip), if the list names any", type=["zip"], key="archive", help="A zip archive of the files."
        )
    return table, archive


def list_section(loading: GuardedLoading, file: UploadedFile, archive: UploadedFile | None) -> None:
    """How the list was understood, what an import would do, and the import."""
    with ui.banner_on_failure("read the list"):
        table = _kept(TABLE, file.file_id, lambda: read_table(file.getvalue()))
        if table.rows or table.problems:
            planning(loading, table, file.file_id, archive)
        else:
            st.info("The list has no people below the names of its columns.", icon=":material/info:")


def planning(loading: GuardedLoading, table: Table, file_id: str, archive: UploadedFile | None) -> None:
    with ui.banner_on_failure("plan the import"):
        first = st.container()  # what an import would do, or did; known once the columns are
        with st.container(border=True):
            st.subheader("How the list was understood", anchor=False)
            choices = chosen(table, file_id)
            of = (file_id, archive and archive.file_id, str(choices))
            plan = _kept(PLAN, of, lambda: loading.plan(people_of(table, choices), with_photos=archive is not None))
            rows_table(plan.people)
            if plan.people.repairable:
                st.checkbox(
                    'Repair ids that a spreadsheet changed: 1001.0 becomes 1001, ="00123" becomes 00123',
                    key=f"repair-{file_id}",
                )
        report: ImportReport | None = _of(REPORT, of)
        with first:
            if plan.people.notices:
                ui.banner("warning", "Look at how it was read.", *plan.people.notices, icon=":material/info:")
            if plan.people.lacking:
                lacking(plan.people.lacking)
            elif report:
                report_section(report)
            else:
                plan_section(loading, plan, archive, of)
        if report:
            imported_events.done(report.profiles)
            problems_table(report.problems, "These lines were not imported:")
            notices_table(report.notices)
        else:
            imported_events.planned(plan.profiles)
            problems_table(plan.problems, "These lines would not be imported:")


def chosen(table: Table, file_id: str) -> Choices:
    """Shows which column is what, and returns what the person here says of it."""
    columns = understood(table.names, table.header, Choices())
    offered = {
        meaning: label for meaning, label in LABELS.items() if meaning not in _RARE or columns.name_of(meaning)
    }
    said = _columns(offered, table, columns, file_id)
    with st.expander(
        "Columns about the event", icon=":material/event:", expanded=any(map(columns.name_of, imported_events.LABELS))
    ):
        said |= _columns(imported_events.LABELS, table, columns, file_id)
        time_zone = imported_events.time_zone(understood(table.names, table.header, Choices(said)), file_id)
    event_id = ""
    if not said.get(Meaning.EVENT_ID, columns.name_of(Meaning.EVENT_ID)):
        event_id = st.text_input(
            "Event id for everybody on the list",
            key=f"event-{file_id}",
            placeholder="for example expo-26",
            width=430,
        )
    return Choices(said, event_id.strip(), time_zone, bool(st.session_state.get(f"repair-{file_id}")))


def _columns(labels: Mapping[Meaning, str], table: Table, columns: Columns, file_id: str) -> dict[Meaning, str]:
    """A field for each meaning, and what the person here says otherwise than the list itself."""
    said: dict[Meaning, str] = {}
    with st.container(horizontal=True):
        for meaning, label in labels.items():
            default = columns.name_of(meaning)
            name = st.selectbox(
                label,
                ["", *table.names],
                index=table.names.index(default) + 1 if default else 0,
                format_func=_no_column(meaning, columns),
                key=f"column-{meaning}-{file_id}",
                width=210,
            )
            if name != default:
                said[meaning] = name
    return said


def _no_column(meaning: Meaning, columns: Columns) -> Callable[[str], str]:
    """What stands for the choice of no column."""
    parts = {Meaning.FIRST_NAME, Meaning.LAST_NAME} & columns.places.keys()
    empty = "First and last name" if meaning is Meaning.NAME and parts else "Not in the list"
    return lambda name: name or empty


def rows_table(people: People) -> None:
    names, rows = first_rows(people)
    shown = pd.DataFrame([list(row) for row in rows], columns=[_label(name, people) for name in names], dtype=str)
    st.dataframe(shown, hide_index=True, placeholder="–", alt="The first rows of the list")


def _label(name: str, people: People) -> str:
    return LABELS[Meaning(name)] if people.lines else name


def lacking(meanings: Sequence[Meaning]) -> None:
    st.info("\n\n".join(_TO_CHOOSE[meaning] for meaning in meanings), icon=":material/arrow_downward:")


def plan_section(loading: GuardedLoading, plan: Plan, archive: UploadedFile | None, of: object) -> None:
    """The figures of the plan, and the button that carries it out."""
    with st.container(horizontal=True):
        st.metric("New", f"{plan.new:,}", border=True)
        st.metric("Replaced", f"{plan.replaced:,}", help="Their registration id is here already.", border=True)
        st.metric("Refused", f"{len(plan.problems):,}", help="The table below says why.", border=True)
    pressed = st.button(
        f"Import {plan.imported:,} {'registration' if plan.imported == 1 else 'registrations'}",
        type="primary",
        icon=":material/upload_file:",
        disabled=not plan.imported,
    )
    if pressed:
        with ui.banner_on_failure("import the registrations", again=False):
            report = run_import(loading, plan.people, archive)
            event.forget_registrations()
            imported_events.after_import(report.profiles.filled)
            st.session_state[REPORT] = (of, report)
            st.rerun()


def run_import(loading: GuardedLoading, people: People, archive: UploadedFile | None) -> ImportReport:
    bar = st.progress(0.0, "Importing…")
    try:
        return loading.registrations(
            people,
            ZipSource(io.BytesIO(archive.getvalue()), get_services().settings.max_upload_bytes) if archive else None,
            lambda done, total: bar.progress(done / total, f"{done:,} of {total:,} lines"),
        )
    finally:
        bar.empty()


def report_section(report: ImportReport) -> None:
    if report.imported:
        said = (
            "1 registration was imported."
            if report.imported == 1
            else f"{report.imported:,} registrations were imported."
        )
        st.success(said, icon=":material/check:")
        next_steps.section(report.events)
    else:
        st.error("No registration was imported.", icon=":material/error:")
    st.button("Import this list again", icon=":material/refresh:", on_click=forget_plan)


def problems_table(problems: Sequence[Problem], sentence: str) -> None:
    if not problems:
        return
    with st.container(border=True):
        st.markdown(sentence)
        list_lines.table(problems, "Why", "Lines that are not imported, and why")
        if len(problems) > list_lines.MAX_LINES:
            st.caption(f"The first {list_lines.MAX_LINES:,} of {len(problems):,}. The file has all.")
        # It is served below /media, which is closed to strangers.
        st.download_button(
            "Refused lines as CSV",
            lambda: b"".join(as_csv(refused_lines(problems))),
            file_name=file_name("refused-lines", "csv", get_services().clock()),
            mime="text/csv",
            icon=":material/download:",
            on_click="ignore",
        )


def notices_table(notices: Sequence[Notice]) -> None:
    if not notices:
        return
    with st.container(border=True):
        st.markdown("These photos have other names than the list says. See whether they are the right ones:")
        list_lines.table(notices, "What", "Photos that have other names than the list says")
        if len(notices) > list_lines.MAX_LINES:
            st.caption(f"The first {list_lines.MAX_LINES:,} of {len(notices):,}.")


def forget_plan() -> None:
    """What is stored has changed, so that the plan is another one."""
    for key in (PLAN, REPORT):
        st.session_state.pop(key, None)


def forget_list() -> None:
    forget_plan()
    st.session_state.pop(TABLE, None)


def _of(key: str, of: object) -> Any:
    """What is kept under ``key``, if it is of this."""
    kept = st.session_state.get(key)
    return kept[1] if kept and kept[0] == of else None


def _kept(key: str, of: object, make: Callable[[], T]) -> T:
    """What is kept under ``key``; made if that is of something else. A long list is not read for each click."""
    found: T | None = _of(key, of)
    if found is None:
        with st.spinner("Reading the list…"):
            found = make()
        st.session_state[key] = (of, found)
    return found
