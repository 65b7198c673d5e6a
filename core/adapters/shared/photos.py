"""What both photo stores accept, and how they refuse, so that they behave alike."""

from __future__ import annotations

from core.domain.errors import InvalidInput, PhotoNotFound, PhotoTooLarge

#: S3's limit on a key, bytes of UTF-8.
MAX_KEY_BYTES = 1024
#: Rekognition's limit on an image in S3.
MAX_PHOTO_BYTES = 15 * 1024 * 1024


def is_valid_key(key: str) -> bool:
    """Whether a store can hold ``key``: text without NUL and without the steps ``.`` and ``..``."""
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return False
    return 0 < size <= MAX_KEY_BYTES and "\0" not in key and not {".", ".."} & set(key.split("/"))


def require_valid_key(key: str) -> None:
    """Raises ``InvalidInput`` for a key under which no photo can be stored."""
    if not is_valid_key(key):
        raise InvalidInput("This is not a valid photo key: use a name such as face-images/photo.jpg.")


# The messages leave the key out: another service's key may contain a person's name.


def not_found() -> PhotoNotFound:
    return PhotoNotFound("There is no photo under this key in the store.")


def too_large(max_bytes: int) -> PhotoTooLarge:
    return PhotoTooLarge(f"The stored photo is larger than {max_bytes / 2**20:g} MB: store a smaller copy of it.")
