"""Load data: the sample event, or registrations of one's own. What an empty installation opens with."""

from __future__ import annotations

import io

import pandas as pd
import streamlit as st

from core.runtime.facades.event_work import GuardedLoading
from core.services.importing import ImportReport
from core.services.lists.people import read_people
from core.services.photo_sources import ZipSource
from dashboard import pages
from dashboard.parts import ui
from dashboard.services import get_services

services = get_services()


def sample_card(loading: GuardedLoading) -> None:
    with st.container(border=True, height="stretch"):
        st.subheader("Look around with a sample", anchor=False)
        st.write(
            "An event with made-up people and validations of the last 30 days. Two of them have real portraits, "
            "in the public domain, so that you can validate a photo at once."
        )
        if st.button("Load the sample event", type="primary", icon=":material/science:"):
            bar = st.progress(0.0, "Loading the sample event…")
            with ui.banner_on_failure("load the sample event"):
                loading.sample(
                    services.clock(),
                    lambda done, total: bar.progress(done / total, f"{done:,} of {total:,} people"),
                )
                bar.empty()
                st.session_state.loaded = "sample"
    if st.session_state.get("loaded") == "sample":
        st.success("The sample event is loaded.", icon=":material/check:")
        query = {"registration_id": "sample-0001"}
        pages.link(pages.VALIDATE, "Validate a photo of sample-0001", ":material/verified_user:", query)


def import_card(loading: GuardedLoading) -> None:
    with st.container(border=True, height="stretch"):
        st.subheader("Import your registrations", anchor=False)
        st.write("A CSV file, and a zip archive of the photos that it names.")
        st.code(
            "registrationId,userId,eventId,name,email,photo\nreg-1,user-1,expo-26,Ada Example,ada@example.com,a.jpg",
            language=None,
        )
        st.caption(
            "Name, e-mail and photo may be empty. A column submittedPhoto may name photos that people have sent "
            "already. A registration that exists is replaced."
        )
        table = st.file_uploader("CSV file", type=["csv"], key="table")
        archive = st.file_uploader("Photos (zip)", type=["zip"], key="archive")
        if st.button("Import", icon=":material/upload_file:", disabled=table is None) and table is not None:
            with ui.banner_on_failure("import the registrations"):
                report(run_import(loading, table.getvalue(), archive.getvalue() if archive else None))


def run_import(loading: GuardedLoading, table: bytes, archive: bytes | None) -> ImportReport:
    bar = st.progress(0.0, "Reading the file…")
    try:
        return loading.registrations(
            read_people(table),
            ZipSource(io.BytesIO(archive), services.settings.max_upload_bytes) if archive else None,
            lambda done, total: bar.progress(done / total, f"{done:,} of {total:,} lines"),
        )
    finally:
        bar.empty()


def report(done: ImportReport) -> None:
    if done.imported:
        st.success(f"{done.imported:,} registrations imported.", icon=":material/check:")
        pages.link(pages.VALIDATE, "Validate a photo", ":material/verified_user:")
    if done.problems:
        st.warning(f"{len(done.problems):,} lines were not imported:", icon=":material/rule:")
        st.dataframe(
            pd.DataFrame({"Line": [p.line for p in done.problems], "Why": [p.message for p in done.problems]}),
            hide_index=True,
            alt="Lines that were not imported, and why",
        )
    if not done.imported and not done.problems:
        st.info("The file has no registrations below its first line.", icon=":material/info:")


def read_only() -> None:
    ui.banner(
        "info",
        "Registrations are read from MongoDB and cannot be changed here.",
        f"Collection: {services.settings.mongodb_collection}",
        icon=":material/database:",
    )


def main() -> None:
    st.title("Load data", anchor=False)
    if services.loading is None:
        read_only()
        return
    with ui.banner_on_failure("look up registrations"):
        if services.registrations.is_empty():
            st.write("Facedesk is empty. Load a sample to look around, or import your own registrations.")
    left, right = st.columns(2, gap="medium")
    with left:
        sample_card(services.loading)
    with right:
        import_card(services.loading)


main()
