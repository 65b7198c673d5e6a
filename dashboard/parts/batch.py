"""On the event's page: check the photos that people have sent, and the reference photos, in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import pandas as pd
import streamlit as st

from core.domain.clock import elapsed
from core.domain.costs import IMAGES_A_VALIDATION
from core.domain.errors import Conflict, FacedeskError
from core.domain.records import Source
from core.domain.roles import Action
from core.domain.statistics import Readiness
from core.domain.worklists import MARK_WORDS
from core.flow.crew import End, Progress
from core.runtime.facades.guard import GuardedServices
from core.services.batch import BatchProgress, Choice
from core.services.batch_jobs import BATCH, batch_work
from core.services.jobs import Job, Work
from core.services.reference_check import CheckedReferences
from core.services.validation import Submitter
from core.settings import Backend
from dashboard.jobs import jobs
from dashboard.parts import event, ui

CHECK = "reference-check"
_TITLES = {BATCH: "Checking the photos already sent", CHECK: "Checking the reference photos"}
#: Seconds between two looks at what runs.
LOOK_SECONDS = 1
#: Time after the end of a batch after which records in memory have all that another server wrote of it.
SETTLED_AFTER = timedelta(seconds=10)

CHOICE_WORDS = {
    Choice.ALL: "All who have not passed",
    Choice.NEVER_TRIED: "Never tried",
    Choice.FAILED: "Failed",
    Choice.PENDING: "Waiting",
}


@dataclass(frozen=True)
class Startable:
    """Which kinds of work can be started, and the last check of the reference photos if nothing shows it yet."""

    kinds: frozenset[str] = frozenset()
    checked: CheckedReferences | None = None


def under_way(services: GuardedServices, event_id: str, shown: Readiness) -> Startable:
    """What runs, what came of the last, and what was interrupted. Returns what can be started.

    ``shown`` are the figures that the page shows. Nothing for those who may start none.
    """
    free: set[str] = set()
    checked = None
    if not services.principal.may(Action.RUN_BATCH):
        return Startable()
    for kind in (BATCH, CHECK):
        with ui.banner_on_failure("look for checks that are running"):
            job = jobs().of(kind, event_id)
            if job and job.running:
                st.session_state.pop(_ended_key(kind, event_id), None)
                follow(kind, _TITLES[kind], event_id)
            elif kind == CHECK:
                free.add(CHECK)
                checked = _check_ended(services, event_id, job)
            elif _batch_ended(services, event_id, job, shown):
                free.add(BATCH)
    return Startable(frozenset(free), checked)


def offers(services: GuardedServices, event_id: str, startable: Startable) -> None:
    """What can be started, folded up."""
    if BATCH in startable.kinds:
        _offer_batch(services, event_id)
    if CHECK in startable.kinds:
        _offer_check(services, event_id, startable.checked)


# What runs


def follow(kind: str, title: str, event_id: str) -> None:
    """How far a running job is, with a button that stops it. When the job ends, the page runs again."""
    st.fragment(_running, run_every=LOOK_SECONDS)(kind, title, event_id)


def _running(kind: str, title: str, event_id: str) -> None:
    with ui.banner_on_failure("look how far this is"):
        job = jobs().of(kind, event_id)
        if job is None or not job.running:
            st.rerun()
        with st.container(border=True):
            with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
                st.markdown(f"**{title}**")
                if job.stopping:
                    st.caption("Stopping. What is being done right now is still finished.")
                elif st.button("Stop", icon=":material/stop_circle:", key=f"stop-{kind}"):
                    jobs().stop(kind, event_id)
                    st.rerun()
            _progress(job)


def _progress(job: Job) -> None:
    if job.operator:
        st.text(f"Started by {job.operator}")
    progress = job.progress
    if progress is None:
        st.progress(0.0, "Reading the event…")
        return
    share = progress.done / progress.total if progress.total else 0.0
    st.progress(share, f"{progress.done:,} of {progress.total:,}{_pace(progress)}")
    if isinstance(progress, BatchProgress):
        st.caption(_counts(progress))
    if progress.paused:
        ui.banner("warning", "Paused. It continues by itself.", progress.paused, icon=":material/pause_circle:")


def _pace(progress: Progress) -> str:
    if progress.rate is None or progress.remaining is None:
        return ""
    return f" · {progress.rate:.1f} a second · about {_duration(progress.remaining)} left"


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes / 60:.1f} h"


def _counts(progress: BatchProgress) -> str:
    return " · ".join(
        f"{progress.marks[mark]:,} {words}" for mark, words in MARK_WORDS.items() if mark in progress.marks
    )


# Validating


def _batch_ended(services: GuardedServices, event_id: str, job: Job | None, shown: Readiness) -> bool:
    """Whether a new one can be started."""
    if job:
        _batch_summary(event_id, job)
        _settling(event_id, shown)
    with ui.banner_on_failure("look for a batch that was interrupted"):
        if interrupted := services.batches.unfinished(event_id):
            _interrupted(services, event_id, *interrupted)
            return False
        return True
    return False


def _settling(event_id: str, shown: Readiness) -> None:
    """Has the page run again if its figures lacked the last photos, as they may if another server did these."""
    since = st.session_state.setdefault(_ended_key(BATCH, event_id), elapsed())
    if elapsed() - since < SETTLED_AFTER:
        st.fragment(_settled, run_every=SETTLED_AFTER)(event_id, shown, since)


def _settled(event_id: str, shown: Readiness, since: timedelta) -> None:
    # Only once: it closes a dialog that a person may have opened.
    if SETTLED_AFTER <= elapsed() - since < 2 * SETTLED_AFTER:
        with suppress(FacedeskError):
            now = event.standing(event.registrations(event_id), event.records(event_id))
            if now.readiness != shown:
                st.rerun()


def _ended_key(kind: str, event_id: str) -> str:
    """Of when this session saw first that the latest job had ended."""
    return f"{kind}-ended-{event_id}"


def _offer_batch(services: GuardedServices, event_id: str) -> None:
    with st.expander("Run the checks on photos already sent", icon=":material/playlist_add_check:"):
        st.write(
            "Checks in one go the photos that people have already sent: those that came with their registrations, "
            "and the latest photo of everybody who failed or waits. People who have passed, and people about whom a "
            "colleague has decided, stay as they are."
        )
        with st.container(horizontal=True, vertical_alignment="bottom"):
            choice = st.segmented_control(
                "Whose photos",
                list(CHOICE_WORDS),
                format_func=CHOICE_WORDS.__getitem__,
                default=Choice.ALL,
                required=True,
                key="batch-choice",
            )
            if st.button("Check these photos…", icon=":material/verified_user:", key="batch-ask"):
                _confirm(services, event_id, choice or Choice.ALL)


@st.dialog("Check all these photos?")
def _confirm(services: GuardedServices, event_id: str, choice: Choice) -> None:
    photos = _counted(partial(services.batches.count, event_id, choice))
    if photos is None:
        return
    if not photos:
        st.write("There are no such photos in this event.")
        return
    st.text(event_id)
    st.write(f"**{photos:,} photos**: {CHOICE_WORDS[choice].lower()}.{_price(services, photos)}")
    st.caption("It continues when you close this page, and can be stopped.")
    if st.button(
        f"Check {photos:,} photos",
        type="primary",
        key="batch-start",
        on_click=_start,
        args=(services, event_id, choice),
    ):
        st.rerun()


def _counted(count: Callable[[], int]) -> int | None:
    """None where they could not be counted, which is shown then."""
    with ui.banner_on_failure("count the photos"), st.spinner("Counting the photos…"):
        return count()
    return None


def _price(services: GuardedServices, photos: int, images: int = IMAGES_A_VALIDATION) -> str:
    """What the engine charges for ``images`` a photo, at the most; with the engine here nothing."""
    settings = services.settings
    if settings.backend is not Backend.AWS:
        return ""
    return f" Rekognition charges at most {photos * images * settings.price_rekognition / 1000:,.2f} USD for them."


def _start(services: GuardedServices, event_id: str, choice: Choice | None) -> None:
    """A new batch; without ``choice`` the one that is not done goes on."""
    by = Submitter(Source.BATCH, services.principal.name, services.principal.ip_address)
    batches = services.batches
    opened = partial(batches.open, event_id, choice, by) if choice else partial(batches.resume, event_id, by)
    begin(BATCH, event_id, batch_work(opened), by.operator)


def begin(kind: str, event_id: str, work: Work, operator: str | None) -> None:
    """Starts a job in the background, unless one of its kind and event runs."""
    with suppress(Conflict):  # somebody else's is as good
        jobs().start(kind, event_id, work, operator)


def _interrupted(services: GuardedServices, event_id: str, choice: Choice, before: BatchProgress) -> None:
    with st.container(border=True):
        st.markdown("**The check of the photos already sent was interrupted**")
        st.write(f"{CHOICE_WORDS[choice]}: {before.done:,} of {before.total:,} photos done, {before.left:,} left.")
        if before.goes_on:
            st.fragment(_awaited, run_every=LOOK_SECONDS)(event_id)
        with st.container(horizontal=True):
            if st.button("Resume", type="primary", icon=":material/play_arrow:", key="batch-resume"):
                _start(services, event_id, None)
                st.rerun()
            if st.button("Leave out the rest", icon=":material/delete:", key="batch-drop"):
                with ui.banner_on_failure("leave out the rest", again=False):
                    services.batches.drop(event_id)
                    jobs().forget(BATCH, event_id)
                    st.rerun()


def _awaited(event_id: str) -> None:
    """Says that the batch continues without anybody's doing. When it does, the page runs again."""
    st.caption("It continues by itself within a minute, and later each time that it breaks off.")
    with suppress(FacedeskError):
        if (job := jobs().of(BATCH, event_id)) and job.running:
            st.rerun()


