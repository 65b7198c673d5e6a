"""Photos on a page: as data URIs inside the session, never through an address that others could open."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Literal

import streamlit as st
from PIL import Image, ImageDraw
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.domain.errors import FacedeskError, Forbidden, PhotoNotFound, PhotoRefused
from core.domain.records import Box
from core.domain.roles import Action
from core.photos.sanitiser import CleanPhoto
from dashboard import services
from dashboard.parts import ui

#: Longest side of a photo on a page, of a face that was cut out, and of a photo in a table, pixels.
PAGE_SIDE = 720
FACE_SIDE = 600
THUMBNAIL_SIDE = 96
#: As many pixels are left of a blurred photo's longest side: no face can be told from another.
BLURRED_SIDE = 8
#: Width by height of a face that was cut out, and how many times as high as the face's box it is.
FACE_SHAPE = 7 / 8
FACE_MARGIN = 1.8
#: Reads the photo under a key for the person at this page.
Read = Callable[[str], CleanPhoto]
#: Page sessions that were sent a photo since somebody was last erased.
_showing: set[str] = set()
#: Seconds after which a page that is being drawn is looked at again.
DRAWN_AFTER = 0.1
_LOOKED, _REVEALED = "looked-at", "revealed"


def may_see() -> bool:
    """Whether faces are for the person at this page."""
    person = services.principal()
    return person is not None and person.may(Action.SEE_FACES)


def look(user_id: str, registration_id: str, event_id: str | None) -> bool:
    """Whether the faces of the case that is being worked on may be shown: the audit trail is told first.

    Once a session. False where it could not be told; a banner says so.
    """
    if not may_see():
        return True  # there is nothing to be seen: ``show`` says why
    looked: set[tuple[str, str]] = st.session_state.setdefault(_LOOKED, set())
    if (user_id, registration_id) not in looked:
        with ui.banner_on_failure("show the faces"):
            services.get_services().acting.look(user_id, registration_id, event_id)
            looked.add((user_id, registration_id))
    return (user_id, registration_id) in looked


def revealed(user_id: str) -> bool:
    """Whether this session's person had this user's photos revealed to them."""
    return may_see() and user_id in st.session_state.get(_REVEALED, ())


def reveal_button(user_id: str) -> None:
    """Reveals the user's photos on this page; the audit trail is told first. Nothing for those who see no faces."""
    if not may_see() or revealed(user_id):
        return
    pressed = st.button(
        "Reveal photos",
        icon=":material/visibility:",
        help="Photos are blurred until somebody needs to see them. The audit trail records who saw them, and when.",
    )
    if pressed:
        with ui.banner_on_failure("reveal the photos", again=False):
            services.get_services().acting.reveal(user_id)
            st.session_state.setdefault(_REVEALED, set()).add(user_id)
            st.rerun()


def forget() -> None:
    """Keep nothing of any photo in memory, and run the pages that show one again.

    A browser shows what it was sent until its page runs again.
    """
    _data_uri.clear()
    if not runtime.exists():
        return
    showing = []
    while _showing:
        showing.append(_showing.pop())
    streamlit = runtime.get_instance()
    eventloop = streamlit._get_async_objs().eventloop

    def run_again(session_id: str) -> None:
        info = streamlit._session_mgr.get_active_session_info(session_id)
        if info is None:
            return
        if info.session._scriptrunner is not None:
            # Until a page has been drawn, Streamlit knows neither its address nor its link, and would draw the first
            # page instead.
            eventloop.call_later(DRAWN_AFTER, run_again, session_id)
            return
        # As Streamlit does when a file of secrets has changed.
        info.session.request_rerun(info.session._client_state)

    for session_id in showing:
        eventloop.call_soon_threadsafe(run_again, session_id)


def data_uri(
    key: str,
    side: int,
    box: Box | None = None,
    colour: str | None = None,
    *,
    blurred: bool = False,
    cut: bool = False,
    others: tuple[Box, ...] = (),
    read: Read | None = None,
) -> str:
    """The photo under ``key`` with its longest side at most ``side`` pixels; the box, if given, drawn in ``colour``.

    The boxes of ``others`` are drawn in thin white lines. ``cut`` leaves the box and its surroundings instead of
    drawing any. ``blurred`` leaves ``BLURRED_SIDE`` pixels' worth of it: what is sent has no more, whatever a browser
    does. ``read`` is given by pages that show photos to people who may not see those of cases: what such a page has
    found is theirs to see.
    Raises ``Forbidden``, ``PhotoNotFound``, ``PhotoRefused`` or ``ServiceError``; those are not kept.
    """
    if read is None and not may_see():
        # What somebody else may see is kept below: it must not be found there.
        raise Forbidden("Your role may not see faces.")
    if context := get_script_run_ctx():
        _showing.add(context.session_id)  # before it is read: an erasure may come in between
    return _data_uri(read or services.get_services().validation.photo, key, side, box, colour, blurred, cut, others)


