"""Photos under keys as other systems write them, with a slash before them or encoded as in a URL, and whose they are.

The key itself always comes first: another spelling counts only where there is no photo under it.
"""

from __future__ import annotations

from contextlib import suppress

from core.domain.errors import PhotoNotFound, PhotoOfAnother
from core.domain.records import Registration
from core.photos.keys import folder_of, spellings, upload_folder
from core.ports import Photos, Registrations


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


def require_own(registrations: Registrations, registration: Registration, key: str) -> None:
    """Raises ``PhotoOfAnother`` if a spelling of ``key`` lies in the upload folder of another person's registration.

    So no record that Facedesk writes names a photo that an erasure of somebody else takes with their folder.
    """
    folders = {folder for each in spellings(key) if (folder := upload_folder(each))}
    if folders <= {folder_of(registration.registration_id)}:
        return
    of_person = registrations.of_user(registration.user_id)
    if not folders <= {folder_of(each.registration_id) for each in of_person}:
        raise PhotoOfAnother