def _batch_summary(event_id: str, job: Job) -> None:
    if job.failure:
        broke_off(BATCH, event_id, job.failure)
        return
    summary = job.progress
    if not isinstance(summary, BatchProgress) or summary.end is None:
        return  # its process has ended; what is left is shown as interrupted
    said = f"{summary.done:,} of {summary.total:,} photos: {_counts(summary) or 'nothing done yet'}."
    with st.container(border=True):
        _ended(BATCH, event_id, "Photos already sent", said, summary)
        if summary.problems:
            st.dataframe(
                pd.DataFrame(summary.problems, columns=["Registration", "Why its photo could not be used"]),
                hide_index=True,
                alt="Photos that could not be used, and why",
            )


def _ended(kind: str, event_id: str, title: str, said: str, summary: Progress) -> None:
    """The summary of what ran, how it ended, and a button to put it away."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"**{title}**")
        close_button(kind, event_id)
    st.write(said)
    failed = [f"{count:,} times {name}" for name, count in summary.errors.items()]
    match summary.end:
        case End.DONE:
            st.success("All done.", icon=":material/check:")
        case End.STOPPED:
            st.info(f"Stopped: {summary.left:,} photos are left.", icon=":material/stop_circle:")
        case End.GAVE_UP:
            ui.banner(
                "error",
                f"Stopped: a service did not answer. {summary.left:,} photos are left as they were.",
                summary.paused or "The service did not answer.",
                icon=":material/cloud_off:",
            )
        case _:
            ui.banner(
                "warning",
                f"{summary.left:,} photos are left: every try failed.",
                *failed,
                icon=":material/sync_problem:",
            )


def broke_off(kind: str, event_id: str, failure: str) -> None:
    """Says why a job broke off."""
    ui.banner("error", "This stopped because of an error.", failure, icon=":material/error:")
    close_button(kind, event_id)


def close_button(kind: str, event_id: str) -> None:
    """Puts away what is said of a job that has ended."""
    if st.button("Close", icon=":material/close:", type="tertiary", key=f"close-{kind}"):
        with ui.banner_on_failure("put this away", again=False):
            jobs().forget(kind, event_id)
            st.rerun()


# Checking the reference photos


def _check_ended(services: GuardedServices, event_id: str, job: Job | None) -> CheckedReferences | None:
    """Shows how the check ended until somebody puts that away; returns the last one that is not shown."""
    if job and job.failure:
        broke_off(CHECK, event_id, job.failure)
    checked = services.references.latest(event_id)
    if checked is None or not (job and job.progress and job.progress.end):
        return checked
    with st.container(border=True):
        _ended(CHECK, event_id, "Reference photos", _checked(checked), checked.progress)
        _people_to_ask(event_id, checked)
    return None


def _checked(checked: CheckedReferences) -> str:
    return f"{checked.progress.done:,} people looked at, {len(checked.problems):,} to ask for another photo."


def _people_to_ask(event_id: str, checked: CheckedReferences) -> None:
    if checked.problems:
        files = event.files(event_id, "reference-problems")
        event.file_links("People to ask", files, "reference-problems")


def _offer_check(services: GuardedServices, event_id: str, last: CheckedReferences | None) -> None:
    with st.expander("Check the reference photos", icon=":material/fact_check:"):
        st.write(
            "Checks every reference photo by the same rules as submitted photos, before anybody is compared with it, "
            "and lists the people to ask for a better one. No record changes."
        )
        if last:
            left = f" {last.progress.left:,} were not looked at." if last.progress.left else ""
            st.write(f"**Last check {ui.when(last.at, services.clock())}**: {_checked(last)}{left}")
            _people_to_ask(event_id, last)
        if st.button("Start the check…", icon=":material/fact_check:", key="check-ask"):
            _confirm_check(services, event_id)


@st.dialog("Check the reference photos?")
def _confirm_check(services: GuardedServices, event_id: str) -> None:
    photos = _counted(partial(services.references.count, event_id))
    if photos is None:
        return
    st.text(event_id)
    st.write(f"**{photos:,} reference photos**.{_price(services, photos, images=1)}")
    if st.button("Check them", type="primary", key="check-start", on_click=_start_check, args=(services, event_id)):
        st.rerun()


def _start_check(services: GuardedServices, event_id: str) -> None:
    def work(stop: threading.Event, report: Callable[[Progress], None]) -> Progress:
        return services.references.run(event_id, stop, report).progress

    begin(CHECK, event_id, work, services.principal.name)
