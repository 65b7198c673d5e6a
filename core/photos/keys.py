"""The storage keys of submitted photos: ours, which contain nothing that a person has typed, and those of others."""

from __future__ import annotations

import re
import uuid
from hashlib import sha256
from urllib.parse import unquote, unquote_plus

#: The prefix of every submitted photo's key. These photos are deleted with their records.
SUBMITTED = "face-images/"
_KEYS = uuid.UUID("6f1c0a52-5a0e-4c3e-9d43-2f6f0c1e8b7d")
#: The folder of any registration's uploads: a UUID of version 5.
_FOLDER = re.compile(rf"{SUBMITTED}[0-9a-f]{{8}}-[0-9a-f]{{4}}-5[0-9a-f]{{3}}-[89ab][0-9a-f]{{3}}-[0-9a-f]{{12}}/")


def folder_of(registration_id: str) -> str:
    """The prefix of the keys of all photos uploaded for a registration, whether or not a record names them."""
    return f"{SUBMITTED}{uuid.uuid5(_KEYS, registration_id)}/"


def upload_folder(key: str) -> str | None:
    """The upload folder that ``key`` lies in, whichever registration's it is; None if it lies in none."""
    found = _FOLDER.match(key)
    return found.group() if found else None


def key_of(registration_id: str, attempt_id: str, jpeg: bytes) -> str:
    """The key of a submitted photo: the same for a retried upload, different for any other."""
    name = "\0".join((registration_id, attempt_id, sha256(jpeg).hexdigest()))
    return f"{folder_of(registration_id)}{uuid.uuid5(_KEYS, name)}.jpg"


def spellings(key: str) -> tuple[str, ...]:
    """The keys that may be meant by ``key``, itself first: others write it after a slash, or encoded as in a URL."""
    plain = key.lstrip("/")
    others = (each for each in (plain, unquote(plain), unquote_plus(plain)) if each)
    return tuple(dict.fromkeys((key, *others)))
