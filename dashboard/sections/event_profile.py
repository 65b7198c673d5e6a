"""Sections of the page of an event's settings: what it says, what a change would cost, and what is under way."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

import streamlit as st

from core.domain.errors import FacedeskError
from core.domain.policy import Policy
from core.domain.profiles import MAX_KEEP_DAYS, MAX_NAME, EventProfile, EventRules, checked
from core.services.event_dates import Shortening
from dashboard import pages
from dashboard.jobs import jobs
from dashboard.parts import batch, chosen_event, event, profiles, ui
from dashboard.services import get_services

#: What the session keeps: new events that were typed, and the field for them.
_NEW, _TYPED = "new-events", "new-event"
_SAVED, _FAILED, _ASKED = "event-profile-saved", "event-profile-failed", "event-profile-asked"
#: Fields of the profile that are moments, what people call them, and what they mean.
_DATES = (
    ("starts_at", "Starts", "When the doors open, in the event's time zone."),
    ("ends_at", "Ends", "When the doors close, in the event's time zone."),
    ("photo_deadline", "Deadline for photos", "In the event's time zone."),
)
#: A field of ``EventRules`` -> what people call it, its largest number, and the step of its field.
_RULES: dict[str, tuple[str, float, float]] = {
    "similarity_threshold": ("Similarity that passes", 100.0, 0.5),
    "review_threshold": ("Similarity for a review", 100.0, 0.5),
    "min_confidence": ("Least confidence", 100.0, 0.5),
    "min_face_pixels": ("Smallest face, pixels", 2000.0, 1.0),
}


def choose(place: st.delta_generator.DeltaGenerator, events: list[str]) -> str | None:
    """The event to describe: the chosen one, or one that has no registrations yet and is typed here."""
    new: list[str] = st.session_state.setdefault(_NEW, [])
    events = sorted({*events, *new})
    with place.container(horizontal=True, vertical_alignment="bottom"):
        event.say_unknown(events)
        chosen = chosen_event.one(st.container(width=360), events, pages.EVENT_PROFILE) if events else None
        if not get_services().profiles.is_read_only:
            with st.popover("New event", icon=":material/add:"):
                st.text_input("Event id", key=_TYPED, max_chars=254, help="The id that its registrations will have.")
                st.button("Describe this event", on_click=_begin)
    return chosen


def _begin() -> None:
    """Callback: the event that was typed is shown."""
    if typed := st.session_state[_TYPED].strip():
        st.session_state[_NEW] = [*st.session_state[_NEW], typed]
        st.query_params[chosen_event.NAME] = typed


def under_way(event_id: str) -> None:
    """What came of the last change: that it was saved, or why not, and how far the records are dated."""
    if failed := st.session_state.pop(_FAILED, None):
        ui.banner("error", "Your changes were not saved.", failed, icon=":material/error:")
    if st.session_state.pop(_SAVED, False):
        st.success("Saved.", icon=":material/check_circle:")
    with ui.banner_on_failure("look for records that are being dated"):
        job = jobs().of(profiles.DATES_JOB, event_id)
        if job and job.running:
            batch.follow(profiles.DATES_JOB, "Giving the records their new dates", event_id)
        elif job and job.failure:
            sentence = "The records do not all have their new dates yet. Facedesk tries again within minutes."
            ui.banner("warning", sentence, job.failure, icon=":material/event_busy:")


def form(profile: EventProfile, policy: Policy) -> None:
    """The fields, and the button that saves them."""
    read_only = get_services().profiles.is_read_only
    if read_only:
        st.info("Another system keeps the profiles of events. Change them there.", icon=":material/lock:")
    if profile.unreadable:
        sentence = "Some values of this event could not be used, so its records keep the dates that they have."
        ui.banner("warning", sentence, profile.unreadable, icon=":material/rule:")
    # A field keeps what was typed until the profile is another.
    key = f"{profile.event_id}-{profile.version}"
    zones = sorted(available_timezones())
    own = profile.time_zone if profile.version else str(ui.viewer_zone())
    with st.form(f"profile-{key}", border=False):
        with st.container(border=True):
            st.text_input(
                "Name", profile.name or "", max_chars=MAX_NAME, key=f"name-{key}", disabled=read_only, width=560
            )
            st.selectbox(
                "Time zone of the event",
                zones,
                index=zones.index(own) if own in zones else zones.index("UTC"),
                key=f"zone-{key}",
                disabled=read_only,
                width=280,
            )
            with st.container(horizontal=True):
                for field, label, meaning in _DATES:
                    st.datetime_input(
                        label,
                        _local(getattr(profile, field), profile.zone),
                        key=f"{field}-{key}",
                        format="YYYY-MM-DD",
                        help=meaning,
                        disabled=read_only,
                        width=280,
                    )
            st.number_input(
                "Days to keep the records after the end",
                0,
                MAX_KEEP_DAYS,
                profile.keep_days,
                key=f"keep-{key}",
                help="Photos and outcomes are kept at least until then, so that nobody who has passed has to try "
                "again before the doors open.",
                disabled=read_only,
                width=280,
            )
        with st.container(border=True):
            st.markdown("**Rules of this event**")
            st.caption("Leave a field empty to judge as everywhere else. New rules hold for photos sent from now on.")
            with st.container(horizontal=True):
                for field in _RULES:
                    _rule(field, profile.rules, policy, key, disabled=read_only)
        st.form_submit_button(
            "Save",
            type="primary",
            icon=":material/save:",
            disabled=read_only,
            on_click=_submit,
            args=(profile, key),
        )
    if asked := st.session_state.pop(_ASKED, None):
        _confirm(*asked)
    if profile.changed_at:
        st.caption(f"Changed {ui.when(profile.changed_at, get_services().clock())}, by")
        st.text(profile.changed_by or "unknown")


def _rule(field: str, own: EventRules, policy: Policy, key: str, *, disabled: bool) -> None:
    label, most, step = _RULES[field]
    stored = getattr(own, field)
    st.number_input(
        label,
        0.0,
        most,
        None if stored is None else float(stored),
        step,
        key=f"{field}-{key}",
        placeholder=f"{getattr(policy, field):g} as everywhere",
        disabled=disabled,
        width=220,
    )


def _local(moment: datetime | None, zone: ZoneInfo) -> datetime | None:
    """As a field shows it: to the minute."""
    return moment.astimezone(zone).replace(tzinfo=None, second=0, microsecond=0) if moment else None


def _moment(typed: datetime | None, zone: str, stored: datetime | None) -> datetime | None:
    """What was typed. A field that nobody touched keeps the seconds that it does not show."""
    if typed == _local(stored, ZoneInfo(zone)):
        return stored
    return typed.replace(tzinfo=ZoneInfo(zone)) if typed else None


def _submit(seen: EventProfile, key: str) -> None:
    """Callback. Saves what was typed over the profile that was seen. Asks first if records would go sooner."""
    typed = st.session_state
    zone = typed[f"zone-{key}"]
    numbers = {field: typed[f"{field}-{key}"] for field in _RULES}
    pixels = numbers["min_face_pixels"]
    numbers["min_face_pixels"] = None if pixels is None else int(pixels)
    profile = seen.model_copy(
        update={
            "name": typed[f"name-{key}"].strip() or None,
            "time_zone": zone,
            **{
                field: _moment(typed[f"{field}-{key}"], zone, getattr(seen, field))
                for field in ("starts_at", "ends_at", "photo_deadline")
            },
            "keep_days": typed[f"keep-{key}"],
            "rules": EventRules().model_copy(update=numbers),
        }
    )
    try:
        profile = checked(profile)
        loses = get_services().profiles.shortening(profile)
    except FacedeskError as error:
        st.session_state[_FAILED] = str(error)
        return
    if loses.records:
        st.session_state[_ASKED] = (profile, loses)
    else:
        _save(profile)


@st.dialog("Delete records sooner?")
def _confirm(profile: EventProfile, loses: Shortening) -> None:
    st.write(f"With these dates **{loses.records:,} records** and their photos are deleted sooner than now.")
    if loses.at_once:
        st.write(f"**{loses.at_once:,}** of them are gone at once. This cannot be undone.")
    if loses.first:
        st.write(f"The first of the others expires on {loses.first.astimezone(profile.zone):%-d %B %Y, %H:%M}.")
    if st.button("Save and delete sooner", type="primary", on_click=_save, args=(profile,)):
        st.rerun()


def _save(profile: EventProfile) -> None:
    """Stores it, and has the records dated. What came of it is shown above the form in the next run."""
    try:
        get_services().profiles.save(profile)
    except FacedeskError as error:
        st.session_state[_FAILED] = str(error)
        return
    profiles.forget()
    event.forget_ids()
    st.session_state[_SAVED] = True
    profiles.date_records(profile.event_id)
