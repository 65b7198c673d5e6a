"""Photos under keys as other systems write them: with a slash before them, or encoded as in a URL.

The key itself always comes first: another spelling counts only where there is no photo under it.
"""

from __future__ import annotations

from contextlib import suppress
from urllib.parse import unquote, unquote_plus

from core.domain.errors import PhotoNotFound
from core.ports import Photos


def spellings(key: str) -> tuple[str, ...]:
    """Returns the keys that may be meant, ``key`` first."""
    plain = key.lstrip("/")
    others = (each for each in (plain, unquote(plain), unquote_plus(plain)) if each)
    return tuple(dict.fromkeys((key, *others)))


def read(photos: Photos, key: str) -> tuple[str, bytes]:
    """Returns the first of the ``spellings`` under which there is a photo, and the photo.

    Raises the errors of ``Photos.get``.
    """
    *others, last = spellings(key)
    for spelling in others:
        with suppress(PhotoNotFound):
            return spelling, photos.get(spelling)
    return last, photos.get(last)


def used(photos: Photos, key: str) -> str | None:
    """Returns the key under which ``read`` finds a photo; None if there is none."""
    return next(filter(photos.exists, spellings(key)), None)
