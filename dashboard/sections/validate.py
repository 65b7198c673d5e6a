"""Sections of the validation page: the search, the photo and the validation."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import streamlit as st

from core.domain.errors import FacedeskError, PhotoNotFound, PhotoRefused, ServiceError
from core.domain.records import Registration, Status, ValidationRecord
from core.domain.search import Found
from core.photos.sanitiser import SMALLER
from dashboard import pages
from dashboard.parts import link, photos, search, toast, ui
from dashboard.services import get_services

#: The key of the place where the verdict is, or the photo that has none yet.
CARD = "verdict"
_SUBMISSION = "submission"
_NEXT = "next-person"
_STORED = "Photo already in the store"
#: What a registration says of a reference photo that lies outside of the bucket (``Registration.unreadable``).
REFERENCE_ELSEWHERE = "referencePhotoKey:other-bucket"


@dataclass(frozen=True)
class Upload:
    """A photo that was uploaded or taken; each upload has an id of its own."""

    id: str
    data: bytes = field(repr=False)


@dataclass(frozen=True)
class StoredKey:
    """A photo that is stored, by its key, which is its id."""

    id: str


Photo: TypeAlias = Upload | StoredKey


@dataclass
class Submission:
    """A photo that was chosen for a registration, by its id, and what came of it; the session keeps the newest one.

    Its one ``attempt_id`` makes a double click or a broken connection count once. ``key`` is the photo's key in the
    store, once it is known. ``verdict`` is what its validation brought, ``refusal`` shows why it brought nothing, and
    ``readable`` is false for a file that is no photo. ``untold`` is true until the page has told what came of it.
    """

    registration_id: str
    photo_id: str
    key: str | None = None
    attempt_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    verdict: Status | None = None
    refusal: Callable[[], None] | None = None
    readable: bool = True
    untold: bool = False

    def is_of(self, record: ValidationRecord | None) -> bool:
        """Whether the record's verdict is the verdict of this photo."""
        return record is not None and self.key is not None and record.face_image_key == self.key


def submission_of(registration_id: str, photo: Photo | None) -> Submission | None:
    """The submission of the chosen photo. Another photo, or another person, begins another one."""
    known: Submission | None = st.session_state.get(_SUBMISSION)
    if photo is None:
        st.session_state.pop(_SUBMISSION, None)
        return None
    if known is None or (known.registration_id, known.photo_id) != (registration_id, photo.id):
        key = photo.id if isinstance(photo, StoredKey) else None
        known = st.session_state[_SUBMISSION] = Submission(registration_id, photo.id, key)
    return known


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
            st.warning(
                "The link names an unknown registration. Find the person by an id, a name or an e-mail address.",
                icon=":material/person_off:",
            )
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


def next_person_button() -> None:
    """Clears the case, for the next person in the line."""
    st.button("Next person", icon=":material/person_add:", shortcut="n", on_click=_next_person)


def _next_person() -> None:
    forget_choice()
    link.put("q", None)
    st.session_state.pop(_SUBMISSION, None)
    st.session_state[_NEXT] = uuid.uuid4().hex


def cursor() -> None:
    """Put the cursor into the search field: on arrival, and for the next person."""
    ui.focus_on_arrival("Registration", st.session_state.get(_NEXT, ""))


def tell(registration: Registration | None) -> None:
    """Bring what came of the photo into view and, if that is a verdict, say what it is and whose; once."""
    submission: Submission | None = st.session_state.get(_SUBMISSION)
    if registration is None or submission is None or not submission.untold:
        return
    submission.untold = False
    ui.bring_into_view(CARD, uuid.uuid4().hex)
    if submission.verdict:
        toast.verdict(submission.verdict, registration.name or registration.user_id)


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


def photo_input(registration_id: str) -> Photo | None:
    """The photo to validate; None until there is one."""
    services = get_services()
    source = st.segmented_control(
        "Photo from",
        ["Upload", "Camera", _STORED],
        default="Upload",
        required=True,
        key="photo_from",
        label_visibility="collapsed",
        width="stretch",
    )
    if source == _STORED:
        key = st.text_input(
            "Its key in the photo store",
            key=f"key-{registration_id}",
            max_chars=1000,
            placeholder="as the details of a case show it",
        )
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
    return Upload(file.file_id, file.getvalue()) if file else None


def validate_button(submission: Submission | None, record: ValidationRecord | None) -> bool:
    """Whether the photo is to be validated now."""
    why_not = None
    if submission is None:
        why_not = "Give a photo first."
    elif submission.verdict or submission.is_of(record):
        why_not = "This photo has its verdict. Run again checks it once more."
    pressed = st.button(
        "Validate",
        type="primary",
        icon=":material/verified_user:",
        width="stretch",
        shortcut="v",
        disabled=why_not is not None,
        help=why_not,
    )
    return pressed and why_not is None


