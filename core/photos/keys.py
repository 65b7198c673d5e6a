"""The storage keys of submitted photos. They contain nothing that a person has typed."""

from __future__ import annotations

import uuid
from hashlib import sha256

#: The prefix of every submitted photo's key. These photos are deleted with their records.
SUBMITTED = "face-images/"
_KEYS = uuid.UUID("6f1c0a52-5a0e-4c3e-9d43-2f6f0c1e8b7d")


def folder_of(registration_id: str) -> str:
    """The prefix of the keys of all photos uploaded for a registration, whether or not a record names them."""
    return f"{SUBMITTED}{uuid.uuid5(_KEYS, registration_id)}/"


def key_of(registration_id: str, attempt_id: str, jpeg: bytes) -> str:
    """The key of a submitted photo: the same for a retried upload, different for any other."""
    name = "\0".join((registration_id, attempt_id, sha256(jpeg).hexdigest()))
    return f"{folder_of(registration_id)}{uuid.uuid5(_KEYS, name)}.jpg"
