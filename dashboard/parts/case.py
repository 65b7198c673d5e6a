"""One case on a page: the verdict in one look, its attempts, and what a person can do about it."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial

import pandas as pd
import streamlit as st

from core.domain import reasons
from core.domain.errors import FacedeskError
from core.domain.policy import Policy
from core.domain.records import Provenance, ValidationRecord
from core.domain.roles import Action
from dashboard import pages
from dashboard.charts import case as case_charts
from dashboard.charts import style
from dashboard.parts import decisions, notices, photos, toast, ui
from dashboard.services import get_services

#: Pixels of a case at the most: both faces and the score then fit on a laptop's screen.
WIDTH = 690


def palette() -> style.Palette:
    return style.DARK if st.context.theme.type == "dark" else style.LIGHT


def verdict(record: ValidationRecord, policy: Policy, *, faces: bool) -> None:
    """Status, both faces, similarity against the threshold, the figures, and what to tell the person.

    Without ``faces`` they are blurred.
    """
    look = ui.STATUS[record.validation_status]
    with st.container(border=True):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            st.subheader(f":{look.badge}[{look.icon}] {ui.headline(record)}", anchor=False)
            st.badge(
                f"Stored · attempt {record.verification_attempt} · "
                f"{ui.when(record.updated_at or record.timestamp, get_services().clock())}",
                icon=":material/check:",
                color="gray",
                help="The verdict is stored: this page's link shows it again.",
            )
        _people(record)
        _faces(record, policy, faces)
        figures(record)
        advice(record)
        decisions.history(record)


def _people(record: ValidationRecord) -> None:
    """That there is more than one person in the photo, whether the rules let it pass or not."""
    if record.other_face_boxes:
        st.warning(
            f"{1 + len(record.other_face_boxes)} people are in the submitted photo. The largest face, in the "
            "coloured frame, was examined.",
            icon=":material/group:",
        )


def _faces(record: ValidationRecord, policy: Policy, shown: bool) -> None:
    colours = palette()
    with st.container(horizontal=True):
        reference, submitted, gauge = st.container(), st.container(), st.container()
    with reference:
        box = record.stored_face_box
        photos.show(record.stored_face_key, "Reference photo", box, colours.accent, blurred=not shown)
    with submitted:
        colour = colours.of(record.validation_status)
        photos.show(
            record.face_image_key,
            "Submitted photo",
            record.face_box,
            colour,
            blurred=not shown,
            others=record.other_face_boxes or (),
        )
    with gauge:
        similarity(record, policy)


def similarity(record: ValidationRecord, policy: Policy) -> None:
    """The similarity against its threshold, or why there is none."""
    st.markdown("**Similarity**")
    if record.similarity is None:
        st.caption(why_no_similarity(record))
        return
    threshold, review_from = thresholds(record, policy)
    st.plotly_chart(
        case_charts.similarity_gauge(record.similarity, threshold, review_from, palette()),
        config=ui.chart_config("similarity_score"),
        alt=f"Similarity {record.similarity:.1f} of 100; {threshold:g} or more passes",
    )
    st.caption(f"{threshold:g} or more passes; {review_from:g} to {threshold:g} waits: a colleague decides.")


def thresholds(record: ValidationRecord, policy: Policy) -> tuple[float, float]:
    """From which similarity this record passes, and from which it waits."""
    threshold = policy.similarity_threshold
    if record.comparison_result and record.comparison_result.threshold is not None:
        threshold = record.comparison_result.threshold
    return threshold, min(policy.review_threshold, threshold)


def why_no_similarity(record: ValidationRecord) -> str:
    if reasons.Reason.ENGINE_UNAVAILABLE in record.failure_reasons:
        return "The face engine could not be reached: nothing has been compared yet. Run it again."
    if record.stored_face_key is None:
        return "There is no reference photo to compare with: the face alone was judged."
    return "There was no face to compare."


def figures(record: ValidationRecord) -> None:
    """What the engine measured of the submitted face."""
    attributes = record.attributes
    measured = {
        "Confidence": (_number(record.confidence), "0-100: how sure the engine is that this is a face"),
        "Quality": (record.quality.capitalize() if record.quality else "–", "from brightness and sharpness"),
        "Brightness": (_number(attributes.get("brightness"), 0), "0-100, of the face"),
        "Sharpness": (_number(attributes.get("sharpness"), 0), "0-100, of the face"),
    }
    with st.container(horizontal=True):
        for name, (value, meaning) in measured.items():
            st.metric(name, value, help=meaning, border=True)


def _number(value: object, digits: int = 1) -> str:
    return f"{float(value):.{digits}f}" if isinstance(value, int | float) else "–"


def advice(record: ValidationRecord) -> None:
    """What to tell the person, to be copied; nothing where there is no reason for it."""
    if not record.failure_reasons:
        return
    with st.container(border=True):
        st.markdown("**What to tell the person**")
        # st.code brings its own copy button.
        st.code(ui.advice_text(record.failure_reasons), language=None, wrap_lines=True)


#: What there is to know of a verdict by this engine, for whoever looks closely.
ENGINE_NOTES = {
    "facedesk-opencv": "The face engine on this machine cannot see sunglasses or a covered face, nor tell a person "
    "from a picture of one. How often it errs, on which photos that was measured, and for whom it is less strict is "
    "in the documentation, docs/face-engine.md.",
}


def details(record: ValidationRecord) -> None:
    """What the engine reported, and the ids and codes that other systems use."""
    with st.expander("Details", icon=":material/data_object:"):
        made_by = record.provenance or Provenance()
        rows = {
            **{name: _attribute(value) for name, value in record.attributes.items()},
            "reason codes": ", ".join(record.failure_reasons) or "–",
            "face engine": made_by.engine or "–",
            "engine's model": made_by.model or "–",
            "rules": made_by.rules or "–",
            "user id": record.user_id,
            "registration id": record.registration_id,
            "event id": record.event or "–",
            "submitted photo": record.face_image_key or "–",
            "reference photo": record.stored_face_key or "–",
        }
        st.dataframe(
            pd.DataFrame({"What": rows.keys(), "Value": rows.values()}), hide_index=True, alt="Details of the record"
        )
        if note := ENGINE_NOTES.get(made_by.engine or ""):
            st.caption(note)


def _attribute(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def attempts(record: ValidationRecord, policy: Policy) -> None:
    shown = record.outcomes
    count = f"{record.verification_attempt}"
    if record.verification_attempt > len(shown):
        count += f", the last {len(shown)} listed"
    with st.expander(f"Attempts ({count})", expanded=True, icon=":material/history:"):
        ui.attempts_table(shown, policy.similarity_threshold)


def actions(record: ValidationRecord, *, link_to_user: bool = False) -> None:
    """Decide, run again, and on to the person, as the role allows. The decision is on the record as it is shown."""
    with st.container(horizontal=True, vertical_alignment="center"):
        decisions.buttons(record)
        run_again_button(record)
        if link_to_user:
            user_link(record)


def run_again_button(
    record: ValidationRecord, key: str | None = None, then: Callable[[ValidationRecord], None] = lambda checked: None
) -> None:
    """Checks the record's photo once more; ``then`` is called with the record after that."""
    if record.face_image_key and get_services().principal.may(Action.VALIDATE):
        st.button(
            "Run again",
            icon=":material/refresh:",
            shortcut="a",
            key=key,
            on_click=_run_again,
            args=(record, record.face_image_key, uuid.uuid4().hex, then),
            help="Check the same photo once more, as a new attempt.",
        )


def user_link(record: ValidationRecord) -> None:
    pages.link(pages.USER_LOOKUP, "Open user", ":material/person:", {"user_id": record.user_id})


def _run_again(record: ValidationRecord, key: str, attempt_id: str, then: Callable[[ValidationRecord], None]) -> None:
    try:
        services = get_services()
        submitter = ui.submitter(services.principal)
        done = services.validation.validate_stored(record.registration_id, key, attempt_id, submitter)
    except FacedeskError as error:
        icon = ":material/error:"
        notices.put(partial(ui.banner, "error", "The photo was not checked.", str(error), icon=icon))
    else:
        then(done.record)
        notices.put(partial(toast.verdict, done.record.validation_status, decisions.name_of(done.record)))
