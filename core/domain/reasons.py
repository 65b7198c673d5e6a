"""Why a photo did not pass: fixed codes, with the words that support sees and sends."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class Reason(StrEnum):
    """Stored in ``failureReasons``; the codes never change, the words may."""

    NO_FACE = "NO_FACE"
    MULTIPLE_FACES = "MULTIPLE_FACES"
    FACE_TOO_SMALL = "FACE_TOO_SMALL"
    LOW_CONFIDENCE = "LOW_CONFIDENCE"
    TOO_DARK = "TOO_DARK"
    TOO_BRIGHT = "TOO_BRIGHT"
    BLURRED = "BLURRED"
    HEAD_TURNED = "HEAD_TURNED"
    EYES_CLOSED = "EYES_CLOSED"
    SUNGLASSES = "SUNGLASSES"
    FACE_OCCLUDED = "FACE_OCCLUDED"
    FACE_MISMATCH = "FACE_MISMATCH"
    # The next two never fail a photo: they say why it waits for a person.
    ENGINE_UNAVAILABLE = "ENGINE_UNAVAILABLE"
    REFERENCE_UNUSABLE = "REFERENCE_UNUSABLE"


#: code -> (label in lists and charts, sentence to send to the person)
_WORDS: dict[str, tuple[str, str]] = {
    Reason.NO_FACE: (
        "No face",
        "We could not find a face in your photo. Please send a photo of your face, taken from the front.",
    ),
    Reason.MULTIPLE_FACES: (
        "Several faces",
        "There is more than one face in your photo. Please send one with only you in the picture.",
    ),
    Reason.FACE_TOO_SMALL: (
        "Face too small",
        "Your face is too small in the photo. Please come closer to the camera: head and shoulders.",
    ),
    Reason.LOW_CONFIDENCE: (
        "Face unclear",
        "We could not see your face clearly. Please take a new photo from the front, in good light.",
    ),
    Reason.TOO_DARK: (
        "Too dark",
        "Your photo is too dark. Please take it facing a window or a lamp.",
    ),
    Reason.TOO_BRIGHT: (
        "Too bright",
        "Your photo is too bright. Please take it without direct sun or flash on your face.",
    ),
    Reason.BLURRED: (
        "Blurred",
        "Your photo is blurred. Please wipe the lens, hold the camera still and try again.",
    ),
    Reason.HEAD_TURNED: (
        "Head turned",
        "Your head is turned away. Please look straight into the camera.",
    ),
    Reason.EYES_CLOSED: (
        "Eyes closed",
        "Your eyes seem to be closed. Please take a new photo with your eyes open.",
    ),
    Reason.SUNGLASSES: (
        "Sunglasses",
        "You seem to be wearing sunglasses. Please take them off for the photo.",
    ),
    Reason.FACE_OCCLUDED: (
        "Face covered",
        "Something covers your face. Please take a photo without a mask, a hand or hair in front of it.",
    ),
    Reason.FACE_MISMATCH: (
        "Not the same person",
        "The photo does not look like the one you registered with. Please send a new photo of yourself: "
        "face the camera, no one else in the picture.",
    ),
    Reason.ENGINE_UNAVAILABLE: (
        "Not checked yet",
        "We have your photo and will check it shortly. There is nothing you need to do.",
    ),
    Reason.REFERENCE_UNUSABLE: (
        "Reference photo unusable",
        "We have your photo, but cannot use the one you registered with. A member of our team will look at it.",
    ),
}


def is_known(code: str) -> bool:
    """Whether the code is one of ours; another service's may be any text."""
    return code in _WORDS


def label(code: str) -> str:
    """The short form for lists and charts; an unknown code (another service's) is shown as it is."""
    return _WORDS[code][0] if is_known(code) else code


def main_first(codes: Iterable[str]) -> list[str]:
    """The codes as they are said: that it is another person comes first, then what can be mended, as it was found."""
    return sorted(codes, key=lambda code: code != Reason.FACE_MISMATCH)


def labels(codes: Iterable[str]) -> str:
    """The short forms in one line, the main reason first; empty where there is no reason."""
    return ", ".join(map(label, main_first(codes)))


def sentences(codes: Iterable[str]) -> list[str]:
    """What to send to the person, of the main reason first, each sentence once."""
    return list(dict.fromkeys(map(advice, main_first(codes))))


def advice(code: str) -> str:
    """The sentence to send to the person; for an unknown code a general one."""
    if is_known(code):
        return _WORDS[code][1]
    return "Your photo could not be accepted. Please send a new one: face the camera, in good light."
