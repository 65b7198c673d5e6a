"""Sections of the validation page: the search, the photo and the validation."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import streamlit as st

from core.domain.errors import FacedeskError, PhotoNotFound, PhotoRefused
from core.domain.records import Registration, ValidationRecord
from core.domain.search import Found
from core.photos.sanitiser import SMALLER
from dashboard import pages
from dashboard.parts import photos, search, ui
from dashboard.services import get_services

#: What a registration says of a reference photo that lies outside of the bucket (``Registration.unreadable``).
REFERENCE_ELSEWHERE = "referencePhotoKey:other-bucket"


@dataclass(frozen=True)
class Upload:
    """A photo that was uploaded or taken."""

    data: bytes


@dataclass(frozen=True)
class StoredKey:
    """A photo that is stored, by its key."""

    key: str


def forget_choice() -> None:
    st.query_params.pop("registration_id", None)


def choose(registration_id: str) -> None:
    st.query_params["registration_id"] = registration_id


def find() -> Registration | None:
    """The registration that the link names or the search finds."""
    services = get_services()
    text = search.box("Registration", "Id, user id, name or e-mail", forget_choice)
    if chosen := st.query_params.get("registration_id"):
        registration = services.registrations.get(chosen)
        if registration is None:
            st.warning("There is no registration with this id.", icon=":material/person_off:")
        elif text:
            st.button("Other results", on_click=forget_choice, type="tertiary", icon=":material/arrow_back:")
        return registration
    return pick(services.registrations.search(text)) if text else None


def pick(found: Found) -> Registration | None:
    matches = found.registrations
    if not matches:
        search.nobody()
        return None
    if len(matches) == 1:
        choose(matches[0].registration_id)
        return matches[0]
    search.choice({match.registration_id: ui.registration_line(match) for match in matches}, found, choose)
    return None


def look(registration: Registration) -> bool:
    return photos.look(registration.user_id, registration.registration_id, registration.event_id)


def registration_card(registration: Registration, attempts: int) -> None:
    with st.container(border=True):
        st.text(registration.name or registration.user_id)
        earlier = {0: "no earlier attempt", 1: "1 earlier attempt"}.get(attempts, f"{attempts} earlier attempts")
        st.text(" · ".join((registration.event_id, registration.registration_id, earlier)))
        if registration.email:
            st.text(registration.email)
        if REFERENCE_ELSEWHERE in registration.unreadable.split():
            st.text("The registration names a reference photo in another place, which Facedesk does not read.")
        photos.show(registration.reference_photo_key, "Reference photo", width=150, blurred=not look(registration))


def photo_input(registration_id: str) -> Upload | StoredKey | None:
    """The photo to validate; None until there is one."""
    services = get_services()
    source = st.segmented_control(
        "Photo from",
        ["Upload", "Camera", "Stored key"],
        default="Upload",
        required=True,
        key="photo_from",
        label_visibility="collapsed",
        width="stretch",
    )
    if source == "Stored key":
        key = st.text_input("Key in the photo store", key=f"key-{registration_id}", max_chars=1000)
        return StoredKey(key.strip()) if key and key.strip() else None
    if source == "Camera":
        file = st.camera_input("Take a photo", key=f"camera-{registration_id}")
    else:
        # Any file may be chosen, because a photo's name and type say nothing reliable. Its content is checked.
        file = st.file_uploader(
            "Photo",
            max_upload_size=services.settings.max_upload_mb,
            key=f"upload-{registration_id}",
            label_visibility="collapsed",
        )
        # The browser refuses a larger file with its size alone, and the server never hears of it.
        st.caption(f"Any photo of up to {services.settings.max_upload_mb} MB. If yours is larger, {SMALLER}.")
    return Upload(file.getvalue()) if file else None


def validate(registration: Registration, photo: Upload | StoredKey | None) -> ValidationRecord | None:
    """The button and, when it was pressed, the validation: the record after it."""
    # One id until the answer is here: a double click or a broken connection must not count twice.
    token = f"attempt-{registration.registration_id}"
    attempt_id = st.session_state.setdefault(token, uuid.uuid4().hex)
    pressed = st.button(
        "Validate",
        type="primary",
        icon=":material/verified_user:",
        width="stretch",
        shortcut="v",
        disabled=photo is None,
        help="Give a photo first." if photo is None else None,
    )
    if not pressed or photo is None:
        return None
    try:
        with st.spinner("Looking for the face and comparing it…", show_time=True):
            record = submitted(registration.registration_id, photo, attempt_id)
    except PhotoRefused as error:
        ui.banner(
            "error",
            "The photo was refused. Nothing was stored.",
            str(error),
            icon=":material/image_not_supported:",
        )
    except PhotoNotFound:
        st.error("There is no photo under this key. Nothing was stored.", icon=":material/image_not_supported:")
    except FacedeskError as error:
        ui.banner(
            "error",
            "The photo was not validated. Press Validate to try again.",
            str(error),
            icon=":material/cloud_off:",
        )
    else:
        del st.session_state[token]
        st.toast("Verdict stored.", icon=":material/check:")
        return record
    return None


def submitted(registration_id: str, photo: Upload | StoredKey, attempt_id: str) -> ValidationRecord:
    """The record after the photo was validated. Raises ``FacedeskError``."""
    services = get_services()
    submitter = ui.submitter(services.principal)
    match photo:
        case Upload(data):
            return services.validation.validate_upload(registration_id, data, attempt_id, submitter).record
        case StoredKey(key):
            return services.validation.validate_stored(registration_id, key, attempt_id, submitter).record


def nothing_chosen() -> None:
    services = get_services()
    with st.container(border=True):
        st.subheader("Whose photo?", anchor=False)
        st.write("Find the registration on the left: by its id, the user's id, a name or an e-mail address.")
        with ui.banner_on_failure("look up registrations"):
            if services.registrations.is_empty():
                st.write("There are no registrations yet.")
                pages.link(pages.START, "Load some", ":material/upload_file:")


def nothing_validated() -> None:
    with st.container(border=True):
        st.subheader("No photo validated yet", anchor=False)
        st.write("Upload one, take one with the camera, or name one that is stored, and press Validate.")
