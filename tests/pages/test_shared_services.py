"""What all pages share lasts, whatever a page or a message does to Streamlit's caches."""

from __future__ import annotations

import threading

import streamlit as st

from core.flow.crew import Progress
from dashboard.jobs import jobs
from dashboard.services import shared
from tests.support.app import RunPage


def test_clearing_every_cache_closes_no_service(run_page: RunPage) -> None:
    run_page("validate")
    before = shared()
    st.cache_resource.clear()
    st.cache_data.clear()
    assert shared() is before


def test_clearing_every_cache_stops_no_job(run_page: RunPage) -> None:
    end = threading.Event()

    def work(stop: threading.Event, report: object) -> Progress:
        end.wait(60)
        return Progress(done=int(not stop.is_set()), total=1)

    jobs().start("batch", "expo", work, None)
    st.cache_resource.clear()
    end.set()
    jobs().join("batch", "expo", 60)
    job = jobs().of("batch", "expo")
    assert job
    assert job.progress
    assert job.progress.done == 1
