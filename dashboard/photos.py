"""Photos on a page: as data URIs inside the session, never through an address that others could open."""

from __future__ import annotations

import base64
import io
from typing import Literal

import streamlit as st
from PIL import Image, ImageDraw

from core.access import Action
from core.errors import FacedeskError, Forbidden, PhotoNotFound, PhotoRefused
from core.records import Box
from dashboard import services

#: Longest side of a photo on a page, and of one in a table, pixels.
PAGE_SIDE = 720
THUMBNAIL_SIDE = 96


def may_see() -> bool:
    """Whether faces are for the person at this page."""
    person = services.principal()
    return person is not None and person.may(Action.SEE_FACES)


def data_uri(key: str, side: int, box: Box | None = None, colour: str | None = None) -> str:
    """The photo under ``key`` with its longest side at most ``side`` pixels; the box, if given, drawn in ``colour``.

    Raises ``Forbidden``, ``PhotoNotFound``, ``PhotoRefused`` or ``ServiceError``; those are not kept.
    """
    if not may_see():
        # What somebody else may see is kept below: it must not be found there.
        raise Forbidden("Faces are not for your role.")
    return _data_uri(key, side, box, colour)


@st.cache_data(ttl=600, max_entries=256, show_spinner=False)
def _data_uri(key: str, side: int, box: Box | None, colour: str | None) -> str:
    image = Image.open(io.BytesIO(services.get_services().validation.photo(key).jpeg))
    image.draft("RGB", (side, side))
    image.thumbnail((side, side))
    if box:
        width, height = image.size
        corners = (
            box.left * width,
            box.top * height,
            (box.left + box.width) * width,
            (box.top + box.height) * height,
        )
        ImageDraw.Draw(image).rectangle(corners, outline=colour, width=max(2, max(image.size) // 160))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


def show(
    key: str | None,
    caption: str,
    box: Box | None = None,
    colour: str | None = None,
    width: int | Literal["stretch"] = "stretch",
) -> None:
    """A photo with its caption, ``width`` pixels wide or as wide as its place; or why there is none to see."""
    if key is None:
        st.info(f"{caption}: none", icon=":material/no_photography:")
        return
    if not may_see():
        st.info(f"{caption}: not for your role", icon=":material/visibility_off:")
        return
    try:
        uri = data_uri(key, PAGE_SIDE, box, colour)
    except (PhotoNotFound, PhotoRefused):
        st.warning(f"{caption}: the file is missing or is no photo", icon=":material/broken_image:")
    except FacedeskError:
        st.warning(f"{caption}: the photo store is out of reach", icon=":material/cloud_off:")
    else:
        st.image(uri, caption=caption, width=width, alt=caption)


def thumbnail(key: str | None) -> str | None:
    """A small data URI for a table's cell; None where there is nothing to show."""
    if key is None:
        return None
    try:
        return data_uri(key, THUMBNAIL_SIDE)
    except FacedeskError:
        return None
