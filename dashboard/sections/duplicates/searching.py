"""Looking for pairs in the background, and what the last search came to."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import streamlit as st

from core.domain.costs import IMAGES_A_PERSON_SEARCHED
from core.domain.duplicates import MAX_PAIRS, Expected, Search
from core.flow.crew import End, Progress
from core.runtime.facades.guard import GuardedServices
from core.services.findings import KEPT
from core.settings import Backend
from dashboard.jobs import jobs
from dashboard.parts import batch, ui

SEARCH = "duplicates"
#: If fewer false pairs are expected, the page says no more than that.
FEW = 0.01


def under_way(services: GuardedServices, event_id: str) -> bool:
    """Shows the search that runs, or what broke the last one off; returns whether one runs."""
    with ui.banner_on_failure("look for a search that is running"):
        job = jobs().of(SEARCH, event_id)
        if job and job.running:
            batch.follow(SEARCH, "Looking for duplicates", event_id)
            return True
        if job and job.failure:
            batch.broke_off(SEARCH, event_id, job.failure)
    return False


def offer(services: GuardedServices, event_id: str, *, again: bool) -> None:
    """A button that starts a search, and what the engine charges for it, if anything."""
    st.button(
        "Look again" if again else "Look for duplicates",
        type="secondary" if again else "primary",
        icon=":material/person_search:",
        on_click=_start,
        args=(services, event_id),
    )
    if services.settings.backend is Backend.AWS:
        price = IMAGES_A_PERSON_SEARCHED * services.settings.price_rekognition
        st.caption(f"Rekognition charges at most {price:,.2f} USD for 1,000 people.", width="content")


def _start(services: GuardedServices, event_id: str) -> None:
    """Callback."""

    def work(stop: threading.Event, report: Callable[[Progress], None]) -> Progress:
        last = Progress(0)

        def noted(progress: Progress) -> None:
            nonlocal last
            last = progress
            report(progress)

        found = services.duplicates.search(event_id, stop, noted)
        return replace(last, end=End.DONE if found.finished else End.STOPPED)

    batch.begin(SEARCH, event_id, work, services.principal.name)


def never() -> None:
    st.caption(f"Nobody has looked for duplicates since this was switched on, or in the last {KEPT.days} days.")


def summary(found: Search, services: GuardedServices) -> None:
    """When it was, how many faces it compared, how many it had to leave out, and how far its pairs can be trusted."""
    if not found.finished:
        ui.banner(
            "warning",
            "The search ended before all faces were compared. Look again to find the other pairs.",
            icon=":material/stop_circle:",
        )
    if found.capped:
        ui.banner(
            "warning",
            f"There are more pairs than these {MAX_PAIRS:,}: those that are less similar are left out.",
            icon=":material/rule:",
        )
    count = len(found.pairs)
    looks = "No pair looks" if not count else f"{count:,} pair{' looks' if count == 1 else 's look'}"
    st.write(f"**{looks} alike.** {_expectation(found.expected_false)}")
    parts = (
        (found.compared, "compared with each other"),
        (found.without_photo, "without a readable photo"),
        (found.without_face, "without a clear face"),
        (found.failed, "could not be examined"),
    )
    said = " · ".join(f"{count:,} {words}" for count, words in parts if count)
    searched = ui.when(found.at, services.clock())
    st.caption(f"Searched {searched} · {said} · a pair has a similarity of {found.threshold:.1f} or more")


def _expectation(expected: Expected | None) -> str:
    if expected is None:
        return (
            "How many pairs of two different people to expect has not been measured for this face engine. Look at "
            "both faces before you answer."
        )
    size = "In an event of this size"
    if expected.high < FEW:
        said = f"{size} fewer than {FEW} pairs are expected that are not the same person or relatives."
    else:
        said = (
            f"{size} about {about(expected.estimate)} pairs are expected that are not the same person (with 95 % "
            f"certainty between {about(expected.low)} and {about(expected.high)}), and relatives besides."
        )
    return f"{said} With photos unlike those on which this was measured there can be many more."


def about(value: float) -> str:
    """An expected number, with no more digits than it is worth."""
    if value >= 10:
        return f"{value:,.0f}"
    if value >= 1:
        return f"{value:.2g}"
    return f"{value:.1g}" if value >= FEW / 10 else "0"