def chosen_photo(
    submission: Submission,
    photo: Photo,
    registration: Registration,
    record: ValidationRecord | None,
    *,
    pressed: bool,
) -> None:
    """The card of a photo without a verdict: why there is none, and the photo. Validates it if ``pressed``."""
    with st.container(border=True):
        top = st.container()
        if submission.readable or pressed:
            _preview(photo, registration, record)
        if pressed:
            ui.bring_into_view(CARD, uuid.uuid4().hex)
        with top:
            if pressed:
                # Both are there while it takes its time: what is being done, and with which photo.
                st.subheader(":gray[:material/hourglass_top:] Validating this photo", anchor=False)
                with st.spinner("Looking for the face and comparing it…", show_time=True):
                    validate(submission, photo)
                st.rerun()
            elif submission.refusal:
                st.subheader(":red[:material/error:] Not validated", anchor=False)
                submission.refusal()
            elif submission.verdict:
                st.subheader(":gray[:material/history:] Another photo was validated since", anchor=False)
                st.write("This photo's outcome is listed below. Choose the photo again to validate it once more.")
            else:
                st.subheader(":gray[:material/pending:] Not validated yet", anchor=False)
                st.write("Press Validate to check this photo.")


def _preview(photo: Photo, registration: Registration, record: ValidationRecord | None) -> None:
    match photo:
        case Upload(data=data):
            photos.preview(data, "Chosen photo", 320)
        case StoredKey(id=key):
            # A key may be that of anybody's photo: one that is not known as this person's is shown when it is judged.
            theirs = {registration.reference_photo_key, registration.submitted_photo_key}
            if record:
                theirs |= {record.face_image_key, *(attempt.face_image_key for attempt in record.attempts)}
            known = key in theirs and look(registration)
            photos.show(key, "Chosen photo", width=320, blurred=not known)


def validate(submission: Submission, photo: Photo) -> None:
    """Validate the photo. The submission then has the photo's key, of which there is a verdict, or the refusal."""
    submission.refusal, submission.untold = None, True
    icon = ":material/image_not_supported:"
    try:
        record = submitted(submission, photo)
        submission.key, submission.verdict = record.face_image_key, record.validation_status
    except PhotoRefused as error:
        submission.readable = False
        said = f"{_stored(photo, kept=False)}Nothing was recorded."
        submission.refusal = partial(ui.banner, "error", said, str(error), icon=icon)
    except PhotoNotFound:
        submission.readable = False
        said = "There is no photo under this key. Nothing was recorded."
        submission.refusal = partial(ui.banner, "error", said, icon=icon)
    except ServiceError as error:
        said = f"{_stored(photo, kept=error.photo_stored)}No verdict was recorded. Press Validate to try again."
        submission.refusal = partial(ui.banner, "error", said, str(error), icon=":material/cloud_off:")
    except FacedeskError as error:
        said = f"{_stored(photo, kept=False)}Nothing was recorded."
        submission.refusal = partial(ui.banner, "error", said, str(error), icon=":material/error:")


def _stored(photo: Photo, *, kept: bool) -> str:
    """A sentence on what became of an uploaded photo that was not validated; one of the store stays where it is."""
    if isinstance(photo, StoredKey):
        return ""
    return "The photo was stored. " if kept else "The photo was not stored. "


def submitted(submission: Submission, photo: Photo) -> ValidationRecord:
    """The record after the photo was validated. Raises ``FacedeskError``."""
    services = get_services()
    submitter = ui.submitter(services.principal)
    registration_id, attempt_id = submission.registration_id, submission.attempt_id
    match photo:
        case Upload(data=data):
            return services.validation.validate_upload(registration_id, data, attempt_id, submitter).record
        case StoredKey(id=key):
            return services.validation.validate_stored(registration_id, key, attempt_id, submitter).record


def nothing_chosen() -> None:
    services = get_services()
    with st.container(border=True):
        st.subheader("Whose photo?", anchor=False)
        st.write("Find the registration by its id, the user's id, a name or an e-mail address.")
        with ui.banner_on_failure("look up registrations"):
            if services.registrations.is_empty():
                st.write("There are no registrations yet.")
                pages.link(pages.START, "Load some", ":material/upload_file:")


def nothing_validated() -> None:
    with st.container(border=True):
        st.subheader("No photo validated yet", anchor=False)
        st.write("Upload one, take one with the camera, or name one that is stored, and press Validate.")