@st.cache_data(ttl=600, max_entries=256, show_spinner=False)
def _data_uri(
    _read: Read,
    key: str,
    side: int,
    box: Box | None,
    colour: str | None,
    blurred: bool,
    cut: bool,
    others: tuple[Box, ...],
) -> str:
    opened = Image.open(io.BytesIO(_read(key).jpeg))
    image: Image.Image = opened
    if cut and box:
        image = opened.crop(_around(box, opened.size))
    else:
        opened.draft("RGB", (side, side))
    image.thumbnail((side, side))
    if blurred:
        size = image.size
        image.thumbnail((BLURRED_SIDE, BLURRED_SIDE), Image.Resampling.BOX)
        image = image.resize(size, Image.Resampling.BICUBIC)
    elif not cut:
        for other in others:
            _draw(image, other, "white", 1)
        if box:
            _draw(image, box, colour, 2)
    return _encoded(image)


def _around(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The corners of what is cut out for a face's box: in ``FACE_SHAPE``, within the photo, the face amid."""
    width, height = size
    tall = min(max(box.height, 0.05) * height * FACE_MARGIN, height, width / FACE_SHAPE)
    wide = tall * FACE_SHAPE
    left = min(max((box.left + box.width / 2) * width - wide / 2, 0), width - wide)
    top = min(max((box.top + box.height / 2) * height - tall / 2, 0), height - tall)
    return round(left), round(top), round(left + wide), round(top + tall)


def show(
    key: str | None,
    caption: str,
    box: Box | None = None,
    colour: str | None = None,
    width: int | Literal["stretch"] = "stretch",
    *,
    blurred: bool = False,
    others: tuple[Box, ...] = (),
) -> None:
    """A photo with its caption, ``width`` pixels wide or as wide as its place; or why there is none to see."""
    uri = _uri_or_why_not(
        key, caption, lambda key: data_uri(key, PAGE_SIDE, box, colour, blurred=blurred, others=others)
    )
    if uri:
        caption = f"{caption}, blurred" if blurred else caption
        st.image(uri, caption=caption, width=width, alt=caption)


def face(
    key: str | None, caption: str, box: Box | None, *, blurred: bool = False, read: Read | None = None
) -> str | None:
    """A photo's face as a data URI; the whole photo without a box. None if there is none: the page then says why.

    ``read`` is that of ``data_uri``.
    """

    def uri(key: str) -> str:
        return data_uri(key, FACE_SIDE, box, blurred=blurred, cut=True, read=read)

    return _uri_or_why_not(key, caption, uri, theirs=read is not None)


def _uri_or_why_not(key: str | None, caption: str, uri: Callable[[str], str], *, theirs: bool = False) -> str | None:
    if key is None:
        st.info(f"{caption}: none", icon=":material/no_photography:")
    elif not (theirs or may_see()):
        st.info(f"{caption}: not for your role", icon=":material/visibility_off:")
    else:
        try:
            return uri(key)
        except (PhotoNotFound, PhotoRefused):
            st.warning(f"{caption}: the file is missing or is not a photo", icon=":material/broken_image:")
        except FacedeskError:
            st.warning(f"{caption}: the photo store cannot be reached", icon=":material/cloud_off:")
    return None


def thumbnail(key: str | None, *, blurred: bool) -> str | None:
    """A small data URI for a table's cell; None where there is nothing to show."""
    if key is None:
        return None
    try:
        return data_uri(key, THUMBNAIL_SIDE, blurred=blurred)
    except FacedeskError:
        return None


def preview(upload: bytes, caption: str, width: int) -> None:
    """A photo that was chosen and is not stored yet, as the engine will see it; or why it cannot be shown."""
    if not may_see():
        st.info(f"{caption}: not for your role", icon=":material/visibility_off:")
        return
    try:
        jpeg = services.get_services().validation.preview(upload).jpeg
    except FacedeskError as error:
        ui.banner("warning", f"{caption}: it cannot be shown.", str(error), icon=":material/broken_image:")
        return
    image = Image.open(io.BytesIO(jpeg))
    image.thumbnail((PAGE_SIDE, PAGE_SIDE))
    st.image(_encoded(image), caption=caption, width=width, alt=caption)


def _draw(image: Image.Image, box: Box, colour: str | None, weight: int) -> None:
    width, height = image.size
    corners = (
        box.left * width,
        box.top * height,
        (box.left + box.width) * width,
        (box.top + box.height) * height,
    )
    ImageDraw.Draw(image).rectangle(corners, outline=colour, width=weight * max(1, max(image.size) // 320))


def _encoded(image: Image.Image) -> str:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()
